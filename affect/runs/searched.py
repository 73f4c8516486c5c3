"""What a search saw of a corpus: a configuration that it chose is tested on nothing of that."""

from __future__ import annotations

from dataclasses import dataclass

from affect.data.contents import corpus_digest
from affect.errors import ConfigError


@dataclass(frozen=True)
class Searched:
    """What a search was done on: every sample but those of one test split.

    Args:
        corpus: the digest of its content (`affect.data.contents.corpus_digest`); None, as of any corpus.
        folds: into how many it was cut; 0 where it has official splits.
        fold: the one whose test split the search did not see.
    """

    corpus: str | None = None
    folds: int = 0
    fold: int = 0

    def check(self, corpus: str, folds: int, fold: int) -> None:
        """Refuse a test split that holds samples of the search; another corpus is not compared.

        Args:
            corpus: the whole path, or the name of a generated one.
            folds: into how many it is cut.
            fold: whose test split it is.
        Raises:
            ConfigError: it is another one than the search left out.
        """
        then, now = _cut(self.folds, self.fold), _cut(folds, fold)
        if then != now and self.corpus in (None, corpus_digest(corpus)):
            raise ConfigError(
                f"{corpus}: this configuration was searched with `{then}`, and `{now}` would test it on "
                f"samples that the search saw; give `{then}`, or search it with `{now}`"
            )


def _cut(folds: int, fold: int) -> str:
    """The keys of a configuration that say which test split it has."""
    return f"folds: {folds}, fold: {fold}" if folds else "folds: 0"
