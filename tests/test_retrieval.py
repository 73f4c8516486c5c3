"""Search between modalities against loops, scikit-learn and hand-made cases; what is pooled over seeds."""

import logging
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

import affect
from affect import retrieval
from affect.errors import ConfigError, DataError, ShapeError
from affect.objectives.terms import Contrast, MomentumContrast
from affect.retrieval import Embeddings, Index, Searched, combine, embed, modality_gap, rank
from affect.retrieval import ranks as room
from affect.retrieval.embeddings import NoSharedSpaceError
from affect.retrieval.tables import notes_of, retrieval_tables
from affect.statistics import spread
from affect.training import Training


def drawn(samples=30, width=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, width)), rng.normal(size=(samples, width))


def held(vectors, present=None, **more):
    count = len(next(iter(vectors.values())))
    here = {m: np.ones(count, bool) for m in vectors} | (present or {})
    vectors = {m: room.normalised(np.asarray(v, float)) * here[m][:, None] for m, v in vectors.items()}
    return Embeddings(tuple(f"s{i:02}" for i in range(count)), vectors, here, **more)


def test_ranks_agree_with_a_loop(monkeypatch):
    queries, keys = drawn()
    keys[7], keys[9], keys[11] = keys[3], 2 * keys[3], queries[3]  # equal directions
    found = rank(queries, keys)
    for i, query in enumerate(queries):
        cosines = [query @ key / np.linalg.norm(query) / np.linalg.norm(key) for key in keys]
        own = cosines.pop(i)
        nearer = sum(one > own + 1e-7 for one in cosines)
        tied = sum(abs(one - own) <= 1e-7 for one in cosines)
        assert (found.nearer[i], found.tied[i]) == (nearer, tied)
        orders = [nearer + 1 + place for place in range(tied + 1)]  # where the own key may come
        assert found.mean[i] == np.mean(orders)
        for best in (1, 5, 10):
            assert found.recall(best)[i] == pytest.approx(np.mean([place <= best for place in orders]))
    assert found.tied.max() == 2
    monkeypatch.setattr(room, "_NUMBERS", 40)  # one row at a time
    again = rank(queries, keys)
    assert again.mean.tolist() == found.mean.tolist()


def test_searches_agree_with_scikit_learn():
    queries, keys = drawn(200, 8)
    queries += 0.8 * keys
    judge = NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(keys)
    distances, neighbours = judge.kneighbors(queries)
    rows, cosines = Index(keys).search(queries, 10)
    assert (rows == neighbours).all()
    assert cosines == pytest.approx(1 - distances)
    found = rank(queries, keys)
    for best in (1, 5, 10):
        among = (neighbours[:, :best] == np.arange(200)[:, None]).any(1)
        assert 0.1 < among.mean() < 1
        assert (found.recall(best) == among).all()


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_vectors_that_became_one_have_chance(kind):
    rng = np.random.default_rng(0)
    one = rng.normal(size=64).astype(kind)
    same = np.tile(one, (400, 1)) * rng.uniform(0.5, 2, (400, 1)).astype(kind)  # rounded apart
    found = rank(same, same)
    assert (found.mean == 200.5).all()
    for best in (1, 5, 10):
        assert found.recall(best) == pytest.approx(found.chance(best))
        assert found.chance(best) == pytest.approx(best / 400)


def test_the_order_of_samples_says_nothing():
    queries, keys = drawn()
    keys[4] = keys[5]
    order = np.random.default_rng(1).permutation(30)
    assert (rank(queries, keys).mean[order] == rank(queries[order], keys[order]).mean).all()


def test_arithmetic_is_a_weighted_sum_of_unit_vectors():
    a, b = drawn()
    by_hand = 2 * a / np.linalg.norm(a, axis=1)[:, None] - 0.5 * b / np.linalg.norm(b, axis=1)[:, None]
    by_hand /= np.linalg.norm(by_hand, axis=1)[:, None]
    assert combine({"a": a, "b": b}, {"a": 2, "b": -0.5}) == pytest.approx(by_hand)
    assert combine({"a": 3 * a, "b": b}, "a") == pytest.approx(a / np.linalg.norm(a, axis=1)[:, None])


def test_the_gap_by_hand():
    assert modality_gap([[3.0, 0.0], [0.0, 2.0]], [[-1.0, 0.0], [0.0, 5.0]]) == pytest.approx(1.0)


NAN = np.full((2, 2), np.nan)
WRONG = {
    "rank needs a key for each query, (samples, width) both, got (3, 2) and (2, 2)": lambda: rank(
        np.ones((3, 2)), np.ones((2, 2))
    ),
    "rank: queries need the shape (samples, width), at least one sample, got (3,)": lambda: rank(
        np.ones(3), np.ones(3)
    ),
    "rank: keys: 2 of 2 vectors hold NaN or infinity; leave them out": lambda: rank(np.ones((2, 2)), NAN),
    "Index.search: expected queries of width 2, got 3": lambda: Index(np.ones((2, 2))).search(
        np.ones((1, 3))
    ),
    "combine: no modality 'ecq'; did you mean 'ecg'? known: ecg, eeg": lambda: combine(
        {"ecg": np.ones((2, 2)), "eeg": np.ones((2, 2))}, ["ecq"]
    ),
    "combine: names no modality; known: ecg": lambda: combine({"ecg": np.ones((2, 2))}, []),
    "combine needs vectors of one shape, got a (2, 2), b (2, 3)": lambda: combine(
        {"a": np.ones((2, 2)), "b": np.ones((2, 3))}
    ),
    "modality_gap needs vectors of one width, got 2 and 3": lambda: modality_gap(
        np.ones((2, 2)), np.ones((2, 3))
    ),
    "retrieval: needs two modalities to search between, got a": lambda: held({"a": np.ones((2, 2))}),
    "retrieval: the encoders give vectors of different widths (a 2, b 3), which have no cosine; train with a "
    "term that has embeddings, such as Contrast": lambda: held({"a": np.ones((2, 2)), "b": np.ones((2, 3))}),
    "rank: a is searched for with itself; leave it out of the query": lambda: TWO.rank(["a", "b"], "a"),
    "rank: no modality 'c'; known: a, b": lambda: TWO.rank("a", "c"),
    "rank: 1 of 3 samples have a, b, and a search needs 2 or more": lambda: TWO.rank("a", "b"),
    "search: sample s01 has no b; search with another modality": lambda: TWO.search("s01", "b"),
    "search: no sample 's1'; did you mean s01?": lambda: TWO.search("s1", "a"),
    "search: the query has all modalities, and none is left to search for": lambda: TWO.search(
        "s00", ["a", "b"]
    ),
    "recall: best must be at least 1, got 0": lambda: rank(np.eye(2), np.eye(2)).recall(0),
    "retrieval: no term 'bnd' with embeddings; did you mean 'bind'? known: bind": lambda: (
        retrieval.term_with_embeddings({"bind": TERM, "other": 1}, "bnd")
    ),
    "retrieval: 2 terms have embeddings; name one of bind, more": lambda: retrieval.term_with_embeddings(
        {"bind": TERM, "more": TERM}
    ),
    "embed: a torch.Linear has no embeddings; give a term such as Contrast, or none": lambda: embed(
        MODEL, CORPUS["valid"], torch.nn.Linear(1, 1)
    ),
}
CORPUS = affect.load("synthetic")
MODEL = affect.FusionModel.for_corpus(CORPUS, seed=0)
TERM = Contrast(MODEL, CORPUS["train"].ids)
TWO = held(
    {"a": np.eye(3), "b": np.eye(3)},
    {"a": np.array([True, True, False]), "b": np.array([True, False, True])},
)


@pytest.mark.parametrize("line", WRONG)
def test_refusals(line):
    with pytest.raises((ConfigError, DataError, ShapeError), match=f"^{re.escape(line)}$"):
        WRONG[line]()


class Narrow(affect.encoders.PooledEncoder):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, 5)


def test_encoders_of_several_widths_have_no_space_but_a_term_has():
    model = affect.FusionModel.for_corpus(CORPUS, encoders={"text": Narrow}, seed=0)
    with pytest.raises(NoSharedSpaceError, match=r"different widths \(acoustic 32, text 5, visual 32\)"):
        embed(model, CORPUS["valid"])
    assert len(embed(model, CORPUS["valid"], Contrast(model, ())).rank("text", "visual")) == 200


@pytest.mark.parametrize("kind", [Contrast, MomentumContrast])
def test_embeddings_are_the_term_s_own(kind):
    split = CORPUS["valid"].take(np.arange(40))
    term = kind(MODEL, CORPUS["train"].ids, width=8).eval()
    found = embed(MODEL, split, term, name="bind", batch_size=7)
    assert (found.source, found.ids) == ("bind", split.ids)
    for batch in affect.batches(split, batch_size=1):
        row = split.ids.index(batch.ids[0])
        with torch.no_grad():
            encoded = MODEL.eval().encode(batch.inputs)
            own = term.embedded({m: x.mean() for m, x in encoded.items()})
        for m, vector in own.items():
            assert found.vectors[m][row] == pytest.approx(vector[0].double().numpy(), abs=1e-5)
    assert embed(MODEL, split).source == "the encoders"


def test_a_sample_without_a_modality_takes_no_part():
    split = CORPUS["valid"].take(np.arange(20))
    text = split.modalities["text"]
    rows = [text.values[at : at + n] for at, n in zip(text.starts, text.lengths, strict=True)]
    lost = affect.Ragged.from_rows([None if i in (3, 8) else row for i, row in enumerate(rows)], text.dim)
    damaged = affect.Split(
        split.ids, {**split.modalities, "text": lost}, split.targets, aligned=split.aligned
    )
    found, whole = embed(MODEL, damaged, TERM), embed(MODEL, split, TERM)
    kept = np.delete(np.arange(20), [3, 8])
    assert np.flatnonzero(~found.present["text"]).tolist() == [3, 8]
    assert not found.vectors["text"][[3, 8]].any()
    rest = embed(MODEL, split.take(kept), TERM)
    assert (found.rank("text", "visual").mean == rest.rank("text", "visual").mean).all()
    assert (found.rank("acoustic", "visual").mean == whole.rank("acoustic", "visual").mean).all()
    summary = retrieval.summarise([Searched("c", "t", "m", "test", found)], resamples=50)
    counts = summary.set_index(["query", "key", "metric"])[["count", "lacking"]]
    assert counts.loc["text", "visual", "recall@1"].tolist() == [18, 2]
    assert counts.loc["acoustic", "visual", "recall@1"].tolist() == [20, 0]
    assert counts.loc["acoustic + text", "visual", "recall@1"].tolist() == [18, 2]
    (table,) = retrieval_tables(summary)
    cells = dict(table.rows)
    assert cells["text → visual"][0].remarks == ("2 of 20 samples lack a modality, and are left out",)
    chances = [row for label, row in table.rows if label == "by chance"]
    assert [[cell.text for cell in row][:2] for row in chances] == [["18", "0.0556"], ["20", "0.0500"]]


def seeds(count, samples=60, folds=1, noise=0.6, apart=0.02, **more):
    """Vectors of three modalities that share factors, of several seeds and folds."""
    found = []
    for seed in range(count):
        for fold in range(folds):
            shared = np.random.default_rng(fold).normal(size=(samples, 4))
            own, rng = np.random.default_rng((9, fold)), np.random.default_rng((seed, fold))
            vectors = {
                m: shared + noise * own.normal(size=shared.shape) + apart * rng.normal(size=shared.shape)
                for m in ("a", "b", "c")
            }
            named = replace(
                held(vectors, **more), ids=tuple(f"{fold}-{i}" for i in range(samples)), source="bind"
            )
            found.append(Searched("corpus", "mood", "model", "test", named, seed, fold))
    return found


def test_seeds_are_pooled_with_intervals():
    lot = seeds(3, anchor="a")
    found = retrieval.summarise(lot, resamples=300).set_index(["query", "key", "metric"])
    assert len(found) == 6 * 5 + 3 * 4
    for query, key, best in (("a", "b", 1), ("b", "c", 5)):
        row = found.loc[query, key, f"recall@{best}"]
        each = [own.embeddings.rank(query, key).recall(best) for own in lot]
        assert row["mean"] == pytest.approx(np.mean(each))
        assert row["std"] == pytest.approx(np.std([one.mean() for one in each], ddof=1))
        assert row["chance"] == pytest.approx(best / 60)
        rows = np.random.default_rng(1).integers(60, size=(2000, 60))
        judge = spread(
            np.array([one.mean() for one in each]),
            np.stack([one[rows].mean(1) for one in each], 1),
            samples=60,
        )
        assert (row["low"], row["high"]) == pytest.approx((judge["low"], judge["high"]), abs=0.03)
    assert found.loc["a", "b", "median rank"]["chance"] == 30.5
    gap = found.loc["a", "b", "gap"]
    assert gap["mean"] == pytest.approx(np.mean([own.embeddings.gap("a", "b") for own in lot]))
    assert found.loc["a", "b", "gap"]["mean"] == found.loc["b", "a", "gap"]["mean"]
    assert found.loc["a", "b", "recall@1"]["compared"]
    assert not found.loc["b", "c", "recall@1"]["compared"]


def test_a_sum_is_compared_with_its_best_part_on_the_same_samples():
    lot = seeds(3, samples=150, noise=0.25, apart=0.002)
    rows = retrieval.summarise(lot, resamples=300).set_index(["query", "key", "metric"])
    for metric, sign in (("recall@1", 1), ("median rank", -1)):
        row, parts = rows.loc["b + c", "a", metric], [rows.loc[m, "a", metric]["mean"] for m in ("b", "c")]
        best = max(parts, key=lambda one: sign * one)
        assert row["reference"] == ("b", "c")[parts.index(best)]
        assert row["gain"] == pytest.approx(sign * (row["mean"] - best))
        assert row["gain_low"] <= row["gain"] <= row["gain_high"]
    assert rows.loc["b + c", "a", "recall@1"]["gain_low"] > 0
    (table,) = retrieval_tables(rows.reset_index())
    assert dict(table.rows)["b + c → a"][1].remarks[0].startswith("better than ")


def test_one_seed_speaks_for_its_weights_only():
    (table,) = retrieval_tables(retrieval.summarise(seeds(1), resamples=50))
    assert {remark for _, row in table.rows for cell in row for remark in cell.remarks} == {
        "one seed: for these weights only"
    }
    assert "±" not in dict(table.rows)["a → b"][1].text


def test_vectors_that_say_nothing_are_not_better_than_chance():
    a, b = drawn(100)
    found = retrieval.summarise([Searched("c", "t", "m", "test", held({"a": a, "b": b}))], resamples=200)
    (table,) = retrieval_tables(found)
    assert "not clearly better than chance (0.0100)" in dict(table.rows)["a → b"][1].remarks
    assert "not clearly better than chance (50.5)" in dict(table.rows)["a → b"][4].remarks
    assert notes_of(found)[0].startswith("nearest by cosine of the means of the encoders' steps, as no term")


def test_folds_are_searched_apart_and_laid_together(caplog):
    lot = seeds(2, samples=20, folds=2)
    found = retrieval.summarise(lot, resamples=50).set_index(["query", "key", "metric"])
    row = found.loc["a", "b", "recall@1"]
    by_hand = [own.embeddings.rank("a", "b").recall(1).mean() for own in lot]
    assert (row["count"], row["chance"]) == (40, 1 / 20)
    assert row["mean"] == pytest.approx(np.mean(by_hand))
    assert found.loc["a", "b", "gap"]["mean"] == pytest.approx(
        np.mean([own.embeddings.gap("a", "b") for own in lot])
    )
    with caplog.at_level(logging.WARNING):
        lone = retrieval.summarise(lot[:-1], resamples=50)
    assert lone["seeds"].unique().tolist() == [1]
    assert caplog.messages == ["model, seed 1: lacks a fold, and is left out"]


def test_seeds_of_other_samples_are_refused():
    line = "retrieval: model: its seeds have different samples; search runs that were made alike, from one corpus"
    with pytest.raises(DataError, match=f"^{re.escape(line)}$"):
        retrieval.summarise([*seeds(1), *(Searched("corpus", "mood", "model", "test", TWO, 1),)])


def test_groups_are_drawn_whole():
    a, b = drawn(40)
    a += 2 * b
    groups = tuple(f"v{i // 10}" for i in range(40))
    one, other = (
        retrieval.summarise([Searched("c", "t", "m", "test", held({"a": a, "b": b}, groups=own))])
        for own in ((), groups)
    )
    assert other["by_group"].all()
    assert not one["by_group"].any()
    assert (other["mean"] == one["mean"]).all()
    width = [(own["high"] - own["low"])[own["metric"] == "recall@5"].iloc[0] for own in (one, other)]
    assert width[0] != width[1]


def test_the_tidy_rows_hold_each_run():
    lot = seeds(2)
    rows = retrieval.tidy(lot)
    assert list(rows) == [
        "corpus", "target", "model", "seed", "fold", "split", "source", "query", "key", "metric", "value",
        "count",
    ]  # fmt: skip
    assert len(rows) == 2 * (6 * 5 + 3 * 4)
    mean = rows.groupby(["query", "key", "metric"], sort=False)["value"].mean()
    summary = retrieval.summarise(lot, resamples=20).set_index(["query", "key", "metric"])["mean"]
    pd.testing.assert_series_equal(mean, summary, check_names=False)


def test_one_sample_finds_what_lies_nearest():
    a, b = drawn(20)
    found = held({"a": a, "b": b, "c": a + 0.1 * b}).search("s04", {"a": 1.0}, best=3)
    assert found["for"].tolist() == ["b"] * 3 + ["c"] * 3
    nearest = found[found["for"] == "c"].iloc[0]
    assert (nearest["place"], nearest["id"], nearest["own"]) == (1, "s04", True)
    assert nearest["cosine"] == pytest.approx(
        a[4] @ (a + 0.1 * b)[4] / np.linalg.norm(a[4]) / np.linalg.norm((a + 0.1 * b)[4])
    )


def test_training_leaves_embeddings_to_search():
    run = affect.fit(MODEL, CORPUS, training=Training(epochs=1), terms={"bind": Contrast})
    assert retrieval.term_with_embeddings(dict(run.terms.items())) == "bind"
    assert (
        len(embed(run.model, CORPUS["test"], run.terms["bind"]).rank(["text", "acoustic"], "visual")) == 400
    )
