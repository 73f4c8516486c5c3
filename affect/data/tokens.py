"""Sub-words of a corpus, made as it is read: from its words, or from the ids that its file has of them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.corpus_files import file_digest
from affect.data.provenance import Provenance
from affect.data.ragged import Ragged
from affect.data.text import maker_of, sub_words, tokenizer_of
from affect.errors import AffectError, DataError

logger = logging.getLogger(__name__)

TOKENS: Final = "tokens"
"""The modality of sub-words."""

IDS: Final = "text_bert"
"""Who made `TOKENS` where it holds ids as MMSA's files have them: of special tokens too, the first one 0."""

_VERSION = 1
"""Of how sub-words are made: with another one, what was kept is made anew."""

_SAME = 0.9
"""Share of the samples whose ids must be those of their text: a few texts were edited behind some files."""


def with_tokens(corpus: Corpus, model: str, where: str) -> Corpus:
    """The corpus with the modality `tokens` of sub-word indices, for a `PretrainedEncoder` of the same model.

    They are of the words, a step for each (`affect.data.text.tokenize`). Of an aligned corpus whose file has
    ids of text_bert that are those of its text by the same vocabulary, they are these ids, so that they stay
    aligned, and so they are where the file has no text: then a step is a sub-word, and special tokens are
    unobserved. Those that the corpus has already by the same vocabulary stay. A note says what they are of.

    What was made is kept in a file (`folder`), by what the corpus says and by what the tokenizer is; a log
    line says where. What cannot be kept is made anew every time.

    Args:
        corpus: has words, ids of text_bert, or sub-words.
        model: a folder, or a name on the Hugging Face hub.
        where: what the corpus is called in messages.
    Raises:
        ConfigError: transformers is not installed, or there is no such model.
        DataError: there is no text, or ids of another vocabulary alone.
    """
    tokenizer = tokenizer_of(TOKENS, model)
    made = maker_of(tokenizer)
    own = corpus.provenance.get(TOKENS, Provenance())
    if TOKENS in corpus.dims and own.weights == made.weights:
        return corpus
    spoken = all(split.words is not None for split in corpus.splits.values())
    ids = own.extractor == IDS
    if not (spoken or ids):
        raise DataError(_without_text(corpus, where, model))
    file = folder() / f"{_key(corpus, tokenizer)}.safetensors"
    kept = _kept(file, corpus)
    if kept is None:
        kept = _made(corpus, tokenizer, spoken, ids, where, model)
        _keep(kept, file, where)
    else:
        _say(f"{where}: sub-words are those that were made before, {file}")
    rows = {name: split.modalities[TOKENS] for name, split in kept.splits.items()}
    aligned = corpus.aligned and kept.aligned
    notes = (*kept.notes, *([] if aligned == corpus.aligned else [_UNALIGNED]))
    found = replace(corpus, aligned=aligned, notes=(*corpus.notes, *notes))
    return found.with_modality(TOKENS, rows, provenance=made)


_UNALIGNED = (
    f"A step of {TOKENS} is a word, and the words are not as many as the steps of the other modalities: the "
    "corpus counts as unaligned."
)


def folder() -> Path:
    """Where sub-words are kept: what `AFFECT_CACHE` names, or `affect` in the user's folder of caches."""
    if named := os.environ.get("AFFECT_CACHE"):
        return Path(named) / TOKENS
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "affect" / TOKENS
    if sys.platform == "win32" and (named := os.environ.get("LOCALAPPDATA")):
        return Path(named) / "affect" / "Cache" / TOKENS
    ours = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
    return Path(os.path.expanduser("~")).joinpath(*ours, "affect", TOKENS)


def tokenizer_digest(model: str) -> str | None:
    """Changes with the files that a tokenizer is made of; None where they are not in a folder.

    Args:
        model: a folder, or a name on the Hugging Face hub.
    Example:
        >>> tokenizer_digest("bert-base-uncased") is None
        True
    """
    files = [file for name in _TOKENIZER if (file := Path(model) / name).is_file()]
    if not files:
        return None
    whole = "".join(f"{file.name} {file_digest(file)}\n" for file in files)
    return hashlib.sha256(whole.encode()).hexdigest()


_TOKENIZER = (
    "added_tokens.json", "merges.txt", "sentencepiece.bpe.model", "special_tokens_map.json", "spiece.model",
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt",
)  # fmt: skip
"""What the files of tokenizers are called."""


def _made(corpus: Corpus, tokenizer: Any, spoken: bool, ids: bool, where: str, model: str) -> Corpus:
    """The ids and the sub-words of a corpus, without anything else; its notes say what they are of."""
    if ids and (corpus.aligned or not spoken):
        why = _differs(corpus, tokenizer) if spoken else _foreign(corpus, tokenizer)
        if not why:
            rows = {name: _of_ids(split, tokenizer) for name, split in corpus.splits.items()}
            note = f"{TOKENS}: the sub-words are those of text_bert, whose special tokens are unobserved."
            return _alone(corpus, rows, True, note)
        if not spoken:
            raise DataError(
                f"{where}: {TOKENS}: text_bert is of another vocabulary than that of '{model}' ({why}), and "
                "there is no raw_text to make sub-words of; name the model whose tokenizer made it"
            )
    bare = {name: replace(split, modalities={}, targets={}) for name, split in corpus.splits.items()}
    made = sub_words(Corpus(corpus.name, bare, {}, aligned=False), tokenizer, TOKENS)
    rows = {name: split.modalities[TOKENS] for name, split in made.splits.items()}
    left = f"; text_bert is of another vocabulary ({why})" if ids and corpus.aligned else ""
    note = f"{TOKENS}: the sub-words are those of the transcripts' words, a step for each{left}."
    return _alone(corpus, rows, _in_step(corpus, rows), note)


def _alone(corpus: Corpus, rows: Mapping[str, Ragged], aligned: bool, note: str) -> Corpus:
    """A corpus of these rows alone; `aligned` is whether they are in step with the corpus's other ones."""
    splits = {name: Split(corpus[name].ids, {TOKENS: own}, {}) for name, own in rows.items()}
    return Corpus(TOKENS, splits, {}, aligned=aligned, notes=(note,))


def _in_step(corpus: Corpus, rows: Mapping[str, Ragged]) -> bool:
    """Whether every sample has as many steps in these rows as in its other modalities, where it has any."""
    pairs = (
        (own.lengths, other.lengths)
        for name, own in rows.items()
        for m, other in corpus[name].modalities.items()
        if m != TOKENS
    )
    return all(not ((a != b) & (a > 0) & (b > 0)).any() for a, b in pairs)


def _of_ids(split: Split, tokenizer: Any) -> Ragged:
    """The ids of text_bert as sub-words, at the same steps."""
    rows = split.modalities[TOKENS].flat()
    observed = rows.observed & ~np.isin(rows.values[:, 0], [*_special(tokenizer)])
    values = np.where(observed[:, None], rows.values + 1, 0).astype(np.float32)
    return Ragged.from_offsets(values, rows.offsets, observed)


def _special(tokenizer: Any) -> set[int]:
    """The indices of tokens that stand for no text."""
    return {*tokenizer.all_special_ids, *tokenizer("")["input_ids"]} - {tokenizer.unk_token_id}


def _said(split: Split) -> list[NDArray[np.int64]]:
    """The ids of text_bert that each sample has."""
    rows = split.modalities[TOKENS].flat()
    cut = np.concatenate([[0], np.cumsum(rows.observed)])[rows.offsets[1:-1]]
    return np.split(rows.values[rows.observed, 0].round().astype(np.int64), cut)


def _differs(corpus: Corpus, tokenizer: Any) -> str:
    """Why the ids of text_bert are not those of the transcripts; empty where they are, up to their limit."""
    special = [*_special(tokenizer)]
    same = both = 0
    for split in corpus.splits.values():
        assert split.words is not None  # whoever asks has looked
        texts = [" ".join(split.words[row]) for row in range(len(split))]
        expected = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        own = [ids[~np.isin(ids, special)].tolist() for ids in _said(split)]
        most = max(map(len, own), default=0)
        for ids, text in zip(own, expected, strict=True):
            both += bool(ids and text)
            same += bool(ids and text) and ids == (text[:most] if len(ids) == most else text)
    if both and same >= _SAME * both:
        return ""
    return f"of {both:,} samples {same:,} have the ids of their text"


def _foreign(corpus: Corpus, tokenizer: Any) -> str:
    """Why the ids of text_bert cannot be a tokenizer's own; empty where they may well be."""
    rows = [ids for split in corpus.splits.values() for ids in _said(split) if ids.size]
    if not rows:
        return "it holds no ids"
    if (most := max(int(ids.max()) for ids in rows)) >= len(tokenizer):
        return f"it holds the id {most}, and the vocabulary has {len(tokenizer):,}"
    first, often = Counter(int(ids[0]) for ids in rows).most_common(1)[0]
    begin = next(iter(tokenizer("")["input_ids"]), None)
    if begin is None and often >= _SAME * len(rows) > 1:
        return f"its samples begin with {first}, and a text with none for all"
    if begin is not None and (first != begin or often < _SAME * len(rows)):
        return f"its samples begin with {first}, and a text with {begin}"
    return ""


def _without_text(corpus: Corpus, where: str, model: str) -> str:
    """What is said of a corpus that has nothing to make sub-words of."""
    silent = next(name for name, split in corpus.splits.items() if split.words is None)
    other = " but sub-words of another vocabulary" if TOKENS in corpus.dims else ""
    return (
        f"{where}: {TOKENS}: no text in {silent}{other} to make sub-words for '{model}' of; expected "
        "transcripts, or token ids (text_bert)"
    )


def _key(corpus: Corpus, tokenizer: Any) -> str:
    """Changes with what the sub-words of a corpus depend on."""
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    rules = {key: value for key, value in rules.items() if key not in ("padding", "truncation")}
    found = hashlib.sha256(json.dumps([_VERSION, rules, corpus.aligned], sort_keys=True).encode())
    for name, split in corpus.splits.items():
        words = None if split.words is None else split.words.flat()
        found.update(json.dumps([name, split.ids, words and words.tokens]).encode())
        arrays: list[NDArray[Any] | None] = [] if words is None else [words.offsets, words.times]
        arrays += [split.modalities[m].lengths for m in sorted(split.modalities)]
        if corpus.provenance.get(TOKENS, Provenance()).extractor == IDS:
            rows = split.modalities[TOKENS].flat()
            arrays += [rows.values, rows.observed]
        for array in arrays:
            found.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _kept(file: Path, corpus: Corpus) -> Corpus | None:
    """What was kept of a corpus; None where there is nothing, or something else."""
    from affect.data import native

    if not file.is_file():
        return None
    try:
        found = native.load(file)
        if {name: own.ids for name, own in found.splits.items()} == {
            name: own.ids for name, own in corpus.splits.items()
        } and [*found.dims] == [TOKENS]:
            return found
        why = "other samples"
    except AffectError as error:
        why = str(error).removeprefix(f"{file}: ")
    _say(f"{file}: not what was kept there ({why}); it is made anew")
    return None


def _keep(made: Corpus, file: Path, where: str) -> None:
    """Keep sub-words in a file, if it can be written; a log line says so."""
    from affect.data import native

    try:
        native.save(made, file)
    except OSError as error:
        _say(f"{file} cannot be written ({error.strerror or type(error).__name__}); nothing is kept")
    else:
        _say(f"{where}: sub-words are made, and kept in {file}")


@cache
def _say(line: str) -> None:
    """A log line, once: a corpus is read several times in a command."""
    logger.warning("%s", line)
