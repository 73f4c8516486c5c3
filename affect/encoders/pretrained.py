"""Pretrained text encoders within a model: frozen, partly frozen, fine-tuned, or with low-rank adapters."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn

from affect.data.text import places, pretrained
from affect.encoders.base import Gate, LayeredEncoder
from affect.errors import ConfigError
from affect.sequences import Sequence


class PretrainedEncoder(LayeredEncoder):
    """A Hugging Face encoder over a sample's sub-words, averaged back to their words.

    Step t is word t before and after, so what is aligned with words stays aligned. The special tokens around
    the sub-words are no steps. The pretrained weights learn at a rate of their own.

    Args:
        in_dim: sub-words of a word, at most (`affect.data.text.tokenize`).
        out_dim: feature size of an encoded word.
        model: a folder, or a name on the Hugging Face hub. Code that comes with a model is never run.
        trained: which pretrained weights learn: `all`, `none`, or those of the last so many layers.
        lora: rank of the adapters that learn in place of the pretrained weights; 0 is none.
        learning_rate: of the pretrained weights, or of the adapters.
        dropout: rate at which values of a word are dropped before the last layer, which is new.
    Shapes:
        x: (batch, words, in_dim) -> (batch, words, out_dim)
    Missing:
        an unobserved word is left out, as if it had not been said. A sample without words stays unobserved,
        and so do a word without sub-words and those behind what the encoder can read at once.
    Raises:
        ConfigError: transformers or peft is not installed, there is no such model, it has no list of layers,
            or fewer than are to be trained.
    Reference:
        Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019;
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
    """

    reads_indices = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "learning_rate": FloatDistribution(1e-6, 1e-3, log=True),
        "lora": CategoricalDistribution((0, 4, 8, 16)),
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
    ) -> None:
        super().__init__(in_dim, out_dim)
        tokenizer, self.encoder = pretrained("PretrainedEncoder", model)
        self.width, self.depth = self.encoder.config.hidden_size, self.encoder.config.num_hidden_layers
        if not _layers(self.encoder, self.depth):
            raise ConfigError(f"PretrainedEncoder: '{model}' has no list of {self.depth} layers")
        self.trained = {"all": self.depth, "none": 0}[trained] if isinstance(trained, str) else trained
        if not 0 <= self.trained <= self.depth:
            raise ConfigError(f"PretrainedEncoder: '{model}' has {self.depth} layers, got trained={trained}")
        self.whole = trained == "all" or lora > 0
        self.special = _Special.of(tokenizer)
        self.limit = places(tokenizer, self.encoder) - len(self.special.before) - len(self.special.behind)
        self.size = self.encoder.get_input_embeddings().num_embeddings
        self.encoder.pooler = None  # it reads the first token, and nothing reads it
        self._choose_what_learns(lora)
        self.encoder.learning_rate = learning_rate
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.width, out_dim))

    def train(self, mode: bool = True) -> PretrainedEncoder:
        """Frozen layers stay in eval mode: dropout in them would be noise that nothing learns from."""
        super().train(mode)
        if not self.whole:
            self.encoder.eval()
            for layer in self._layers[self.depth - self.trained :]:
                layer.train(mode)
        return self

    def encode_with(self, x: Sequence, gate: Gate | None, layer: int, others: list[Sequence]) -> Sequence:
        tokens = self._lay_out(x)
        spread = [tokens.spread(other) for other in others]

        def gated(hidden: Tensor) -> Tensor:
            return hidden if gate is None else gate(Sequence(hidden, tokens.mask), spread).values

        def before_layer(_: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
            if args:
                return (gated(args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": gated(kwargs["hidden_states"])}

        last = layer == self.depth
        hook = None if last else self._layers[layer].register_forward_pre_hook(before_layer, with_kwargs=True)
        try:
            said = self.encoder(input_ids=tokens.ids, attention_mask=tokens.mask.long())
        finally:
            if hook is not None:
                hook.remove()
        hidden = said.last_hidden_state
        words = tokens.pool(gated(hidden) if last else hidden, x)
        return words.with_values(self.out(words.values))

    @property
    def _layers(self) -> nn.ModuleList:
        # looked for, and not held: held twice, it would be saved twice
        return _layers(self.encoder, self.depth)[0]

    def _choose_what_learns(self, lora: int) -> None:
        """Which pretrained weights have gradients."""
        if lora:
            self.encoder = _adapted(self.encoder, lora)
            return
        self.encoder.requires_grad_(self.whole)
        for layer in self._layers[self.depth - self.trained :]:
            layer.requires_grad_(True)
        for name, parameter in self.encoder.named_parameters():
            if re.search(r"\bk(ey|_proj|_lin)?\.bias$", name):
                parameter.requires_grad_(
                    False
                )  # it shifts all scores of a query alike: no gradient reaches it

    def _lay_out(self, x: Sequence) -> _Tokens:
        """The sub-words of observed words end to end, with special tokens around them."""
        batch, words = x.mask.shape
        index = x.values.round().long() - 1  # 0 holds the place of a sub-word that is not there
        there = x.mask.unsqueeze(-1) & (index != -1)
        there = there & (there.sum(-1).cumsum(-1) <= self.limit).unsqueeze(-1)  # whole words alone
        index = torch.where((index >= 0) & (index < self.size), index, self.special.unknown)
        length = there.flatten(1).sum(1)
        order = torch.argsort((~there).flatten(1).to(torch.int8), dim=1, stable=True)[:, : int(length.max())]
        first, last = len(self.special.before), len(self.special.behind)
        steps = torch.arange(first + order.shape[1] + last, device=index.device)
        inside = (steps >= first) & (steps < first + length.unsqueeze(1))
        mask = steps < first + length.unsqueeze(1) + last
        ids = index.new_full(mask.shape, self.special.padding)
        ids[:, :first] = ids.new_tensor(self.special.before)
        ids[:, first : first + order.shape[1]] = index.flatten(1).gather(1, order)
        ends = first + length.unsqueeze(1) + torch.arange(last, device=ids.device)
        ids = ids.scatter(1, ends, ids.new_tensor(self.special.behind).expand(batch, -1))
        word = torch.nn.functional.pad(order // x.dim, (first, last))
        return _Tokens(torch.where(mask, ids, self.special.padding), mask, inside, word)


@dataclass(frozen=True)
class _Special:
    """The tokens that stand around a text, for words that are unknown, and behind the end."""

    before: list[int]
    behind: list[int]
    unknown: int
    padding: int

    @classmethod
    def of(cls, tokenizer: Any) -> _Special:
        text = tokenizer([["a"]], is_split_into_words=True)
        ids, words = text["input_ids"][0], text.word_ids(0)
        inside = [i for i, word in enumerate(words) if word is not None]
        unknown = tokenizer.unk_token_id
        return cls(
            before=ids[: inside[0]],
            behind=ids[inside[-1] + 1 :],
            unknown=ids[inside[0]] if unknown is None else unknown,
            padding=tokenizer.pad_token_id,
        )


@dataclass(frozen=True)
class _Tokens:
    """Sub-words of a batch, and the word that each belongs to.

    Shapes:
        ids, mask, inside, word: (batch, token); `mask` holds special tokens too, `inside` sub-words alone
    """

    ids: Tensor
    mask: Tensor
    inside: Tensor
    word: Tensor

    def spread(self, x: Sequence) -> Sequence:
        """The steps of words, (batch, words, feature), at their sub-words; special tokens are unobserved."""
        values = x.values.gather(1, self.word.unsqueeze(-1).expand(-1, -1, x.dim))
        return Sequence(values, x.mask.gather(1, self.word) & self.inside)

    def pool(self, hidden: Tensor, x: Sequence) -> Sequence:
        """The mean of each word's sub-words, at the steps of `x`."""
        own = hidden * self.inside.unsqueeze(-1)
        sums = hidden.new_zeros(*x.mask.shape, hidden.shape[-1])
        sums = sums.scatter_add(1, self.word.unsqueeze(-1).expand_as(own), own)
        counts = self.inside.new_zeros(x.mask.shape, dtype=torch.long)
        counts = counts.scatter_add(1, self.word, self.inside.long())
        return Sequence(sums / counts.clamp(min=1).unsqueeze(-1), counts > 0)


def _layers(encoder: nn.Module, depth: int) -> list[nn.ModuleList]:
    return [part for part in encoder.modules() if isinstance(part, nn.ModuleList) and len(part) == depth]


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
