"""Sweeps, protocols and scores."""

import itertools
import math
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import affect
from affect import metrics
from affect.corruption import (
    BurstDropout,
    GaussianNoise,
    ModalityDropout,
    ModalitySwap,
    RandomSubset,
    StepDropout,
)
from affect.data import synthetic
from affect.encoders import EmbeddingEncoder, LSTMEncoder
from affect.errors import ConfigError, DataError, ShapeError
from affect.fusion import LateFusion, TensorFusion
from affect.robustness import (
    RATES,
    Comparison,
    Condition,
    Sweep,
    area,
    contributions,
    effective_robustness,
    every,
    levels,
    modality_subsets,
    normalise,
    protocols,
    retained_share,
    sweep,
)
from affect.sequences import Sequence
from affect.training import evaluate, seeded

TINY = {"train": 60, "valid": 30, "test": 40}


@pytest.fixture(scope="module")
def corpus():
    return synthetic.additive(samples=TINY)


@pytest.fixture(scope="module")
def model(corpus):
    with seeded(0):
        return affect.FusionModel.for_corpus(corpus, fusion=TensorFusion, width=8)


EVERYTHING = every(
    modality_subsets(),
    levels("dropout", ModalityDropout(), (0, 0.5, 1), draws=2),
    levels("steps", StepDropout(), (0, 0.5), draws=2, each=True),
    levels("bursts", BurstDropout(becomes="zero"), (0.3,), each=True),
    levels("noise", GaussianNoise(), (0,), draws=2),
    levels("swap", ModalitySwap(), (0.5,)),
)


def test_a_sweep_says_what_the_model_says_of_damaged_inputs(corpus, model):
    found = sweep(model, corpus["test"], EVERYTHING, batch_size=16)
    (batch,) = affect.batches(corpus["test"], "sentiment", batch_size=40)
    place = 1
    for condition in EVERYTHING(model):
        corruption = condition.corruption.bound(corpus["test"])
        for draw in range(condition.draws):
            with torch.no_grad():
                expected = model(corruption(batch.inputs, batch.ids, draw)).prediction[:, 0].double()
            row = found.conditions.loc[place]
            assert (row["condition"], row["level"], row["draw"]) == (condition.name, condition.level, draw)
            assert torch.allclose(torch.from_numpy(found.predictions[place]), expected, atol=1e-5)
            place += 1
    assert place == len(found.predictions)
    assert np.array_equal(found.truth, batch.target.values[:, 0].numpy())
    assert found.samples == batch.ids


def test_clean_rows_are_those_of_evaluation(corpus, model):
    found = sweep(model, corpus["test"], modality_subsets()).results.query("condition == 'clean'")
    plain, _ = evaluate(model, corpus, "test", batch_size=128)
    assert found["value"].tolist() == pytest.approx(plain["value"].tolist(), abs=1e-9)
    assert found["count"].tolist() == plain["count"].tolist()


def test_rows_are_tidy(corpus, model):
    where = {"corpus": "toy", "name": "tensor", "seed": 3, "fold": 2, "split_name": "valid"}
    rows = sweep(model, corpus["valid"], modality_subsets(), **where).results
    assert rows.columns.tolist() == [
        "corpus", "target", "model", "seed", "fold", "split", "condition", "level", "draw", "metric", "value",
        "count",
    ]  # fmt: skip
    assert rows.iloc[0, :9].tolist() == ["toy", "sentiment", "tensor", 3, 2, "valid", "clean", 0.0, 0]
    assert rows["condition"].unique().tolist() == [
        "clean", "only acoustic + text", "only acoustic + visual", "only text + visual",
        "only acoustic", "only text", "only visual",
    ]  # fmt: skip
    assert sorted(rows["level"].unique()) == pytest.approx([0, 1 / 3, 2 / 3])


class Counted(LSTMEncoder):
    calls = 0

    def encode(self, x):
        Counted.calls += 1
        return super().encode(x)


def test_what_stays_as_it_is_is_not_encoded_again(corpus, monkeypatch):
    model = affect.FusionModel.for_corpus(corpus, encoder=Counted, width=4)
    for grid, calls in (
        (modality_subsets(), 3),
        (levels("dropout", ModalityDropout(), (0, 0.5, 1)), 3),
        (levels("steps", StepDropout(modalities=("text",)), (0, 0.5, 1)), 3 + 2),
        (levels("steps", StepDropout(), (0, 0.5), draws=2), 3 + 2 * 3),
        (levels("swap", ModalitySwap(), (0, 0)), 3),
    ):
        monkeypatch.setattr(Counted, "calls", 0)
        sweep(model, corpus["test"], grid)
        assert Counted.calls == calls


def test_every_model_meets_the_same_damage(corpus, model, monkeypatch):
    met = []
    whole = affect.FusionModel.encode

    def spy(self, inputs, partly=False):
        if partly:
            met.append(torch.cat([x.mask.flatten() for _, x in sorted(inputs.items())]))
        return whole(self, inputs, partly)

    monkeypatch.setattr(affect.FusionModel, "encode", spy)
    other = affect.FusionModel.for_corpus(corpus, fusion=LateFusion, width=4)
    grid = levels("steps", StepDropout(), (0.3, 0.6), draws=2)
    for one in (model, other):
        sweep(one, corpus["test"], grid)
    half = len(met) // 2
    assert half == 4
    assert all(torch.equal(a, b) for a, b in zip(met[:half], met[half:], strict=True))


def test_a_helper_is_neither_at_risk_nor_asked_for(corpus):
    model = affect.FusionModel.for_corpus(corpus, training_only=["visual"], width=4)
    found = sweep(model, corpus["test"], modality_subsets())
    assert found.conditions["condition"].tolist() == ["clean", "only acoustic", "only text"]
    found = sweep(model, corpus.select(["acoustic", "text"])["test"], protocols.tfr_net(draws=1))
    assert len(found.conditions) == 12


def test_labels_per_step():
    from test_training import a_video_corpus

    from affect.encoders import StepEncoder
    from affect.fusion import PerStep

    corpus = a_video_corpus()
    model = affect.FusionModel.for_corpus(corpus, encoder=StepEncoder, fusion=PerStep, width=4)
    found = sweep(model, corpus["test"], modality_subsets(), batch_size=2)
    assert len(found.samples) == len(found.truth) == len(corpus["test"].labels(model.head.target.name))
    assert set(found.samples) == set(corpus["test"].ids)


def test_a_sweep_is_kept_and_read_again(corpus, model, tmp_path):
    found = sweep(model, corpus["test"], modality_subsets(), name="tensor")
    found.save(tmp_path)
    again = Sweep.load(tmp_path, found.target)
    assert again.where == found.where
    assert again.conditions.equals(found.conditions)
    assert again.samples == found.samples
    assert np.allclose(again.predictions, found.predictions, atol=1e-6)
    assert all(np.array_equal(there, again.present[name]) for name, there in found.present.items())
    pd.testing.assert_frame_equal(again.results, found.results, rtol=1e-4)


# what each published setting of `../shared/published.csv` is here: the protocol, the condition, the level


def setting(text):
    names = {"t": "text", "l": "text", "a": "acoustic", "v": "visual", "audio": "acoustic", "image": "visual"}
    if found := re.match(r"fixed modality subset at test: ([\w+]+)( only)?$", text):
        kept = sorted(names[letter] for letter in found[1].lower().split("+"))
        return "fixed_subsets", f"only {' + '.join(kept)}", 1 - len(kept) / 3
    if text.startswith("Fixed missing (mean of l,a,v,la,lv,av)"):
        return "fixed_subsets", "only text", 2 / 3  # one of the six that the mean subset is of
    if found := re.match(r"random modality missing.*; MR ([\d.]+)$", text):
        return "random_modality", "modalities missing", float(found[1])
    if text.startswith("Random missing (mean of MR 0.1..0.7)"):
        return "random_modality", "modalities missing", 0.7
    if text.startswith("LNLN protocol"):
        return "lnln", "steps erased", 0.9
    if found := re.match(r"MultiBench noise on (\w+); level ([\d.]+)$", text):
        where = names.get(found[1], found[1])
        return "multibench", "noise" if where == "multimodal" else f"noise: {where}", float(found[2])
    if text in ("MultiBench clean", "Complete"):
        return "fixed_subsets", "clean", 0.0
    return None


LETTERS = ("a", "v", "t", "a+v", "t+a", "t+v")
SETTINGS = [
    *(f"fixed modality subset at test: {own}{'' if '+' in own else ' only'}" for own in LETTERS),
    "Fixed missing (mean of l,a,v,la,lv,av)",
    *(f"random modality missing (IMDer protocol); MR {rate:g}" for rate in RATES[:8]),
    *(f"random modality missing; MR {rate:g}" for rate in RATES[1:8]),
    "Random missing (mean of MR 0.1..0.7)",
    "LNLN protocol: unaligned, token/frame random missing, mean over r=0.0..0.9",
    "LNLN protocol (corrected)",
    *(
        f"MultiBench noise on {where}; level {level:g}"
        for where, level in itertools.product(("audio", "image", "text", "multimodal"), RATES[:10])
    ),
    "MultiBench clean",
    "Complete",
]


@pytest.mark.parametrize("text", SETTINGS)
def test_published_settings_can_be_said(text, model):
    protocol, name, level = setting(text)
    points = [("clean", 0.0), *((c.name, c.level) for c in protocols.protocol([protocol])(model))]
    assert any(name == own and level == pytest.approx(at) for own, at in points)


def test_every_published_setting_with_damage_is_covered():
    published = Path(__file__).parents[2] / "shared" / "published.csv"
    if not published.exists():
        pytest.skip("the collection of published figures is not here")
    texts = pd.read_csv(published)["setting"].unique()
    damaged = [text for text in texts if re.search(r"missing|subset|noise|LNLN|Complete|MultiBench", text)]
    assert len(damaged) > 60
    assert not [text for text in damaged if setting(text) is None]


@pytest.mark.parametrize("name", [n for n in protocols.PROTOCOLS if n not in ("parties", "utterances")])
def test_every_protocol_runs(name, model, corpus):
    found = sweep(model, corpus["test"], protocols.protocol([name], draws=1))
    assert len(found.predictions) > 6
    assert np.isfinite(found.predictions).all()


def test_words_by_number_become_unknown(corpus):
    words = {
        name: affect.Ragged.from_rows([np.ones((3, 1))] * len(split), dim=1)
        for name, split in corpus.splits.items()
    }
    spoken = corpus.with_modality("words", words)
    model = affect.FusionModel.for_corpus(
        spoken,
        encoder={
            name: partial(EmbeddingEncoder, size=5) if name == "words" else LSTMEncoder
            for name in spoken.dims
        },
    )
    batch = next(iter(affect.batches(spoken["test"], batch_size=4)))
    for own in ("tfr_net", "lnln", "multibench"):
        conditions = protocols.protocol([own], draws=1)(model)
        last = [c for c in conditions if c.level == conditions[-1].level][-1]
        damaged = last.corruption.at(1.0)(batch.inputs, batch.ids)
        assert not damaged["words"].values.any()
        assert damaged["words"].mask.all()
        assert not damaged["text"].values.any() or own == "multibench"
    with pytest.raises(ConfigError, match="^GaussianNoise: uses values as quantities, but those of 'words'"):
        sweep(model, spoken["test"], levels("noise", GaussianNoise(), (0,)))
    assert not any("words" in c.name for c in protocols.noise()(model))


def test_area_is_the_trapezoid_rule():
    rates, values = [0.0, 0.1, 0.3, 1.0], [0.8, 0.7, 0.5, 0.2]
    by_hand = (0.8 + 0.7) / 2 * 0.1 + (0.7 + 0.5) / 2 * 0.2 + (0.5 + 0.2) / 2 * 0.7
    assert area(rates, values).item() == pytest.approx(by_hand)
    assert area(rates[::-1], values[::-1]).item() == pytest.approx(by_hand)
    assert area(rates, [values, values]).tolist() == pytest.approx([by_hand] * 2)


def test_relative_robustness_is_that_of_multibench():
    """Its code adds (x_i + x_{i+1}) 0.1 / 2, then normalises over the methods."""
    curves = {"late": [0.75, 0.7, 0.6], "tensor": [0.8, 0.6, 0.5], "early": [0.7, 0.7, 0.7]}
    areas = {name: sum((a + b) * 0.1 / 2 for a, b in itertools.pairwise(own)) for name, own in curves.items()}
    ours = {name: area([0.0, 0.1, 0.2], own).item() for name, own in curves.items()}
    assert ours == pytest.approx(areas)
    low, high = min(areas.values()), max(areas.values())
    assert normalise(ours) == pytest.approx({name: (own - low) / (high - low) for name, own in areas.items()})
    assert normalise({"alone": 0.3}) == {"alone": 0.0}


def test_effective_robustness_moves_the_baseline_to_the_same_start():
    model, late = [0.8, 0.7, 0.65], [0.75, 0.6, 0.4]
    by_hand = (0.8 - 0.8) + (0.7 - (0.6 + 0.05)) + (0.65 - (0.4 + 0.05))
    assert effective_robustness(model, late).item() == pytest.approx(by_hand)
    assert effective_robustness(model, late, rises=False).item() == pytest.approx(-by_hand)


def test_what_is_retained_is_counted_from_the_constant():
    assert retained_share(0.6, clean=0.8, floor=0.4).item() == pytest.approx(0.5)
    assert retained_share(1.2, clean=1.0, floor=1.4).item() == pytest.approx(0.5)  # an error
    assert math.isnan(retained_share(0.5, clean=0.4, floor=0.4).item())


def test_contributions_are_averages_over_all_orders():
    rng = np.random.default_rng(0)
    names = "abcd"
    subsets = [frozenset(s) for n in range(5) for s in itertools.combinations(names, n)]
    values = {s: float(v) for s, v in zip(subsets, rng.normal(size=16), strict=True)}
    found = contributions(values)
    for name in names:
        gains = []
        for order in itertools.permutations(names):
            before = frozenset(order[: order.index(name)])
            gains.append(values[before | {name}] - values[before])
        assert found[name] == pytest.approx(np.mean(gains))
    assert sum(found.values()) == pytest.approx(values[frozenset(names)] - values[frozenset()])


def swept(model, seed, said, truth, fold=0):
    """A sweep that is not one: of clean and two subsets and a curve of three levels, the last drawn twice."""
    rows = [
        ("clean", 0.0, 0), ("only a", 0.5, 0), ("only b", 0.5, 0),
        ("steps", 0.0, 0), ("steps", 0.5, 0), ("steps", 1.0, 0), ("steps", 1.0, 1),
    ]  # fmt: skip
    conditions = pd.DataFrame(rows, columns=["condition", "level", "draw"])
    where = {"corpus": "toy", "model": model, "seed": seed, "fold": fold, "split": "test"}
    ids = tuple(f"{fold}-{i}" for i in range(len(truth)))
    target = affect.data.targets.Regression("y")
    present = {"a": np.ones(len(truth), bool), "b": np.arange(len(truth)) % 2 == 0}
    return Sweep(conditions, said[..., None], truth[:, None], ids, present, target, where)


def test_scores_by_hand():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=30)
    errors = {
        "one": [[0.1, 0.4, 0.2, 0.1, 0.3, 0.5, 0.7]] * 2,
        "two": [[0.2, 0.6, 0.2, 0.2, 0.3, 0.9, 0.9]] * 2,
    }
    errors["one"][1] = [0.3] * 7
    sweeps = [
        swept(name, seed, truth + np.array(errors[name][seed])[:, None], truth)
        for name, seed in itertools.product(errors, (0, 1))
    ]
    table = Comparison(sweeps, resamples=20).scores(["mae"], baseline="two").set_index(["model", "metric"])
    one = table.loc["one"]
    floor = metrics.constant_baselines(affect.data.targets.Regression("y"), truth[:, None])["mae"]
    expected = {
        "clean": [0.1, 0.3],
        "mean subset": [0.3, 0.3],
        "worst subset": [0.4, 0.3],
        "area, steps": [0.1 + 0.1 + 0.025 + 0.0, 0.3],
        "retained, steps": [((0.1 + 0.3 + 0.6) / 3 - floor) / (0.1 - floor), 1.0],
        "effective, steps": [-(0.1 - 0.2 - 0 + (0.3 - 0.3) + (0.6 - 0.9) + 0.3), -(0.1 - 0.0 - 0.6 - 0.1)],
    }
    expected["area, steps"][0] = (0.1 + 0.3) / 2 * 0.5 + (0.3 + 0.6) / 2 * 0.5
    b = np.array([0.2, 0.3, 0.9])
    for seed, curve in enumerate((np.array([0.1, 0.3, 0.6]), np.full(3, 0.3))):
        expected["effective, steps"][seed] = -(curve - (b + curve[0] - b[0])).sum()
    for score, seeds in expected.items():
        row = one.loc[f"mae: {score}"]
        assert row["mean"] == pytest.approx(np.mean(seeds)), score
        assert row["std"] == pytest.approx(np.std(seeds, ddof=1)), score
        assert row["low"] <= row["mean"] + 1e-9
        assert row["reference"] == "two"
    assert one.loc["mae: mean subset", "gain_low"] == pytest.approx(
        0.1
    )  # errors are the same in every resample
    assert table.loc[("two", "mae: effective, steps"), "mean"] == pytest.approx(0)
    assert np.isnan(table.loc[("two", "mae: clean"), "gain_low"])


def test_folds_are_laid_together_and_seeds_are_not():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2, 20))
    said = rng.normal(size=(2, 2, 7, 20))
    sweeps = [swept("m", seed, said[seed, fold], truth[fold], fold) for seed in (0, 1) for fold in (1, 0)]
    found = Comparison(sweeps, resamples=5).scores(["pearson"]).set_index("metric")["mean"]
    expected = np.mean([np.corrcoef(np.concatenate(said[s, :, 0]), truth.ravel())[0, 1] for s in (0, 1)])
    assert found["pearson: clean"] == pytest.approx(expected)


def test_samples_that_never_had_a_modality_are_scored_apart():
    truth = np.arange(20.0)
    said = truth + np.where(np.arange(20) % 2, 0.5, 0.1) * np.ones((7, 1))
    sweeps = [swept("m", 0, said, truth)]
    table = Comparison(sweeps, resamples=5, lacking="b").scores(["mae"])
    assert table["mean"].iloc[0] == pytest.approx(0.5)
    assert table["count"].iloc[0] == 10
    with pytest.raises(DataError, match="^robustness: every sample of toy has the modality 'a'$"):
        Comparison(sweeps, lacking="a")
    with pytest.raises(ConfigError, match="^robustness: no modality 'c'; known: a, b$"):
        Comparison(sweeps, lacking="c")


def test_intervals_cover_and_points_are_means(corpus, model):
    sweeps = [
        sweep(model, corpus["test"], protocols.protocol(["fixed_subsets", "steps"], draws=2), name="tensor")
    ]
    compared = Comparison(sweeps, resamples=50)
    points = compared.curves("pearson").set_index(["condition", "level"])
    rows = sweeps[0].results.query("metric == 'pearson'").groupby(["condition", "level"])["value"].mean()
    assert points["mean"].sort_index().tolist() == pytest.approx(rows.sort_index().tolist(), abs=1e-6)
    assert (points["low"] <= points["high"]).all()
    scores = compared.scores(["pearson"])
    assert ((scores["low"] <= scores["mean"]) & (scores["mean"] <= scores["high"])).all()


def test_mae_and_its_retained_share_point_opposite_ways():
    assert not metrics.higher_is_better("mae: mean subset")
    assert metrics.higher_is_better("mae: retained, steps")
    assert metrics.higher_is_better("pearson: area, steps")


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda m, c: protocols.protocol(["tfrnet"]),
            ConfigError,
            "no protocol 'tfrnet'; did you mean 'tfr_net'? known: fixed_subsets, lnln, multibench, noise, "
            "parties, random_modality, shifts, steps, tfr_net, utterances",
        ),
        (
            lambda m, c: sweep(m, c["test"], levels("x", StepDropout(modalities=("txt",)))),
            ConfigError,
            "StepDropout: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
        ),
        (
            lambda m, c: sweep(m, c["test"], lambda _: [Condition("x", 0, RandomSubset(subsets=(("no",),)))]),
            ConfigError,
            "RandomSubset: no modality 'no'; known: acoustic, text, visual",
        ),
        (lambda m, c: Comparison([]), DataError, "robustness: there is no sweep to compare"),
        (
            lambda m, c: Comparison([sweep(m, c["test"], modality_subsets())]).scores(["peason"]),
            ConfigError,
            "robustness: no metric 'peason'; did you mean 'pearson'? known: acc2_nonnegative, acc2_nonzero, acc5, "
            "acc7, acc7_bins, ccc, f1_nonnegative, f1_nonzero, mae, pearson",
        ),
        (
            lambda m, c: Comparison([sweep(m, c["test"], modality_subsets())]).scores(baseline="late"),
            ConfigError,
            "robustness: no model 'late'; known: TensorFusion",
        ),
        (
            lambda m, c: Comparison(
                [sweep(m, c[s], modality_subsets(), seed=i) for i, s in enumerate(("test", "valid"))]
            ),
            DataError,
            "robustness: TensorFusion, seed 1 was swept over other conditions or samples than TensorFusion, seed 0",
        ),
        (
            lambda m, c: area([0.0], [1.0]),
            ShapeError,
            "area: expected two levels or more and a value for each, got (1,) and (1,)",
        ),
        (
            lambda m, c: effective_robustness([1, 2], [1, 2, 3]),
            ShapeError,
            "effective_robustness: expected two curves of the same levels, got (2,) and (3,)",
        ),
        (
            lambda m, c: contributions({frozenset("a"): 1.0}),
            ConfigError,
            "contributions: needs the score of every subset of at most 6 modalities, the empty one too, "
            "got 1 for 1 modalities",
        ),
    ],
)
def test_refusals(ask, error, message, model, corpus):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask(model, corpus)


def test_an_absent_modality_gives_no_gradient_in_a_damaged_batch(corpus, model):
    batch = next(iter(affect.batches(corpus["train"], "sentiment", batch_size=8)))
    leaves = {name: x.values.clone().requires_grad_() for name, x in batch.inputs.items()}
    inputs = {name: Sequence(leaf, batch.inputs[name].mask) for name, leaf in leaves.items()}
    damaged = ModalityDropout(rate=0.5)(inputs, batch.ids)
    model(damaged).prediction.sum().backward()
    for name, leaf in leaves.items():
        gone = ~damaged[name].present
        assert gone.any()
        assert not leaf.grad[gone].any()
        assert leaf.grad[~gone].any()


def test_whole_groups_are_drawn_where_a_sweep_knows_them(tmp_path):
    rng = np.random.default_rng(0)
    shared = np.repeat(rng.normal(size=5), 4)
    sweeps = [
        swept("m", seed, np.tile(shared + 0.1 * rng.normal(size=20), (7, 1)), np.zeros(20)) for seed in (0, 1)
    ]
    grouped = [replace(own, grouped=tuple(f"v{n // 4}" for n in range(20))) for own in sweeps]
    grouped[0].save(tmp_path)
    assert Sweep.load(tmp_path, grouped[0].target).grouped == grouped[0].grouped
    assert grouped[0].take(np.array([0, 19])).grouped == ("v0", "v4")
    by_sample, by_group = (Comparison(own).scores(["mae"]).iloc[0] for own in (sweeps, grouped))
    assert (by_sample["by_group"], by_group["by_group"]) == (False, True)
    assert by_group["high"] - by_group["low"] > 1.5 * (by_sample["high"] - by_sample["low"])
    corpus = affect.load("synthetic:mosi_unaligned:60")
    found = sweep(affect.FusionModel.for_corpus(corpus), corpus["test"], modality_subsets())
    assert found.grouped == corpus["test"].groups
