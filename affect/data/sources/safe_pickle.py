"""What a pickle of numpy arrays and plain values may name, each checked before it is made."""

from __future__ import annotations

import math
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.values import text

_CODE = re.compile(r"[<>=|]?([biufcSUO?])(\d*)")
_FAR = 1 << 60
"""Whole numbers beyond this can be chosen to have one hash."""

_NEAR = 1 << 31
"""Two whole numbers below this are too few pairs to choose many of one hash from."""


class RefusedError(Exception):
    """Something that no corpus needs."""


class Type:
    """A numpy dtype on its way: numbers, strings and objects, never records."""

    __slots__ = ("built",)

    def __init__(self, code: object, *_: object) -> None:
        found = _CODE.fullmatch(_text(code)) if isinstance(code, str | bytes) else None
        if found is None or len(found[2]) > 9:
            raise RefusedError("refused to read an array of records or of an unknown type")
        self.built = np.dtype("O" if found[1] == "O" else _text(code))

    def build(self, state: object) -> None:
        """Take the byte order from a pickled state."""
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise RefusedError("refused to read an array of records")
        order = _text(state[1])
        if order in ("<", ">") and self.built.kind not in "SO":
            self.built = self.built.newbyteorder("<" if order == "<" else ">")


def fill(array: NDArray[Any], state: object) -> None:
    """Give an empty array its content, once type, shape and bytes agree: numpy itself takes them on trust."""
    if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], Type) or array.size:
        raise RefusedError("refused to change an array that is made")
    _, shape, kind, fortran, data = state
    content: Any = (1, shape, kind.built, bool(fortran), _checked(shape, kind, data))
    array.__setstate__(content)


def _checked(shape: object, kind: Type, data: Any) -> Any:
    if not isinstance(shape, tuple) or len(shape) > 32:
        raise ValueError("an array needs a shape of at most 32 axes")
    if not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise ValueError("an array needs a shape of whole numbers")  # to show another may never end
    count, dtype = math.prod(shape), kind.built
    if dtype.kind == "O":
        if not isinstance(data, list) or len(data) != count:
            raise ValueError(f"an array of shape {shape} needs {count} objects")
        return data
    if isinstance(data, str):
        data = data.encode("latin-1")
    if not isinstance(data, bytes | bytearray) or len(data) != count * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} needs {count * dtype.itemsize} bytes")
    if dtype.kind == "U" and data:
        points = np.frombuffer(data, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if points.max() > sys.maxunicode:  # numpy makes strings of them that crash whoever reads them
            raise ValueError("an array of text holds what is no character")
    return data


def _empty(kind: object, *_: object) -> NDArray[Any]:
    if kind is not ADMITTED["numpy", "ndarray"]:
        raise RefusedError("refused to read a subclass of array")
    return np.ndarray((0,), np.int8)


def _from_buffer(data: object, kind: object, shape: Any, order: object, axes: Any = None) -> NDArray[Any]:
    if not isinstance(kind, Type) or kind.built.kind == "O":
        raise ValueError("a buffer holds numbers or strings")
    raw = _checked(shape, kind, data)
    if axes is not None and (
        not isinstance(axes, tuple)
        or not all(type(axis) is int for axis in axes)
        or sorted(axes) != list(range(len(shape)))
    ):
        raise ValueError("an array needs an order of all its axes")
    if not len(raw):
        return np.zeros(shape if axes is None else [shape[axis] for axis in axes], kind.built)
    flat: NDArray[Any] = np.frombuffer(raw, kind.built)
    array = flat.reshape(shape, order="F" if _text(order) == "F" else "C")
    return array if axes is None else array.transpose(axes)


def _scalar(kind: object, data: object = b"") -> object:
    if not isinstance(kind, Type):
        raise ValueError("a number needs a type")
    if kind.built.kind == "O":
        return data
    content = _checked((1,), kind, data)
    return np.frombuffer(content, kind.built)[0] if kind.built.itemsize else kind.built.type()


def _encoded(said: object, encoding: object = "latin-1") -> bytes:
    if not isinstance(said, str) or _text(encoding) not in ("latin1", "latin-1"):
        raise RefusedError("refused to encode text in another way than Latin-1")
    return said.encode("latin-1")


def _text(raw: object) -> str:
    if not isinstance(raw, str | bytes):
        raise ValueError(f"text was expected, got {type(raw).__name__}")
    return text(raw)


def keyed(items: Iterable[Any]) -> Iterable[Any]:
    """Keys and members whose hashing is cheap; those in bytes become text."""
    for item in items:
        key = item.item() if isinstance(item, np.generic) else item
        if type(key) is tuple:
            numbers = sum(type(part) is int for part in key[:4])
            cheap = len(key) <= 3 and numbers <= 2 and all(_is_cheap(part, _NEAR) for part in key)
        else:
            cheap = type(key) is float or _is_cheap(key, _FAR)
        if not cheap:
            raise RefusedError(f"refused to read a {type(item).__name__} as a key")
        yield _text(key) if isinstance(key, bytes) else key


def _is_cheap(key: object, limit: int) -> bool:
    """Whether hashing is soon done, and few others can be chosen to have the same hash."""
    if type(key) is int:
        return -limit < key < limit
    return type(key) in (str, bool, type(None)) or (type(key) is bytes and len(key) <= 1000)


def _set(items: Iterable[Any] = ()) -> set[Any]:
    return set(keyed(items))


class Named:
    """Something that a pickle may call by name; it cannot be changed from within."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


def _not_called(*_: object) -> NoReturn:
    raise RefusedError("refused to make an array by hand")


def _ordered(pairs: Iterable[Any] = ()) -> dict[Any, Any]:
    both = list(pairs)
    return OrderedDict(zip(keyed(pair[0] for pair in both), (pair[1] for pair in both), strict=True))


def _mutable(data: object = b"", encoding: object = "latin-1") -> bytearray:
    if isinstance(data, str):
        data = _encoded(data, encoding)
    if not isinstance(data, bytes):
        raise ValueError(f"a bytearray needs bytes, got {type(data).__name__}")
    return bytearray(data)


def _default(factory: object = None) -> dict[Any, Any]:
    if factory is not None and factory not in _FACTORIES:
        raise RefusedError("refused to read a defaultdict of that kind")
    return {}


_BUILTINS: dict[str, Callable[..., Any]] = {
    "set": _set,
    "frozenset": lambda items=(): frozenset(keyed(items)),
    "complex": complex,
    "bytearray": _mutable,
    "bytes": lambda: b"",
    **dict.fromkeys(("list", "dict", "int", "float"), _not_called),
}
_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
ADMITTED: dict[tuple[str, str], Named] = {
    ("numpy", "ndarray"): Named(_not_called),
    ("numpy", "dtype"): Named(Type),
    **{(module, "_reconstruct"): Named(_empty) for module in _MODULES},
    **{(module, "scalar"): Named(_scalar) for module in _MODULES},
    **{(module, "_frombuffer"): Named(_from_buffer) for module in _MODULES},
    ("_codecs", "encode"): Named(_encoded),
    ("collections", "OrderedDict"): Named(_ordered),
    ("collections", "defaultdict"): Named(_default),
    **{
        (module, name): Named(call)
        for module in ("builtins", "__builtin__")
        for name, call in _BUILTINS.items()
    },
}
GONE = Named(_not_called)
"""In place of what was let go: no value, as no name is."""

_FACTORIES = tuple(
    named for (_, name), named in ADMITTED.items() if name in ("list", "dict", "int", "float", "set")
)
