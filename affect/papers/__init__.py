"""Published models by their names: complete configurations of affect's parts, a file for each.

    affect list papers
    affect list papers misa
    affect train paper:misa --corpus unaligned_50.pkl

In an experiment, `models: {misa: "paper:misa"}`, or `{paper: misa, ...}` with what is changed of it; a
configuration begins with `paper: misa` in the same way, and its sections hold the changes
(`affect.papers.adapted`). In Python, each is a function of this module:

    model = affect.papers.misa(corpus, seed=0)
    run = affect.fit(model, corpus, seed=0, **affect.papers.misa.fitting(corpus))

What a paper's model is here, and how that differs from what was published, its file says
(`affect.papers.Paper`). Settings that were published for a corpus are taken where its name, or its file's,
tells which corpus it is; `paper:misa:mosei` asks for them by name.

KuDA (Feng et al., EMNLP Findings 2024) is left out: in training its gate weighs the modalities by how near
their predictions are to the true label, and in use there is none, so that the gate is left out there.
"""

from affect.errors import did_you_mean
from affect.papers.changes import PREFIX, adapted, changed, encoders_in, paper_in, replaced
from affect.papers.figures import Figure, figures
from affect.papers.files import Paper, content, file_name, is_named, known, named, said

__all__ = [
    "PREFIX",
    "Figure",
    "Paper",
    "adapted",
    "changed",
    "content",
    "encoders_in",
    "figures",
    "file_name",
    "is_named",
    "known",
    "named",
    "paper_in",
    "replaced",
    "said",
]


def __getattr__(name: str) -> Paper:
    """A paper by its name."""
    if name.startswith("_") or name not in known():
        raise AttributeError(f"affect.papers has no '{name}'; {did_you_mean(name, [*known(), *__all__])}")
    return known()[name]


def __dir__() -> list[str]:
    return sorted([*globals(), *known()])
