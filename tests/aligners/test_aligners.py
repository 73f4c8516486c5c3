import re
from functools import partial

import pytest
import torch

import affect
from affect import testing
from affect.aligners import (
    Aligner,
    AttentionAligner,
    ResamplingAligner,
    WarpingAligner,
)
from affect.aligners.dtw import warp
from affect.aligners.resampling import resample_to
from affect.data import synthetic
from affect.encoders import StepEncoder
from affect.errors import ConfigError, ShapeError
from affect.fusion import PerStep, TensorFusion
from affect.runs.configuration import parse
from affect.sequences import Sequence, place
from affect.training import Training

DIMS = {"ecg": 4, "eeg": 4, "text": 4}
TIMES = {"ecg": 20, "eeg": 11, "text": 5}
ALIGNERS = [ResamplingAligner, WarpingAligner, AttentionAligner]


def inputs(seed=0, batch=4, dims=DIMS):
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, dim in dims.items():
        lengths = torch.randint(2, TIMES[name] + 1, (batch, 1), generator=generator)
        mask = torch.arange(TIMES[name]) < lengths
        mask[0, 1] = False
        values = torch.randn(batch, TIMES[name], dim, generator=generator, dtype=torch.float64)
        found[name] = Sequence(values, mask)
    return found


def lose(x, **rows):
    """Without the modality in those rows."""
    every = range(len(next(iter(x.values())).mask))
    gone = {name: torch.tensor([row in rows.get(name, ()) for row in every]) for name in x}
    return {name: s.keep(~gone[name].unsqueeze(1)) for name, s in x.items()}


def made(aligner, dims=DIMS, **options):
    torch.manual_seed(0)
    return aligner(dims, **options).double().eval()


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_everything_gets_the_steps_of_the_reference(aligner):
    x = lose(inputs(), eeg=[2])
    aligned = made(aligner, reference="text")(x)
    assert list(aligned) == list(DIMS)
    for name, y in aligned.items():
        assert y.values.shape == (4, 5, 4)
        assert torch.equal(y.mask, x["text"].mask & x[name].present.unsqueeze(1))
    assert torch.equal(aligned["text"].values, x["text"].values)


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_without_its_reference_a_sample_follows_the_first_that_it_has(aligner):
    x = lose(inputs(), text=[1, 2, 3], ecg=[2, 3], eeg=[3])
    aligned = made(aligner, reference="text")(x)
    assert torch.equal(aligned["ecg"].take([1]).values, x["ecg"].take([1]).values)
    assert torch.equal(aligned["eeg"].mask[1], x["ecg"].mask[1])
    assert torch.equal(aligned["eeg"].values[2, :11], x["eeg"].values[2])
    assert not aligned["ecg"].mask[2].any()
    assert not any(y.mask[3].any() for y in aligned.values())
    assert torch.equal(aligned["text"].mask[0, :5], x["text"].mask[0])
    alone = made(aligner, reference="text")({name: s.take([0]) for name, s in x.items()})
    assert torch.allclose(aligned["ecg"].values[0, :5], alone["ecg"].values[0], atol=1e-12)


def test_the_first_by_name_is_the_reference_where_none_is_named():
    x = inputs()
    assert torch.equal(made(ResamplingAligner)(x)["text"].mask, x["ecg"].mask)


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_one_modality_stays_as_it_is(aligner):
    x = inputs(dims={"ecg": 3})
    aligned = made(aligner, dims={"ecg": 3})(x)
    assert torch.equal(aligned["ecg"].values, x["ecg"].values)


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_no_gradient_comes_from_what_is_not_there(aligner):
    x = lose(inputs(), text=[1], ecg=[2], eeg=[2, 3])
    leaves = {name: s.values.clone().requires_grad_() for name, s in x.items()}
    aligned = made(aligner, reference="text")({n: s.with_values(leaves[n]) for n, s in x.items()})
    sum(y.values.square().sum() for y in aligned.values()).backward()
    for name, leaf in leaves.items():
        assert leaf.grad.isfinite().all()
        assert not leaf.grad[~x[name].mask].any()
        assert leaf.grad[0].any()


def test_resampling_and_warping_carry_what_the_functions_carry():
    x = inputs()
    resampled = made(ResamplingAligner, reference="text")(x)["ecg"]
    assert torch.equal(resampled.values, resample_to(x["ecg"], x["text"].mask).values)
    warped = made(WarpingAligner, reference="text", distance="cosine", band=0.3)(x)["ecg"]
    assert torch.equal(warped.values, warp(x["text"], x["ecg"], "cosine", 0.3).carry(x["ecg"]).values)


def placed(step, steps):
    first, last = steps[0].item(), steps[-1].item()
    return (step.item() - first) / (last - first) if last > first else 0.5


def test_attention_is_what_its_equation_says():
    x = lose(inputs(), text=[1])
    aligner = made(AttentionAligner, reference="text", heads=2, width=6)
    aligner.mix["eeg"].weight.data.normal_()
    aligned = aligner(x)["eeg"]
    for row in range(4):
        reference = "ecg" if row == 1 else "text"
        queries, keys = (x[name].mask[row].nonzero().flatten() for name in (reference, "eeg"))
        for t in queries:
            u = aligner.embed[reference].weight @ x[reference].values[row, t]
            q = placed(t, queries)
            gathered = []
            for head in range(2):
                part = slice(3 * head, 3 * head + 3)
                scores = []
                for s in keys:
                    v = aligner.embed["eeg"].weight @ x["eeg"].values[row, s]
                    k = placed(s, keys)
                    scores.append(u[part] @ v[part] / 3**0.5 - (aligner.sharpness[head] * (q - k)) ** 2)
                weights = torch.stack(scores).softmax(0)
                gathered.append(weights @ x["eeg"].values[row, keys])
            expected = aligner.mix["eeg"].weight @ torch.cat(gathered)
            assert torch.allclose(aligned.values[row, t], expected, atol=1e-12)


def test_attention_starts_as_local_averaging():
    time = torch.linspace(0, 1, 50, dtype=torch.float64).view(1, -1, 1)
    x = {"ecg": Sequence.full(time.expand(1, 50, 4)), "text": Sequence.full(torch.zeros(1, 9, 4).double())}
    aligned = made(AttentionAligner, dims={"ecg": 4, "text": 4}, reference="text", heads=2)
    aligned.sharpness.data.fill_(20)
    assert (aligned(x)["ecg"].values[0, :, 0] - torch.linspace(0, 1, 9)).abs().max() < 0.03


def test_attention_learns_an_alignment_that_is_not_the_straight_line():
    torch.manual_seed(0)
    aligner = AttentionAligner({"ecg": 6, "text": 6}, reference="text", heads=1, width=16)
    optimizer = torch.optim.Adam(aligner.parameters(), lr=0.03)
    for _ in range(150):
        words = torch.randn(32, 6, 6)
        frames = words[:, torch.tensor([0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5])]  # the first word is held
        x = {"ecg": Sequence.full(frames), "text": Sequence.full(words)}
        loss = (aligner(x)["ecg"].values - words).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    straight = (ResamplingAligner(aligner.dims, "text")(x)["ecg"].values - words).square().mean()
    assert loss < 0.1 < 1 < straight


def test_place():
    mask = torch.tensor([[False, True, False, True, False], [False, False, True, False, False], [False] * 5])
    assert place(mask, torch.float64)[0, 1:4].tolist() == [0, 0.5, 1]
    assert place(mask, torch.float64)[1:].unique().tolist() == [0.5]


class ForgetsTheHoles(ResamplingAligner):
    def carry(self, name, x, reference):
        return super().carry(name, Sequence.full(x.values), reference)


class CountsTheAbsent(ResamplingAligner):
    def forward(self, inputs):
        aligned = super().forward(inputs)
        shared = torch.stack([x.mask for x in aligned.values()]).any(0)
        return {m: Sequence(x.values, shared & x.present.any()) for m, x in aligned.items()}


class NeverTrained(ResamplingAligner):
    def __init__(self, dims):
        super().__init__(dims)
        self.weight = torch.nn.Parameter(torch.ones(1))

    def carry(self, name, x, reference):
        return super().carry(name, x, reference) * self.weight.detach()


@pytest.mark.parametrize(
    ("aligner", "law"),
    [
        (ForgetsTheHoles, "padding_is_not_read: more padding changes the output"),
        (
            CountsTheAbsent,
            "any_subset_works: with ('ecg',): a sample depends on the other samples of its batch",
        ),
        (NeverTrained, "every_parameter_learns: no gradient reaches weight"),
    ],
)
def test_a_broken_aligner_is_caught(aligner, law):
    with pytest.raises(testing.BrokenLawError, match=f"^{re.escape(law)}$"):
        testing.check_aligner(aligner)


class Unwritten(Aligner):
    pass


class Narrow(Aligner):
    def carry(self, name, x, reference):
        return x.values[:, :1, :1]


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: ResamplingAligner({}),
            ConfigError,
            "ResamplingAligner: needs at least one modality and positive sizes, got dims={}",
        ),
        (
            lambda: ResamplingAligner({"ecg": 0}),
            ConfigError,
            "ResamplingAligner: needs at least one modality and positive sizes, got dims={'ecg': 0}",
        ),
        (
            lambda: ResamplingAligner(DIMS, "txt"),
            ConfigError,
            "ResamplingAligner: no modality 'txt'; did you mean 'text'? known: ecg, eeg, text",
        ),
        (
            lambda: WarpingAligner({"text": 3, "ecg": 2}),
            ConfigError,
            "WarpingAligner: needs the same feature size in every modality, got {'ecg': 2, 'text': 3}; "
            "give all encoders one out_dim, or choose another aligner",
        ),
        (
            lambda: WarpingAligner(DIMS, distance="manhattan"),
            ConfigError,
            "WarpingAligner: no distance 'manhattan'; known: cosine, euclidean",
        ),
        (
            lambda: WarpingAligner(DIMS, band=-0.5),
            ConfigError,
            "WarpingAligner: band must be a number of steps (an int, at least 0) or a share of the longer "
            "sequence (a float from 0 to 1), got -0.5",
        ),
        (
            lambda: AttentionAligner(DIMS, heads=3),
            ConfigError,
            "AttentionAligner: width must be divisible by heads, got width=32 and heads=3",
        ),
        (
            lambda: ResamplingAligner({"ecg": 4, "eeg": 4})(inputs()),
            ShapeError,
            "ResamplingAligner: expected modalities ['ecg', 'eeg'], got ['ecg', 'eeg', 'text']; "
            "a modality that is missing is a Sequence whose mask is False",
        ),
        (
            lambda: ResamplingAligner({**DIMS, "text": 7})(inputs()),
            ShapeError,
            "ResamplingAligner: text needs feature size 7, got 4",
        ),
        (lambda: Unwritten(DIMS)(inputs()), NotImplementedError, "Unwritten must define carry"),
        (
            lambda: Narrow(DIMS)(inputs()),
            ShapeError,
            "Narrow.carry must return shape (4, 20, 4), got (4, 1, 1)",
        ),
    ],
)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()


@pytest.fixture(scope="module")
def unaligned():
    return synthetic.additive(samples={"train": 48, "valid": 16, "test": 16}, seed=3)


def model_for(corpus, aligner, **options):
    torch.manual_seed(0)
    fusion = partial(PerStep, fusion=TensorFusion)
    return affect.FusionModel.for_corpus(
        corpus, aligner=aligner, encoder=StepEncoder, fusion=fusion, width=6, out_dim=8, **options
    )


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_a_fusion_that_needs_aligned_input_trains_on_an_unaligned_corpus(unaligned, aligner):
    model = model_for(unaligned, partial(aligner, reference="text"))
    assert model.fusion.needs_alignment
    assert not model.needs_alignment
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    run = affect.fit(model, unaligned, seed=0, training=Training(epochs=2, batch_size=16))
    assert run.results["value"].notna().all()
    assert all(not torch.equal(p, before[name]) for name, p in run.model.named_parameters())


@pytest.mark.parametrize("aligner", ALIGNERS)
def test_dropping_between_encode_and_fuse_is_dropping_before(unaligned, aligner):
    model = model_for(unaligned, partial(aligner, reference="text")).double().eval()
    batch = next(iter(affect.batches(unaligned["test"], "sentiment"))).to(torch.float64)
    gone = torch.tensor(False)
    encoded = model.encode(batch.inputs)
    for name in batch.inputs:
        late = model.fuse({**encoded, name: encoded[name].keep(gone)}).prediction
        early = model({**batch.inputs, name: batch.inputs[name].keep(gone)}).prediction
        assert torch.allclose(late, early, atol=1e-12)


def test_the_state_of_a_model_holds_its_aligner(unaligned):
    one, other = (model_for(unaligned, AttentionAligner) for _ in range(2))
    one.aligner.sharpness.data += 1
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.aligner.sharpness, other.aligner.sharpness)


def test_an_aligner_for_other_modalities_is_refused(unaligned):
    message = (
        "FusionModel: the encoders give {'acoustic': 6, 'text': 6, 'visual': 6}, "
        "but ResamplingAligner is for {'text': 6}"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        model_for(unaligned, lambda dims: ResamplingAligner({"text": 6}))


def configured(aligner):
    model = {"aligner": aligner, "fusion": "PerStep", "encoder": "StepEncoder", "width": 8}
    return parse({"corpus": "synthetic", "model": model}, "toy.yaml")


def test_a_configuration_names_an_aligner(unaligned):
    asked = {"class_path": "AttentionAligner", "init_args": {"heads": 2, "reference": "text"}}
    built = configured(asked).model.for_corpus(unaligned, None).aligner
    assert (type(built), built.heads, built.reference) == (AttentionAligner, 2, "text")
    built = (
        configured({"class_path": f"{__name__}.Mine", "init_args": {"band": 0.25}})
        .model.for_corpus(unaligned, None)
        .aligner
    )
    assert (type(built), built.band) == (Mine, 0.25)
    built = (
        configured({"class_path": "WarpingAligner", "init_args": {"band": 3}})
        .model.for_corpus(unaligned, None)
        .aligner
    )
    assert isinstance(built.band, int)
    assert configured(None).model.aligner is None


class Mine(WarpingAligner):
    def __init__(self, dims: dict[str, int], band: float = 0.5):
        super().__init__(dims, band=band)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            "AttentionAlinger",
            "toy.yaml: model: aligner: no Aligner 'AttentionAlinger' in affect.aligners; "
            "did you mean 'AttentionAligner'? known: AttentionAligner, ResamplingAligner, WarpingAligner",
        ),
        (
            {"class_path": "AttentionAligner", "init_args": {"head": 2}},
            "toy.yaml: model: aligner: AttentionAligner has no argument 'head'; did you mean 'heads'? "
            "known: heads, reference, width",
        ),
    ],
)
def test_a_configuration_that_misses_is_refused(asked, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        configured(asked)
