"""Pretrained text encoders within a model: frozen, partly frozen, fine-tuned, or with low-rank adapters."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from affect.data.text import places, pretrained
from affect.encoders.base import Gate, LayeredEncoder
from affect.encoders.sub_words import LaidOutTokens, SpecialTokens, groups, lots
from affect.errors import ConfigError
from affect.layers import Dropout
from affect.sequences import Sequence
from affect.sizes import held


class PretrainedEncoder(LayeredEncoder):
    """A Hugging Face encoder over a sample's sub-words, averaged back to their words.

    Step t is word t before and after, so what is aligned with words stays aligned. The special tokens around
    the sub-words are no steps; with another `output` than words, one vector comes out. With `context: step`
    each step is read by itself, such as the utterances of a conversation: a vector for each that is the same
    alone and in any dialogue. The pretrained weights learn at a rate of their own. Those that do not learn
    are not saved with a run: loading it takes them from `model` again, and refuses others.

    Args:
        in_dim: sub-words of a word, at most (`affect.data.text.tokenize`).
        out_dim: feature size of an encoded word.
        model: a folder, or a name on the Hugging Face hub. Code that comes with a model is never run.
        trained: which pretrained weights learn: `all`, `none`, or those of the last so many layers.
        lora: rank of the adapters that learn in place of all pretrained weights; 0 is none.
        learning_rate: of the pretrained weights, or of the adapters.
        dropout: rate at which values of a word are dropped before the last layer, which is new.
        output: `words`, the mean of each word's sub-words; `first`, the first token, special as in BERT;
            `pooler`, the same through the layer of the pretrained model that is there to read it; `mean`, the
            mean of all tokens, special ones included.
        context: what is read as one text, and has the special tokens around it: a `sample`, or each `step`,
            which every `output` makes one vector of.
        kept: with `context: step`, tokens whose activations are kept for the backward pass; those of more
            are computed again in it, for memory that does not grow with a dialogue (gradient checkpointing).
        by_length: whether samples of like length are read together, apart from longer ones, as far as that
            leaves out enough padding: quicker on a processor where batches are of mixed lengths, as those of
            terms that compare samples are. All is the same but for rounding and for what dropout draws. Steps
            always are, with `context: step`.
    Shapes:
        x: (batch, words, in_dim) -> (batch, words, out_dim), or (batch, 1, out_dim) with another output of a
        sample
    Missing:
        an unobserved word is left out, as if it had not been said; with `context: step` it is not run at all.
        A sample without words stays unobserved, and so do a word without sub-words and those behind what the
        encoder can read at once; of a longer step the beginning is read.
    Raises:
        ConfigError: transformers or peft is not installed, there is no such model, it has no list of layers,
            or fewer than are to be trained; there are adapters, and `trained` is not `all`; a rank is below
            zero, or the rate not above it; there is no such output or context, or no pooler in the model.
    Reference:
        Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019;
        Yang et al., XLNet: Generalized Autoregressive Pretraining for Language Understanding, NeurIPS 2019;
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022;
        Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016 (what is computed again).
    """

    reads_indices = True
    first_word = 1  # 0 holds the place of a sub-word that is not there
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "learning_rate": FloatDistribution(1e-6, 1e-3, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        model: str,
        trained: Literal["all", "none"] | int = "all",
        lora: int = 0,
        learning_rate: float = 2e-5,
        dropout: float = 0.1,
        output: Literal["words", "first", "pooler", "mean"] = "words",
        context: Literal["sample", "step"] = "sample",
        kept: int = 4096,
        by_length: bool = False,
    ) -> None:
        super().__init__(in_dim, out_dim)
        _check(trained, lora, output, context)
        tokenizer, self.encoder = pretrained("PretrainedEncoder", model)
        self.model = model
        self.width, self.depth = self.encoder.config.hidden_size, self.encoder.config.num_hidden_layers
        if _layers(self.encoder, self.depth) is None:
            raise ConfigError(f"PretrainedEncoder: '{model}' has no list of {self.depth} layers")
        self.trained = {"all": self.depth, "none": 0}[trained] if isinstance(trained, str) else trained
        if not 0 <= self.trained <= self.depth:
            raise ConfigError(f"PretrainedEncoder: '{model}' has {self.depth} layers, got trained={trained}")
        self.whole, self.lora = trained == "all", lora
        self.special = SpecialTokens.of(tokenizer)
        self.unknown = self.special.unknown + self.first_word
        self.masked = None if self.special.mask is None else self.special.mask + self.first_word
        self.limit = places(tokenizer, self.encoder) - len(self.special.before) - len(self.special.behind)
        self.size = self.encoder.get_input_embeddings().num_embeddings
        self.output, self.context, self.kept, self.by_length = output, context, kept, by_length
        self.causal = context == "step"
        if output != "pooler":
            self.encoder.pooler = None  # it reads the first token, and nothing reads it
        elif getattr(self.encoder, "pooler", None) is None:
            raise ConfigError(f"PretrainedEncoder: output: '{model}' has no pooler; say first or mean")
        self.relative = self.encoder.config.model_type == "xlnet"
        self._choose_what_learns(lora)
        self.encoder.learning_rate = float(learning_rate)
        self._entry: tuple[int, Callable[[Tensor], Tensor]] | None = None
        # hooks that stay: one that is set while the encoder runs cannot be compiled
        for place, layer in enumerate(self._layers):
            layer.register_forward_pre_hook(partial(self._let_in, place), with_kwargs=True)
        self.out = nn.Sequential(Dropout(dropout), nn.Linear(self.width, out_dim))

    def frozen_keys(self) -> list[str]:
        """The keys of its `state_dict` that are pretrained and do not learn; none where all layers learn."""
        if self.whole and self.lora == 0:
            return []
        return [f"encoder.{name}" for name, x in self.encoder.named_parameters() if not x.requires_grad]

    def frozen_source(self) -> dict[str, str]:
        """The model's name, and its revision where it is from the Hugging Face hub."""
        revision = getattr(self.encoder.config, "_commit_hash", None)
        return {"name": self.model, **({"revision": revision} if revision else {})}

    @property
    def words(self) -> Tensor:
        vectors: Tensor = self.encoder.get_input_embeddings().weight
        return vectors

    def train(self, mode: bool = True) -> PretrainedEncoder:
        """Frozen layers stay in eval mode: dropout in them would be noise that nothing learns from."""
        super().train(mode)
        if not self.whole:
            self.encoder.eval()
            for layer in self._layers[self.depth - self.trained :]:
                layer.train(mode)
        return self

    def encode_with(
        self, x: Sequence, gate: Gate | None, layer: int, others: list[Sequence], special: bool = False
    ) -> Sequence:
        """As any encoder with layers.

        Args:
            x: (batch, time, in_dim)
            gate: what changes the hidden states; none leaves them alone.
            layer: layers before the gate, 0 to `depth`.
            others: at the same steps as `x`.
            special: whether special tokens stand beside an observed step of zeros of each other that is
                present, not beside an unobserved one.
        """
        if not 0 <= layer <= self.depth:
            raise ConfigError(f"PretrainedEncoder: has layers 0 to {self.depth}, got layer={layer}")
        if self.context == "step":
            read = self._states_of_steps
        else:
            read = self._by_length if self.by_length and not torch.compiler.is_compiling() else self._states
        states = read(x, gate, layer, others, special)
        return states.with_values(self.out(states.values))

    def time_of(self, steps: int) -> int:
        return steps if self.output == "words" or self.context == "step" else 1

    def _by_length(
        self, x: Sequence, gate: Gate | None, layer: int, others: list[Sequence], special: bool
    ) -> Sequence:
        """What `_states` gives, of groups of samples of like length."""
        around = len(self.special.before) + len(self.special.behind)
        tokens = ((x.values.round() != 0) & x.mask.unsqueeze(-1)).flatten(1).sum(1) + around
        order = tokens.argsort(stable=True)
        found = [
            self._states(x.take(rows), gate, layer, [other.take(rows) for other in others], special)
            for rows in order.split_with_sizes(groups(tokens[order].tolist(), _GROUP))
        ]
        values, mask = (
            torch.cat(own) for own in zip(*((one.values, one.mask) for one in found), strict=True)
        )
        return Sequence(values, mask, zeroed=True).take(order.argsort())

    def _states(
        self, x: Sequence, gate: Gate | None, layer: int, others: list[Sequence], special: bool
    ) -> Sequence:
        """What the pretrained layers make of each sample's words, (batch, words, width) or one step."""
        tokens = self._lay_out(x)
        spread = [tokens.spread(other, special) for other in others]

        def gated(hidden: Tensor) -> Tensor:
            return hidden if gate is None else gate(Sequence(hidden, tokens.mask), spread).values

        def turned(hidden: Tensor) -> Tensor:  # XLNet's layers have time first
            return gated(hidden.transpose(0, 1)).transpose(0, 1)

        self._entry = (layer, turned if self.relative else gated)
        segments = {} if tokens.segments is None else {"token_type_ids": tokens.segments}
        try:
            out = self.encoder(input_ids=tokens.ids, attention_mask=tokens.mask.long(), **segments)
        finally:
            self._entry = None
        hidden = gated(out.last_hidden_state) if layer == self.depth else out.last_hidden_state
        if self.output == "words":
            return tokens.pool(hidden, x)
        return Sequence.vector(self._vector(Sequence(hidden, tokens.mask)), x.present)

    def _states_of_steps(
        self, x: Sequence, gate: Gate | None, layer: int, others: list[Sequence], special: bool
    ) -> Sequence:
        """The same of steps, each a text of its own: like lengths together, (batch, steps, width)."""
        there = (x.values[..., : self.limit].round() != 0) & x.mask.unsqueeze(-1)
        observed, lengths = there.any(-1), there.sum(-1).flatten()
        steps = [
            Sequence(one.values.flatten(0, 1).unsqueeze(1), one.mask.flatten().unsqueeze(1))
            for one in (Sequence(x.values[..., : self.limit], observed), *others)
        ]
        if torch.compiler.is_compiling():  # a compiled graph has no sizes that depend on values
            found = self._states(steps[0], gate, layer, steps[1:], special).values
            return Sequence(found.view(*observed.shape, self.width), observed)
        order = lengths.argsort(descending=True)[: int(observed.sum())]
        around = len(self.special.before) + len(self.special.behind)
        tokens = (lengths[order] + around).tolist()
        states, run = [], 0
        for lot in lots(tokens, _TOGETHER):
            own = [one.take(order[lot]) for one in steps]
            run += (lot.stop - lot.start) * tokens[lot.start]
            if run > self.kept and torch.is_grad_enabled():
                given = checkpoint(self._states, own[0], gate, layer, own[1:], special, use_reentrant=False)
            else:
                given = self._states(own[0], gate, layer, own[1:], special)
            states.append(given.values.squeeze(1))
        if not states:
            return Sequence(x.values.new_zeros(*observed.shape, self.width), observed)
        whole = states[0].new_zeros(observed.numel(), self.width)
        whole = whole.index_copy(0, order, torch.cat(states))
        return Sequence(whole.view(*observed.shape, self.width), observed)

    def _vector(self, tokens: Sequence) -> Tensor:
        """One vector of all tokens, (batch, width)."""
        if self.output == "mean":
            return tokens.mean()
        first = tokens.values[:, 0]
        if self.output == "first":
            return first
        pooled: Tensor = self.encoder.pooler(first.unsqueeze(1))
        return pooled

    def activations(self, batch: int, steps: int) -> int:
        around = len(self.special.before) + len(self.special.behind)
        learning = torch.is_grad_enabled() and self.trained > 0
        tokens = min(self.in_dim * (steps if self.context == "sample" else 1), self.limit) + around
        read = batch * tokens
        if self.context == "step":
            read = min(read * steps, max(_TOGETHER, tokens) + learning * self.kept)
        parts: Iterable[nn.Module] = [self.encoder]
        if self.relative:  # its attention's own weights are no layers; what they give is counted below
            parts = [part for part in self.encoder.modules() if isinstance(part, _LAYERS)]
        with torch.set_grad_enabled(learning):
            encoded = held(parts, read)
        heads = getattr(self.encoder.config, "num_attention_heads", 1)
        # with dropout of single weights PyTorch holds the matrices
        matrices = 4 * heads * read * tokens
        if self.relative:  # scores of contents, of places, of segments, and their sums
            matrices = 4 * matrices + 16 * read * self.width
        encoded += matrices * (self.depth if learning else 1)
        if learning:
            encoded = encoded * self.trained // self.depth
        return encoded + held(self.out, batch * steps) + 4 * (batch * steps + read) * self.width

    def _let_in(self, place: int, _: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """In front of every layer: at that of the gate, the hidden states are the gate's."""
        if self._entry is None or self._entry[0] != place:
            return None
        gated = self._entry[1]
        if args:
            return (gated(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": gated(kwargs["hidden_states"])}

    @property
    def _layers(self) -> nn.ModuleList:
        # looked for, and not held: held twice, it would be saved twice
        layers = _layers(self.encoder, self.depth)
        assert layers is not None  # the constructor has refused
        return layers

    def _choose_what_learns(self, lora: int) -> None:
        """Which pretrained weights have gradients."""
        if lora:
            self.encoder = _adapted(self.encoder, lora)
            return
        self.encoder.requires_grad_(self.whole)
        for layer in self._layers[self.depth - self.trained :]:
            layer.requires_grad_(True)
        if self.output == "pooler" and self.trained:
            self.encoder.pooler.requires_grad_(True)
        for name, parameter in self.encoder.named_parameters():
            # a key's bias shifts all scores of a query alike: no gradient reaches it
            unread = re.search(r"\bk(ey|_proj|_lin)?\.bias$", name)
            if self.relative:  # a mask that only pre-training has, and segments that a tokenizer may not tell
                segments = r"|seg_embed$|r_s_bias$" if self.special.segments is None else ""
                unread = re.search(rf"\bmask_emb${segments}", name)
            if unread:
                parameter.requires_grad_(False)

    def _lay_out(self, x: Sequence) -> LaidOutTokens:
        """The sub-words of observed words end to end, with special tokens around them."""
        batch, words = x.mask.shape
        index = x.values.round().long() - self.first_word
        there = x.mask.unsqueeze(-1) & (index != -1)
        there = there & (there.sum(-1).cumsum(-1) <= self.limit).unsqueeze(-1)  # whole words alone
        index = torch.where((index >= 0) & (index < self.size), index, self.special.unknown)
        length = there.flatten(1).sum(1)
        order = torch.argsort((~there).flatten(1).to(torch.int8), dim=1, stable=True)
        # a compiled graph has no sizes that depend on values: there it is all that the encoder can read
        most = min(order.shape[1], self.limit) if torch.compiler.is_compiling() else int(length.max())
        order = order[:, : max(most, 1)]
        first, last = len(self.special.before), len(self.special.behind)
        steps = torch.arange(first + order.shape[1] + last, device=index.device)
        inside = (steps >= first) & (steps < first + length.unsqueeze(1))
        mask = steps < first + length.unsqueeze(1) + last
        mask[:, 0] = True  # what attention over nothing gives is up to the backend: there is always one token
        ids = index.new_full(mask.shape, self.special.padding)
        ids[:, :first] = ids.new_tensor(self.special.before)
        ids[:, first : first + order.shape[1]] = index.flatten(1).gather(1, order)
        ends = first + length.unsqueeze(1) + torch.arange(last, device=ids.device)
        ids = ids.scatter(1, ends, ids.new_tensor(self.special.behind).expand(batch, -1))
        word = torch.nn.functional.pad(order // x.dim, (first, last))
        ids, segments = torch.where(mask, ids, self.special.padding), None
        if self.special.segments is not None:
            before, within, behind = self.special.segments
            segments = torch.full_like(ids, within)
            segments[:, :first] = ids.new_tensor(before)
            segments = segments.scatter(1, ends, ids.new_tensor(behind).expand(batch, -1))
        return LaidOutTokens(ids, mask, inside, word, segments)


_GROUP = 64
"""Tokens that take about as long as a group by itself, whose gradients of all weights are added up."""

_LAYERS = (nn.Linear, nn.LayerNorm, nn.Embedding)
_TOGETHER = 1024  # tokens of steps that are read at once: fewer waste time, more are padded more


def _layers(encoder: nn.Module, depth: int) -> nn.ModuleList | None:
    """The list of an encoder's layers; none where several lists hold the parts of a layer (XLM)."""
    for part in encoder.modules():
        lists = [own for own in part.children() if isinstance(own, nn.ModuleList) and len(own) == depth]
        if lists:
            return lists[0] if len(lists) == 1 else None
    return None


def _check(trained: str | int, lora: int, output: str, context: str) -> None:
    if output not in ("words", "first", "pooler", "mean"):
        raise ConfigError(
            f"PretrainedEncoder: output must be 'words', 'first', 'pooler' or 'mean', got {output!r}"
        )
    if context not in ("sample", "step"):
        raise ConfigError(f"PretrainedEncoder: context must be 'sample' or 'step', got {context!r}")
    known = trained in ("all", "none")
    if not known and (isinstance(trained, bool | str) or not isinstance(trained, int) or trained < 0):
        raise ConfigError(
            f"PretrainedEncoder: trained must be 'all', 'none' or a number of layers, got {trained!r}"
        )
    if lora and trained != "all":
        raise ConfigError(
            f"PretrainedEncoder: lora learns in place of all pretrained weights, got lora={lora} with "
            f"trained={trained!r}; leave trained at 'all'"
        )


def _adapted(encoder: Any, rank: int) -> Any:
    """The encoder with low-rank adapters beside all its linear layers; nothing else learns."""
    try:
        import peft
    except ImportError:
        raise ConfigError('PretrainedEncoder: lora needs peft; pip install "affect[text]"') from None
    options = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's own, of transformers
        return peft.get_peft_model(encoder, options)
