"""Networks of MMSA 2.2.1 beside those of `affect.papers`: weights carried over, the same input, float64.

    pip install --no-deps --target mmsa MMSA==2.2.1
    python -m experiments.parity --mmsa mmsa [--only tfn lmf ...]

Every network is made at the sizes of the paper's file, or at smaller ones where they are said below, with
random weights and running averages; each of MMSA's weights is copied to where it belongs, and the predictions
of both, out of training, are compared. Nothing is padded: MMSA counts padding as steps. A text encoder, where
MMSA has one, is the same random BERT of two layers on both sides.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from affect import papers
from affect.data.targets import Regression
from affect.model import FusionModel, ModelSpec
from affect.runs.configuration import parse
from affect.sequences import Sequence

DIMS = {"text": 12, "acoustic": 5, "visual": 7}
STEPS = {"text": 9, "acoustic": 14, "visual": 11}
ALIGNED = dict.fromkeys(DIMS, 9)
BATCH = 6
TARGET = Regression("sentiment", low=-3, high=3)
OURS = {"l": "text", "a": "acoustic", "v": "visual"}
SUB = {"text": "text", "audio": "acoustic", "video": "visual"}

Inputs = dict[str, Tensor]
Found = tuple[Tensor, Tensor]
"""A prediction of theirs, and the same of ours."""


def ours(name: str, changes: Mapping[str, Any] | None = None) -> FusionModel:
    """The model of a paper, in float64, out of training; its random weights are to be written over."""
    content = papers.named(name).content["model"]
    content.pop("aligner", None)
    for key, change in (changes or {}).items():
        if isinstance(change, dict):
            content[key]["init_args"] |= change
        else:
            content[key] = change
    spec = parse({"corpus": "synthetic", "model": content}, name).model
    assert isinstance(spec, ModelSpec)
    return spec.for_shape(DIMS, TARGET, aligned=True).double().eval()


def theirs(network: nn.Module) -> nn.Module:
    """A network of MMSA's, with weights and running averages drawn anew."""
    network = network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                reading = parameter.shape[-1] if parameter.dim() > 1 else 10
                parameter.copy_(torch.randn_like(parameter) / reading**0.5)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn_like(buffer))
            if name.endswith("running_var"):
                buffer.copy_(torch.rand_like(buffer) + 0.5)
    return network


def inputs(steps: Mapping[str, int]) -> Inputs:
    """What both networks read, by affect's names."""
    return {m: torch.randn(BATCH, steps[m], dim, dtype=torch.float64) for m, dim in DIMS.items()}


def predicted(model: FusionModel, given: Inputs) -> Tensor:
    """The prediction of affect's model, (batch, 1)."""
    with torch.no_grad():
        return model({m: Sequence.full(x) for m, x in given.items()}).prediction[:, 0]


def copy(source: nn.Module, goal: nn.Module, columns: Tensor | None = None) -> None:
    """The weight and the bias of a linear layer, a norm or a convolution; of columns in another order."""
    weight = source.weight if columns is None else source.weight[:, columns]
    assert goal.weight.shape == weight.shape, (goal.weight.shape, weight.shape)
    goal.weight.copy_(weight)
    if goal.bias is not None:
        goal.bias.copy_(source.bias if source.bias is not None else torch.zeros_like(goal.bias))


def identity(goal: nn.Linear) -> None:
    """Make a linear layer give what it reads."""
    goal.weight.copy_(torch.eye(*goal.weight.shape, dtype=torch.float64))
    goal.bias.zero_()


def copy_lstm(source: nn.Module, goal: nn.Module, layer: int = 0, back: bool = False) -> None:
    """One layer, in one direction, of `torch.nn.LSTM`, or an LSTM cell."""
    ending = f"_l{layer}{'_reverse' if back else ''}"
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        own = getattr(source, name, None)
        value = getattr(source, name + ending) if own is None else own
        getattr(goal, name if hasattr(goal, name) else f"{name}_l0").copy_(value)


def copy_norm_of_batch(source: nn.BatchNorm1d, goal: nn.Module) -> None:
    """A batch norm, with its averages."""
    copy(source, goal)
    goal.running_mean.copy_(source.running_mean)
    goal.running_var.copy_(source.running_var)


def blocks(sizes: Mapping[str, int], order: tuple[str, ...]) -> Tensor:
    """Where the columns of modalities, in their `order`, stand once these are in alphabetical order."""
    starts, at = {}, 0
    for m in order:
        starts[m], at = at, at + sizes[m]
    return torch.cat([torch.arange(starts[m], starts[m] + sizes[m]) for m in sorted(order)])


def copy_subnets(source: Any, model: FusionModel) -> None:
    """MMSA's SubNet of acoustics and pictures, and its TextSubNet."""
    for m, own in (("acoustic", source.audio_subnet), ("visual", source.video_subnet)):
        encoder = model.encoders[m]
        copy_norm_of_batch(own.norm, encoder.norm)
        linear = [layer for layer in encoder.layers.modules() if isinstance(layer, nn.Linear)]
        for one, goal in zip((own.linear_1, own.linear_2, own.linear_3), linear, strict=True):
            copy(one, goal)
    copy_lstm(source.text_subnet.rnn, model.encoders["text"].forwards[0])
    copy(source.text_subnet.linear_1, model.encoders["text"].project)


def head_layers(model: FusionModel) -> list[nn.Linear]:
    """The linear layers of a head, whose prediction is on the scale of theirs then."""
    model.head.centre.fill_(-3.0 if model.head.bounded else 0.0)
    model.head.scale.fill_(6.0 if model.head.bounded else 1.0)
    return [layer for layer in model.head.layers if isinstance(layer, nn.Linear)]


def copy_head(model: FusionModel, *sources: nn.Module) -> None:
    """The last layers of theirs, to those of a head."""
    for source, goal in zip(sources, head_layers(model), strict=True):
        copy(source, goal)


def sizes_of(model: FusionModel) -> dict[str, int]:
    """What each encoder gives."""
    return {m: encoder.out_dim for m, encoder in model.encoders.items()}


def args(**given: Any) -> types.SimpleNamespace:
    """Settings of a network, as MMSA reads them."""
    feature_dims = (DIMS["text"], DIMS["acoustic"], DIMS["visual"])
    return types.SimpleNamespace(
        feature_dims=feature_dims,
        train_mode="regression",
        num_classes=1,
        use_bert=False,
        device="cpu",
        **given,
    )


class Settings:
    """Other settings in place of some."""

    def __init__(self, base: Any, **changed: Any) -> None:
        self.__dict__.update({**vars(base), **changed})


def averaged(given: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """As MMSA's loader gives them to networks that read one acoustic and one visual vector."""
    return given["text"], given["acoustic"].mean(1, keepdim=True), given["visual"].mean(1, keepdim=True)


def late(kind: str, network: Any, model: FusionModel) -> Found:
    """What TFN, LMF and LF-DNN have in common, and those of them with unimodal labels."""
    sizes, given = sizes_of(model), inputs(STEPS)
    copy_subnets(network, model)
    if kind == "tensor":
        tensor_sizes = {m: size + 1 for m, size in sizes.items()}
        weight = network.post_fusion_layer_1.weight
        shape = [tensor_sizes[m] for m in ("acoustic", "visual", "text")]
        weight = weight.view(-1, *shape).permute(0, 1, 3, 2).flatten(1)  # acoustic, text, visual
        model.fusion.project.weight.copy_(weight)
        model.fusion.project.bias.copy_(network.post_fusion_layer_1.bias)
        copy_head(model, network.post_fusion_layer_2, network.post_fusion_layer_3)
    elif kind == "side by side":
        columns = blocks(sizes, ("acoustic", "visual", "text"))
        copy(network.post_fusion_layer_1, model.fusion.layers[0], columns)
        copy_head(model, network.post_fusion_layer_2, network.post_fusion_layer_3)
    else:
        for m, name in (("text", "text"), ("acoustic", "audio"), ("visual", "video")):
            model.fusion.factors[m].copy_(getattr(network, f"{name}_factor"))
        model.fusion.weights.copy_(network.fusion_weights[0])
        model.fusion.bias.copy_(network.fusion_bias[0])
        for layer in head_layers(model):
            identity(layer)
    return network(*averaged(given))["M"], predicted(model, given)


def subnets(model: FusionModel, hidden: int, **more: Any) -> dict[str, Any]:
    """Settings of MMSA's sub-networks, from the sizes of a model."""
    sizes = sizes_of(model)
    return dict(hidden_dims=(hidden, sizes["acoustic"], sizes["visual"]), text_out=sizes["text"], **more)


def tfn(mmsa: Mmsa) -> Found:
    """TFN."""
    model = ours("tfn")
    network = mmsa("singleTask.TFN", "TFN")(
        args(**subnets(model, 128, post_fusion_dim=64, dropouts=(0.0,) * 4))
    )
    return late("tensor", theirs(network), model)


def lmf(mmsa: Mmsa) -> Found:
    """LMF, the product of which is the prediction."""
    model = ours("lmf", {"out_dim": 1})
    network = mmsa("singleTask.LMF", "LMF")(args(**subnets(model, 128, rank=3, dropouts=(0.0,) * 4)))
    return late("low rank", theirs(network), model)


def lf_dnn(mmsa: Mmsa) -> Found:
    """LF-DNN."""
    model = ours("lf_dnn")
    network = mmsa("singleTask.LF_DNN", "LF_DNN")(
        args(**subnets(model, 128, post_fusion_dim=128, dropouts=(0.0,) * 4))
    )
    return late("side by side", theirs(network), model)


def unimodal(
    name: str, kind: str, path: str, cls: str, hidden: int, post: int, **more: Any
) -> Callable[..., Found]:
    """Of networks that learn people's labels of each modality: the whole, and each modality by itself."""

    def found(mmsa: Mmsa) -> Found:
        from affect.objectives.terms import ModalityTargets

        model = ours(name, {"out_dim": 1} if kind == "low rank" else None)
        width = 16
        network: Any = theirs(
            mmsa(path, cls)(
                args(
                    **subnets(model, hidden, dropouts=(0.0,) * 3, post_dropouts=(0.0,) * 4, **more),
                    post_fusion_dim=post, post_text_dim=width, post_audio_dim=width, post_video_dim=width,
                )
            )
        )  # fmt: skip
        whole = late(kind, network, model)
        targets = {f"sentiment_{m}": Regression(f"sentiment_{m}") for m in DIMS}
        term = ModalityTargets(model, ("a",), width=width)
        term.prepare({"sentiment": TARGET, **targets})
        term = term.double().eval()
        given = inputs(STEPS)
        encoded = model.encode({m: Sequence.full(x) for m, x in given.items()})
        answers = network(*averaged(given))
        parts = [whole]
        for m, letter, key in (("text", "T", "text"), ("acoustic", "A", "audio"), ("visual", "V", "video")):
            layers = [getattr(network, f"post_{key}_layer_{i}") for i in (1, 2, 3)]
            goals = [x for x in (*term.hidden[m], *term.heads[m].layers) if isinstance(x, nn.Linear)]
            for source, goal in zip(layers, goals, strict=True):
                copy(source, goal)
            own = term.heads[m](Sequence.vector(term.hidden[m](encoded[m].mean())))[:, 0]
            parts.append((answers[letter], own))
        return torch.cat([a for a, _ in parts], 1), torch.cat([b for _, b in parts], 1)

    return found


def copy_perceptron(
    first: nn.Linear, second: nn.Linear, goal: nn.Sequential, columns: Tensor | None = None
) -> None:
    """Two linear layers with an activation between."""
    linear = [layer for layer in goal if isinstance(layer, nn.Linear)]
    copy(first, linear[0], columns)
    copy(second, linear[1])


def copy_gates(network: Any, gates: nn.Sequential, columns: Tensor) -> None:
    """Two networks that draw one gate each, as one that draws both."""
    linear = [layer for layer in gates if isinstance(layer, nn.Linear)]
    size = network.gamma1_fc1.out_features
    linear[0].weight.copy_(torch.cat([network.gamma1_fc1.weight, network.gamma2_fc1.weight])[:, columns])
    linear[0].bias.copy_(torch.cat([network.gamma1_fc1.bias, network.gamma2_fc1.bias]))
    linear[1].weight.zero_()
    memory = network.mem_dim
    linear[1].weight[:memory, :size] = network.gamma1_fc2.weight
    linear[1].weight[memory:, size:] = network.gamma2_fc2.weight
    linear[1].bias.copy_(torch.cat([network.gamma1_fc2.bias, network.gamma2_fc2.bias]))


def of_memory(name: str, changes: dict[str, Any], network: Any) -> tuple[FusionModel, dict[str, int]]:
    """The model of a paper with a gated memory; cells, and what reads the memory, are copied."""
    model = ours(name, {"out_dim": 24, "fusion": changes})
    widths = model.fusion.widths
    for m, letter in (("text", "l"), ("acoustic", "a"), ("visual", "v")):
        copy_lstm(getattr(network, f"lstm_{letter}"), model.fusion.cells[m])
    columns = torch.cat(
        [
            blocks(widths, ("text", "acoustic", "visual")),
            torch.arange(sum(widths.values()), sum(widths.values()) + model.fusion.memory),
        ]
    )
    copy(network.out_fc1, model.fusion.out, columns)
    copy_head(model, network.out_fc2)
    return model, widths


WIDTHS = {"text": 10, "acoustic": 4, "visual": 6}
MEMORY = {"width": WIDTHS, "memory": 8, "hidden": 16, "dropout": 0.0}


def gates(size: int) -> dict[str, Any]:
    """Settings of the networks of gates."""
    of = {"drop": 0.0, "shapes": size}
    return {"gamma1Config": of, "gamma2Config": of, "outConfig": {"drop": 0.0, "shapes": 24}}


def mfn(mmsa: Mmsa) -> Found:
    """MFN."""
    layer = {"drop": 0.0, "shapes": 16}
    network: Any = theirs(
        mmsa("singleTask.MFN", "MFN")(
            args(hidden_dims=tuple(WIDTHS.values()), memsize=8, windowsize=2, NN1Config=layer,
                 NN2Config=layer, **gates(8))
        )
    )  # fmt: skip
    model, widths = of_memory("mfn", MEMORY, network)
    one = blocks(widths, ("text", "acoustic", "visual"))
    both = torch.cat([one, one + sum(widths.values())])
    attention = [layer for layer in model.fusion.attention if isinstance(layer, nn.Linear)]
    copy(network.att1_fc1, attention[0], both)
    attention[1].weight.copy_(network.att1_fc2.weight[both])
    attention[1].bias.copy_(network.att1_fc2.bias[both])
    copy_perceptron(network.att2_fc1, network.att2_fc2, model.fusion.new, both)
    copy_gates(network, model.fusion.gates, torch.cat([both, torch.arange(len(both), len(both) + 8)]))
    given = inputs(ALIGNED)
    return wide(network, given), predicted(model, given)


def wide(network: nn.Module, given: Inputs) -> Tensor:
    """Of networks that make their first states in the usual precision, whatever that of the weights is."""
    torch.set_default_dtype(torch.float64)
    try:
        return network(given["text"], given["acoustic"], given["visual"])["M"]
    finally:
        torch.set_default_dtype(torch.float32)


def graph_mfn(mmsa: Mmsa) -> Found:
    """Graph-MFN."""
    vertex = 5
    network: Any = theirs(
        mmsa("singleTask.Graph_MFN", "Graph_MFN")(
            args(hidden_dims=(vertex,) * 3, memsize=8, inner_node_dim=vertex,
                 NNConfig={"drop": 0.0, "shapes": 16}, **gates(8))
        )
    )  # fmt: skip
    graph = network.graph_mfn
    every = [*graph.networks.values(), graph.t_network, graph.efficacy_model]
    for part in every:  # which are no modules of the network, so that it does not hand precision on
        theirs(part)
    changes = MEMORY | {"width": dict.fromkeys(DIMS, vertex), "vertex": vertex}
    model, _ = of_memory("graph_mfn", changes, network)
    for m, letter in (("text", "l"), ("acoustic", "a"), ("visual", "v")):
        copy(getattr(network, f"{letter}_transform"), model.fusion.project[m])
    order = ("text", "acoustic", "visual")
    of_sets = {key: tuple(sorted(order[i] for i in key)) for key in graph.powerset}
    places = {own: {part: at for at, part in enumerate(_parts(own))} for own in of_sets.values()}

    def columns(theirs_parts: list[tuple[int, ...]], ours_parts: list[tuple[str, ...]]) -> Tensor:
        at = {of_sets[part]: i for i, part in enumerate(theirs_parts)}
        return torch.cat([torch.arange(at[own] * vertex, (at[own] + 1) * vertex) for own in ours_parts])

    edges, start = [], 0
    chunks = {}
    for key in graph.powerset[3:]:
        subsets = [part for part in graph.powerset if set(part) < set(key)]
        chunks[of_sets[key]] = (start, [of_sets[part] for part in subsets])
        start += len(subsets)
        copy_two(
            graph.networks[key],
            model.fusion.networks[str(of_sets[key])],
            columns(subsets, list(places[of_sets[key]])),
        )
    chunks["all"] = (start, [of_sets[part] for part in graph.powerset])
    from affect.fusion.graph import vertices_of
    from affect.fusion.graph.dynamic import parts_of

    for own, parts in {**parts_of(sorted(DIMS)), "all": vertices_of(sorted(DIMS))}.items():
        first, known = chunks[own]
        edges += [first + known.index(part) for part in parts]
    linear = [layer for layer in graph.efficacy_model.modules() if isinstance(layer, nn.Linear)]
    goal = [layer for layer in model.fusion.efficacy if isinstance(layer, nn.Linear)]
    joined(
        linear[0], linear[1], linear[2], goal, torch.tensor(edges), blocks(dict.fromkeys(DIMS, vertex), order)
    )
    whole = columns(list(graph.powerset), vertices_of(sorted(DIMS)))
    first, second = (layer for layer in graph.t_network.modules() if isinstance(layer, nn.Linear))
    model.fusion.summary.weight.copy_((second.weight @ first.weight)[:, whole])
    model.fusion.summary.bias.copy_(second.weight @ first.bias + second.bias)
    copy_perceptron(network.att2_fc1, network.att2_fc2, model.fusion.new)
    copy_gates(network, model.fusion.gates, torch.arange(vertex + 8))
    given = inputs(ALIGNED)
    return wide(network, given), predicted(model, given)


def _parts(own: tuple[str, ...]) -> list[tuple[str, ...]]:
    from affect.fusion.graph import vertices_of

    return [part for part in vertices_of(sorted(DIMS)) if set(part) < set(own)]


def copy_two(source: nn.Module, goal: nn.Sequential, columns: Tensor) -> None:
    """Two linear layers with nothing between, as their product and the identity."""
    first, second = (layer for layer in source.modules() if isinstance(layer, nn.Linear))
    linear = [layer for layer in goal if isinstance(layer, nn.Linear)]
    linear[0].weight.copy_((second.weight @ first.weight)[:, columns])
    linear[0].bias.copy_(second.weight @ first.bias + second.bias)
    identity(linear[1])


def joined(
    first: nn.Linear,
    second: nn.Linear,
    third: nn.Linear,
    goal: list[nn.Linear],
    rows: Tensor,
    columns: Tensor,
) -> None:
    """Three linear layers with nothing between, as two of other sizes."""
    weight = third.weight @ second.weight @ first.weight
    bias = third.weight @ (second.weight @ first.bias + second.bias) + third.bias
    size = goal[0].out_features
    goal[0].weight.zero_()
    goal[0].bias.zero_()
    inner = min(size, weight.shape[1])
    assert inner == weight.shape[1], "the hidden layer is narrower than what it reads"
    goal[0].weight[:inner] = torch.eye(inner, dtype=torch.float64)
    goal[1].weight.zero_()
    goal[1].weight[:, :inner] = weight[rows][:, columns]
    goal[1].bias.copy_(bias[rows])


def ef_lstm(mmsa: Mmsa) -> Found:
    """EF-LSTM, without its batch norm."""
    network: Any = theirs(
        mmsa("singleTask.EF_LSTM", "EF_LSTM")(
            args(seq_lens=9, hidden_dims=128, num_layers=4, dropout=0.0)
        )
    )  # fmt: skip
    network.norm = nn.Identity()  # see LEFT
    model = ours("ef_lstm")
    encoder = model.fusion.encoder
    for layer in range(4):
        copy_lstm(network.lstm, encoder.forwards[layer], layer)
    weight = network.lstm.weight_ih_l0[:, blocks(DIMS, ("text", "acoustic", "visual"))]
    encoder.forwards[0].weight_ih_l0.copy_(weight)
    copy(network.linear, encoder.project)
    copy_head(model, network.out)
    given = inputs(ALIGNED)
    return network(given["text"], given["acoustic"], given["visual"])["M"], predicted(model, given)


def copy_attention(source: Any, goal: Any, columns: Tensor | None = None) -> None:
    """Of one weight for query, key and value; a bias of the key shifts all scores of a query alike."""
    query, key, value = source.in_proj_weight.chunk(3)
    of_query, _, of_value = source.in_proj_bias.chunk(3)
    every = torch.arange(query.shape[1]) if columns is None else columns
    goal.query.weight.copy_(query[:, every])
    goal.query.bias.copy_(of_query)
    goal.key.weight.copy_(key[:, every])
    goal.value.weight.copy_(value[:, every])
    goal.value.bias.copy_(of_value)
    goal.out.weight.copy_(source.out_proj.weight[every])
    goal.out.bias.copy_(source.out_proj.bias[every])


def copy_stack(source: Any, goal: Any, crossed: bool, columns: Tensor, scale: float) -> None:
    """MMSA's stack of pre-norm layers; what comes out is `scale` times as much."""
    for layer, own in zip(source.layers, goal.layers, strict=True):
        copy_attention(layer.self_attn, own.attention, columns)
        first, second = layer.layer_norms
        for norm in (own.norm, own.context_norm) if crossed else (own.norm,):
            norm.weight.copy_(first.weight[columns])
            norm.bias.copy_(first.bias[columns])
        norm, inner, _, outer = own.feedforward
        norm.weight.copy_(second.weight[columns])
        norm.bias.copy_(second.bias[columns])
        copy(layer.fc1, inner, columns)
        outer.weight.copy_(layer.fc2.weight[columns])
        outer.bias.copy_(layer.fc2.bias[columns])
    goal.norm.weight.copy_(scale * source.layer_norm.weight[columns])
    goal.norm.bias.copy_(scale * source.layer_norm.bias[columns])


def exact_mult(mmsa: Mmsa) -> Found:
    """MulT, with MMSA's attention weights in float64: it has them in float32, whatever the network is."""
    usual = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]  # for this call alone
    try:
        return mult(mmsa)
    finally:
        torch.Tensor.float = usual  # type: ignore[method-assign]


def mult(mmsa: Mmsa) -> Found:
    """MulT, attention weights of both as they are."""
    width = 50
    network: Any = theirs(
        mmsa("singleTask.MULT", "MULT")(
            args(dst_feature_dim_nheads=(width, 10), nlevels=4, attn_dropout=0.0, attn_dropout_a=0.0,
                 attn_dropout_v=0.0, relu_dropout=0.0, embed_dropout=0.0, res_dropout=0.0, output_dropout=0.0,
                 text_dropout=0.0, attn_mask=True, conv1d_kernel_size_l=5, conv1d_kernel_size_a=5,
                 conv1d_kernel_size_v=5)
        )
    )  # fmt: skip
    model = ours("mult")
    fusion: Any = model.fusion
    letters = {m: letter for letter, m in OURS.items()}
    every, root = torch.arange(width), width**0.5
    for m, letter in letters.items():
        convolution = getattr(network, f"proj_{letter}")
        fusion.projections[m].weight.copy_(root * convolution.weight)
        fusion.projections[m].bias.zero_()
    order = {"text": ("acoustic", "visual"), "acoustic": ("text", "visual"), "visual": ("text", "acoustic")}
    for pair, (source, to) in fusion.ordered_pairs.items():
        stack = getattr(network, f"trans_{letters[to]}_with_{letters[source]}")
        copy_stack(stack, fusion.directions[pair], True, every, (2 * width) ** 0.5)
    wides = {}
    for m, letter in letters.items():
        wides[m] = blocks(dict.fromkeys(order[m], width), order[m])
        copy_stack(getattr(network, f"trans_{letter}_mem"), fusion.own[m], False, wides[m], 1.0)
    theirs_order = ("text", "acoustic", "visual")
    starts = {m: 2 * width * i for i, m in enumerate(theirs_order)}
    columns = torch.cat([starts[m] + wides[m] for m in sorted(DIMS)])
    first, last = fusion.residual[0], fusion.residual[-1]
    first.weight.copy_(network.proj1.weight[:, columns])
    first.bias.copy_(network.proj1.bias)
    last.weight.copy_(network.proj2.weight[columns])
    last.bias.copy_(network.proj2.bias[columns])
    (goal,) = head_layers(model)
    copy(network.out_layer, goal, columns)
    given = inputs(STEPS)
    return network(given["text"], given["acoustic"], given["visual"])["M"], predicted(model, given)


WORDS = 7
TOKENS = WORDS + 2


def text_encoder(folder: Path) -> Any:
    """A random BERT of two layers, in a folder that affect reads it from; MMSA is given the object."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(26))]
    config = transformers.BertConfig(
        vocab_size=len(pieces), hidden_size=768, num_hidden_layers=2, num_attention_heads=12,
        intermediate_size=64, max_position_embeddings=32, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, num_labels=1,
    )  # fmt: skip
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=32, pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]",
    ).save_pretrained(folder)  # fmt: skip
    encoder = transformers.BertModel(config)
    encoder.save_pretrained(folder)
    return encoder.double().eval()


def of_tokens(name: str, folder: Path, dims: Mapping[str, int], **changes: Any) -> FusionModel:
    """The model of a paper that reads sub-words, a word being one."""
    content = papers.named(name).content_for(tokens=str(folder))["model"] | changes
    content.pop("aligner", None)
    spec = parse({"corpus": "synthetic", "model": content}, name).model
    assert isinstance(spec, ModelSpec)
    return spec.for_shape(dims, TARGET, aligned=True).double().eval()


def spoken(dims: Mapping[str, int], steps: Mapping[str, int]) -> tuple[Tensor, Inputs]:
    """Sub-words as MMSA has them, (batch, 3, tokens), and the inputs of affect's model."""
    words = torch.randint(4, 30, (BATCH, WORDS))
    ids = torch.cat([torch.full((BATCH, 1), 2), words, torch.full((BATCH, 1), 3)], 1)
    text = torch.stack([ids, torch.ones_like(ids), torch.zeros_like(ids)], 1).double()
    others = {
        m: torch.randn(BATCH, steps[m], dim, dtype=torch.float64) for m, dim in dims.items() if m != "tokens"
    }
    return text, {"tokens": (words + 1).double().unsqueeze(-1), **others}


def encoders_of(mmsa: Mmsa, encoder: Any) -> None:
    """MMSA's text encoder is the one given, wherever it asks for one."""

    def made(self: Any, *_: Any, **__: Any) -> None:
        nn.Module.__init__(self)
        self.model, self.use_finetune = encoder, True

    mmsa("subNets", "BertTextEncoder").__init__ = made


def with_weights_of(network: Any, encoder: Any) -> Any:
    """The network with weights drawn anew, but for those of its text encoder."""
    kept = {name: value.clone() for name, value in encoder.state_dict().items()}
    theirs(network)
    encoder.load_state_dict(kept)
    return network


SPOKEN = {"tokens": 1, "acoustic": 5, "visual": 7}
ENDS = ("text", "audio", "video")


def self_mm(mmsa: Mmsa) -> Found:
    """Self-MM: the whole, and the heads of its generated labels."""
    from affect.objectives.terms import GeneratedLabels

    with tempfile.TemporaryDirectory() as folder:
        encoder = text_encoder(Path(folder))
        encoders_of(mmsa, encoder)
        sizes = {"tokens": 768, "acoustic": 16, "visual": 32}
        network: Any = mmsa("multiTask.SELF_MM", "SELF_MM")(
            args(need_data_aligned=False, use_finetune=True, transformers="bert", pretrained="",
                 a_lstm_hidden_size=16, v_lstm_hidden_size=32, a_lstm_layers=1, v_lstm_layers=1,
                 text_out=768, audio_out=16, video_out=32, a_lstm_dropout=0.0, v_lstm_dropout=0.0,
                 post_fusion_dropout=0.0, post_text_dropout=0.0, post_audio_dropout=0.0,
                 post_video_dropout=0.0, post_fusion_dim=128, post_text_dim=16, post_audio_dim=16,
                 post_video_dim=16)
        )  # fmt: skip
        with_weights_of(network, encoder)
        model = of_tokens("self_mm", Path(folder), SPOKEN, width=sizes)
    copy_text(model)
    for m, own in (("acoustic", network.audio_model), ("visual", network.video_model)):
        copy_lstm(own.rnn, model.encoders[m].forwards[0])
        copy(own.linear_1, model.encoders[m].project)
    copy(network.post_fusion_layer_1, model.fusion.layers[0], blocks(sizes, ("tokens", "acoustic", "visual")))
    copy_head(model, network.post_fusion_layer_2, network.post_fusion_layer_3)
    term = GeneratedLabels(model, ("a",), width=16).double().eval()
    text, given = spoken(SPOKEN, STEPS)
    every = torch.full((BATCH,), 1)
    answers = network(text, *((given[m], every * STEPS[m]) for m in ("acoustic", "visual")))
    encoded = model.encode({m: Sequence.full(x) for m, x in given.items()})
    parts = [(answers["M"], predicted(model, given))]
    for m, key, letter in (("tokens", "text", "T"), ("acoustic", "audio", "A"), ("visual", "video", "V")):
        goals = [x for x in (*term.hidden[m], *term.heads[m]) if isinstance(x, nn.Linear)]
        for number, goal in enumerate(goals, 1):
            copy(getattr(network, f"post_{key}_layer_{number}"), goal)
        parts.append((answers[letter], term.heads[m](term.hidden[m](encoded[m].mean()))))
    return torch.cat([a for a, _ in parts], 1), torch.cat([b for _, b in parts], 1)


def copy_text(model: FusionModel) -> None:
    """What stands behind our text encoder, and not behind theirs."""
    identity(model.encoders["tokens"].out[-1])


def mmim(mmsa: Mmsa) -> Found:
    """MMIM: its network; its bounds are terms."""
    with tempfile.TemporaryDirectory() as folder:
        encoder = text_encoder(Path(folder))
        encoders_of(mmsa, encoder)
        sizes = {"tokens": 768, "acoustic": 16, "visual": 16}
        network: Any = mmsa("singleTask.MMIM", "MMIM")(
            Settings(args(need_data_aligned=False, use_finetune=True, transformers="bert", pretrained="",
                 add_va=False, d_vh=16, d_ah=16, d_vout=16, d_aout=16, n_layer=1, dropout_v=0.0,
                 dropout_a=0.0, dropout_prj=0.0, bidirectional=True, mmilb_mid_activation="ReLU",
                 mmilb_last_activation="Tanh", cpc_layers=1, cpc_activation="Tanh", d_prjh=128),
                 use_bert=True, feature_dims=(768, 5, 7))
        )  # fmt: skip
        with_weights_of(network, encoder)
        model = of_tokens("mmim", Path(folder), SPOKEN, width=sizes)
    copy_text(model)
    for m, own in (("acoustic", network.acoustic_enc), ("visual", network.visual_enc)):
        copy_lstm(own.rnn, model.encoders[m].forwards[0])
        copy_lstm(own.rnn, model.encoders[m].backwards[0], back=True)
        copy(own.linear_1, model.encoders[m].project)
    columns = blocks(sizes, ("tokens", "acoustic", "visual"))
    copy_perceptron(network.fusion_prj.linear_1, network.fusion_prj.linear_2, model.fusion.layers, columns)
    copy_head(model, network.fusion_prj.linear_3)
    text, given = spoken(SPOKEN, STEPS)
    every = torch.full((BATCH,), 1)
    answers = network(text, *((given[m], every * STEPS[m]) for m in ("acoustic", "visual")))
    return answers["M"], predicted(model, given)


def misa(mmsa: Mmsa) -> Found:
    """MISA."""
    with tempfile.TemporaryDirectory() as folder:
        encoder = text_encoder(Path(folder))
        encoders_of(mmsa, encoder)
        sizes = {"tokens": 768, "acoustic": 20, "visual": 28}
        network: Any = mmsa("singleTask.MISA", "MISA")(
            Settings(args(use_finetune=True, transformers="bert", pretrained="", rnncell="lstm", dropout=0.0,
                 hidden_size=128, use_cmd_sim=True), use_bert=True, feature_dims=(768, 5, 7))
        )  # fmt: skip
        with_weights_of(network, encoder)
        content = papers.named("misa").content_for(tokens=folder)["model"]
        encoders = content["encoders"] | {
            m: {
                "class_path": "LSTMEncoder",
                "init_args": content["encoder"]["init_args"] | {"width": DIMS[m]},
            }
            for m in ("acoustic", "visual")
        }
        model = of_tokens("misa", Path(folder), SPOKEN, width=sizes, encoders=encoders)
    copy_text(model)
    fusion: Any = model.fusion
    # theirs takes the visual sizes for the acoustic modality, and the other way round: a name alone
    for m, letter in (("acoustic", "a"), ("visual", "v")):
        first, second = getattr(network, f"{letter}rnn1"), getattr(network, f"{letter}rnn2")
        own = model.encoders[m]
        for layer, source in enumerate((first, second)):
            copy_lstm(source, own.forwards[layer])
            copy_lstm(source, own.backwards[layer], back=True)
        copy(getattr(network, f"{letter}layer_norm"), own.norms[0])
        identity(own.project)
    for m, letter in (("tokens", "t"), ("acoustic", "a"), ("visual", "v")):
        linear, _, norm = getattr(network, f"project_{letter}")
        copy(linear, fusion.project[m][0])
        copy(norm, fusion.project[m][2])
        copy(getattr(network, f"private_{letter}")[0], fusion.private[m][0])
    copy(network.shared[0], fusion.shared[0])
    (layer,) = network.transformer_encoder.layers
    copy_attention(layer.self_attn, fusion.attention.attention)
    copy(layer.norm1, fusion.attention.norm)
    copy(layer.norm2, fusion.attention.last_norm)
    inner, _, outer = fusion.attention.feedforward
    copy(layer.linear1, inner)
    copy(layer.linear2, outer)
    order = [(part, m) for part in ("private", "shared") for m in ("tokens", "visual", "acoustic")]
    own_order = [(part, m) for part in ("shared", "private") for m in sorted(SPOKEN)]
    columns = torch.cat(
        [torch.arange(128 * order.index(one), 128 * (order.index(one) + 1)) for one in own_order]
    )
    copy(network.fusion[0], fusion.out, columns)
    copy_head(model, network.fusion[3])
    text, given = spoken(SPOKEN, dict.fromkeys(SPOKEN, TOKENS))
    return network(text, given["acoustic"], given["visual"])["M"], predicted(model, given)


def mag(mmsa: Mmsa) -> Found:
    """The gate alone, with all its biases."""
    from affect.fusion.gating import ShiftGate

    sizes = types.SimpleNamespace(hidden_size=12)
    network: Any = theirs(mmsa("singleTask.BERT_MAG", "MAG")(sizes, args(beta_shift=1.0, dropout_prob=0.0)))
    gate: Any = ShiftGate(12, [DIMS["acoustic"], DIMS["visual"]], scale=1.0, inner=True).double().eval()
    copy_gate(network, gate, 12)
    given = inputs(ALIGNED)
    own = gate(*(Sequence.full(given["text"]), [Sequence.full(given[m]) for m in ("acoustic", "visual")]))
    return network(given["text"], given["visual"], given["acoustic"]), own.values


def copy_gate(network: Any, gate: Any, width: int) -> None:
    """The gate of MAG."""
    for place, (letter, m) in enumerate((("a", "acoustic"), ("v", "visual"))):
        columns = torch.cat([DIMS[m] + torch.arange(width), torch.arange(DIMS[m])])
        copy(getattr(network, f"W_h{letter}"), gate.gates[place], columns)
        copy(getattr(network, f"W_{letter}"), gate.shifts[place])
    copy(network.LayerNorm, gate.layers[0])


def bert_mag(mmsa: Mmsa) -> Found:
    """MAG-BERT."""
    with tempfile.TemporaryDirectory() as folder:
        encoder = text_encoder(Path(folder))
        made = mmsa("singleTask.BERT_MAG", "MAG_BertForSequenceClassification")
        for cls in (made, mmsa("singleTask.BERT_MAG", "MAG_BertModel")):  # calls that transformers 5 lacks
            cls.get_head_mask = lambda self, mask, layers, *_: [None] * layers
            cls.get_extended_attention_mask = lambda self, mask, *_: -1e9 * (1 - mask)[:, None, None]
            cls.init_weights = lambda self: None
        settings = Settings(args(beta_shift=1.0, dropout_prob=0.0), feature_dims=(768, 5, 7))
        network: Any = theirs(made(encoder.config, settings))
        kept = network.bert.load_state_dict(encoder.state_dict(), strict=False)
        assert all("MAG" in name for name in kept.missing_keys), kept
        model = of_tokens("bert_mag", Path(folder), SPOKEN, out_dim=768)
    fusion: Any = model.fusion
    fusion.special = True  # as MMSA has it; the paper's file does not
    copy_gate(network.bert.MAG, fusion.gate, 768)
    identity(fusion.encoder.out[-1])
    copy_head(model, network.classifier)
    text, given = spoken(SPOKEN, dict.fromkeys(SPOKEN, WORDS))
    ids, _, segments = text.long().unbind(1)
    around = {m: nn.functional.pad(given[m], (0, 0, 1, 1)) for m in ("acoustic", "visual")}
    answer = network(
        ids, around["visual"], around["acoustic"], attention_mask=text[:, 1], token_type_ids=segments
    )[0]
    return answer, predicted(model, given)


EVERY: dict[str, Callable[[Mmsa], Found]] = {
    "tfn": tfn,
    "lmf": lmf,
    "lf_dnn": lf_dnn,
    "ef_lstm": ef_lstm,
    "mfn": mfn,
    "graph_mfn": graph_mfn,
    "mult": mult,
    "mult, weights in float64": exact_mult,
    "mtfn": unimodal("mtfn", "tensor", "multiTask.MTFN", "MTFN", 64, 64),
    "mlmf": unimodal("mlmf", "low rank", "multiTask.MLMF", "MLMF", 256, 16, rank=3),
    "mlf_dnn": unimodal("mlf_dnn", "side by side", "multiTask.MLF_DNN", "MLF_DNN", 64, 32),
    "misa": misa,
    "self_mm": self_mm,
    "mmim": mmim,
    "mag": mag,
    "bert_mag": bert_mag,
}


class Mmsa:
    """Networks of MMSA by path and name; the package itself, which wants other packages, is not run."""

    def __init__(self, folder: Path) -> None:
        for name in ("MMSA", "MMSA.models", "MMSA.models.singleTask", "MMSA.models.multiTask"):
            package = types.ModuleType(name)
            package.__path__ = [str(folder.joinpath(*name.split(".")))]
            sys.modules[name] = package

    def __call__(self, path: str, name: str) -> Any:
        return getattr(importlib.import_module(f"MMSA.models.{path}"), name)


LEFT = """
ef_lstm: without its batch norm, which is of places of the joined steps, padding included.
mult: MMSA computes the weights of attention in float32; with float64 in their place the rest is told.
mag, bert_mag: MMSA adds 1e-6 to a length that it divides by; affect's is at least 1e-6.
bert_mag: with `special: true` in its fusion, as MMSA shifts special tokens too.
misa, self_mm, mmim: a linear layer behind our encoders is the identity.
tfr_net, mctn, mfm: not compared; what affect has of them are terms, of other networks (see `differs`).
"""


def main() -> None:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mmsa", type=Path, required=True, help="the folder that MMSA was installed into")
    parser.add_argument("--only", nargs="+", choices=EVERY, default=[*EVERY], metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    mmsa = Mmsa(given.mmsa)
    print("| network | largest difference | largest prediction |\n|---|---:|---:|")
    for name in given.only:
        torch.manual_seed(given.seed)
        with torch.no_grad():
            answer, own = EVERY[name](mmsa)
        assert answer.shape == own.shape, (answer.shape, own.shape)
        print(f"| {name} | {(answer - own).abs().max():.1e} | {answer.abs().max():.2f} |")
    print(LEFT)


if __name__ == "__main__":
    main()
