"""Where in a conversation the label of a party changes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect.errors import ShapeError


def emotion_shifts(
    truth: ArrayLike, dialogues: Iterable[str], steps: ArrayLike, speakers: ArrayLike
) -> NDArray[np.int64]:
    """Of each utterance, 1 where its label is another than its party's last one, 0 where it is the same.

    -1 where there is no last one: of the first utterance of each party of a dialogue, and of those of which
    it is not known who speaks. Utterances of other parties between the two do not count, nor do those that
    have no label: they are not here.

    Args:
        truth: labels, a number each, or several.
        dialogues: the dialogue that each is of.
        steps: its place in the dialogue; rows may be in any order.
        speakers: the number of its party in the dialogue; 0 where that is not known.
    Shapes:
        truth: (labels, size) or (labels,), steps, speakers: (labels,) -> (labels,)
    Raises:
        ShapeError: there is not one of each for every label.
    Reference:
        Majumder et al., DialogueRNN, AAAI 2019 (error analysis); Poria et al., Emotion Recognition in
        Conversation: Research Challenges, Datasets, and Recent Advances, IEEE Access 2019. Of MELD these are
        the 427 and 1,003 shifts that its README counts in the splits for development and test; in training
        4,001, where that counts 4,003 in 1,039 dialogues, one more than are in the published file.
    Example:
        >>> emotion_shifts([0, 2, 1, 2], ["a"] * 4, [0, 1, 2, 3], [1, 2, 1, 2]).tolist()
        [-1, -1, 1, 0]
    """
    truth, steps, speakers = np.asarray(truth), np.asarray(steps), np.asarray(speakers)
    dialogues = [*dialogues]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(dialogues))}
    samples = np.array([numbers[name] for name in dialogues], np.int64)
    if not len(samples) == len(steps) == len(speakers) == len(truth):
        raise ShapeError(
            f"emotion_shifts needs a dialogue, a step and a speaker for each of {len(truth)} labels, got "
            f"{len(samples)}, {len(steps)} and {len(speakers)}"
        )
    truth = truth if truth.ndim > 1 else truth[:, None]
    order = np.lexsort((steps, speakers, samples))
    before, after = order[:-1], order[1:]
    same = (samples[before] == samples[after]) & (speakers[before] == speakers[after]) & (speakers[after] > 0)
    found = np.full(len(truth), -1)
    found[after[same]] = (truth[before] != truth[after]).any(1)[same]
    return found
