"""Terms: the laws of each, loops that say the same, and a training with them that is killed and resumed."""

import inspect
import itertools
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from stopped import StopAt, StopError
from torch import nn

import affect
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import BrokenLawError, ConfigError
from affect.objectives import terms as known
from affect.objectives.terms import Contrast, Difference, Reconstruction, Similarity, SupervisedContrast, Term
from affect.testing.terms import TERM_LAWS, TermPart, check_term
from affect.training import Training

EVERY = [
    found
    for found in vars(known).values()
    if inspect.isclass(found) and issubclass(found, Term) and found is not Term
]
TARGETS = [Binary("t"), MultiClass("t", classes=("a", "b", "c")), MultiLabel("t", classes=("a", "b"))]
PART = TermPart(Similarity, ("a", "b", "c"), Regression("t"), affect.fusion.SharedPrivateFusion)


OWN_FUSION = {known.CoupledTranslation: affect.fusion.CoupledTranslationFusion}
"""That offers what a term needs, where `SharedPrivateFusion` does not."""
NARROW = dict.fromkeys((known.CanonicalCorrelation, known.GeneralizedCorrelation), {"width": 2})
"""Terms that need more samples than they are wide."""


@pytest.mark.parametrize("law", TERM_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("term", EVERY, ids=lambda term: term.__name__)
def test_every_term_keeps_the_laws(term, law):
    fusion = OWN_FUSION.get(term, affect.fusion.SharedPrivateFusion)
    term = partial(term, **NARROW[term]) if term in NARROW else term
    for count in (2, 3):
        law(TermPart(term, ("a", "b", "c")[:count], Regression("t"), fusion))


@pytest.mark.parametrize("term", [cls for cls in EVERY if cls.needs_labels], ids=lambda term: term.__name__)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: type(target).__name__)
def test_terms_of_labels_keep_them_with_any_target(term, target):
    if term is SupervisedContrast and isinstance(target, MultiLabel):
        with pytest.raises(ConfigError, match="one label per sample; 't' has several"):
            check_term(term, target=target)
    elif term is known.Prototypes and isinstance(target, MultiLabel):
        with pytest.raises(
            ConfigError, match="'t' has several labels at once; it is for one number or class"
        ):
            check_term(term, target=target)
    elif term is known.GeneratedLabels:
        with pytest.raises(ConfigError, match="is for a regression with a label per sample; 't' is"):
            check_term(term, target=target)
    else:
        check_term(term, target=target, modalities=(2,))


class Nan(Term):
    def forward(self, seen):
        return seen.vectors["ecg"].sum() / seen.present["ecg"].sum()


class CountsAll(Term):
    def forward(self, seen):
        return seen.vectors["ecg"].square().mean()


class Compares(Term):
    def forward(self, seen):
        there = seen.present["ecg"].unsqueeze(-1)
        return ((seen.vectors["ecg"] * there).sum() ** 2) / there.sum().clamp(min=1) ** 2


class Moves(Term):
    def __init__(self, *given):
        super().__init__(*given)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, seen):
        self.seen += 1
        return seen.mean(seen.vectors["ecg"].square().mean(-1), seen.present["ecg"])


class Draws(Moves):
    def forward(self, seen):
        drawn = torch.rand(len(seen.batch), dtype=torch.float64)
        return seen.mean(drawn * seen.vectors["ecg"].square().mean(-1), seen.present["ecg"])


class Dead(Moves):
    def __init__(self, *given):
        super().__init__(*given)
        self.unused = nn.Parameter(torch.ones(1))

    def forward(self, seen):
        return seen.mean(seen.vectors["ecg"].square().mean(-1), seen.present["ecg"])


class Forgets(Dead):
    def __init__(self, *given):
        Moves.__init__(self, *given)
        self.size = torch.rand(())

    def forward(self, seen):
        return self.size * super().forward(seen)


class ReachesModel(Dead):
    def __init__(self, *given):
        Moves.__init__(self, *given)
        self.tell = nn.Linear(self.dims["ecg"], 1)
        self.model = [given[0]]

    def critics(self):
        return self.tell

    def learn(self, seen):
        again = self.model[0](seen.batch.inputs)
        return self.tell(again.encoded["ecg"].mean()).mean()


@pytest.mark.parametrize(
    ("term", "law"),
    [
        (Nan, "value_is_a_number"), (CountsAll, "nothing_unobserved_is_read"),
        (Compares, "company_matters_as_declared"), (Moves, "evaluation_changes_nothing"),
        (Draws, "evaluation_changes_nothing"), (Dead, "every_parameter_of_a_term_learns"),
        (Forgets, "state_of_a_term_is_complete"), (ReachesModel, "every_parameter_of_a_term_learns"),
    ],
)  # fmt: skip
def test_what_breaks_a_law_is_told(term, law):
    with pytest.raises(BrokenLawError, match=f"^{law}"):
        check_term(term, modalities=(2,))


class TellsAbsent(Dead):
    def __init__(self, *given):
        Moves.__init__(self, *given)

    def forward(self, seen):
        own = sum(p.sum() for p in seen.model.encoders["ecg"].parameters())
        return super().forward(seen) + own


def test_an_absent_encoder_that_learns_is_told():
    with pytest.raises(BrokenLawError, match="^absent_encoders_learn_nothing: the encoder of ecg"):
        check_term(TellsAbsent, modalities=(2,))


# loops that say the same


@pytest.fixture(scope="module")
def looked():
    model, _ = PART.made()
    return model, PART.seen(model, PART.batch())


def rows(x, there):
    return [[v.item() for v in row] for row, here in zip(x, there, strict=True) if here]


def test_similarity_is_the_central_moments_discrepancy(looked):
    model, seen = looked
    shared, found = seen.extra("shared"), []
    for a, b, both in seen.pairs():
        total = 0.0
        one, other = rows(shared[a], both), rows(shared[b], both)
        width = len(one[0])
        means = [[sum(r[j] for r in part) / len(part) for j in range(width)] for part in (one, other)]
        for order in range(1, 6):
            moments = means if order == 1 else [
                [sum((r[j] - mean[j]) ** order for r in part) / len(part) for j in range(width)]
                for part, mean in zip((one, other), means, strict=True)
            ]  # fmt: skip
            total += math.sqrt(sum((x - y) ** 2 for x, y in zip(*moments, strict=True)))
        found.append(total)
    expected = sum(found) / len(found)
    term = Similarity(model, ("x",) * 12, published=True).double()
    assert term(seen).item() == pytest.approx(expected, rel=1e-6)
    assert Similarity(model, ("x",) * 12).double()(seen).item() == pytest.approx(
        expected / math.sqrt(32),
        rel=1e-4,  # 1e-12 stands beside the squares
    )


def common(one, other):
    """Sum of squares of X' Y, and how many rows."""
    width, normed = len(one[0]), []
    for part in (one, other):
        mean = [sum(r[j] for r in part) / len(part) for j in range(width)]
        centred = [[r[j] - mean[j] for j in range(width)] for r in part]
        normed.append([[v / math.sqrt(sum(w * w for w in r)) for v in r] for r in centred])
    total = 0.0
    for i, j in itertools.product(range(width), repeat=2):
        total += sum(x[i] * y[j] for x, y in zip(*normed, strict=True)) ** 2
    return total, len(one)


def test_difference_is_what_rows_have_in_common(looked):
    model, seen = looked
    shared, private = seen.extra("shared"), seen.extra("private")
    parts = [common(rows(private[m], t), rows(shared[m], t)) for m, t in seen.present.items()]
    parts += [common(rows(private[a], t), rows(private[b], t)) for a, b, t in seen.pairs()]
    ids = ("x",) * 12
    assert Difference(model, ids, published=True)(seen).item() == pytest.approx(
        sum(total / 32**2 for total, _ in parts), rel=1e-6
    )
    assert Difference(model, ids)(seen).item() == pytest.approx(
        sum(total / count**2 for total, count in parts) / len(parts), rel=1e-6
    )


def test_reconstruction_is_the_squared_error_of_a_linear_map(looked):
    model, seen = looked
    term = Reconstruction(model, ("x",) * 12).double()
    told, shared, private = (seen.extra(name) for name in ("projected", "shared", "private"))
    errors = []
    for m, there in seen.present.items():
        own = []
        for row in there.nonzero().flatten().tolist():
            guess = term.decoders[m].weight @ (shared[m][row] + private[m][row]) + term.decoders[m].bias
            own.append(((guess - told[m][row]) ** 2).mean().item())
        errors.append(sum(own) / len(own))
    assert term(seen).item() == pytest.approx(sum(errors) / 3, rel=1e-9)


@pytest.mark.parametrize("apart", ["sample", "group"])
@pytest.mark.parametrize("anchor", [None, "b"])
def test_contrast_is_how_hard_it_is_to_find_ones_own(looked, apart, anchor):
    model, seen = looked
    term = Contrast(model, ("x",) * 12, anchor=anchor, apart=apart).double()
    vectors = {
        m: [
            [v / max(1e-12, math.sqrt(sum(w * w for w in r))) for v in r] for r in term.project[m](x).tolist()
        ]
        for m, x in seen.vectors.items()
    }
    groups, found = seen.batch.groups.tolist(), []
    pairs = [p for p in (("a", "b"), ("a", "c"), ("b", "c")) if anchor in (None, *p)]
    for a, b in pairs:
        both = (seen.present[a] & seen.present[b]).tolist()
        for x, y in ((vectors[a], vectors[b]), (vectors[b], vectors[a])):
            losses = []
            for i in range(12):
                others = [
                    j for j in range(12)
                    if both[j] and j != i and (apart == "sample" or groups[j] != groups[i])
                ]  # fmt: skip
                if not both[i] or not others:
                    continue
                scores = {j: sum(u * v for u, v in zip(x[i], y[j], strict=True)) / 0.07 for j in [i, *others]}
                total = sum(math.exp(s) for s in scores.values())
                losses.append(-math.log(math.exp(scores[i]) / total) / math.log(len(scores)))
            found.append(sum(losses) / len(losses))
    assert term(seen).item() == pytest.approx(sum(found) / len(found), rel=1e-6)


# training


def model_of(corpus, **parts):
    return affect.FusionModel.for_corpus(
        corpus, seed=0, fusion=partial(affect.fusion.SharedPrivateFusion, width=8), width=8, **parts
    )


class Recalls(Term):
    """A memory by sample, a critic of its own, and a shortened step."""

    def __init__(self, model, ids, weight=0.1):
        super().__init__(model, ids, weight)
        self.register_buffer("memory", torch.zeros(len(ids), self.fused_dim))
        self.tell = nn.Linear(self.fused_dim, 1)

    def critics(self):
        return self.tell

    def learn(self, seen):
        return (self.tell(seen.output.fused.mean()) - 1).square().mean()

    def forward(self, seen):
        near = (seen.output.fused.mean() - self.memory[seen.batch.rows]).square().mean(-1)
        said = self.tell(seen.output.fused.mean()).square().mean(-1)
        return seen.mean(near + said, torch.ones_like(near))

    def observe(self, seen):
        self.memory[seen.batch.rows] = seen.output.fused.mean()

    def paces(self, seen):
        return {"acoustic": 0.5}


def test_a_training_that_was_killed_goes_on_with_memories_and_critics_as_if_it_had_not_been(tmp_path):
    corpus = affect.load("synthetic")
    terms = {"recalls": Recalls, "bind": partial(Contrast, width=8), "alike": Similarity}
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
    assert whole.terms["recalls"].memory.any(1).all()
    with pytest.raises(ConfigError, match="holds a training of another terms"):
        affect.fit(model_of(corpus), corpus, **{**options, "terms": {}})


def test_a_critic_learns_and_is_left_alone_by_the_model_s_step():
    corpus = affect.load("synthetic")
    model = model_of(corpus)
    with_it = affect.fit(model, corpus, training=Training(epochs=2), terms={"recalls": Recalls})
    tell = with_it.terms["recalls"].tell
    assert not any(p.requires_grad for p in tell.parameters())
    again = affect.fit(model_of(corpus), corpus, training=Training(epochs=2), terms={"recalls": Untaught})
    fresh = Untaught(model_of(corpus), corpus["train"].ids).tell
    assert torch.equal(again.terms["recalls"].tell.weight, fresh.weight) is False  # seeds of their own
    assert not torch.equal(tell.weight, again.terms["recalls"].tell.weight)


class Untaught(Recalls):
    def learn(self, seen):
        return 0 * super().learn(seen)


class Halves(Term):
    share = 0.5

    def forward(self, seen):
        return seen.output.fused.values.sum() * 0

    def paces(self, seen):
        return {"acoustic": self.share}


class Stands(Halves):
    share = 0.0


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
def test_a_shortened_step_is_shorter_whatever_the_optimiser(optimizer):
    corpus = affect.load("synthetic")
    splits = {name: split.take([*range(32)]) for name, split in corpus.splits.items()}
    corpus = replace(corpus, splits=splits)  # a step
    moved = {}
    for term in (None, Halves, Stands):
        model = model_of(corpus)
        before = {name: x.clone() for name, x in model.state_dict().items()}
        terms = {} if term is None else {"pace": term}
        training = Training(epochs=1, optimizer=optimizer, weight_decay=0.0)
        after = affect.fit(model, corpus, training=training, terms=terms).model.state_dict()
        moved[term] = {name: after[name] - x for name, x in before.items() if "encoders" in name}
    for name, whole in moved[None].items():
        half, none = moved[Halves][name], moved[Stands][name]
        if ".acoustic." in name:
            assert torch.allclose(half, whole / 2, atol=1e-7)
            assert not none.any()
        else:
            assert torch.equal(half, whole)
            assert torch.equal(none, whole)
    assert any(x.any() for name, x in moved[None].items() if ".acoustic." in name)


@pytest.mark.parametrize("precision", ["bfloat16", "bf16-true"])
def test_steps_are_shortened_in_bfloat16_too(precision):
    corpus = affect.load("synthetic")
    training = Training(epochs=1, precision=precision)
    run = affect.fit(model_of(corpus), corpus, training=training, terms={"each": known.GradientModulation})
    assert math.isfinite(run.history["term: each"].item())


@pytest.mark.parametrize(("batch_size", "idle"), [(4, True), (5, False)])
def test_a_term_that_was_never_more_than_zero_is_told(batch_size, idle, caplog):
    corpus = affect.load("synthetic")
    splits = {name: split.take([*range(20)]) for name, split in corpus.splits.items()}
    terms = {"alike": known.CanonicalCorrelation, "each": known.UnimodalHeads}  # four features
    training = Training(epochs=2, batch_size=batch_size)
    affect.fit(model_of(corpus), replace(corpus, splits=splits), training=training, terms=terms)
    said = (
        "terms: alike: CanonicalCorrelation was 0 in each epoch (2), so that nothing was learned from it: no "
        "batch (of 4) had what counts for it; see its documentation, or leave it out"
    )
    assert [line for line in caplog.messages if line.startswith("terms: ")] == [said] * idle


def test_history_holds_each_part_s_value_and_its_shares_of_loss_and_gradient():
    corpus = affect.load("synthetic")
    run = affect.fit(
        model_of(corpus),
        corpus,
        training=Training(epochs=2),
        terms={"alike": Similarity, "consistency": None},
    )
    history = run.history
    assert {"term: supervised", "term: alike"} <= {*history}
    assert "term: consistency" not in history
    for kind in ("loss", "gradient"):
        shares = history[[f"{kind}: supervised", f"{kind}: alike"]]
        assert shares.sum(axis=1).tolist() == pytest.approx([1, 1])
        assert (shares > 0).all(axis=None)
    weighed = history["term: supervised"], 1.0 * history["term: alike"]
    assert (weighed[1] / sum(weighed)).tolist() == pytest.approx(history["loss: alike"].tolist())


def test_without_terms_nothing_is_added():
    corpus = affect.load("synthetic")
    run = affect.fit(affect.FusionModel.for_corpus(corpus), corpus, training=Training(epochs=1))
    assert not any(":" in name for name in run.history)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"alike": Similarity}, "terms: alike: Similarity needs shared, which ConcatenationFusion does not"),
        ({"d": known.Distillation}, "terms: d: Distillation needs teacher"),
        ({"x": partial(Contrast, weight=-1.0)}, "Contrast: weight must be at least 0, got -1.0"),
        ({"x": partial(Contrast, anchor="txt")}, "Contrast: anchor: no modality 'txt'; did you mean 'text'"),
        ({"x": partial(Contrast, wdth=3)}, "terms: x: Contrast cannot be made: unexpected keyword"),
        ({"x": affect.objectives.SquaredError}, "terms: x: expected"),
        ({"x": "Contrast"}, "terms: x: expected"),
        (["Contrast"], "fit: terms: expected"),
    ],
)
def test_what_makes_no_term_is_one_line(terms, message):
    corpus = affect.load("synthetic")
    with pytest.raises(ConfigError) as told:
        affect.fit(affect.FusionModel.for_corpus(corpus), corpus, terms=terms)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_run_keeps_what_its_terms_have_learned(tmp_path):
    corpus = affect.load("synthetic")
    terms = {"bind": partial(Contrast, width=8, anchor="text")}
    run = affect.fit(model_of(corpus), corpus, training=Training(epochs=1), terms=terms)
    again = affect.load_run(run.save(tmp_path / "run"))
    assert again.terms["bind"].anchor == "text"
    states = run.terms.state_dict(), again.terms.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_consistency_keeps_what_its_option_meant():
    """The same as two views that are learned from, each with half of the weight, and how far they are apart."""
    corpus = affect.load("synthetic")
    model = model_of(corpus).train()
    part = TermPart(known.Consistency, ("a", "b"), Regression("t"), affect.fusion.SharedPrivateFusion)
    model, _ = part.made()
    seen = part.seen(model, part.batch())
    term = known.Consistency(model, seen.batch.ids, weight=0.3)
    total = seen.objective(seen.output) + 0.3 * term(seen)
    apart = (seen.output.prediction - seen.clean.prediction.detach()).square()[:, 0, 0]
    labelled = seen.batch.target.present
    expected = (seen.objective(seen.output) + seen.objective(seen.clean)) / 2
    expected = expected + 0.3 * apart[labelled].mean()
    assert total.item() == pytest.approx(expected.item(), rel=1e-9)
