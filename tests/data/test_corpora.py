import pytest

from affect.data.corpora import CORPORA


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_a_public_corpus_can_be_cited_and_found(name):
    corpus = CORPORA[name]
    assert corpus.title
    assert "et al." in corpus.citation
    assert any(year in corpus.citation for year in map(str, range(2005, 2027)))
    assert corpus.homepage.startswith("http")
    assert corpus.targets
    assert corpus.modalities == ("text", "acoustic", "visual")
    assert set(corpus.splits) in (set(), {"train", "valid", "test"})


def test_published_counts():
    totals = {name: sum(corpus.splits.values()) for name, corpus in CORPORA.items() if corpus.splits}
    assert totals == {"mosi": 2199, "mosei": 22856, "sims": 2281, "mmmo": 340, "youtube": 269, "pom": 903}
