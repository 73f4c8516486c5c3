"""Layers as loops over numbers: what the fusions are compared with. Nothing here calls a layer of torch."""

import math

import torch
from torch import nn

from affect.encoders import GRUEncoder
from affect.layers import Dropout
from affect.sequences import Sequence, join


def linear(layer, x):
    weight = layer.weight.flatten(1).tolist()
    bias = [0.0] * len(weight) if layer.bias is None else layer.bias.tolist()
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def norm(layer, x):
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    scaled = [(v - mean) / math.sqrt(variance + layer.eps) for v in x]
    return [s * w + b for s, w, b in zip(scaled, layer.weight.tolist(), layer.bias.tolist(), strict=True)]


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


ONE_BY_ONE = {
    nn.Tanh: math.tanh,
    nn.ReLU: lambda v: max(v, 0.0),
    nn.Sigmoid: sigmoid,
    nn.GELU: lambda v: v / 2 * (1 + math.erf(v / math.sqrt(2))),
    Dropout: lambda v: v,
}


def apply(module, x):
    """A Sequential of known layers, in eval mode."""
    for layer in module if isinstance(module, nn.Sequential) else [module]:
        if isinstance(layer, nn.Linear):
            x = linear(layer, x)
        elif isinstance(layer, nn.LayerNorm):
            x = norm(layer, x)
        else:
            x = [ONE_BY_ONE[type(layer)](v) for v in x]
    return x


def softmax(scores):
    powers = [math.exp(s) for s in scores]
    return [p / sum(powers) for p in powers]


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def add(*vectors):
    return [sum(values) for values in zip(*vectors, strict=True)]


def times(*vectors):
    return [math.prod(values) for values in zip(*vectors, strict=True)]


def scaled(factor, vector):
    return [factor * v for v in vector]


def mean(vectors, dim):
    return [sum(v[i] for v in vectors) / len(vectors) for i in range(dim)] if vectors else [0.0] * dim


def weighted(weights, vectors, dim):
    return [sum(w * v[i] for w, v in zip(weights, vectors, strict=True)) for i in range(dim)]


def observed(x):
    """The observed steps of the only sample."""
    return [v for v, seen in zip(x.values[0].tolist(), x.mask[0].tolist(), strict=True) if seen]


def places(x):
    """Where each observed step of the only sample stands, the first at 0 and the last at 1."""
    at = [i for i, seen in enumerate(x.mask[0].tolist()) if seen]
    return [(i - at[0]) / (at[-1] - at[0]) if at[-1] > at[0] else 0.5 for i in at]


def sinusoids(place, dim):
    return [(math.sin if i % 2 == 0 else math.cos)(place * 10000 ** (-(i - i % 2) / dim)) for i in range(dim)]


def attention(layer, steps, context, here=None, there=None):
    """Multi-head attention of steps over a context; zeros where the context is empty."""
    width = layer.out.out_features
    size = width // layer.heads
    if not context:
        return [[0.0] * width for _ in steps]
    keys, values = ([linear(part, c) for c in context] for part in (layer.key, layer.value))
    found = []
    for i, step in enumerate(steps):
        query, mixed = linear(layer.query, step), []
        for head in range(layer.heads):
            own = slice(head * size, (head + 1) * size)
            scores = [dot(query[own], key[own]) / math.sqrt(size) for key in keys]
            if layer.sharpness is not None:
                sharpness = layer.sharpness[head].item()
                scores = [s - (sharpness * (here[i] - p)) ** 2 for s, p in zip(scores, there, strict=True)]
            mixed += weighted(softmax(scores), [value[own] for value in values], size)
        found.append(linear(layer.out, mixed))
    return found


def transformer(layer, steps, context=None, here=None, there=None):
    """A pre-norm layer: attention, then feed-forward, each added to what it read."""
    normed = [norm(layer.norm, step) for step in steps]
    read = normed if layer.context_norm is None else [norm(layer.context_norm, c) for c in context]
    mixed = attention(layer.attention, normed, read, here, there)
    attended = [add(s, a) for s, a in zip(steps, mixed, strict=True)]
    return [add(s, apply(layer.feedforward, s)) for s in attended]


def stack(layers, steps, context=None, here=None, there=None):
    for layer in layers.layers:
        steps = transformer(layer, steps, context, here, there)
    return [norm(layers.norm, step) for step in steps]


def projected(fusion, inputs):
    """The observed steps of each modality, brought to one size, with their places."""
    width = len(next(iter(fusion.projections.values())).weight)
    return {
        m: [
            add(
                linear(fusion.projections[m], around),
                scaled(
                    0.0 if fusion.loudness is None else fusion.loudness.item(), sinusoids(100 * place, width)
                ),
            )
            for around, place in zip(windows(x, fusion.projections[m]), places(x), strict=True)
        ]
        for m, x in inputs.items()
    }


def ended(x):
    """One more observed step, of zeros, behind the last one of the only sample, if there is one."""
    observed = [at for at, seen in enumerate(x.mask[0].tolist()) if seen]
    if not observed:
        return x
    kept = observed[-1] + 1
    return join(
        [Sequence(x.values[:, :kept], x.mask[:, :kept]), Sequence.full(torch.zeros_like(x.values[:, :1]))]
    )


def windows(x, projection):
    """What a projection reads for each observed step of the only sample: the steps it spans, by feature."""
    reach = getattr(projection, "kernel_size", (1,))[0] // 2
    rows = x.values[0].tolist()
    nothing = [[0.0] * len(rows[0])] * reach
    rows = [*nothing, *rows, *nothing]
    return [
        [rows[at + k][i] for i in range(len(rows[0])) for k in range(2 * reach + 1)]
        for at, seen in enumerate(x.mask[0].tolist())
        if seen
    ]


def lstm(parameters, x, state):
    """One step of long short-term memory: hidden and cell state."""
    hidden, memory = state
    width = len(hidden)
    gates = [
        sum(w * v for w, v in zip(row, x, strict=True))
        + sum(u * h for u, h in zip(recurrent, hidden, strict=True))
        + b
        + c
        for row, recurrent, b, c in zip(*(p.tolist() for p in parameters), strict=True)
    ]
    enter, forget = ([sigmoid(v) for v in gates[i * width : (i + 1) * width]] for i in (0, 1))
    new, out = [math.tanh(v) for v in gates[2 * width : 3 * width]], [sigmoid(v) for v in gates[3 * width :]]
    memory = add(times(forget, memory), times(enter, new))
    return times(out, [math.tanh(v) for v in memory]), memory


def gru(parameters, x, state):
    """One step of gated recurrent units."""
    rows_in, rows, bias_in, bias = (p.tolist() for p in parameters)
    read = [dot(row, x) + b for row, b in zip(rows_in, bias_in, strict=True)]
    held = [dot(row, state) + b for row, b in zip(rows, bias, strict=True)]
    width, found = len(state), []
    for i in range(width):
        reset, keep = sigmoid(read[i] + held[i]), sigmoid(read[width + i] + held[width + i])
        new = math.tanh(read[2 * width + i] + reset * held[2 * width + i])
        found.append(keep * state[i] + (1 - keep) * new)
    return found


def recurrent(encoder, rows):
    """A recurrent encoder of one layer over rows, in one direction or in both, and its linear layer."""
    ways = []
    for networks, own in ((encoder.forwards, rows), (encoder.backwards, rows[::-1])):
        for network in networks:
            parameters = list(network.parameters())
            state, memory = [0.0] * parameters[1].shape[1], [0.0] * parameters[1].shape[1]
            found = []
            for row in own:
                if isinstance(encoder, GRUEncoder):
                    state = gru(parameters, row, state)
                else:
                    state, memory = lstm(parameters, row, (state, memory))
                found.append(state)
            ways.append(found if own is rows else found[::-1])
    return [linear(encoder.project, [v for way in both for v in way]) for both in zip(*ways, strict=True)]


def moments(aligned):
    """At each step, what is observed of each modality."""
    for step in range(next(iter(aligned.values())).time):
        yield {m: x.values[0, step].tolist() for m, x in aligned.items() if x.mask[0, step]}
