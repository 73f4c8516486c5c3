"""The weights of a model in a file, without those that are frozen and can be had where they came from.

A module within a model may declare such weights by two methods, both of which are optional:

- `frozen_keys() -> Collection[str]`: the keys of its own `state_dict` that came with the module from
  elsewhere and do not learn. They are not saved: whoever makes the module again gets them from there.
- `frozen_source() -> Mapping[str, str]`: where they are from, such as `{"name": "bert-base-uncased",
  "revision": "86b5e09"}`.

Beside the source stands a digest of the weights, and a model whose frozen weights have another is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from affect.errors import ConfigError, DataError


def save_weights(model: nn.Module, path: Path) -> dict[str, Any]:
    """Write the weights of a model to a file of safetensors.

    Args:
        model: whose weights.
        path: of the file.

    Returns:
        of each module with frozen weights, by its name within the model: their source and their digest.

    Raises:
        ConfigError: a module declares as frozen what it does not have, or what learns.
    """
    from safetensors.torch import save_file

    state, facts = model.state_dict(), {}
    for name, keys in frozen_keys(model).items():
        weights = {key: state.pop(f"{name}.{key}" if name else key) for key in keys}
        facts[name] = {**_source(model.get_submodule(name)), "weights": digest(weights)}
    save_file({name: x.contiguous() for name, x in state.items()}, path)
    return facts


def load_weights(model: nn.Module, path: Path, facts: Mapping[str, Any]) -> None:
    """Read the weights of a model from a file of safetensors; frozen ones are those that it was made with.

    Args:
        model: is changed in place.
        path: of the file.
        facts: what `save_weights` has returned; nothing where all weights are in the file.
    Raises:
        DataError: frozen weights are not those that they were, or the file is for another model.
    """
    state = read_weights(path)
    declared = frozen_keys(model)
    for name, was in facts.items():
        keys = [key for key in declared.get(name, ()) if (f"{name}.{key}" if name else key) not in state]
        module = model.get_submodule(name)
        own = module.state_dict()
        weights = {key: own[key] for key in keys}
        if (now := digest(weights)) != was["weights"]:
            raise DataError(_other(path, name, was, {**_source(module), "weights": now}))
        state.update({f"{name}.{key}" if name else key: x for key, x in weights.items()})
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(f"{path}: not the weights of this model: {' '.join(str(error).split())}") from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name, from a file of safetensors.

    Args:
        path: of the file.
    Raises:
        DataError: it is no such file, or not all of it is there.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"{path}: no file of weights: {' '.join(str(error).split())}") from None


def frozen_keys(model: nn.Module) -> dict[str, list[str]]:
    """The keys of frozen weights of each module that declares some, by the module's name within the model.

    Raises:
        ConfigError: a module declares what it does not have, or what learns.
    Example:
        >>> class Known(torch.nn.Linear):
        ...     def frozen_keys(self):
        ...         return ["weight"]
        >>> frozen_keys(torch.nn.Sequential(Known(2, 2).requires_grad_(False), torch.nn.Linear(2, 2)))
        {'0': ['weight']}
    """
    found = {}
    for name, module in model.named_modules():
        declare: Any = getattr(module, "frozen_keys", None)
        keys: Collection[str] = sorted(declare()) if callable(declare) else []
        if not keys:
            continue
        learning = {own for own, parameter in module.named_parameters() if parameter.requires_grad}
        known = module.state_dict().keys()
        for key in keys:
            if key not in known or key in learning:
                wrong = "learns" if key in learning else "it does not have"
                raise ConfigError(
                    f"{name or type(model).__name__}: {type(module).__name__}.frozen_keys names '{key}', "
                    f"which {wrong}; name keys of its state_dict that have no gradient"
                )
        found[name] = list(keys)
    return found


def digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of weights by name: of their names, shapes, types and values.

    Example:
        >>> digest({"a": torch.zeros(2)})[:8], digest({"a": torch.zeros(1, 2)})[:8]
        ('...', '...')
    """
    whole = hashlib.sha256()
    for name, x in sorted(weights.items()):
        if x.is_sparse or x.is_quantized:
            x = x.to_dense() if x.is_sparse else x.dequantize()
        flat = x.detach().cpu().contiguous()
        whole.update(f"{name} {tuple(flat.shape)} {flat.dtype};".encode())
        whole.update(flat.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def _source(module: nn.Module) -> dict[str, str]:
    say: Any = getattr(module, "frozen_source", None)
    return dict(say()) if callable(say) else {}


def _other(path: Path, name: str, was: Mapping[str, str], now: Mapping[str, str]) -> str:
    called = was.get("name", name)
    key = "revision" if was.get("revision", "") != now.get("revision", "") else "weights"
    shown = "revision" if key == "revision" else "SHA-256"
    return (
        f"{path}: {name} was trained on the frozen weights of '{called}', {shown} {was.get(key, '')[:12]}, "
        f"and got {shown} {now.get(key, '')[:12]}; put back what was there, or train again"
    )
