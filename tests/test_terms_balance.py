"""Terms of balance: loops that say the same, and encoders whose steps are shortened."""

import math
import re
from dataclasses import replace

import pytest
import torch

import affect
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import ConfigError, ShapeError
from affect.fusion import ConcatenationFusion, CoupledTranslationFusion, SharedPrivateFusion
from affect.objectives.terms import GradientModulation, UnimodalHeads
from affect.sequences import Sequence
from affect.testing.terms import TermPart

NAMES = ("a", "b", "c")
IDS = ("x",) * 12
TARGETS = [Regression("t"), Binary("t"), MultiClass("t", classes=("u", "v", "w"))]


def seen_of(term, target, fusion=ConcatenationFusion, **options):
    """A term, and a batch in which samples lack modalities and two have no label."""
    part = TermPart(term, NAMES, target, fusion)
    model, _ = part.made()
    torch.manual_seed(1)
    own, batch = term(model, IDS, **options).double(), part.batch()
    labelled = torch.tensor([row not in (4, 11) for row in range(12)]).unsqueeze(1)
    return own, part.seen(model, replace(batch, target=batch.target.keep(labelled)))


def loss(target, numbers, truth):
    if isinstance(target, Regression):
        return abs(numbers[0] - truth)
    if isinstance(target, Binary):
        return math.log(1 + math.exp(-numbers[0] if truth else numbers[0]))
    return math.log(sum(map(math.exp, numbers))) - numbers[int(truth)]


def losses_of(own, seen, target):
    """By modality, one of each sample that has it and a label; from plain numbers."""
    found = {}
    for place, m in enumerate(NAMES):
        linear = own.heads[m].layers[-1]
        read = seen.output.extras[own.of][:, place] if own.of else seen.vectors[m]
        found[m] = []
        for row in range(12):
            if row in (4, 11) or not seen.present[m][row]:
                continue
            numbers = (linear.weight @ read[row] + linear.bias).tolist()
            found[m].append(loss(target, numbers, seen.batch.target.values[row, 0, 0].item()))
    return found


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: type(target).__name__)
@pytest.mark.parametrize(("fusion", "of"), [(ConcatenationFusion, None), (SharedPrivateFusion, "private")])
def test_unimodal_heads_are_the_mean_of_each_modality_s_losses(target, fusion, of):
    own, seen = seen_of(UnimodalHeads, target, fusion, of=of)
    expected = [sum(every) / len(every) for every in losses_of(own, seen, target).values()]
    assert own(seen).item() == pytest.approx(sum(expected) / 3, rel=1e-9)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: type(target).__name__)
def test_who_is_ahead_takes_shorter_steps(target, published):
    own, seen = seen_of(GradientModulation, target, strength=0.8, published=published)
    own.usual.fill_(1.3)
    sure = {
        m: sum(math.exp(-one / 1.3) for one in every) / len(every)
        for m, every in losses_of(own, seen, target).items()
    }
    paces, ahead = own.paces(seen), 0
    for m in NAMES:
        ratio = 2 * sure[m] / sum(sure[other] for other in NAMES if other != m)
        share = 1 - math.tanh(0.8 * (ratio if published else ratio - 1)) if ratio > 1 else 1.0
        assert paces[m].item() == pytest.approx(share, rel=1e-9)
        ahead += ratio > 1
    assert 0 < ahead < 3
    alone = replace(seen, output=replace(seen.output, encoded={"a": seen.output.encoded["a"]}))
    assert own.paces(alone) == {}


def corpus_of(steps=False):
    rows = torch.arange(40).double()
    labels = (rows % 7 - 3).numpy()
    text = (torch.stack([rows % 7, rows % 3], -1).unsqueeze(1) + torch.zeros(1, 4, 1)).float().numpy()
    visual = torch.randn(40, 4, 3, generator=torch.Generator().manual_seed(0)).numpy()
    split = {"text": text, "visual": visual, "mood": labels}
    return affect.Corpus.from_arrays({"train": split, "valid": split}, {"mood": "regression"})


def test_the_usual_loss_is_that_of_the_best_constant():
    corpus = corpus_of()
    model = affect.FusionModel.for_corpus(corpus)
    own = GradientModulation(model, corpus["train"].ids)
    own.fit(model, corpus["train"])
    truth = torch.tensor(corpus["train"].labels("mood"))
    assert own.usual.item() == pytest.approx((truth - truth.median()).abs().mean().item())
    own.usual.fill_(5.0)
    own.fit(model, corpus["train"])  # a term that goes on keeps what it has
    assert own.usual.item() == 5.0


def test_the_encoder_of_what_is_ahead_moves_less():
    corpus, moved = corpus_of(), {}
    for strength in (0.0, 3.0):
        model = affect.FusionModel.for_corpus(corpus, seed=0)
        before = {m: [p.detach().clone() for p in e.parameters()] for m, e in model.encoders.items()}
        terms = {"each": lambda model, ids, s=strength: GradientModulation(model, ids, strength=s)}
        training = affect.Training(epochs=15, learning_rate=0.01, patience=15)
        run = affect.fit(model, corpus, training=training, terms=terms)
        moved[strength] = {
            m: math.sqrt(
                sum((p - q).square().sum().item() for p, q in zip(e.parameters(), before[m], strict=True))
            )
            for m, e in run.model.encoders.items()
        }
    assert moved[3.0]["text"] < 0.8 * moved[0.0]["text"]
    assert moved[3.0]["visual"] > 0.8 * moved[0.0]["visual"]


def test_a_label_per_step_needs_a_modality_of_as_many_steps():
    own, seen = seen_of(UnimodalHeads, Regression("t", per_step=True))
    three = Sequence.full(torch.zeros(12, 3, 1))
    with pytest.raises(ShapeError) as told:
        own(replace(seen, batch=replace(seen.batch, target=three)))
    assert str(told.value) == (
        "UnimodalHeads: 't' has a label at each of 3 steps, and a has 1; give it as many (an aligned corpus, "
        "encoders that keep steps)"
    )


@pytest.mark.parametrize(
    ("fusion", "of", "message"),
    [
        (SharedPrivateFusion, "privat", "no 'privat'; did you mean 'private'? known: attended, private, "
         "projected, shared"),
        (SharedPrivateFusion, "attended", "SharedPrivateFusion does not offer attended; it offers projected, "
         "shared, private"),
        (ConcatenationFusion, "shared", "ConcatenationFusion does not offer shared; it offers nothing"),
        (CoupledTranslationFusion, "translated", "no 'translated'; known: attended, private, projected, shared"),
    ],
)  # fmt: skip
def test_heads_read_what_is_offered_of_each_modality(fusion, of, message):
    model, _ = TermPart(UnimodalHeads, NAMES, TARGETS[0], fusion).made()
    with pytest.raises(ConfigError, match=f"^UnimodalHeads: of: {re.escape(message)}$"):
        UnimodalHeads(model, IDS, of=of)


def test_what_is_offered_has_no_label_per_step():
    target = Regression("t", per_step=True)
    model, _ = TermPart(UnimodalHeads, NAMES, target, SharedPrivateFusion).made()
    with pytest.raises(
        ConfigError, match=r"^UnimodalHeads: of: 't' has a label per step, and shared is a ve"
    ):
        UnimodalHeads(model, IDS, of="shared")


def test_a_strength_below_zero_is_refused():
    model, _ = TermPart(UnimodalHeads, NAMES, TARGETS[0], ConcatenationFusion).made()
    with pytest.raises(ConfigError, match="^GradientModulation: strength must be at least 0, got -1.0$"):
        GradientModulation(model, IDS, strength=-1.0)
