"""Reading corpora: a file is recognised by what it holds, a generated corpus by its name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any, cast

from affect.data.classes import with_kinds
from affect.data.corpus import Corpus
from affect.data.corpus_files import CorpusFiles
from affect.data.duplicates import unique
from affect.data.quality import with_notes
from affect.data.sources.belonging import files_of
from affect.data.sources.options import Duplicates, Options, Reader
from affect.data.sources.readers import by_reader, path_of_reader
from affect.errors import AffectError, ConfigError, DataError, described, did_you_mean
from affect.files import real

FORMATS = (
    "native (safetensors)",
    "pickles of MMSA, MMSA-FET, the Multimodal Transformer, MAG-BERT, MISA, MMIM and LMF",
    "conversations (tables of utterances, pickles of DialogueRNN and bc-LSTM, MUStARD's JSON)",
    "computational sequences (.csd)",
    "HDF5 files of the Memory Fusion Network",
    "arrays of numpy and PyTorch (.npz, .npy, .pt)",
    "CSV and Parquet tables",
    "folders of feature files with a table of labels",
)
_PATHS = ("computational_sequences", "mfn", "dialogues", "arrays", "folders", "tables")
"""Formats of files and folders, each a module that recognises a path."""

_NAMED = ("dialogues", "arrays", "folders", "tables")
"""Those of them whose columns have names, and to whose readers the options matter."""


def load(
    source: str | Path,
    *,
    columns: Iterable[str] = (),
    targets: Mapping[str, Any] | None = None,
    duplicates: Duplicates = "refuse",
    prefixes: Iterable[str] = (),
    reader: Reader | str | None = None,
    tokens: str | PathLike[str] | None = None,
) -> Corpus:
    """A corpus from any published format, or a generated one.

    What a file is, is told from its content, never from its name; nothing in it is executed.

    Args:
        source: a native file (`affect.data.native.save`); a pickle in the layout of MMSA, MMSA-FET, the
            Multimodal Transformer, MAG-BERT, MISA, MMIM or LMF; conversations: a table with a row for each
            utterance (MELD, EmoryNLP, MUStARD++), of which those of other splits beside it are read too, a
            pickle of DialogueRNN, bc-LSTM and their kin, or MUStARD's JSON; a computational sequence (.csd)
            or a folder of them; the HDF5 files of the Memory Fusion Network; files of arrays (.npz, .npy,
            .pt) whose names say what they are, or one for each sample; a folder of feature files (what
            OpenFace, openSMILE, py-feat, FACET and COVAREP write too) and of transcripts, with a table of
            labels; a CSV or Parquet table; or `synthetic`, `synthetic:additive`, `synthetic:interaction`,
            `synthetic:temporal`, `synthetic:shared`.
        columns: names of columns that are features though they look like none, such as `confidence` or
            `frame`: those are left out otherwise, and a note names them. Of conversations, the column of
            speakers: who speaks becomes a modality.
        targets: the kinds of targets by name, where numbers are codes of classes: `{"emotion": "multiclass"}`
            (`affect.data.classes.with_kinds`).
        duplicates: what becomes of ids that occur more than once: `refuse`; `number` (`id[0]`, `id[1]`);
            `first` leaves the others out; `keep`. A native file's are numbered.
        prefixes: names of modalities in the columns of tables that hold a dot themselves: `wav2vec2.0`.
        reader: for any other format: a function from the path to a corpus, or its import path
            (`my_readers.read_deap`); one that has an argument `options` is given what was said of the file
            (`affect.data.sources.options.Options`), too.
        tokens: a pretrained text encoder, a folder or a name on the Hugging Face hub, whose sub-words of the
            text become the modality `tokens` (`affect.data.tokens.with_tokens`), for `PretrainedEncoder`.
    Raises:
        DataError: there is no such file, or it is not a corpus; ids occur more than once; the reader failed;
            it has no text to make sub-words of.
        ConfigError: there is no such generated corpus, column, target, reader or encoder.
    Example:
        >>> len(load("synthetic")["test"])
        400
    """
    if not isinstance(source, str | PathLike):
        remedy = "affect.Corpus.from_arrays makes a corpus of arrays, and a corpus is of one file or folder"
        raise ConfigError(f"load: expected a path or a name, got {described(source)}; {remedy}")
    options = Options.of(columns, targets, duplicates, prefixes, reader, tokens)
    said = _said(source, options)
    path = Path(said.get("corpus", ""))
    files = CorpusFiles.of(
        files_of(path) if said and path.exists() else []
    )  # as they are before they are read
    return read(source, options).read_from(said, files)


def read(source: str | Path, options: Options) -> Corpus:
    """The same, as options say it."""
    if str(source).partition(":")[0] == "synthetic":
        from affect.data.synthetic import generate

        if options.reader is not None:
            raise ConfigError(f"{source}: it is generated, not read; leave the reader out, or name a file")
        generated = generate(str(source))
        _known(generated, options)
        return _with_tokens(with_kinds(generated, options.targets), options, str(source))
    path = Path(source)
    try:
        corpus = _read(path, options) if options.reader is None else by_reader(path, options)
        _known(corpus, options)
        found = with_kinds(with_notes(unique(corpus, options.duplicates)), options.targets)
        return _with_tokens(found, options, str(path))
    except AffectError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from None


def _with_tokens(corpus: Corpus, options: Options, where: str) -> Corpus:
    """The corpus with sub-words, where they are asked for."""
    if options.tokens is None:
        return corpus
    from affect.data.tokens import with_tokens

    return with_tokens(corpus, options.tokens, where)


def _said(source: str | Path, options: Options) -> dict[str, Any]:
    """What was read and how, as a configuration says it; nothing where a reader has no import path."""
    reader = path_of_reader(options.reader)
    if options.reader is not None and reader is None:
        return {}
    generated = str(source).partition(":")[0] == "synthetic"
    return {
        "corpus": str(source) if generated else str(real(source)),
        "columns": [*options.columns],
        "targets": {name: dict(kind) for name, kind in options.targets.items()},
        "duplicates": options.duplicates,
        "prefixes": [*options.prefixes],
        "reader": reader,
        "tokens": options.tokens,
    }


def _known(corpus: Corpus, options: Options) -> None:
    """Refuse names of columns and of modalities that the corpus does not have.

    A corpus that has names of columns may have been converted from a table with such prefixes.

    Raises:
        ConfigError: one is not there.
    """
    if not options.required:
        return
    known = {*corpus.targets, *(name for names in corpus.columns.values() for name in names)}
    whole = {f"{m}.{name}" for m, names in corpus.columns.items() for name in names}
    for name in options.columns:
        if name not in known | whole:
            raise ConfigError(f"columns: no column '{name}'; {did_you_mean(name, known)}")
    if options.prefixes and not corpus.columns and not set(options.prefixes) & set(corpus.dims):
        name = options.prefixes[0]
        raise ConfigError(
            f"prefixes: no modality '{name}', and no columns with names; {did_you_mean(name, corpus.dims)}"
        )


def _read(path: Path, options: Options) -> Corpus:
    """The corpus as its reader gives it."""
    if not path.exists():
        raise DataError(
            f"{path}: no such file; expected a corpus file, or 'synthetic' for a generated corpus"
        )
    try:
        for reader in itertools.chain((_native, _pickle), map(_reader, _PATHS)):
            corpus = reader(path, options)
            if corpus is not None:
                return corpus
    except AffectError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        # What no reader thought of in a file that is damaged, or made to be.
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot be read ({type(error).__name__}: {said})") from error
    raise DataError(
        f"{path}: not a format that affect reads; known: {', '.join(FORMATS)}; "
        "for any other name a function from the path to a corpus (reader)"
    )


def _native(path: Path, options: Options) -> Corpus | None:
    from affect.data import native

    if not path.is_file() or not native.is_native(path):
        return None
    corpus = native.load(path)  # files written before ids had to be unique still open
    return unique(corpus, "number") if options.duplicates == "refuse" else corpus


def _pickle(path: Path, options: Options) -> Corpus | None:
    from affect.data.sources import layouts

    corpus = layouts.read(path, options)
    return None if corpus is None else layouts.with_codes_noted(corpus, options.targets)


def _reader(name: str) -> Callable[[Path, Options], Corpus | None]:
    def reader(path: Path, options: Options) -> Corpus | None:
        module = import_module(f"affect.data.sources.{name}")
        if not module.recognises(path):
            return None
        said = {"options": options} if name in _NAMED else {}
        return cast(Corpus, module.read(path, **said))

    return reader
