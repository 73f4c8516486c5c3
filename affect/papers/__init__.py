"""Published models by their names: complete configurations of affect's parts, a file for each.

    affect list papers
    affect train paper:misa --corpus unaligned_50.pkl

In an experiment, `models: {misa: "paper:misa"}`. What a paper's model is here, and how that differs from what
was published, its file says (`affect.papers.named`).
"""

from affect.papers.files import PREFIX, Paper, content, is_named, known, named

__all__ = ["PREFIX", "Paper", "content", "is_named", "known", "named"]
