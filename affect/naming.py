"""Parts of a model by any name: torch itself refuses dots, and the names of its own attributes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from keyword import iskeyword
from traceback import walk_tb
from typing import Any, TypeVar
from urllib.parse import unquote

from torch import nn

from affect.errors import ConfigError

_Own = TypeVar("_Own")
_PERCENT = re.compile(r"%(?=[0-9A-Fa-f]{2})|^%$")
_RISKY = re.compile(rf'[."\\\x00-\x1f]|{_PERCENT.pattern}')
"""Dots end a name; quotes, backslashes and control characters break the code that `torch.export` writes."""
_SEPARATING = re.compile(rf"[/\x00]|{_PERCENT.pattern}")
_UNSAFE = re.compile(
    r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'  # some system refuses or hides
    r"|^[-.\s]|[.\s]$|%(?=[0-9A-Fa-f]{2}|~)|^%$"
    r"|^[CPANLcpanl](?=(?i:on|rn|ux|ul|om[0-9\xb9\xb2\xb3]|pt[0-9\xb9\xb2\xb3])\s*(?:\.|$))"  # of Windows
)
_LONGEST, _BYTES = 100, 200  # letters, and bytes of them: what an encrypted or a network disk takes


class ModuleDict(nn.ModuleDict):
    """`torch.nn.ModuleDict` with any text for a key: `wav2vec2.0`, `train`, `a/b`, an empty one.

    The keys are the text as it was given. A name that torch refuses is percent-encoded in the names of
    parameters, so in `state_dict`; others stand there as they are, as those of `torch.nn.ModuleDict` do.

    Args:
        modules: the modules, by name.
    Example:
        >>> parts = ModuleDict({"train": nn.Identity(), "wav2vec2.0": nn.Linear(1, 1, bias=False)})
        >>> list(parts), list(parts.state_dict())
        (['train', 'wav2vec2.0'], ['wav2vec2%2E0.weight'])
    """

    def __init__(self, modules: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        self._names: dict[str, str] = {}  # what each key is called as an attribute
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> nn.Module:
        return self._modules[self._names[key]]

    def __setitem__(self, key: str, module: nn.Module) -> None:
        name = self._names.get(key) or attribute_name(key, self)
        self.add_module(name, module)
        self._names[key] = name

    def __delitem__(self, key: str) -> None:
        del self._modules[self._names.pop(key)]

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, key: str) -> bool:
        return key in self._names

    def clear(self) -> None:
        """Remove all modules."""
        for key in [*self._names]:
            del self[key]

    def keys(self) -> KeysView[str]:
        """The names as they were given."""
        return self._names.keys()

    def items(self) -> ItemsView[str, nn.Module]:
        """The names as they were given, with their modules."""
        return {key: self[key] for key in self._names}.items()

    def values(self) -> ValuesView[nn.Module]:
        """The modules."""
        return {key: self[key] for key in self._names}.values()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        _respell(state_dict, prefix, self._names)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class ParameterDict(nn.ParameterDict):
    """`torch.nn.ParameterDict` with any text for a key, as `ModuleDict` has it.

    Args:
        parameters: the parameters, by name.
    Example:
        >>> import torch
        >>> parts = ParameterDict({"wav2vec2.0": torch.zeros(1), "text": torch.zeros(1)})
        >>> list(parts), list(parts.state_dict())
        (['text', 'wav2vec2.0'], ['text', 'wav2vec2%2E0'])
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._names: dict[str, str] = {}
        if parameters is not None:
            self.update(parameters)

    def copy(self) -> ParameterDict:
        """The same parameters in another one of these."""
        return ParameterDict(self.items())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """One of these in which every key has the same value."""
        return ParameterDict((key, default) for key in keys)

    def _key_to_attr(self, key: str) -> str:  # all that torch's own does with a key goes through this
        if key not in self._names:
            self._names[key] = attribute_name(key, self)
        return self._names[key]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        _respell(state_dict, prefix, self._names)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def attribute_name(name: str, owner: nn.Module) -> str:
    """`name` as torch takes it for a new part of `owner`: as it is, or percent-encoded where it would fail.

    Two names never become the same one; `original` undoes it.

    Args:
        name: any text.
        owner: a module; the names of its attributes are taken.
    Example:
        >>> [attribute_name(name, nn.Identity()) for name in ("text", "a b", "open.face", "train", "")]
        ['text', 'a b', 'open%2Eface', '%74rain', '%']
    """
    # exported code cannot have an attribute that is called `in`
    return _spelled(name, _RISKY, lambda spelled: hasattr(owner, spelled) or iskeyword(spelled))


def file_name(name: str, taken: Container[str] = ()) -> str:
    """`name` as a file, or a group of an HDF5 file, can be called: as it is, or percent-encoded.

    Two names never become the same one; `original` undoes it.

    Args:
        name: any text.
        taken: names of other files.
    Example:
        >>> [file_name(name, {"words"}) for name in ("wav2vec2.0", "a/b", "..", "words")]
        ['wav2vec2.0', 'a%2Fb', '%2E.', '%77ords']
    """
    return _spelled(name, _SEPARATING, lambda spelled: spelled in (".", "..") or spelled in taken)


def slug(name: str) -> str:
    """`name` as a folder can be called on every system: as it is, percent-encoded, or shortened by a digest.

    It is one folder, whatever the name: no separator, no `..`, no device of Windows, no control character, at
    most 100 letters. Two names never become the same one; those that differ in capital letters alone are one
    folder on some systems.

    Args:
        name: any text.
    Example:
        >>> [slug(name) for name in ("MulT, 2 layers", "../../a", "con", "a:b.", "-rf", "")]
        ['MulT, 2 layers', '%2E.%2F..%2Fa', '%63on', 'a%3Ab%2E', '%2Drf', '%']
        >>> len(slug("a" * 300)), slug("a" * 300) == slug("a" * 301)
        (100, False)
    """
    spelled = _UNSAFE.sub(lambda found: _encoded(found[0]), name) or "%"
    if len(spelled) <= _LONGEST and len(spelled.encode()) <= _BYTES:
        return spelled
    tail = f"%~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"
    head = spelled[: _LONGEST - len(tail)].encode()[: _BYTES - len(tail)].decode(errors="ignore")
    return head + tail


def apart(name: str, word: str) -> str:
    """`name` so that ` word ` between it and another name is found again; `original` undoes it.

    Example:
        >>> apart("open.face", "+"), apart("a + b", "+"), f"{apart('face to face', 'to')} to text"
        ('open.face', 'a %2B b', 'face %74o face to text')
    """
    padded = " " + _PERCENT.sub("%25", name) + " "
    while f" {word} " in padded:
        padded = padded.replace(f" {word} ", f" {_encoded(word[0])}{word[1:]} ")
    return padded[1:-1]


def pair_name(source: str, to: str) -> str:
    """What an ordered pair of modalities is called; no two are called the same.

    Example:
        >>> pair_name("open.face", "text")
        'open.face to text'
    """
    return f"{apart(source, 'to')} to {to}"


def original(name: str) -> str:
    """What `attribute_name`, `file_name` or `apart` was given.

    Example:
        >>> [original(name) for name in ("text", "open%2Eface", "%74rain", "%", "a %2B b")]
        ['text', 'open.face', 'train', '', 'a + b']
    """
    return "" if name == "%" else unquote(name)


@contextmanager
def refused_names(modalities: Iterable[str]) -> Iterator[None]:
    """Say in one line where a part that is made within the block cannot be called as a modality is.

    Args:
        modalities: their names.
    Raises:
        ConfigError: torch refused a name of one of them.
    Example:
        >>> class Sum(nn.Module):
        ...     def __init__(self, names):
        ...         super().__init__()
        ...         self.project = nn.ModuleDict({name: nn.Linear(2, 2) for name in names})
        >>> with refused_names(["open.face"]):
        ...     Sum(["open.face"])
        Traceback (most recent call last):
        affect.errors.ConfigError: Sum: torch takes no part called 'open.face', for modality 'open.face'; use
        affect.ModuleDict and affect.ParameterDict, which take any name, or rename the modality
    """
    try:
        yield
    except KeyError as error:
        frames = [frame for frame, _ in walk_tb(error.__traceback__)]
        owners = [frame.f_locals.get("self") for frame in frames]
        parts = [x for x in owners if isinstance(x, nn.Module) and not isinstance(x, _CONTAINERS)]
        refused = str(frames[-1].f_locals.get("name"))
        plain = nn.ModuleDict()
        named = [m for m in modalities if m in refused and attribute_name(m, plain) != m]
        named.sort(key=len)
        if not frames[-1].f_globals["__name__"].startswith("torch.nn.") or not parts or not named:
            raise
        raise ConfigError(
            f"{type(parts[-1]).__name__}: torch takes no part called '{refused}', for modality "
            f"'{named[-1]}'; use affect.ModuleDict and affect.ParameterDict, which take any name, or rename "
            "the modality"
        ) from error


_CONTAINERS = (nn.ModuleDict, nn.ParameterDict)


def _spelled(name: str, risky: re.Pattern[str], taken: Callable[[str], bool]) -> str:
    """`name` with what is risky percent-encoded, and its first letter too where what comes out is taken."""
    spelled = risky.sub(lambda found: _encoded(found[0]), name) or "%"
    return _encoded(spelled[0]) + spelled[1:] if taken(spelled) else spelled


def _encoded(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode(errors="surrogatepass"))


def _respell(state_dict: dict[str, Any], prefix: str, names: Mapping[str, str]) -> None:
    """Find what was saved where other names were taken: another torch has other attributes."""
    for key in [key for key in state_dict if key.startswith(prefix)]:
        saved, dot, rest = key.removeprefix(prefix).partition(".")
        own = names.get(saved) or names.get(original(saved), saved)
        if own != saved and saved not in names.values():
            state_dict[f"{prefix}{own}{dot}{rest}"] = state_dict.pop(key)


def own_of(key: str, given: Mapping[str, _Own], name: str) -> _Own:
    """What is given for a modality, among what is given by name.

    Args:
        key: what that is, which begins the message.
        given: of each modality.
        name: of the modality.
    Raises:
        ConfigError: it has none.
    Example:
        >>> own_of("width", {"text": 8}, "visual")
        Traceback (most recent call last):
        affect.errors.ConfigError: width: modality 'visual' has none; given for: text
    """
    if name not in given:
        raise ConfigError(
            f"{key}: modality '{name}' has none; given for: {', '.join(sorted(given)) or 'none'}"
        )
    return given[name]
