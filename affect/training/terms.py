"""The terms of a training: how they are made, and how they learn."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from affect.classes.factories import check_factory, made_by
from affect.data.corpus import Split
from affect.data.targets import Target
from affect.errors import ConfigError, did_you_mean
from affect.model import FusionModel
from affect.naming import ModuleDict
from affect.objectives.terms import Consistency, Distillation, Imputation, Seen, Term, TermFactory
from affect.objectives.terms.base import RHYTHMS
from affect.training import devices
from affect.training.optimisation import make_optimizer
from affect.training.options import Training

logger = logging.getLogger(__name__)


def made_terms(
    model: FusionModel,
    ids: tuple[str, ...],
    factories: Mapping[str, TermFactory | None],
    training: Training,
    teacher: FusionModel | None = None,
    supervised: float = 1.0,
    targets: Mapping[str, Target] | None = None,
    auxiliary: bool = False,
) -> Terms:
    """The terms of a training: those that are asked for, and those that its options ask for.

    Args:
        model: is to be trained.
        ids: of the samples that it is to learn from.
        factories: by name; None switches off what the options ask for.
        training: whose `consistency`, `distillation` and `imputation` are weights of terms by these names.
        teacher: of the training.
        supervised: weight of the objective.
        targets: of the corpus, by name: what terms can read beside the label.
        auxiliary: whether there is another corpus, which terms alone see.
    Raises:
        ConfigError: nothing is learned from; a term needs what is not there, is none, or cannot be made.
    Example:
        >>> model = affect.FusionModel.for_corpus(affect.load("synthetic"))
        >>> class Alike(Term):
        ...     needs = ("shared",)
        >>> made_terms(model, ("a", "b"), {"alike": Alike}, affect.Training())
        Traceback (most recent call last):
        affect.errors.ConfigError: terms: alike: Alike needs shared, which ConcatenationFusion does not offer;
        it offers nothing
    """
    offered = [*model.fusion.offers]
    asked: dict[str, TermFactory | None] = {}
    if training.consistency:
        asked["consistency"] = functools.partial(Consistency, weight=training.consistency)
    if teacher is not None:
        asked["distillation"] = functools.partial(Distillation, weight=training.distillation)
        offered.append("teacher")
    if model.imputer is not None:
        asked["imputation"] = functools.partial(Imputation, weight=training.imputation)
        offered.append("imputation")
    if any(encoder.words is not None for encoder in dict(model.encoders.items()).values()):
        offered.append("words")
    if auxiliary:
        offered.append("auxiliary")
    made = {}
    for name, factory in {**asked, **factories}.items():
        if name in _TAKEN or (factory is None and name not in _OPTIONS):
            said = (
                "is what the label's part is called" if name in _TAKEN else "is not there to be switched off"
            )
            raise ConfigError(f"terms: {name}: {said}; choose another name")
        if factory is None:
            continue
        check_factory("terms", name, factory, Term)
        try:
            term = made_by(name, factory, Term, model, ids, who="terms")
            term.prepare(targets or {})
        except ConfigError as error:
            said = str(error).removeprefix(f"terms: {name}: ")
            raise ConfigError(f"terms: {name}: {said}") from error
        if lacking := [need for need in term.needs if need not in offered]:
            if given := [f"{need}, {_GIVEN[need]}" for need in lacking if need in _GIVEN]:
                raise ConfigError(f"terms: {name}: {type(term).__name__} needs {', and '.join(given)}")
            raise ConfigError(
                f"terms: {name}: {type(term).__name__} needs {', '.join(lacking)}, which "
                f"{type(model.fusion).__name__} does not offer; it offers {', '.join(offered) or 'nothing'}"
            )
        if term.rhythm not in RHYTHMS:
            raise ConfigError(f"terms: {name}: rhythm: {did_you_mean(term.rhythm, RHYTHMS)}")
        made[name] = term
    if not supervised and not any(term.weight and judges(term) for term in made.values()):
        raise ConfigError(
            "stages: where supervised is 0, expected a term with a weight by which the epoch is chosen on "
            "the validation split, so without a memory by sample and without an auxiliary corpus, got "
            f"{', '.join(made) or 'none'}; name one, such as Contrast, or leave out supervised"
        )
    if auxiliary and not any("auxiliary" in term.needs for term in made.values()):
        raise ConfigError(
            "stages: auxiliary: no term looks at that corpus; name one that does, such as CorpusAlignment or "
            "OnAuxiliary, or leave it out"
        )
    return Terms(made)


_TAKEN = ("supervised",)
_OPTIONS = ("consistency", "distillation", "imputation")
"""The terms that options of a training ask for."""
_GIVEN = {
    "teacher": "a model to learn from; give a `teacher`",
    "imputation": "an imputer's error; give the model an `imputer`",
    "words": "a modality of words; give it an encoder of word indices, such as EmbeddingEncoder",
    "auxiliary": "another corpus; give its stage an `auxiliary`",
}
"""What a term may need that is no fusion's to offer, and how it is given."""


def joined(
    whole: Mapping[str, TermFactory | None], own: Mapping[str, TermFactory | None]
) -> dict[str, TermFactory | None]:
    """The terms of all stages and one's own, which take the place of those of the same name.

    Args:
        whole: by name.
        own: by name; None in the place of one of `whole` leaves it out.
    Example:
        >>> joined({"bind": Consistency}, {"bind": None})
        {}
    """
    kept = {name: factory for name, factory in whole.items() if name not in own}
    return {**kept, **{name: one for name, one in own.items() if one is not None or name not in whole}}


def judges(term: Term) -> bool:
    """Whether a term says something of the validation split.

    A memory by sample is of other samples; an auxiliary corpus stands beside the batches of training alone.

    Example:
        >>> model = affect.FusionModel.for_corpus(affect.load("synthetic"))
        >>> judges(affect.objectives.terms.Contrast(model, ("a", "b")))
        True
    """
    remembers = term.by_sample and type(term).observe is not Term.observe
    return not remembers and "auxiliary" not in term.needs


class Terms(ModuleDict):
    """Terms by name, and how those that have critics of their own take a step.

    Args:
        terms: by name.
    Example:
        >>> list(Terms({}))
        []
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        super().__init__(terms)
        self._critics = {name: own for name, term in terms.items() if (own := term.critics()) is not None}
        self._steps: dict[str, Optimizer] = {}
        for critic in self._critics.values():
            critic.requires_grad_(False)  # what they have of the model's own step is none

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_steps": {}}  # made anew where they are stepped

    @property
    def _every(self) -> dict[str, Any]:
        return dict(self.items())  # which torch takes for any modules

    @property
    def targets(self) -> list[str]:
        """Other targets that terms read."""
        return list(dict.fromkeys(name for term in self._every.values() for name in term.targets))

    @property
    def compare(self) -> bool:
        """Whether some compare the samples of a batch."""
        return any(term.compares for term in self._every.values())

    def joined_by(self, later: Terms) -> Terms:
        """These and later ones, which take the place of those of the same name."""
        return Terms({**self._every, **later._every})

    def go_on_from(self, before: Terms) -> None:
        """Take over what terms of the same names and sizes have learned before."""
        for name, other in before.items():
            if name not in self:
                continue
            own, state = self[name], other.state_dict()
            sizes, found = ({k: x.shape for k, x in one.items()} for one in (own.state_dict(), state))
            if sizes == found:
                own.load_state_dict(state)
            else:
                logger.warning("terms: %s begins anew: it is of other sizes than in the stage before", name)

    def tell_idle(self, history: Iterable[Mapping[str, float]], batch_size: int) -> None:
        """Say which of them were 0 in every epoch, as nothing is learned from these.

        Args:
            history: of a training, as `Learner` keeps it: a row per epoch.
            batch_size: of it.
        """
        rows = [*history]
        for name, term in self._every.items():
            values = [row[f"term: {name}"] for row in rows if f"term: {name}" in row]
            if values and not any(values):
                logger.warning(
                    "terms: %s: %s was 0 in each epoch (%d), so that nothing was learned from it: no batch "
                    "(of %d) had what counts for it; see its documentation, or leave it out",
                    name,
                    type(term).__name__,
                    len(values),
                    batch_size,
                )

    def fit(self, model: FusionModel, split: Split) -> None:
        """Let every term make what it makes of the training split."""
        for term in self._every.values():
            term.fit(model, split)

    def configure(self, training: Training, states: Mapping[str, Any] | None = None) -> None:
        """Make the optimisers of the critics, which go on from `states` where there are any."""
        for name, critic in self._critics.items():
            rate = getattr(critic, "learning_rate", training.learning_rate)
            with _learning(critic):
                self._steps[name] = make_optimizer(training, [{"params": [*critic.parameters()], "lr": rate}])
            if states is not None:
                self._steps[name].load_state_dict(states[name])

    def states(self) -> dict[str, Any]:
        """Those of the critics' optimisers."""
        return {name: step.state_dict() for name, step in self._steps.items()}

    @property
    def learn_before_epochs(self) -> bool:
        """Whether some critics learn at the beginning of an epoch."""
        return any(self._every[name].rhythm == "epoch" for name in self._critics)

    def teach(self, seen: Seen, rhythm: str = "step") -> None:
        """Let every critic of a rhythm take a step."""
        for name, step in self._steps.items():
            critic = self._critics[name]
            if self._every[name].rhythm != rhythm:
                continue
            with _learning(critic), torch.enable_grad():
                self._every[name].learn(seen.detached()).backward()
                devices.average([p.grad for p in critic.parameters() if p.grad is not None])
                step.step()
            step.zero_grad()

    def measured(self, seen: Seen) -> dict[str, Tensor]:
        """The value of every term, without its weight."""
        return {name: term(seen) for name, term in self._every.items()}

    def judged(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """The weighted sum of the terms for a batch, and of how many samples; (1,) each.

        Those that say nothing of it are left out (`judges`).
        """
        values = [term.weight * term(seen) for term in self._every.values() if judges(term)]
        value = torch.stack(values).sum() if values else torch.tensor(torch.nan)
        return value.reshape(1), torch.tensor([len(seen.batch)])

    def observe(self, seen: Seen) -> None:
        """Let every term look at what was learned from."""
        with torch.no_grad():
            for term in self._every.values():
                term.observe(seen)

    @property
    def validate_too(self) -> bool:
        """Whether some look at the validation split."""
        return any(type(term).validate is not Term.validate for term in self._every.values())

    def validated(self, seen: Seen) -> None:
        """Let every term look at a batch of the validation split."""
        with torch.no_grad():
            for term in self._every.values():
                term.validate(seen)

    def end_epoch(self) -> None:
        """Tell every term that an epoch is over."""
        with torch.no_grad():
            for term in self._every.values():
                term.end_epoch()

    def before(self, model: FusionModel) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """Every encoder's parameters, each with a copy of it; nothing where no term shortens steps."""
        if all(type(term).paces is Term.paces for term in self._every.values()):
            return {}
        return {
            name: [(p, p.detach().clone()) for p in encoder.parameters() if p.requires_grad]
            for name, encoder in model.encoders.items()
        }

    def shorten(self, seen: Seen, before: Mapping[str, list[tuple[Tensor, Tensor]]]) -> None:
        """Take back of the step of each encoder what terms do not let it take.

        The step itself is shortened, not its gradient: Adam divides by the size of gradients, and so undoes
        what they are multiplied by.
        """
        with torch.no_grad():
            for term in self._every.values():
                for name, share in term.paces(seen).items():
                    for parameter, was in before[name]:
                        parameter.copy_(was + share * (parameter - was))


def norms(parts: Mapping[str, Tensor], model: nn.Module) -> dict[str, float]:
    """The norm of the gradient that each part of a loss has at a model's parameters.

    Args:
        parts: of the loss, each with its weight.
        model: whose parameters.
    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> norms({"double": (2 * layer.weight).sum()}, layer)
        {'double': 2.0}
    """
    learning = [p for p in model.parameters() if p.requires_grad]
    found = {}
    for name, value in parts.items():
        grads = (
            torch.autograd.grad(value, learning, retain_graph=True, allow_unused=True)
            if value.requires_grad
            else ()
        )
        squares = [grad.detach().float().square().sum() for grad in grads if grad is not None]
        found[name] = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
    return found


@contextmanager
def _learning(critic: nn.Module) -> Iterator[None]:
    critic.requires_grad_(True)
    try:
        yield
    finally:
        critic.requires_grad_(False)
