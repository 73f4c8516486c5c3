"""What arrays are called: the split, and the modality, the label or the ids that a name says."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from affect.data.rules.kinds import LABELS
from affect.data.rules.splits import SPLITS
from affect.data.sources.tables.of_samples import named

Kind: TypeAlias = Literal["id", "group", "words", "split", "label", "modality", "shared", "tokens"]
_APART = r"[_\-. /]"
_NAMES = "|".join(sorted(SPLITS.keys() - {"all"}, key=len, reverse=True))
_SPLIT = re.compile(rf"(?:^|(?<={_APART}))({_NAMES})(?=$|{_APART})", re.I)
_FIELDS = {
    "values": "values", "value": "values",
    "lengths": "lengths", "length": "lengths", "lens": "lengths", "len": "lengths",
    "mask": "mask", "masks": "mask", "attention_mask": "mask", "observed": "mask",
    "times": "times", "timestamps": "times", "intervals": "times",
    "columns": "columns", "feature_names": "columns", "column_names": "columns",
}  # fmt: skip
_FIELD = re.compile(rf"(?:(.+?){_APART})?({'|'.join(sorted(_FIELDS, key=len, reverse=True))})", re.I)
_BEFORE = re.compile(rf"({'|'.join(sorted(_FIELDS, key=len, reverse=True))}){_APART}(.+)", re.I)
_KINDS: dict[Kind, re.Pattern[str]] = {
    "id": re.compile(r"(?:(?:segment|clip|utterance|utt)_)?ids?|file(?:name)?s?|names?|keys?"),
    "group": re.compile(r"groups?|speakers?(?:_ids?)?|video_ids?"),
    "words": re.compile(r"words?|raw_text|transcripts?|transcriptions?|sentences?"),
    "split": re.compile(r"splits?|mode|fold"),
    "tokens": re.compile(r"text_bert|input_ids|token_ids"),
}
_LABEL = re.compile(r"(?:(.+?)_)?labels?(?:_([TAV]))?|(y|targets?|class|classes)")
_AFFECT = {
    "sentiment": "sentiment", "sentiments": "sentiment", "emotion": "emotion", "emotions": "emotion",
    **{name: name for name in ("valence", "arousal", "dominance", "sarcasm", "humor")},
}  # fmt: skip
_BASES = {"": "sentiment", "regression": "sentiment", "classification": "sentiment_class"}
_UNIMODAL = {"T": "text", "A": "acoustic", "V": "visual"}
_OWN = ("text", "audio", "vision", "video", "visual", "acoustic", "x", "features")
_ALL = "features"
_ENDING = re.compile(r"[_\-. /](features?|feats?|embeddings?|embs?|x)$", re.I)


@dataclass(frozen=True)
class Role:
    """What an array is.

    Args:
        split: which it belongs to; empty where its name says none.
        kind: what it holds; `shared` is a field of all modalities, `tokens` are indices of words.
        name: of the modality or the target; otherwise as it stands.
        field: what of it: `values`, or beside them `lengths`, `mask`, `times` or `columns`.
        plain: that the name is one that arrays have, and not just any.
    """

    split: str
    kind: Kind
    name: str = ""
    field: str = "values"
    plain: bool = True


def role_of(key: str, targets: Collection[str] = ()) -> Role:
    """What an array of that name is, by its name alone.

    Args:
        key: `text_train`, `train/text`, `audio_lengths`, `y_test`, `wav2vec2.0`.
        targets: names that are labels whatever they look like.
    Example:
        >>> role_of("X_train"), role_of("dev/audio_lengths")
        ... # doctest: +NORMALIZE_WHITESPACE
        (Role(split='train', kind='modality', name='features', field='values', plain=True),
         Role(split='valid', kind='modality', name='acoustic', field='lengths', plain=True))
        >>> role_of("label_T").name, role_of("emotion_labels").name, role_of("wav2vec2.0").name
        ('sentiment_text', 'emotion', 'wav2vec2.0')
    """
    split, rest = split_of(key)
    if rest in targets:
        return Role(split, "label", rest)
    field = "values"
    behind, before = _FIELD.fullmatch(rest), _BEFORE.fullmatch(rest)
    if behind:
        rest, field = behind[1] or "", _FIELDS[behind[2].lower()]
    elif before:
        rest, field = before[2], _FIELDS[before[1].lower()]
    low = rest.lower()
    if field != "values" and low in ("", "x"):
        return Role(split, "shared", "", field)
    for kind, names in _KINDS.items():
        if names.fullmatch(low):
            return Role(split, kind, rest, field)
    label = rest if rest in targets else label_of(rest)
    if label:
        return Role(split, "label", label, field)
    return Role(split, "modality", modality_of(rest), field, _ENDING.sub("", low) in _OWN)


def split_of(key: str) -> tuple[str, str]:
    """The split that a name says, and the rest of the name; the split is empty where it says none.

    Example:
        >>> split_of("text_train"), split_of("Train/text"), split_of("mosi-dev"), split_of("constraint")
        (('train', 'text'), ('train', 'text'), ('valid', 'mosi'), ('', 'constraint'))
    """
    found = _SPLIT.search(key)
    if found is None:
        return "", key
    left, right = key[: found.start()].rstrip("_-. /"), key[found.end() :].lstrip("_-. /")
    return SPLITS[found[1].lower()], f"{left}_{right}" if left and right else left or right


def label_of(name: str) -> str:
    """The target of which an array of that name holds labels; empty where it holds none by its name.

    Example:
        >>> label_of("y"), label_of("regression_labels"), label_of("classification_labels"), label_of("text")
        ('sentiment', 'sentiment', 'sentiment_class', '')
    """
    if name in LABELS:
        return LABELS[name]
    found = _LABEL.fullmatch(name) or _LABEL.fullmatch(name.lower())
    if found is None:
        return _AFFECT.get(name.lower(), "")
    base = _BASES.get(found[1] or "", found[1])
    return f"{base}_{_UNIMODAL[found[2]]}" if found[2] else base


def modality_of(name: str) -> str:
    """What a modality of that name is called here.

    Example:
        >>> [modality_of(name) for name in ("audio", "vision_features", "X", "ecg_features")]
        ['acoustic', 'visual', 'features', 'ecg_features']
    """
    short = _ENDING.sub("", name)
    if short.lower() not in _OWN:
        return named(name) or _ALL
    return _ALL if short.lower() in ("x", _ALL) else named(short.lower())
