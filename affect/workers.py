"""Work side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def processes(count: int) -> Iterator[None]:
    """Within the block, joblib works in `count` processes of one thread each; none outlives it.

    Left alone, joblib's processes end by themselves after five idle minutes, and one that is asked for more
    in that moment may never answer.

    Example:
        >>> from joblib import Parallel, delayed
        >>> with processes(2):
        ...     Parallel()(delayed(abs)(x) for x in (-1, -2))
        [1, 2]
    """
    import joblib
    from joblib.externals.loky import get_reusable_executor

    try:
        with joblib.parallel_config("loky", n_jobs=count, inner_max_num_threads=1):
            yield
    finally:
        if count != 1:
            get_reusable_executor(reuse=True).shutdown(wait=True)
