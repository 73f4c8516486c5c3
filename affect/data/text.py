"""Words become features: through a frozen pretrained encoder, or as indices into a vocabulary."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.provenance import Provenance
from affect.data.ragged import Ragged, Words
from affect.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

_ENDLESS = 10**9  # tokenizers without a limit give a larger number
_WINDOW = 512  # tokens that are read at once where neither the encoder nor its tokenizer has a limit


def embed(
    corpus: Corpus,
    model: str | Path,
    name: str = "text",
    layer: int = -1,
    batch_size: int = 64,
    device: str | None = None,
    alone: bool = False,
) -> Corpus:
    """The corpus with a modality of word features from a frozen pretrained encoder.

    Sub-words are averaged to their word, so step t is word t and keeps its time. A word that the tokenizer
    turns into nothing is an unobserved step; a sample without words lacks the modality. Samples with
    more tokens than the encoder reads are cut between words into windows, not truncated; of a single word
    that is longer than a window, the beginning is read.

    Args:
        corpus: its splits have words.
        model: a folder, or a name on the Hugging Face hub. Code that comes with a model is never run.
        name: of the new modality.
        layer: whose hidden states are taken; the last by default, 0 is what goes into the first.
        batch_size: windows that are encoded together.
        device: where the encoder runs; on the CPU by default.
        alone: whether each word is read by itself. Of conversations, whose words are utterances, a step is
            the mean of its sub-words then, and knows nothing of the utterances around it; a note says how
            many are longer than a window, and are read as far as it goes.
    Raises:
        ConfigError: transformers is not installed, there is no such model, or it has no such layer.
        DataError: a split has no words.
    """
    import torch

    if batch_size < 1:
        raise ConfigError(f"embed: batch_size must be at least 1, got {batch_size}")
    device = device or "cpu"
    tokenizer, encoder = pretrained("embed", str(model))
    layers = encoder.config.num_hidden_layers
    if not -layers - 1 <= layer <= layers:
        raise ConfigError(f"embed: '{model}' has layers {-layers - 1} to {layers}, got {layer}")
    encoder = encoder.to(device).eval()
    most = places(tokenizer, encoder)
    embedded = {}
    cut = 0
    with torch.inference_mode():
        for split_name, split in corpus.splits.items():
            words = _words(corpus, split_name, split)
            room = most - tokenizer.num_special_tokens_to_add()
            if alone:
                windows = [(i, i + 1) for i, word in enumerate(words.tokens) if word.strip()]
                windows.sort(key=lambda window: len(words.tokens[window[0]]))  # like lengths together
            else:
                windows = [
                    window for row in range(len(words)) for window in _windows(words, row, tokenizer, room)
                ]
                windows.sort(key=lambda window: window[1] - window[0])
            values = np.zeros((words.total, encoder.config.hidden_size), dtype=np.float32)
            observed = np.zeros(words.total, dtype=bool)
            for at in range(0, len(windows), batch_size):
                chosen = windows[at : at + batch_size]
                tokens = tokenizer(
                    [list(words.tokens[begin:end]) for begin, end in chosen],
                    is_split_into_words=True,
                    padding=True,
                    truncation=True,  # a single word may be longer than the encoder reads
                    max_length=most,
                    return_tensors="pt",
                )
                cut += sum(bool(encoding.overflowing) for encoding in tokens.encodings) if alone else 0
                hidden = encoder(**tokens.to(device), output_hidden_states=True).hidden_states[layer]
                place = [
                    [-1 if word is None else begin + word for word in tokens.word_ids(row)]
                    for row, (begin, _) in enumerate(chosen)
                ]
                where, pooled = _pool(hidden.float().cpu(), torch.tensor(place))
                values[where], observed[where] = pooled, True
            embedded[split_name] = Ragged.from_offsets(values, words.offsets, observed, words.times)
    weights = (
        (key, x.cpu().contiguous().reshape(-1).view(torch.uint8)) for key, x in encoder.state_dict().items()
    )
    made = Provenance(
        type(encoder).__name__,
        arguments={"layer": layer % (layers + 1), **({"alone": True} if alone else {})},
        weights=_digest((key, x.numpy().tobytes()) for key, x in weights),
    )
    found = corpus.with_modality(name, embedded, provenance=made)
    if not cut:
        return found
    what = "word is" if cut == 1 else "words are"
    note = f"{name}: {cut:,} {what} longer than the {most} tokens that the encoder reads, and cut there."
    return replace(found, notes=(*found.notes, note))


def tokenize(corpus: Corpus, model: str | Path, name: str = "tokens", most: int = 8) -> Corpus:
    """The corpus with a modality of sub-word indices, for a `PretrainedEncoder` of the same model.

    Step t is word t and keeps its time. A feature is the index of a sub-word in the encoder's vocabulary plus
    one; 0 stands where a word has no more of them. There are as many features as a word of the training split
    has sub-words at most, or a word of any split where none is for training yet; of a longer word the first
    are kept. A word that the tokenizer turns into nothing is an unobserved step.

    Args:
        corpus: its splits have words.
        model: a folder, or a name on the Hugging Face hub.
        name: of the new modality.
        most: features, at most.
    Raises:
        ConfigError: transformers is not installed, or there is no such model.
        DataError: a split has no words.
    """
    if most < 1:
        raise ConfigError(f"tokenize: most must be at least 1, got {most}")
    tokenizer, _ = pretrained("tokenize", str(model))
    return sub_words(corpus, tokenizer, name, most)


def sub_words(corpus: Corpus, tokenizer: Any, name: str = "tokens", most: int = 8) -> Corpus:
    """The same by a tokenizer that was read before (`tokenizer_of`).

    Args:
        corpus: its splits have words.
        tokenizer: of a pretrained encoder.
        name: of the new modality.
        most: features, at most.
    Raises:
        DataError: a split has no words.
    """
    parts = {split_name: _words(corpus, split_name, split) for split_name, split in corpus.splits.items()}
    known = {word for words in parts.values() for word in words.tokens}
    seen = parts["train"].tokens if "train" in parts else known  # no size is learned from what is held out
    ids = _sub_words(tokenizer, known)
    width = min(most, max((len(ids[word]) for word in seen), default=1) or 1)
    rows = {split_name: indexed(words, tokenizer, width) for split_name, words in parts.items()}
    return corpus.with_modality(name, rows, provenance=maker_of(tokenizer))


def maker_of(tokenizer: Any) -> Provenance:
    """Who makes sub-words: the kind of a tokenizer, and the digest of its vocabulary.

    Args:
        tokenizer: of a pretrained encoder.
    """
    vocabulary = sorted((place, piece) for piece, place in tokenizer.get_vocab().items())
    return Provenance(
        type(tokenizer).__name__, weights=_digest((str(place), piece.encode()) for place, piece in vocabulary)
    )


def _digest(parts: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of named parts."""
    found = hashlib.sha256()
    for name, content in parts:
        found.update(f"{name} {len(content)} ".encode())
        found.update(content)
    return found.hexdigest()


def indexed(words: Words, tokenizer: Any, width: int) -> Ragged:
    """Words as the indices of their sub-words, as `tokenize` has them.

    Args:
        words: of some samples.
        tokenizer: of a pretrained encoder.
        width: how many sub-words a word has; the first of more.
    Shapes:
        -> rows of (words, width)
    """
    ids = _sub_words(tokenizer, {*words.tokens})
    table = {word: np.zeros(width, np.float32) for word in ids}
    for word, own in ids.items():
        table[word][: len(own[:width])] = np.array(own[:width]) + 1
    values = np.array([table[word] for word in words.tokens], np.float32).reshape(-1, width)
    return Ragged.from_offsets(values, words.offsets, values.max(1) > 0, words.times)


def _sub_words(tokenizer: Any, words: Iterable[str]) -> dict[str, list[int]]:
    """The indices of each word's sub-words."""
    known = sorted(words)
    if not known:
        return {}
    found = tokenizer([[word] for word in known], is_split_into_words=True, add_special_tokens=False)
    return dict(zip(known, found["input_ids"], strict=True))


def _pool(hidden: Tensor, place: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Mean state of each word: hidden (batch, token, feature), place (batch, token), -1 for no word."""
    import torch

    states, place = hidden[place >= 0], place[place >= 0]
    where, inverse, counts = torch.unique(place, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(where), hidden.shape[-1]).index_add_(0, inverse, states)
    return where.numpy(), (sums / counts.unsqueeze(-1)).numpy()


def _windows(words: Words, row: int, tokenizer: Any, limit: int) -> Iterator[tuple[int, int]]:
    """Runs of a sample's words that fit the encoder and hold a token, as places among all words."""
    begin, count = int(words.starts[row]), int(words.lengths[row])
    if not count:
        return
    # not verbose: that a sample is longer than the encoder reads is what windows are for
    ids = tokenizer(words[row], is_split_into_words=True, add_special_tokens=False, verbose=False).word_ids()
    first = tokens = 0
    for place, size in enumerate(np.bincount(ids, minlength=count) if ids else ()):
        if tokens and tokens + size > limit:
            yield begin + first, begin + place
            first, tokens = place, 0
        tokens += size
    if tokens:
        yield begin + first, begin + count


def places(tokenizer: Any, encoder: Any) -> int:
    """How many tokens the encoder reads at once, special ones included."""
    most = getattr(encoder.config, "max_position_embeddings", None) or _ENDLESS
    if most < 1:  # XLNet, whose positions are relative, says -1
        most = _ENDLESS
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    if padding is not None:  # RoBERTa and its kin count positions from behind the padding index
        most -= padding + 1
    most = min(most, tokenizer.model_max_length)
    return int(most) if most < _ENDLESS else _WINDOW


def tokenizer_of(who: str, model: str) -> Any:
    """A fast tokenizer that pads on the right; nothing of the model's code is run.

    Args:
        who: begins the messages.
        model: a folder, or a name on the Hugging Face hub.
    Raises:
        ConfigError: transformers is not installed, or there is no such model.
    """
    with _reading(who, model) as (transformers, closed):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            model,
            use_fast=True,
            add_prefix_space=True,  # byte-level tokenizers read words only so; others ignore it
            **closed,
        )
    if not tokenizer.is_fast:
        raise ConfigError(f"{who}: '{model}' has no fast tokenizer, which says what word a token is of")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def pretrained(who: str, model: str) -> tuple[Any, Any]:
    """The tokenizer (`tokenizer_of`) and the encoder; nothing of the model's code is run.

    Raises:
        ConfigError: transformers is not installed, or there is no such model; `who` begins the message.
    """
    tokenizer = tokenizer_of(who, model)
    with _reading(who, model) as (transformers, closed):
        encoder, found = transformers.AutoModel.from_pretrained(
            model, use_safetensors=True, output_loading_info=True, **closed
        )
    random = sorted(key for key in found["missing_keys"] if "pooler" not in key)
    if random:
        raise ConfigError(
            f"{who}: '{model}' lacks {len(random)} of its encoder's weights, the first is {random[0]}; "
            "its features would be random"
        )
    return tokenizer, encoder.get_encoder() if encoder.config.is_encoder_decoder else encoder


@contextmanager
def _reading(who: str, model: str) -> Iterator[tuple[Any, dict[str, bool]]]:
    """Transformers, and what keeps it from running a model's code; what it refuses is one line."""
    try:
        import transformers
    except ImportError:
        raise ConfigError(f'{who}: needs transformers; pip install "affect[text]"') from None
    from safetensors import SafetensorError

    try:
        with _hushed(transformers.utils.logging):
            yield transformers, {"trust_remote_code": False}
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(": .")
        raise ConfigError(
            f"{who}: no pretrained encoder '{model}': {reason}; expected a folder with config.json, "
            "tokenizer.json and model.safetensors, or the name of one on the Hugging Face hub"
        ) from None


@contextmanager
def _hushed(logging: Any) -> Iterator[None]:
    """Transformers without progress bars and advice while a model is read, then as talkative as before."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _words(corpus: Corpus, name: str, split: Split) -> Words:
    if split.words is None:
        raise DataError(f"{corpus.name}, {name}: has no words to embed")
    return split.words.flat()


@dataclass(frozen=True)
class Vocabulary:
    """Words by their index; 0 is for words that are not in it. Case does not matter.

    Args:
        index: the place of each word, from 1.
    Example:
        >>> from affect.data.ragged import Words
        >>> rows = Ragged.vectors(np.zeros(2))
        >>> split = Split(("a", "b"), {}, {"y": rows}, words=Words.from_rows([["so", "good"], ["So"]]))
        >>> Vocabulary.fit(split).index
        {'so': 1, 'good': 2}
    """

    index: dict[str, int]

    @classmethod
    def fit(cls, split: Split, size: int = 10000, least: int = 1) -> Self:
        """The most frequent words of `split`, which is the training split.

        Args:
            split: has words.
            size: words that are kept, the unknown one included.
            least: occurrences below which a word is left out.
        """
        if split.words is None:
            raise DataError("Vocabulary: the split has no words")
        rows = (split.words[row] for row in range(len(split)))
        counts = Counter(word.casefold() for word in itertools.chain.from_iterable(rows))
        kept = [word for word, count in counts.most_common(size - 1) if count >= least]
        return cls({word: place for place, word in enumerate(kept, 1)})

    def apply(self, corpus: Corpus, name: str = "text") -> Corpus:
        """The corpus with a modality of word indices, feature size 1, for `EmbeddingEncoder`."""
        indexed = {}
        for split_name, split in corpus.splits.items():
            words = _words(corpus, split_name, split)
            values = np.array(
                [[self.index.get(word.casefold(), 0)] for word in words.tokens], dtype=np.float32
            )
            indexed[split_name] = Ragged.from_offsets(values.reshape(-1, 1), words.offsets, times=words.times)
        return corpus.with_modality(name, indexed)
