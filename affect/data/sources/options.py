"""What a user says of a corpus's file that the file itself does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from affect.data.corpus import Corpus
from affect.errors import ConfigError, described, did_you_mean
from affect.files import real

Reader: TypeAlias = Callable[..., Corpus]
"""From a path to a corpus; or from a path and `Options`, where it takes two arguments."""

Duplicates: TypeAlias = Literal["refuse", "number", "first", "keep"]
"""What becomes of ids that occur more than once: an error; `id[0]`, `id[1]`; the first alone; as they are."""


@dataclass(frozen=True)
class Options:
    """What is said of a file beside its path.

    Args:
        columns: names of columns that are features though they look like none: `confidence`, `frame`.
        targets: the kinds of targets by name: `{"emotion": "multiclass"}`, or with what a kind has:
            `{"emotion": {"kind": "multiclass", "classes": ["sad", "happy"]}}`.
        duplicates: what becomes of ids that occur more than once.
        prefixes: names of modalities in the columns of tables that hold a dot themselves: `wav2vec2.0`.
        reader: what reads the file, or its import path; by default what recognises it.
        tokens: the pretrained encoder whose sub-words are a modality too: a folder, or a name on the hub.
        required: whether columns and prefixes that the file does not have are refused.
    Raises:
        ConfigError: one is not of that form.
    """

    columns: tuple[str, ...] = ()
    targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    duplicates: Duplicates = "refuse"
    prefixes: tuple[str, ...] = ()
    reader: Reader | str | None = None
    tokens: str | None = None
    required: bool = True

    @classmethod
    def of(
        cls,
        columns: Iterable[str] = (),
        targets: Mapping[str, Any] | None = None,
        duplicates: str = "refuse",
        prefixes: Iterable[str] = (),
        reader: Reader | str | None = None,
        tokens: str | PathLike[str] | None = None,
    ) -> Options:
        """The options from plain values, as they stand in a configuration.

        Example:
            >>> Options.of(columns=["confidence"], targets={"emotion": "multiclass"}).targets
            {'emotion': {'kind': 'multiclass'}}
        """
        for name, given in (("columns", columns), ("prefixes", prefixes)):
            if isinstance(given, str) or not all(isinstance(one, str) for one in given):
                raise ConfigError(f"{name}: expected a list of names, got {given!r}")
        if duplicates not in get_args(Duplicates):
            raise ConfigError(
                f"duplicates: no '{duplicates}'; {did_you_mean(str(duplicates), get_args(Duplicates))}"
            )
        if targets is not None and not isinstance(targets, Mapping):
            raise ConfigError(f"targets: expected a name and a kind for each, got {targets!r}")
        kinds = {}
        for name, kind in (targets or {}).items():
            plain = {"kind": kind} if isinstance(kind, str) else kind
            if not isinstance(plain, Mapping) or not isinstance(plain.get("kind"), str):
                raise ConfigError(
                    f"targets: {name}: expected a kind, as in {{kind: multiclass}}, got {kind!r}"
                )
            kinds[str(name)] = dict(plain)
        known: Any = duplicates
        if not (reader is None or isinstance(reader, str) or callable(reader)):
            raise ConfigError(f"reader: expected a function or its import path, got {described(reader)}")
        if not (tokens is None or (isinstance(tokens, str | PathLike) and str(tokens))):
            raise ConfigError(
                "tokens: expected a pretrained encoder, a folder or a name on the Hugging Face hub, got "
                f"{described(tokens)}"
            )
        model = None if tokens is None else model_path(tokens, Path())
        return cls(tuple(columns), kinds, known, tuple(prefixes), reader, model)


DEFAULTS = Options()
"""Nothing is said."""


def model_path(model: str | PathLike[str], root: Path) -> str:
    """A pretrained encoder's folder by its whole path; any other name, which is the hub's, as it is.

    Args:
        model: a folder, or a name.
        root: the folder that a path is relative to; else it is to the one that the command was started in.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> (folder / "small").mkdir()
        >>> model_path("small", folder) == str(real(folder / "small")), model_path("a/b", folder)
        (True, 'a/b')
    """
    for place in (root / model, Path(model)):
        if place.is_dir():
            return str(real(place))
    return str(model)
