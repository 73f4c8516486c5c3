"""Reading corpora: a file is recognised by what it holds, a generated corpus by its name."""

from __future__ import annotations

from pathlib import Path

from affect.data.corpus import Corpus
from affect.errors import DataError


def load(source: str | Path) -> Corpus:
    """A corpus from a file, or a generated one.

    Args:
        source: a native file (`affect.data.native.save`), or `synthetic`, `synthetic:additive`,
            `synthetic:interaction`, `synthetic:temporal`.
    Raises:
        DataError: there is no such file, or it is not a corpus.
        ConfigError: there is no such generated corpus.
    Example:
        >>> len(load("synthetic")["test"])
        400
    """
    if str(source).partition(":")[0] == "synthetic":
        from affect.data.synthetic import generate

        return generate(str(source))
    from affect.data import native

    path = Path(source)
    if not path.is_file():
        raise DataError(
            f"{path}: no such file; expected a corpus file, or 'synthetic' for a generated corpus"
        )
    if not native.is_native(path):
        raise DataError(f"{path}: not a format that affect reads; expected a native corpus (safetensors)")
    return native.load(path)
