"""Terms of information theory: loops that say the same, critics that learn, and when they do."""

import math
import statistics
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from stopped import StopAt, StopError
from torch import nn

import affect
from affect.corruption.draws import Draws
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError
from affect.objectives.terms import (
    ContrastiveUpperBound,
    InformationBottleneck,
    MutualInformation,
    PredictiveCoding,
    Seen,
    Term,
)
from affect.sequences import Output, Sequence
from affect.testing.terms import TermPart, check_term
from affect.training import Training
from affect.training.terms import Terms

IDS = ("x",) * 12
PART = TermPart(MutualInformation, ("a", "b", "c"), Regression("t"), affect.fusion.SharedPrivateFusion)


@pytest.fixture(scope="module")
def looked():
    model, _ = PART.made()
    return model, PART.seen(model, PART.batch())


# other ways to make them keep the laws too


@pytest.mark.parametrize(
    "term",
    [
        partial(MutualInformation, anchor="ecg", rhythm="epoch", published=True),
        partial(PredictiveCoding, published=True),
        partial(ContrastiveUpperBound, part="private", published=True),
        partial(InformationBottleneck, published=True, sampled=0.0),
    ],
    ids=["likelihood", "coding", "upper", "bottleneck"],
)
def test_every_form_keeps_the_laws(term):
    check_term(term, modalities=(2,))


TARGETS = [
    Binary("t"), MultiClass("t", classes=("a", "b", "c")), MultiLabel("t", classes=("a", "b")),
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: type(target).__name__)
def test_a_bottleneck_is_for_any_target(target):
    check_term(InformationBottleneck, target=target, modalities=(2,))


# loops that say the same


@pytest.mark.parametrize("anchor", [None, "b"])
def test_mutual_information_is_minus_the_log_density_of_a_gaussian_and_an_entropy(looked, anchor):
    model, seen = looked
    values, learned = {}, []
    for published in (False, True):
        torch.manual_seed(0)
        term = MutualInformation(model, IDS, anchor=anchor, published=published).double()
        found, learned = [], []
        for a in ("a", "b", "c") if anchor is None else (anchor,):
            for m in {"a": "bc", "b": "ac", "c": "ab"}[a]:
                losses, there = [], []
                for i in range(12):
                    if not (seen.present[a][i] and seen.present[m][i]):
                        continue
                    there.append(seen.vectors[m][i].tolist())
                    vector = seen.vectors[m][i].tolist()
                    both = term.tell[a][m].layers(seen.vectors[a][i]).tolist()
                    means, raw = both[: len(vector)], both[len(vector) :]
                    variances = [math.exp(6 * math.tanh(r / 6)) for r in raw]
                    density = [
                        math.exp(-((v - mean) ** 2) / (2 * var)) / math.sqrt(2 * math.pi * var)
                        for v, mean, var in zip(vector, means, variances, strict=True)
                    ]
                    logs = [math.log(d) for d in density]
                    losses.append(-sum(logs) / (1 if published else len(logs)))
                learned.append(sum(losses) / len(losses))
                entropies = [
                    math.log(2 * math.pi * math.e * (statistics.pvariance(column) + 1e-6)) / 2
                    for column in zip(*there, strict=True)
                ]
                entropy = sum(entropies) / (1 if published else len(entropies))
                found.append(learned[-1] - entropy)
        values[published] = sum(found) if published else sum(found) / len(found)
        assert term(seen).item() == pytest.approx(values[published], rel=1e-9)
        own = term.learn(seen).item()
        assert own == pytest.approx(sum(learned) / len(learned), rel=1e-9)
    pairs = 6 if anchor is None else 2
    assert values[True] == pytest.approx(8 * pairs * values[False], rel=1e-9)  # vectors have 8 features


def unit(vector):
    size = math.sqrt(sum(v * v for v in vector))
    return [v / size for v in vector]


def dot(one, other):
    return sum(x * y for x, y in zip(one, other, strict=True))


@pytest.mark.parametrize("published", [False, True])
def test_predictive_coding_is_how_hard_it_is_to_find_the_fused_vector(looked, published):
    model, seen = looked
    term, fused, found = PredictiveCoding(model, IDS, published=published).double(), [], []
    fused = seen.output.fused.mean()
    for m, vectors in seen.vectors.items():
        rows = seen.present[m].nonzero().flatten().tolist()
        guessed = {j: unit(term.back[m](fused[j]).tolist()) for j in rows}
        losses = []
        for i in rows:
            own = unit(vectors[i].tolist())
            scores = {j: dot(own, guessed[j]) for j in rows}
            loss = math.log(sum(math.exp(s) for s in scores.values())) - scores[i]
            assert loss >= math.log(1 + (len(rows) - 1) * math.exp(-2))  # as its docstring says
            losses.append(loss if published else loss / math.log(len(rows)))
        found.append(sum(losses) / len(losses))
    expected = sum(found) if published else sum(found) / len(found)
    assert term(seen).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("part", [None, "private"])
def test_the_upper_bound_is_f_of_one_sample_less_that_of_two(looked, part):
    model, seen = looked
    term = ContrastiveUpperBound(model, IDS, part=part, width=8).double()
    published = ContrastiveUpperBound(model, IDS, part=part, width=8, published=True).double()
    published.load_state_dict(term.state_dict())
    vectors = seen.vectors if part is None else seen.extra(part)
    found, taught, whole = [], [], []
    for a, b, both in seen.pairs():
        rows = both.nonzero().flatten().tolist()
        f = {
            (i, j): term.score[a][b](torch.cat([vectors[a][i], vectors[b][j]])).item()
            for i in rows for j in rows
        }  # fmt: skip
        joint = sum(f[i, i] for i in rows) / len(rows)
        apart = [f[i, j] for i in rows for j in rows if i != j]
        found.append(joint - sum(apart) / len(apart))
        whole.append(joint - sum(f.values()) / len(f))
        assert whole[-1] == pytest.approx(found[-1] * (len(rows) - 1) / len(rows), rel=1e-9)
        losses = [math.log(sum(math.exp(f[i, j]) for j in rows)) - f[i, i] for i in rows]
        taught.append(sum(losses) / len(rows) / math.log(len(rows)))
    assert term(seen).item() == pytest.approx(sum(found) / 3, rel=1e-9)
    assert published(seen).item() == pytest.approx(sum(whole), rel=1e-9)
    assert term.learn(seen).item() == pytest.approx(sum(taught) / 3, rel=1e-9)


def test_a_bottleneck_puts_the_loss_of_a_code_in_the_place_of_the_model_s_own():
    part = TermPart(InformationBottleneck, ("a", "b"), Regression("t"), affect.fusion.SharedPrivateFusion)
    model, _ = part.made()
    seen = part.seen(model, part.batch())
    for published in (False, True):
        term = InformationBottleneck(model, IDS, weight=0.3, published=published).double()
        z = seen.output.fused.mean()
        log_variance = 6 * torch.tanh(term.spread(z) / 6)
        apart = []
        for i in range(12):
            if not any(there[i] for there in seen.present.values()):
                continue
            own = [
                (math.exp(v) + m * m - 1 - v) / 2
                for m, v in zip(z[i].tolist(), log_variance[i].tolist(), strict=True)
            ]
            apart.append(sum(own) / (1 if published else len(own)))
        assert len(apart) == 11  # one has nothing
        seen_codes = []

        def objective(output, seen_codes=seen_codes):
            seen_codes.append(output)
            return seen.objective(output)

        value = term(Seen(**{**vars_of(seen), "objective": objective}))
        code = next(x for x in seen_codes if x is not seen.output)
        assert torch.equal(code.prediction, model.head(code.fused))
        total = seen.objective(seen.output) + 0.3 * value
        assert total.item() == pytest.approx(
            seen.objective(code).item() + 0.3 * sum(apart) / len(apart), rel=1e-9
        )
        noise = (code.fused.values[:, 0] - z) / (log_variance / 2).exp()
        assert noise.std().item() == pytest.approx(1, abs=0.3)
        assert noise.mean().abs().item() < 0.3


def test_a_bottleneck_of_a_target_per_step_has_a_code_for_each_step():
    model = stub({"a": 4}, Regression("t", per_step=True))
    term = InformationBottleneck(model, IDS, weight=0.5).double()
    values = torch.randn(3, 5, 4, dtype=torch.float64)
    mask = torch.arange(5) < torch.tensor([[5], [2], [0]])
    found = []
    for time in (5, 7):  # padding changes nothing
        fused = Sequence(*(torch.nn.functional.pad(x, pad) for x, pad in (
            (values, (0, 0, 0, time - 5)), (mask, (0, time - 5))
        )))  # fmt: skip
        output = Output(fused.values.sum(-1, keepdim=True), fused, {"a": fused})
        batch = SimpleNamespace(ids=("x", "y", "z"))
        found.append(term(Seen(model, batch, output, {}, lambda x, m=fused.mask: x.prediction[m].mean())))
    assert torch.allclose(*found)
    noise = Draws(("x", "y", "z")).normal("code", 5, 4)
    losses, apart = [], []
    for i, t in mask.nonzero().tolist():
        z = values[i, t]
        log_variance = 6 * (term.spread(z) / 6).tanh()
        losses.append(((log_variance / 2).exp() * noise[i, t]).sum().item())
        apart.append(((log_variance.exp() + z * z - 1 - log_variance) / 2).mean().item())
    assert found[0].item() == pytest.approx(sum(apart) / 7 + sum(losses) / 7 / 0.5, rel=1e-9)


def vars_of(seen):
    return {name: getattr(seen, name) for name in Seen.__dataclass_fields__}


# critics


class Summing(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target

    def forward(self, x):
        return x.values.sum(-1, keepdim=True)


def stub(dims, target=None):
    """As much of a model as a term reads."""
    fusion = SimpleNamespace(dims=dims, out_dim=4, offers={})
    return SimpleNamespace(fusion=fusion, head=Summing(target or Regression("t")))


def shown(model, vectors):
    count = len(next(iter(vectors.values())))
    encoded = {m: Sequence.vector(x) for m, x in vectors.items()}
    fused = Sequence.vector(torch.zeros(count, 4))
    batch = affect.sequences.Batch(encoded, Sequence.vector(torch.zeros(count, 1)), ("x",) * count)
    return Seen(model, batch, Output(torch.zeros(count, 1, 1), fused, encoded), encoded, None)


def fitted(parameters, loss, steps, rate=0.01):
    optimizer = torch.optim.Adam(parameters, lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()


def test_the_normaliser_finds_the_variance_and_without_it_there_is_no_end():
    torch.manual_seed(0)
    anchor, spread = torch.randn(2000, 2), torch.tensor([0.2, 1.0, 3.0])
    other = anchor @ torch.tensor([[1.0, 0.5, 0.0], [0.0, -1.0, 2.0]]) + spread * torch.randn(2000, 3)
    model = stub({"text": 2, "visual": 3})
    term = MutualInformation(model, IDS, anchor="text")
    seen = shown(model, {"text": anchor, "visual": other})
    fitted(term.tell.parameters(), lambda: term.learn(seen), 500)
    _, log_variance = term.told(seen, "text", "visual")
    assert torch.allclose(log_variance.mean(0), 2 * spread.log(), atol=0.15)
    shared = (other.std(0).log() - spread.log()).mean()  # of a Gaussian, in nats
    assert term(seen).item() == pytest.approx(-shared.item(), abs=0.05)

    def without():
        mean, log_variance = term.told(seen, "text", "visual")
        return ((other - mean).square() * (-log_variance).exp() / 2).sum(-1).mean()

    fitted(term.tell.parameters(), without, 500, 0.1)
    assert (term.told(seen, "text", "visual")[1] > 5).float().mean() > 0.9  # its bound is 6


def test_nothing_is_won_by_vectors_that_shrink():
    torch.manual_seed(0)
    anchor, other = torch.randn(256, 2), torch.randn(256, 3)
    model = stub({"text": 2, "visual": 3})
    term = MutualInformation(model, IDS, anchor="text", published=True)
    size = torch.ones((), requires_grad=True)
    seen = shown(model, {"text": anchor, "visual": size * other})
    fitted(term.tell.parameters(), lambda: term.learn(seen.detached()), 500)
    (slope,) = torch.autograd.grad(term(seen), size)
    (bare,) = torch.autograd.grad(term.learn(shown(model, {"text": anchor, "visual": size * other})), size)
    assert bare > 2.5  # of three features: what the likelihood alone has
    assert abs(slope) < 0.3
    (same,) = torch.autograd.grad(term(shown(model, {"text": anchor, "visual": 0 * size * other})), size)
    assert same == 0


def test_a_pair_that_one_sample_has_counts_for_nothing():
    model = stub({"text": 2, "visual": 3})
    term = MutualInformation(model, IDS)
    one = {"text": torch.randn(1, 2, requires_grad=True), "visual": torch.randn(1, 3)}
    value = term(shown(model, one))
    value.backward()
    assert value == 0
    assert not one["text"].grad.any()


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_upper_bound_is_above_what_two_gaussians_share(correlation):
    torch.manual_seed(0)
    x, noise = torch.randn(2, 256, 1)
    y = correlation * x + math.sqrt(1 - correlation**2) * noise
    model = stub({"a": 1, "b": 1})
    term = ContrastiveUpperBound(model, IDS, width=32)
    fitted(term.score.parameters(), lambda: term.learn(shown(model, fresh(correlation))), 300, 0.003)
    shared = -0.5 * math.log(1 - correlation**2)
    value = term(shown(model, {"a": x, "b": y})).item()
    assert value > shared - 0.05
    assert value < (0.1 if not correlation else 3.0)


def fresh(correlation):
    x, noise = torch.randn(2, 64, 1)
    return {"a": x, "b": correlation * x + math.sqrt(1 - correlation**2) * noise}


@pytest.mark.parametrize("kind", [MutualInformation, ContrastiveUpperBound])
def test_critics_learn_by_their_own_step_alone(kind):
    model, _ = PART.made()
    seen = PART.seen(model, PART.batch())
    terms = Terms({"own": kind(model, IDS).double()})
    terms.configure(Training())
    critic = terms["own"].critics()
    before = [p.clone() for p in critic.parameters()]
    terms.teach(seen, "epoch")
    assert all(torch.equal(p, was) for p, was in zip(critic.parameters(), before, strict=True))
    terms.teach(seen)
    assert not any(torch.equal(p, was) for p, was in zip(critic.parameters(), before, strict=True))
    assert all(p.grad is None for p in model.parameters())
    terms.measured(seen)["own"].backward()
    assert all(p.grad is None for p in critic.parameters())
    assert any(p.grad.any() for p in model.encoders.parameters() if p.grad is not None)


# the rhythm of epochs


def model_of(corpus):
    return affect.FusionModel.for_corpus(corpus, seed=0, width=8)


class Watched(MutualInformation):
    """Counts what its critics learned from, and at which weights of the model."""

    calls = []  # noqa: RUF012  # of the test alone

    def learn(self, seen):
        state = sum(p.detach().double().sum().item() for p in seen.model.parameters())
        self.calls.append((seen.epoch, state, seen.output.fused.values.requires_grad, seen.batch.ids))
        return super().learn(seen)


def test_critics_of_epochs_learn_from_all_batches_before_the_model_moves():
    corpus = affect.load("synthetic")
    Watched.calls = []
    terms = {"told": partial(Watched, rhythm="epoch", width=8)}
    run = affect.fit(model_of(corpus), corpus, training=Training(epochs=2), terms=terms)
    train = corpus["train"]
    for epoch in (0, 1):
        own = [call for call in Watched.calls if call[0] == epoch]
        assert len(own) == -(-len(train) // 32)
        assert len({state for _, state, _, _ in own}) == 1
        assert sorted(name for *_, ids in own for name in ids) == sorted(train.ids)
    assert Watched.calls[0][1] != Watched.calls[-1][1]
    assert not any(grad for _, _, grad, _ in Watched.calls)
    assert run.history["term: told"].isna().sum() == 0


def test_a_training_with_critics_of_epochs_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path):
    corpus = affect.load("synthetic")
    terms = {
        "told": partial(MutualInformation, rhythm="epoch", width=8),
        "apart": partial(ContrastiveUpperBound, width=8, weight=0.01),
        "back": PredictiveCoding,
        "narrow": InformationBottleneck,
    }
    options = {
        "training": Training(epochs=5, learning_rate=0.003),
        "terms": terms,
        "folder": tmp_path / "run",
    }
    whole = affect.fit(model_of(corpus), corpus, **{**options, "folder": None})
    with pytest.raises(StopError):
        affect.fit(model_of(corpus), corpus, **options, callbacks=[StopAt()])
    resumed = affect.fit(model_of(corpus), corpus, **options)
    times = ["seconds", "epoch_seconds"]
    assert resumed.history.drop(columns=times).equals(whole.history.drop(columns=times))
    for one, other in ((whole.model, resumed.model), (whole.terms, resumed.terms)):
        states = one.state_dict(), other.state_dict()
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


class Never(Term):
    rhythm = "epochs"


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (partial(MutualInformation, anchor="txt"), "MutualInformation: anchor: no modality 'txt'; did you"),
        (partial(MutualInformation, width=0), "MutualInformation: width must be at least 1, got 0"),
        (partial(MutualInformation, rhythm="epochs"), "terms: x: rhythm: did you mean 'epoch'"),
        (Never, "terms: x: rhythm: did you mean 'epoch'"),
        (
            partial(ContrastiveUpperBound, part="private"),
            "ContrastiveUpperBound: part: ConcatenationFusion does not offer 'private'; it offers nothing",
        ),
        (partial(ContrastiveUpperBound, width=0), "ContrastiveUpperBound: width must be at least 1, got 0"),
        (partial(InformationBottleneck, sampled=2), "InformationBottleneck: sampled must be between 0 and 1"),
    ],
)
def test_what_cannot_be_made_is_one_line(term, message):
    corpus = affect.load("synthetic")
    with pytest.raises(ConfigError) as told:
        affect.fit(model_of(corpus), corpus, terms={"x": term})
    assert message in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", [MutualInformation, ContrastiveUpperBound])
def test_one_modality_tells_of_no_other(kind):
    with pytest.raises(ConfigError, match=f"{kind.__name__}: needs 2 modalities or more, got text"):
        kind(stub({"text": 2}), IDS)
