"""What takes a pickle apart without running it, and refuses what would be far larger than its file."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn

import numpy as np

from affect.data.sources.safe_pickle import ADMITTED, GONE, Named, RefusedError, Type, fill, keyed

_DEPTH = 30
_LARGE = 1 << 10
_DEEP = f"refused to read what is nested deeper than {_DEPTH}"
_LEAVES = frozenset((str, bytes, int, float, bool, type(None)))
_VALUES = (str, bytes, int, float, type(None), bytearray, complex, np.generic)
_Base: Any = pickle._Unpickler


class Bounded:
    """A file that never gives, or makes room for, more than is left of it."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file, self.left = file, size

    def read(self, count: int) -> bytes:
        """So many bytes, which must be left."""
        if not 0 <= count <= self.left:
            raise self._short(count)
        self.left -= count  # without a further call, since each opcode is read so
        return self._file.read(count)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with bytes, which must be left."""
        if len(buffer) > self.left:
            raise self._short(len(buffer))
        self.left -= len(buffer)
        return self._file.readinto(buffer)

    def readline(self) -> bytes:
        """The bytes to the end of a line."""
        line = self._file.readline()
        self.left -= len(line)
        return line

    def _short(self, count: int) -> EOFError:
        return EOFError(f"{count} bytes are announced, and {self.left} are left")


class _Memo:
    """What was seen, by number: a list as far as the numbers follow each other, and few others beside it."""

    def __init__(self) -> None:
        self._row: list[Any] = []
        self._apart: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._row) + len(self._apart)

    def __setitem__(self, number: int, seen: Any) -> None:
        if number == len(self._row):
            self._row.append(seen)
            if self._apart:
                self._apart.pop(number, None)
        elif 0 <= number < len(self._row):
            self._row[number] = seen
        else:
            self._apart[number] = seen

    def add(self, seen: Any) -> None:
        """Give the next number, as newer protocols do throughout."""
        if self._apart:
            self[len(self)] = seen
        else:
            self._row.append(seen)

    def forget(self, *things: Any) -> None:
        """Let go of what was seen last: what only led to bytes is not asked for again."""
        for number in range(max(len(self._row) - 6, 0), len(self._row)):
            if any(self._row[number] is thing for thing in things):
                self._row[number] = GONE

    def __getitem__(self, number: int) -> Any:
        return self._row[number] if 0 <= number < len(self._row) else self._apart[number]


class Reader(_Base):  # type: ignore[misc]  # typeshed knows only the one in C
    """The library's own reader in Python, since the one in C makes room for whatever is announced.

    What is overridden checks before anything is made, called, changed or hashed.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Base.dispatch)

    def __init__(self, file: Bounded, size: int) -> None:
        super().__init__(file, fix_imports=False, encoding="bytes")
        self._file = file
        self.memo = _Memo()
        self._size = size
        self._room = size // 2 + 1000
        self._work = 4 * size + 1000

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name that is admitted."""
        if (module, name) not in ADMITTED:
            raise RefusedError(f"refused to read {ascii(f'{module}.{name}'[:100])}")
        return ADMITTED[module, name]

    def persistent_load(self, pid: object) -> Any:
        """Refuse what stands outside the pickle."""
        raise RefusedError("refused to follow a persistent id")

    def get_extension(self, code: int) -> NoReturn:
        """Refuse the registry of extensions."""
        raise RefusedError(f"refused to look up extension {code}")

    def _made(self) -> None:
        """Count a container: each takes far more memory than its byte on disk."""
        self._room -= 1
        if self._room < 0:
            raise RefusedError("refused to make more containers than the file has room for")

    def _mark(self) -> None:
        if len(self.metastack) > 4 * _DEPTH:  # each open one takes a list
            raise RefusedError(_DEEP)
        _Base.load_mark(self)

    def _spend(self, handed: Iterable[Any]) -> None:
        """Count what a call is handed: two bytes hand over the same content again, to be copied each time."""
        self._work -= sum(len(part) for part in handed if hasattr(part, "__len__"))
        if self._work < 0:
            raise RefusedError("refused to make more of the same content than the file holds")

    def _memoize(self) -> None:
        self.memo.add(self.stack[-1])

    def _elsewhere(self) -> NoReturn:
        raise RefusedError("refused to look for a buffer outside the file")

    def _object(self) -> NoReturn:
        raise RefusedError("refused to make an object of a class")

    def _reduce(self) -> None:
        stack = self.stack
        arguments, named = stack.pop(), stack[-1]
        if not isinstance(named, Named) or not isinstance(arguments, tuple):
            raise RefusedError("refused to call what is not a name")
        self._made()
        self._spend(arguments)
        stack[-1] = named.call(*arguments)
        if type(stack[-1]) is bytes and len(stack[-1]) > _LARGE:  # bytes that were written as text
            self.memo.forget(arguments, arguments[0])

    def _build(self) -> None:
        stack = self.stack
        state, made = stack.pop(), stack[-1]
        if isinstance(state, tuple):
            self._spend(state)
        if isinstance(made, Type):
            made.build(state)
        elif type(made) is np.ndarray:
            fill(made, state)
        else:
            raise RefusedError(f"refused to change a {type(made).__name__}")

    def _append(self) -> None:
        item = self.stack.pop()
        self._target(list).append(item)

    def _appends(self) -> None:
        items = self.pop_mark()
        self._target(list).extend(items)

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._target(dict).update(zip(keyed([key]), [value], strict=True))

    def _setitems(self) -> None:
        items = self.pop_mark()
        self._target(dict).update(zip(keyed(items[::2]), items[1::2], strict=True))

    def _additems(self) -> None:
        items = self.pop_mark()
        self._target(set).update(keyed(items))

    def _dict(self) -> None:
        items = self.pop_mark()
        self._made()
        self.append(dict(zip(keyed(items[::2]), items[1::2], strict=True)))

    def _frozenset(self) -> None:
        items = self.pop_mark()
        self._made()
        self.append(frozenset(keyed(items)))

    def _target(self, kind: type) -> Any:
        target = self.stack[-1]
        if not isinstance(target, kind):
            raise RefusedError(f"refused to add to a {type(target).__name__}")
        return target

    def _bytearray(self) -> None:
        (count,) = struct.unpack("<Q", self.read(8))
        if count > self._size:
            raise EOFError(f"{count} bytes are announced, and the file has {self._size}")
        content = bytearray(count)
        outside = self._unframer.current_frame is None  # where the base class reads bytes and copies them
        (self._file if outside else self).readinto(content)
        self.append(content)


def _counted(code: bytes) -> Callable[[Any], None]:
    original = _Base.dispatch[code[0]]

    def load(reader: Reader) -> None:
        reader._made()
        original(reader)

    return load


_CONTAINERS = (
    pickle.EMPTY_LIST,
    pickle.EMPTY_DICT,
    pickle.EMPTY_SET,
    pickle.LIST,
    pickle.TUPLE,
    pickle.TUPLE1,
    pickle.TUPLE2,
    pickle.TUPLE3,
)
Reader.dispatch |= {
    **{code[0]: _counted(code) for code in _CONTAINERS},
    **{code[0]: Reader._object for code in (pickle.OBJ, pickle.INST, pickle.NEWOBJ, pickle.NEWOBJ_EX)},
    **{code[0]: Reader._elsewhere for code in (pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)},
    pickle.MARK[0]: Reader._mark,
    pickle.MEMOIZE[0]: Reader._memoize,
    pickle.REDUCE[0]: Reader._reduce,
    pickle.BUILD[0]: Reader._build,
    pickle.APPEND[0]: Reader._append,
    pickle.APPENDS[0]: Reader._appends,
    pickle.SETITEM[0]: Reader._setitem,
    pickle.SETITEMS[0]: Reader._setitems,
    pickle.ADDITEMS[0]: Reader._additems,
    pickle.DICT[0]: Reader._dict,
    pickle.FROZENSET[0]: Reader._frozenset,
    pickle.BYTEARRAY8[0]: Reader._bytearray,
}


def measure(content: Any, seen: dict[int, tuple[int, int]], limit: int, depth: int = 0) -> tuple[int, int]:
    """How many things there are to walk over, each shared one as often as it is met, and how deep they nest.

    Lists within lists that are the same list are few on disk and endless to a reader.

    Args:
        content: what was read.
        seen: what is known of each thing, by its `id`; empty at first.
        limit: how many things there may be.
        depth: how deep `content` itself is nested.
    Raises:
        RefusedError: there are more, they nest too deep, contain themselves, or are no values.
    Example:
        >>> measure({"a": [1, 2], "b": []}, {}, 100)
        (5, 1)
    """
    total, height = seen.get(id(content), (1, 0))
    if depth + height > _DEPTH:
        raise RefusedError(_DEEP)
    if id(content) in seen:
        if not total:
            raise RefusedError("refused to read what contains itself")
        return total, height
    seen[id(content)] = 0, 0
    items: Iterable[Any] = content
    if isinstance(content, dict):
        items = content.values()
    elif isinstance(content, np.ndarray):
        if max(content.shape, default=0) > limit:  # without a value in it
            raise RefusedError("refused to read an array with an endless axis")
        items = content.flat if content.dtype.kind == "O" else ()
    elif not isinstance(content, list | tuple | set | frozenset):
        if not isinstance(content, _VALUES):
            raise RefusedError("refused to read a name in place of a value")
        items = ()
    for item in items:
        if type(item) in _LEAVES:
            total += 1
        else:
            below, tall = measure(item, seen, limit, depth + 1)
            total, height = total + below, max(height, tall + 1)
        if total > limit:
            raise RefusedError("refused to read what grows endlessly when it is walked over")
    seen[id(content)] = total, height
    return total, height
