"""Who speaks at each step of a conversation, as whole numbers that an encoder of indices reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Ragged

if TYPE_CHECKING:
    from affect.data.corpus import Split

SPEAKER = "speaker"
"""The modality of parties."""

IDENTITY = "speaker_identity"
"""The modality of persons, which a reader makes only where it is asked for."""

Times = Iterable[NDArray[np.float64] | None] | None


def parties(spoken: Iterable[Iterable[Any]], times: Times = None) -> Ragged:
    """The party of each utterance, by number: 1 is who speaks first in the dialogue, 2 the next who is new.

    A number says nothing of who the person is: the first speaker of every dialogue is party 1. Where it is
    not known who speaks, the step is unobserved and holds 0, as padding does.

    Args:
        spoken: for each dialogue, who speaks at each utterance, under any name; None where that is not known.
        times: start and end of each utterance in seconds, by dialogue.
    Shapes:
        -> rows of (utterances, 1)
    Example:
        >>> found = parties([["Joey", "Ross", "Joey", None, "Monica"], ["Ross"]])
        >>> found[0].ravel().tolist(), found.observed.tolist(), found[1].ravel().tolist()
        ([1.0, 2.0, 1.0, 0.0, 3.0], [True, True, True, False, True, True], [1.0])
    """
    rows = []
    for names in spoken:
        met: dict[Any, int] = {}
        rows.append([0 if name is None else met.setdefault(name, len(met) + 1) for name in names])
    return _rows(rows, times)


def identities(
    spoken: Mapping[str, Iterable[Iterable[Any]]],
    learned: str = "train",
    times: Mapping[str, Times] | None = None,
) -> tuple[dict[str, Ragged], tuple[str, ...]]:
    """The person at each utterance, by number; 1 is who speaks most in the split that is learned from.

    Persons who do not speak there are not known: their steps are unobserved and hold 0.

    Args:
        spoken: as in `parties`, by split.
        learned: the split whose persons are told apart; where it is not there, those of all splits are.
        times: as in `parties`, by split.
    Shapes:
        -> rows of (utterances, 1) by split, and the names of persons 1, 2 and so on
    Example:
        >>> rows, names = identities({"train": [["Joey", "Ross", "Joey"]], "test": [["Ross", "Monica"]]})
        >>> rows["test"][0].ravel().tolist(), names
        ([2.0, 0.0], ('Joey', 'Ross'))
    """
    said = {split: [list(names) for names in rows] for split, rows in spoken.items()}
    source = [said[learned]] if learned in said else [*said.values()]
    counts = Counter(name for rows in source for names in rows for name in names if name is not None)
    order = sorted(counts, key=lambda name: (-counts[name], str(name)))
    place = {name: i for i, name in enumerate(order, 1)}
    found = {
        split: _rows([[place.get(name, 0) for name in names] for names in rows], (times or {}).get(split))
        for split, rows in said.items()
    }
    return found, tuple(map(str, order))


def parties_of(split: Split) -> dict[str, NDArray[np.int64]]:
    """The party of each step by the id of its sample, 0 where it is not known who speaks.

    Args:
        split: of which the modality `speaker` holds parties; of another one nothing is known.
    Shapes:
        -> (steps,) by id
    Example:
        >>> spoken = parties([["Joey", "Ross", None], ["Ross"]])
        >>> found = parties_of(affect.data.corpus.Split(("a", "b"), {"speaker": spoken}, {}))
        >>> found["a"].tolist(), found["b"].tolist()
        ([1, 2, 0], [1])
    """
    rows = split.modalities.get(SPEAKER)
    if rows is None or rows.dim != 1:
        return {}
    own = rows.index
    numbers = np.where(rows.observed[own], rows.values[own, 0], 0).astype(np.float64)
    if not (np.isfinite(numbers) & (numbers >= 0) & (numbers == numbers.round())).all():
        return {}  # of that name, and of another kind
    ends = zip(split.ids, rows.offsets[:-1], rows.offsets[1:], strict=True)
    return {name: numbers[begin:end].astype(np.int64) for name, begin, end in ends}


def _rows(numbers: Iterable[list[int]], times: Times) -> Ragged:
    rows = [np.array(row, np.float32)[:, None] for row in numbers]
    return Ragged.from_rows(rows, 1, [row[:, 0] > 0 for row in rows], times)
