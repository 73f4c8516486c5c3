"""What is known of public corpora of conversations: their sizes, and the order of their classes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

_EMOTIONS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
_SENTIMENTS = ("neutral", "positive", "negative")


@dataclass(frozen=True)
class Known:
    """A public corpus of conversations.

    Args:
        keys: what its dialogues are called.
        totals: how many dialogues its files hold; empty where the names alone are enough.
        sizes: dialogues of its training, validation and test split.
        classes: of its labels, in the order of their codes, by how many there are.
    """

    keys: str
    totals: tuple[int, ...]
    sizes: tuple[int, int, int]
    classes: dict[int, tuple[str, ...]] = field(default_factory=dict)


KNOWN = {
    "meld": Known(r"\d+", (1432, 1433), (1038, 114, 280), {7: _EMOTIONS, 3: _SENTIMENTS}),
    "iemocap": Known(
        r"Ses0\d[FM]_\w+",
        (),
        (108, 12, 31),
        {
            6: ("happy", "sad", "neutral", "angry", "excited", "frustrated"),
            4: ("happy", "sad", "neutral", "angry"),
        },
    ),
    "emorynlp": Known(
        r"\d+_\d+_\d+",
        (827,),
        (659, 89, 79),
        {7: ("Joyful", "Mad", "Peaceful", "Neutral", "Sad", "Powerful", "Scared")},
    ),
}
"""Sizes are those of the files of conv-emotion and of MELD's authors. By the orders of MELD's and EmoryNLP's
classes the codes in pickles are the names in tables; IEMOCAP's are those in conv-emotion's loaders, and its
four are the six of the same utterances, with excited under happy."""


def recognised(dialogues: Collection[object]) -> str:
    """The public corpus of which these are all dialogues, by their names; empty where it is none.

    Example:
        >>> recognised(["Ses01F_impro01", "Ses05M_script02_2"]), recognised(["a", "b"])
        ('iemocap', '')
    """
    for name, known in KNOWN.items():
        if known.totals and len(dialogues) not in known.totals:
            continue
        if dialogues and all(re.fullmatch(known.keys, str(one)) for one in dialogues):
            return name
    return ""


def published_order(found: Iterable[str]) -> tuple[str, ...]:
    """Names of classes in the order of their published codes; as they are where no corpus has just these.

    Example:
        >>> published_order(["negative", "neutral", "positive"]), published_order(["no", "yes"])
        (('neutral', 'positive', 'negative'), ('no', 'yes'))
    """
    names = tuple(found)
    for known in KNOWN.values():
        for order in known.classes.values():
            if set(order) == set(names):
                return order
    return names
