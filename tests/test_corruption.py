"""Corruptions: their laws, their rates, and what each does."""

import itertools
import math
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from test_laws import parts_of

import affect
from affect import testing
from affect.corruption import (
    BurstDropout,
    ColumnDropout,
    Compose,
    Corruption,
    Draws,
    Drift,
    GaussianNoise,
    ModalityDropout,
    ModalitySwap,
    PartyDropout,
    RandomModalities,
    RandomSubset,
    RunDropout,
    SpanDropout,
    SpeedChange,
    StepDropout,
    StepNoise,
    TimeShift,
    Truncation,
    UtteranceDropout,
    WordErasure,
    subsets_of,
)
from affect.data.corpus import Split
from affect.data.ragged import Ragged
from affect.data.speakers import parties
from affect.errors import BrokenLawError, ConfigError
from affect.sequences import Sequence
from affect.testing.corruptions import IDS, sample_inputs


def split_of(inputs, ids):
    rows = {
        name: Ragged.from_offsets(
            x.values.flatten(0, 1).numpy(),
            np.arange(len(ids) + 1) * x.time,
            x.mask.flatten().numpy(),
        )
        for name, x in inputs.items()
    }
    return Split(tuple(ids), rows, {})


def spoken_of(inputs, ids, *, unknown=()):
    """The same split, of two parties that take turns but in the first sample, where there is one."""
    turns = [[(step % 2) + 1 if row else 1 for step in range(7)] for row in range(len(ids))]
    said = [[None if step in unknown else one for step, one in enumerate(own)] for own in turns]
    split = split_of(inputs, ids)
    return replace(split, modalities={**split.modalities, "speaker": parties(said)}, aligned=True)


APART = {
    "ModalityLoss",
    "StepLoss",
    "UtteranceLoss",
    "ModalitySwap",
    "PartyDropout",
    "Compose",
}  # the last three below
WRITTEN = [*parts_of(Corruption, "changed"), *parts_of(Corruption, "damage")]
CASES = {
    **{cls.__name__: cls() for cls in WRITTEN if cls.__name__ not in APART},
    "ModalitySwap": ModalitySwap(rate=0.6).bound(split_of(sample_inputs(seed=1), IDS)),
    "PartyDropout": PartyDropout(rate=0.6).bound(spoken_of(sample_inputs(), IDS)),
    "parties, none spared": PartyDropout(rate=0.6, spare=False, becomes="zero").bound(
        spoken_of(sample_inputs(), IDS, unknown=(0, 3))
    ),
    "utterances of one modality": UtteranceDropout(rate=0.4, becomes="noise", modalities=("b",)),
    "zeros": StepDropout(rate=0.4, becomes="zero"),
    "noise": StepDropout(rate=0.4, becomes="noise"),
    "by name": StepDropout(rate={"a": 0.9, "c": 0.2}),
    "one modality": GaussianNoise(snr=0, modalities=("b",)),
    "modalities by name": ModalityDropout(rate={"a": 0.9, "b": 0.9, "c": 0.2}),
    "some modalities": ModalityDropout(rate=0.9, modalities=("a", "c")),
    "start": Truncation(rate=0.4, side="start"),
    "together": RunDropout(rate=0.2, together=True, becomes="zero"),
    "early": TimeShift(steps=-2, modalities=("a",)),
    "slower": SpeedChange(factor=0.6),
    "several": Compose(parts=(StepDropout(rate=0.5), StepNoise(deviation=1.0, modalities=("a",)))),
}


@pytest.mark.parametrize("law", testing.CORRUPTION_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("corruption", CASES.values(), ids=CASES)
def test_law(corruption, law):
    if corruption is CASES["several"] and law is testing.CORRUPTION_LAWS[0]:
        corruption = Compose(parts=(StepDropout(), Truncation()))  # of one scale
    law(corruption)


@pytest.mark.parametrize("corruption", CASES.values(), ids=CASES)
def test_something_happens(corruption):
    inputs = sample_inputs()
    damaged = corruption(inputs, IDS)
    assert any(
        x.values.shape != damaged[name].values.shape or not torch.equal(x.values, damaged[name].values)
        for name, x in inputs.items()
    )


LOSSES = [StepDropout, SpanDropout, Truncation, BurstDropout, RunDropout]


@pytest.mark.parametrize("cls", LOSSES)
def test_all_is_absence(cls):
    inputs = sample_inputs()
    missing = cls(rate=1.0)(inputs, IDS)
    zero = cls(rate=1.0, becomes="zero")(inputs, IDS)
    for name, x in inputs.items():
        assert not missing[name].mask.any()
        assert not zero[name].values.any()
        assert torch.equal(zero[name].mask, x.mask)


@pytest.mark.parametrize("cls", [StepDropout, SpanDropout, Truncation, BurstDropout])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8, 0.95])
def test_rates_are_kept(cls, rate):
    x = Sequence.full(torch.ones(400, 100, 1))
    ids = [str(i) for i in range(400)]
    lost = (~cls(rate=rate)({"a": x}, ids)["a"].mask).float()
    burst = 5 if cls is BurstDropout else 1  # losses that hang together tell less
    assert lost.mean().item() == pytest.approx(rate, abs=4 * math.sqrt(burst * 2 * rate * (1 - rate) / 40000))


def test_no_step_is_lost_more_often_than_another():
    x = Sequence.full(torch.ones(4000, 12, 1))
    ids = [f"sample {i}" for i in range(4000)]
    for cls in (StepDropout, BurstDropout):
        shares = (~cls(rate=0.3)({"a": x}, ids)["a"].mask).float().mean(0)
        assert (shares - 0.3).abs().max() < 4 * math.sqrt(0.21 / 4000)


@pytest.mark.parametrize(("rate", "expected"), [(0.2, 5.0), (0.5, 5.0), (0.9, 10.0)])
def test_bursts_are_as_long_as_they_are_said_to_be(rate, expected):
    x = Sequence.full(torch.ones(200, 500, 1))
    lost = ~BurstDropout(rate=rate, length=5)({"a": x}, map(str, range(200)))["a"].mask
    bursts = (lost[:, 1:] & ~lost[:, :-1]).sum() + lost[:, 0].sum()
    assert lost.sum().item() / bursts.item() == pytest.approx(expected, rel=0.1)


def test_a_span_is_one_piece_of_the_observed_steps():
    mask = torch.tensor([[True, False, True, True, False, True, True, True]])
    x = Sequence(torch.ones(1, 8, 1), mask)
    for seed in range(20):
        kept = SpanDropout(rate=0.5)({"a": x}, ("s",), seed)["a"].mask[0][mask[0]]
        assert int(kept.sum()) == 3
        assert "1" not in "".join(map(str, (~kept).int().tolist())).strip("0").strip(
            "1"
        )  # 111 and nothing else


def test_a_run_takes_the_steps_behind_it():
    x = Sequence.full(torch.ones(300, 40, 1))
    ids = [str(i) for i in range(300)]
    begins = Draws(ids).apart("a").uniform("step", 40) < 0.1
    lost = ~RunDropout(rate=0.1, steps=3)({"a": x}, ids)["a"].mask
    for row, column in itertools.product(range(300), range(40)):
        assert lost[row, column] == begins[row, max(column - 2, 0) : column + 1].any()


def test_together_means_the_same_steps():
    x = Sequence.full(torch.ones(9, 40, 1))
    damaged = RunDropout(rate=0.1, together=True)({"a": x, "b": x}, map(str, range(9)))
    assert torch.equal(damaged["a"].mask, damaged["b"].mask)
    apart = RunDropout(rate=0.1)({"a": x, "b": x}, map(str, range(9)))
    assert not torch.equal(apart["a"].mask, apart["b"].mask)


MANY = {name: Sequence.full(torch.ones(3000, 1, 1)) for name in "abc"}
MANY_IDS = [f"video_{i}" for i in range(3000)]


def presence(corruption, inputs=MANY, seed=0):
    damaged = corruption(inputs, MANY_IDS, seed)
    return torch.stack([damaged[name].present for name in "abc"], 1)


def test_modalities_are_lost_independently():
    kept = presence(ModalityDropout(rate={"a": 0.1, "b": 0.5, "c": 0.9}, spare=False)).float()
    assert kept.mean(0).tolist() == pytest.approx([0.9, 0.5, 0.1], abs=4 * 0.5 / math.sqrt(3000))
    assert (kept.T.corrcoef() - torch.eye(3)).abs().max() < 4 / math.sqrt(3000)


def test_a_spared_sample_keeps_one_and_any_of_them():
    kept = presence(ModalityDropout(rate=1.0))
    assert (kept.sum(1) == 1).all()
    assert kept.float().mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=4 * 0.5 / math.sqrt(3000))


def test_what_is_not_at_risk_needs_no_sparing():
    kept = presence(ModalityDropout(rate=1.0, modalities=("a", "b")))
    assert kept.float().mean(0).tolist() == [0, 0, 1]


def test_only_what_a_sample_has_can_be_spared():
    inputs = {**MANY, "b": MANY["b"].keep(torch.tensor(False))}
    for corruption in (ModalityDropout(rate=1.0), RandomModalities(rate=0.9)):
        kept = presence(corruption, inputs)
        assert (kept.sum(1) == 1).all()
        assert not kept[:, 1].any()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 1.0])
def test_a_share_of_all_modalities_is_lost(rate):
    kept = presence(RandomModalities(rate=rate))
    assert kept.any(1).all()
    assert 1 - kept.float().mean().item() == pytest.approx(min(rate, 2 / 3), abs=4 * 0.5 / math.sqrt(9000))


def test_every_subset_is_as_likely():
    kept = presence(RandomSubset())
    codes = (kept * torch.tensor([1, 2, 4])).sum(1)
    counts = codes.bincount(minlength=8)
    assert counts[0] == 0
    assert (counts[1:] / 3000 - 1 / 7).abs().max() < 4 * math.sqrt(6 / 49 / 3000)


def test_one_subset_is_fixed():
    kept = presence(RandomSubset(subsets=(("a", "c"),)))
    assert kept.all(0).tolist() == [True, False, True]
    assert not kept[:, 1].any()


def test_subsets_of():
    assert subsets_of("cab") == (
        ("a", "b", "c"), ("a", "b"), ("a", "c"), ("b", "c"), ("a",), ("b",), ("c",),
    )  # fmt: skip


def test_a_known_loss_is_a_corpus_that_never_had_it():
    corpus = affect.load("synthetic")
    model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion).eval()
    batch = next(iter(affect.batches(corpus["test"], batch_size=8)))
    never = {**batch.inputs, "text": Sequence.vector(torch.zeros(8, 8), torch.zeros(8, dtype=torch.bool))}
    lost = RandomSubset(subsets=(("acoustic", "visual"),))(batch.inputs, batch.ids)
    assert torch.equal(model(lost).prediction, model(never).prediction)
    model.train()(lost).prediction.square().sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in model.encoders["text"].parameters())


def test_noise_has_the_power_that_it_should():
    x = Sequence.full(torch.randn(2, 20000, 2) * torch.tensor([1.0, 10.0]) + torch.tensor([0.0, 5.0]))
    for snr in (-10.0, 0.0, 20.0):
        noise = GaussianNoise(snr=snr)({"a": x}, ("one", "two"))["a"].values - x.values
        ratio = x.values.square().mean(1) / noise.square().mean(1)
        assert (10 * ratio.log10() - snr).abs().max() < 0.2
        assert noise.mean(1).abs().div(noise.std(1)).max() < 0.05
        assert abs(float(torch.corrcoef(noise[0].T)[0, 1])) < 0.05


def test_half_the_strength_is_half_the_amplitude():
    assert GaussianNoise(snr=10).weakened(0.5).snr == pytest.approx(10 + 20 * math.log10(2))


def test_replaced_values_are_noise_of_the_features_power():
    x = Sequence.full(torch.full((1, 20000, 1), 3.0))
    values = StepDropout(rate=1.0, becomes="noise")({"a": x}, ("one",))["a"].values
    assert values.square().mean().sqrt().item() == pytest.approx(3.0, rel=0.05)


def test_step_noise_is_one_number_for_all_features():
    x = Sequence.full(torch.zeros(1, 20000, 3))
    values = StepNoise(deviation=0.5)({"a": x}, ("one",))["a"].values
    assert (values == values[..., :1]).all()
    assert values.std().item() == pytest.approx(0.5, rel=0.05)


def test_columns_are_lost_throughout():
    x = Sequence.full(torch.ones(50, 4, 100))
    values = ColumnDropout(rate=0.3)({"a": x}, map(str, range(50)))["a"].values
    assert (values == values[:, :1]).all()
    assert values.mean().item() == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 5000))


def test_drift_begins_with_nothing():
    x = Sequence.full(torch.rand(3, 11, 2) + 1)
    gain = Drift(strength=0.5, offset=0)({"a": x}, ("a", "b", "c"))["a"].values / x.values
    power = x.values.square().mean(1, keepdim=True).sqrt()
    offset = (Drift(strength=0.5, gain=0)({"a": x}, ("a", "b", "c"))["a"].values - x.values) / power
    for moved in (gain - 1, offset):
        assert torch.allclose(moved[:, 0], torch.zeros(3, 2), atol=1e-6)
        assert torch.allclose(moved, moved[:, -1:] * torch.linspace(0, 1, 11)[:, None], atol=1e-6)
        assert (moved[:, -1].abs() <= 0.5).all()
        assert moved[:, -1].abs().min() > 0


def test_a_shift_stays_within_the_sample():
    mask = torch.tensor([[False, True, True, True, False]])
    x = Sequence(torch.arange(5.0).view(1, 5, 1), mask)
    late, early = (TimeShift(steps=steps)({"a": x}, ("s",))["a"] for steps in (1, -1))
    assert late.values.flatten().tolist() == [0, 0, 1, 2, 0]
    assert late.mask.tolist() == [[False, False, True, True, False]]
    assert early.values.flatten().tolist() == [0, 2, 3, 0, 0]


def test_speed():
    x = Sequence.full(torch.arange(1.0, 5).view(1, 4, 1))
    slow = SpeedChange(factor=0.5, modalities=("a",))({"a": x, "b": x}, ("s",))
    assert slow["a"].values.flatten().tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert slow["b"].mask.tolist() == [[True] * 4 + [False] * 4]  # what was aligned stays so


def test_a_swapped_modality_is_another_samples():
    ids = [f"{i}" for i in range(200)]
    x = Sequence.full(torch.arange(200.0).view(200, 1, 1))
    inputs = {"a": x, "b": x}
    swap = ModalitySwap(rate=0.5).bound(split_of(inputs, ids))
    damaged = swap(inputs, ids)
    other = {name: damaged[name].values.flatten() != torch.arange(200) for name in "ab"}
    assert other["a"].float().mean().item() == pytest.approx(0.5, abs=0.15)
    assert not torch.equal(other["a"], other["b"])
    always = swap.at(1.0)(inputs, ids)["a"].values.flatten()
    assert (always != torch.arange(200)).all()
    assert len(always.unique()) > 100
    backwards = swap({name: own.take(torch.arange(199, -1, -1)) for name, own in inputs.items()}, ids[::-1])
    assert torch.equal(backwards["a"].values.flip(0), damaged["a"].values)


def test_an_erased_word_is_one_unknown_sub_word():
    words = Sequence.full(torch.tensor([[[7.0, 8.0], [9.0, 0.0]]]))
    erased = WordErasure(rate=1.0, unknown=101)({"text": words}, ("s",))["text"]
    assert erased.values.tolist() == [[[101, 0], [101, 0]]]


def test_parts_of_a_composition_draw_apart():
    x = Sequence.full(torch.ones(1, 1000, 1))
    twice = Compose(parts=(StepDropout(rate=0.5), StepDropout(rate=0.5)))({"a": x}, ("s",))["a"]
    assert int(twice.lengths) == pytest.approx(250, abs=60)


def test_composed_levels():
    both = Compose(parts=(StepDropout(rate=0.5), StepNoise(deviation=0.2)))
    assert both.at(0.1).parts == (StepDropout(rate=0.1), StepNoise(deviation=0.1))
    assert both.weakened(0.5).parts == (StepDropout(rate=0.25), StepNoise(deviation=0.1))
    assert both.whole is False
    assert Compose(parts=(ModalityDropout(), RandomSubset())).whole


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_every_device_gets_the_same():
    for corruption in CASES.values():
        inputs = sample_inputs()
        there = corruption({name: x.to("cuda") for name, x in inputs.items()}, IDS)
        for name, x in corruption(inputs, IDS).items():
            assert there[name].values.device.type == "cuda"
            assert torch.equal(there[name].mask.cpu(), x.mask)
            assert torch.allclose(there[name].values.cpu(), x.values, atol=1e-6)


def test_seeds_differ():
    first, second = (presence(ModalityDropout(rate=0.5), seed=seed) for seed in (0, 1))
    agreement = (first == second).float().mean().item()
    assert agreement == pytest.approx(0.5 + 0.5 / 64, abs=0.06)  # a little is owed to those that are spared


def test_draws_are_uniform_and_normal():
    draws = Draws([f"id{i}" for i in range(2000)], seed=5)
    uniform, normal = draws.uniform("a", 50), draws.normal("b", 50)
    assert 0 < uniform.min() < uniform.max() < 1
    counts = torch.histc(uniform, 100, 0, 1)
    assert ((counts - 1000).square().sum() / 1000).item() == pytest.approx(
        99, abs=5 * math.sqrt(198)
    )  # chi squared
    assert normal.mean().abs() < 4 / math.sqrt(100000)
    assert normal.var().item() == pytest.approx(1, abs=0.02)
    both = torch.stack([uniform.flatten(), draws.uniform("b", 50).flatten(), uniform.roll(1, 1).flatten()])
    assert (both.corrcoef() - torch.eye(3)).abs().max() < 5 / math.sqrt(100000)


@dataclass(frozen=True, kw_only=True)
class Careless(Corruption):
    """Depends on who else is in the batch."""

    rate: float = 0.5

    def damage(self, chosen, inputs, draws):
        return {name: x.with_values(x.values - self.rate * x.values.mean()) for name, x in chosen.items()}


def test_a_careless_corruption_is_found():
    with pytest.raises(
        BrokenLawError, match="^batch_independent: sample 0 depends on the other samples of its batch$"
    ):
        testing.check_corruption(Careless())


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: StepDropout(rate=1.5), "StepDropout: rate must be between 0 and 1, got 1.5"),
        (lambda: StepDropout(rate={"a": -1}), "StepDropout: rate must be between 0 and 1, got -1"),
        (
            lambda: StepDropout(becomes="nothing"),
            "StepDropout: becomes must be missing, zero or noise, got 'nothing'",
        ),
        (
            lambda: StepDropout(rate={"a": 0.1}, modalities=("a",)),
            "StepDropout: rates by name say which modalities; leave out modalities",
        ),
        (
            lambda: StepDropout(modalities=("txt",))({"text": MANY["a"]}, MANY_IDS),
            "StepDropout: no modality 'txt'; did you mean 'text'? known: text",
        ),
        (
            lambda: StepDropout(rate={"txt": 0.5})({"text": MANY["a"]}, MANY_IDS),
            "StepDropout: no modality 'txt'; did you mean 'text'? known: text",
        ),
        (
            lambda: RandomModalities(rate={"a": 0.1}),
            "RandomModalities: rate is a share of all modalities, not one by modality",
        ),
        (
            lambda: RandomSubset(rate={"a": 0.1}),
            "RandomSubset: rate is a share of the samples, not one by modality",
        ),
        (lambda: RandomSubset(subsets=()), "RandomSubset: subsets: expected at least one"),
        (
            lambda: RandomSubset(subsets=(("d",),))(MANY, MANY_IDS),
            "RandomSubset: no modality 'd'; known: a, b, c",
        ),
        (lambda: ModalitySwap(rate=2), "ModalitySwap: rate must be between 0 and 1, got 2"),
        (
            lambda: ModalitySwap()(MANY, MANY_IDS),
            "ModalitySwap: knows no split to take samples from; call bound(split) first",
        ),
        (
            lambda: ModalitySwap().bound(affect.load("synthetic")["valid"].take([0])),
            "ModalitySwap: a split of one sample has no other to exchange with",
        ),
        (lambda: Truncation(side="left"), "Truncation: side must be end or start, got 'left'"),
        (lambda: BurstDropout(length=0.5), "BurstDropout: length must be at least 1, got 0.5"),
        (lambda: RunDropout(steps=0), "RunDropout: steps must be at least 1, got 0"),
        (lambda: WordErasure(rate=-0.1), "WordErasure: rate must be between 0 and 1, got -0.1"),
        (lambda: GaussianNoise(snr=math.nan), "GaussianNoise: snr must be a number of dB between -300 and 300, or infinite, got nan"),
        (lambda: StepNoise(deviation=-1), "StepNoise: deviation must be at least 0, got -1"),
        (lambda: ColumnDropout(rate=3), "ColumnDropout: rate must be between 0 and 1, got 3"),
        (lambda: Drift(strength=math.inf), "Drift: strength must be at least 0, got inf"),
        (lambda: SpeedChange(factor=0), "SpeedChange: factor must be at least 0.001 and at most 1000, got 0"),
        (
            lambda: Compose(parts=(StepDropout(), GaussianNoise())).check_indices(["words"]),
            "GaussianNoise: uses values as quantities, but those of 'words' are word indices; "
            "name other modalities, or erase words (WordErasure)",
        ),
    ],
)  # fmt: skip
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()


def test_word_numbers_may_be_lost():
    for corruption in (StepDropout(), StepDropout(becomes="zero"), WordErasure(), TimeShift(), SpeedChange()):
        corruption.check_indices(["words"])
    GaussianNoise(modalities=("acoustic",)).check_indices(["words"])
