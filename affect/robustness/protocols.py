"""Published protocols by name, so that a user with the data gets comparable rows.

`affect.robustness.protocols.tfr_net()` is a grid for `sweep`; `affect sweep RUN --protocol tfr_net` runs it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

from affect.classes.objects import function_of
from affect.corruption import (
    Compose,
    Corruption,
    GaussianNoise,
    PartyDropout,
    RandomModalities,
    RunDropout,
    StepDropout,
    StepNoise,
    TimeShift,
    UtteranceDropout,
    WordErasure,
)
from affect.errors import ConfigError, described, did_you_mean, listed
from affect.model import FusionModel
from affect.robustness.sweeps import RATES, Condition, Grid, every, levels, modality_subsets


def tfr_net(draws: int = 3, rates: Iterable[float] = RATES) -> Grid:
    """Steps are erased at rates 0 to 1, unsaid by the mask; the score is the area under the curve (AUILC).

    Features become zeros, on the corpus's own scale; words given by number become the unknown word. All
    modalities lose steps at the same rate, each by draws of its own.

    Args:
        draws: how often each is drawn; the paper's are three seeds.
        rates: of loss.
    Reference:
        Yuan et al., Transformer-based Feature Reconstruction Network for Robust Multimodal Sentiment
        Analysis, ACM MM 2021. Differs: modalities of equal shape do not lose the same steps.
    """
    return _erased("steps erased", draws, rates)


def lnln(draws: int = 3, rates: Iterable[float] = RATES[:-1]) -> Grid:
    """Steps are erased at rates 0 to 0.9, unsaid by the mask; the score is the mean over the rates.

    Words given by number become the unknown word, other features zeros.

    Args:
        draws: how often each is drawn; the paper's are three seeds.
        rates: of erasure.
    Reference:
        Zhang et al., Towards Robust Multimodal Sentiment Analysis with Incomplete Data, NeurIPS 2024.
        Differs: modalities of equal shape do not lose the same steps.
    """
    return _erased("steps erased", draws, rates)


def fixed_subsets(draws: int = 1) -> Grid:
    """Each subset of the modalities alone, known: with three modalities seven, the whole one included.

    Args:
        draws: is not looked at: nothing is drawn.
    Reference:
        Zhao et al., Missing Modality Imagination Network, ACL 2021; Lian et al., GCNet, TPAMI 2023.
    """
    return modality_subsets()


def random_modality(draws: int = 5, rates: Iterable[float] = RATES[:8]) -> Grid:
    """A share of all modalities is missing, 0 to 0.7, and every sample keeps at least one.

    From 2/3 on, with three modalities, every sample keeps just one: what papers call 0.7.

    Args:
        draws: how often each is drawn.
        rates: of all modalities.
    Reference:
        Lian et al., GCNet, TPAMI 2023; Wang et al., Incomplete Multimodality-Diffused Emotion Recognition,
        NeurIPS 2023.
    """
    return levels("modalities missing", RandomModalities(), rates, draws=draws)


def multibench(draws: int = 3, rates: Iterable[float] = RATES[:10]) -> Grid:
    """MultiBench's noise on time series, on each modality by itself and on all at once, at levels 0 to 0.9.

    At level p every step gets one Gaussian number of deviation p added to all its features, and with
    probability p a run of three steps is zeroed, in all modalities at the same steps. Words given by number
    are erased at rate p.

    Args:
        draws: how often each is drawn.
        rates: the levels p.
    Reference:
        Liang et al., MultiBench: Multiscale Benchmarks for Multimodal Representation Learning, NeurIPS 2021.
        Differs: its text noise misspells the raw words of four letters or more before they are embedded; here
        text that comes as features gets the noise of time series.
    """
    levels_ = tuple(rates)

    def conditions(model: FusionModel) -> list[Condition]:
        names = model.modalities
        curves = {f"noise: {name}": [name] for name in names} | {"noise": names}
        return [
            Condition(curve, level, _noisy(model, own).at(level), draws)
            for curve, own in curves.items()
            for level in levels_
        ]

    return conditions


def steps(draws: int = 5, rates: Iterable[float] = RATES) -> Grid:
    """Steps are lost, and the mask says so: of all modalities, and of each by itself.

    Args:
        draws: how often each is drawn.
        rates: of loss.
    """
    return levels("steps missing", StepDropout(), rates, draws=draws, each=True)


def utterances(draws: int = 5, rates: Iterable[float] = RATES) -> Grid:
    """Utterances of a conversation are lost, from all modalities at once, and the mask says so.

    A step is an utterance. Who speaks stays known.

    Args:
        draws: how often each is drawn.
        rates: of loss.
    Raises:
        ConfigError: when swept, a corpus whose steps are no utterances: it does not say who speaks, and has
            no labels of steps; or one that is not aligned.
    """
    return levels("utterances missing", UtteranceDropout(), rates, draws=draws)


def parties(draws: int = 5, rates: Iterable[float] = RATES) -> Grid:
    """Parties of a conversation are lost, with all that they say, and the mask says so; one always stays.

    Who speaks stays known.

    Args:
        draws: how often each is drawn.
        rates: of loss.
    Raises:
        ConfigError: when swept, a corpus that does not say who speaks.
    """
    return levels("parties missing", PartyDropout(), rates, draws=draws)


def noise(draws: int = 3, decibels: Iterable[float] = (30, 20, 10, 5, 0, -5, -10)) -> Grid:
    """Gaussian noise at signal-to-noise ratios in dB, on all modalities of features and on each alone.

    Args:
        draws: how often each is drawn.
        decibels: the ratios.
    Raises:
        ConfigError: when called, every modality holds word indices.
    """
    decibels = tuple(decibels)

    def conditions(model: FusionModel) -> list[Condition]:
        names = tuple(name for name in model.modalities if name not in model.indices)
        if not names:
            raise ConfigError("noise: every modality holds word indices, which take no noise")
        return levels("noise, dB", GaussianNoise(modalities=names), decibels, draws=draws, each=True)(model)

    return conditions


def shifts(draws: int = 1, steps: Iterable[float] = (-8, -4, -2, -1, 0, 1, 2, 4, 8)) -> Grid:
    """Each modality by itself comes late, or early, by so many steps.

    Args:
        draws: is not looked at: nothing is drawn.
        steps: by which it is late; below 0, early.
    """
    steps = tuple(steps)

    def conditions(model: FusionModel) -> list[Condition]:
        return [
            Condition(f"steps late: {name}", level, TimeShift(steps=level, modalities=(name,)))
            for name in model.modalities
            for level in steps
        ]

    return conditions


def protocol(names: Iterable[str], draws: int | None = None) -> Grid:
    """The conditions of several protocols, by their names.

    Args:
        names: of functions of this module, or one name; or import paths of one's own
            (`my_protocols.winter`): functions that return a grid when they are called.
        draws: how often each is drawn; each protocol's own number by default.
    Raises:
        ConfigError: there is no such protocol; one's own fails, returns no grid, or takes no `draws`.
    Example:
        >>> len(protocol(["fixed_subsets"])(affect.FusionModel.for_corpus(affect.load("synthetic"))))
        6
    """
    grids = []
    for name in [names] if isinstance(names, str) else listed("protocol", names):
        make = PROTOCOLS.get(name) or _own(name)
        if draws is not None and "draws" not in inspect.signature(make).parameters:
            raise ConfigError(
                f"protocol {name}: it has no argument 'draws'; leave out how often each is drawn"
            )
        try:
            grid = make() if draws is None else make(draws=draws)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"protocol {name}: it failed ({why})") from error
        if not callable(grid):
            raise ConfigError(
                f"protocol {name}: expected a grid, a function from a model to conditions, as "
                f"affect.robustness.levels makes one, got {described(grid)}"
            )
        grids.append(grid)
    return every(*grids)


def _own(path: str) -> Callable[..., Grid]:
    """A protocol of one's own."""
    if "." not in path:
        raise ConfigError(f"no protocol '{path}'; {did_you_mean(path, PROTOCOLS)}")
    return function_of(path, "protocol", "Grid")


PROTOCOLS: dict[str, Callable[..., Grid]] = {
    own.__name__: own
    for own in (
        fixed_subsets, lnln, multibench, noise, parties, random_modality, shifts, steps, tfr_net, utterances,
    )
}  # fmt: skip
"""By name."""


def _erased(curve: str, draws: int, rates: Iterable[float]) -> Grid:
    levels_ = tuple(rates)

    def conditions(model: FusionModel) -> list[Condition]:
        parts = [_erasure(model, name) for name in model.modalities]
        return [Condition(curve, rate, Compose(parts=tuple(parts)).at(rate), draws) for rate in levels_]

    return conditions


def _erasure(model: FusionModel, name: str) -> Corruption:
    """Words become unknown, features zeros."""
    if name in model.indices:
        return WordErasure(unknown=int(model.encoders[name].unknown), modalities=(name,))  # type: ignore[arg-type]
    return StepDropout(becomes="zero", modalities=(name,))


def _noisy(model: FusionModel, names: list[str]) -> Compose:
    words = [name for name in names if name in model.indices]
    features = tuple(name for name in names if name not in words)
    parts: list[Corruption] = [_erasure(model, name) for name in words]
    if features:
        parts += [
            StepNoise(modalities=features),
            RunDropout(becomes="zero", together=True, modalities=features),
        ]
    return Compose(parts=tuple(parts))
