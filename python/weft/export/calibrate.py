"""Rounds a model's weights by GPTQ, layer by layer, on text that the model reads.

Each decoder layer sees what the layers before it, already rounded, make of the text, so that it makes up for their errors too.
Held at a time are the hidden states of the text and the Hessians of one layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from weft.errors import Error
from weft.export.progress import Progress
from weft.export.quantize import QuantizedWeight
from weft.export.rounding import gptq
from weft.export.schemes import Scheme

SAMPLES, SAMPLE_TOKENS = 64, 256  # read at most
_LEAST_TOKENS = 128


class _LayerReached(Exception):
    """Ends a forward pass where its first layer begins: what comes after isn't needed."""


def calibrate(model, ids: list[int], schemes: dict[str, Scheme], progress: Progress) -> dict[str, QuantizedWeight]:
    """Rounds those linears of `schemes` that lie in the model's decoder layers, and gives them their new values.

    ids: of the text. schemes: by module name.
    Raises weft.Error (unsupported: no list of layers; invalid_argument: the text is too short).
    """
    samples = _samples(ids)
    layers_name, layers = _find_layers(model)
    hidden, settings = _first_inputs(model, layers, samples)
    weights: dict[str, QuantizedWeight] = {}
    with progress.stage("rounding the weights by GPTQ", seconds=model.num_parameters() * 4e-7 + len(hidden) * len(layers) * 0.05):
        for i, layer in enumerate(layers):
            names = {f"{layers_name}.{i}.{name}": module for name, module in layer.named_modules()}
            wanted = {name: module for name, module in names.items() if name in schemes and schemes[name].bits < 16 and isinstance(module, torch.nn.Linear)}
            hessians = _hessians(layer, wanted, hidden, settings[i])
            for name, module in wanted.items():
                if name not in hessians:
                    continue  # an expert that no token chose: rounded to nearest later
                weights[f"{name}.weight"] = gptq(module.weight, hessians[name], schemes[name])
                module.weight.data.copy_(torch.from_numpy(weights[f"{name}.weight"].dequantize()))
            hidden = [_run(layer, states, settings[i]) for states in hidden]
    return weights


def _samples(ids: list[int]) -> list[torch.Tensor]:
    if len(ids) < _LEAST_TOKENS:
        message = f"the text has {len(ids)} tokens; {_LEAST_TOKENS} are the least"
        raise Error("invalid_argument", message, "calibration", "give a longer text, of the kind that the model will write")
    length = min(SAMPLE_TOKENS, len(ids))
    starts = range(0, len(ids) - length + 1, length)
    # Spread over the whole text, if that is longer than what is read.
    step = max(1, len(starts) // SAMPLES)
    return [torch.tensor([ids[start : start + length]]) for start in list(starts)[::step][:SAMPLES]]


def _find_layers(model) -> tuple[str, torch.nn.ModuleList]:
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.ModuleList) and len(module) == count]
    if not found:
        message = f"{type(model).__name__} has no list of {count} layers to go through"
        raise Error("unsupported", message, "calibration", "leave it out: the weights are then rounded to nearest")
    return found[0]


@torch.no_grad()
def _first_inputs(model, layers: torch.nn.ModuleList, samples: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[dict[str, Any]]]:
    """What enters the first layer for each sample, and the other arguments of each layer, which are the same for all samples."""
    hidden: list[torch.Tensor] = []
    settings: list[dict[str, Any]] = [{} for _ in layers]

    def remember(i: int) -> Callable:
        def hook(_module, args, kwargs):
            if len(args) != 1:
                raise Error("unsupported", f"a layer takes {len(args)} arguments by position", "calibration", "leave it out")
            settings[i] = kwargs

        return hook

    handles = [layer.register_forward_pre_hook(remember(i), with_kwargs=True) for i, layer in enumerate(layers)]
    model(input_ids=samples[0], use_cache=False)
    for handle in handles:
        handle.remove()

    def stop(_module, args, _kwargs):
        hidden.append(args[0].detach().clone())
        raise _LayerReached

    handle = layers[0].register_forward_pre_hook(stop, with_kwargs=True)
    for sample in samples:
        try:
            model(input_ids=sample, use_cache=False)
        except _LayerReached:
            pass
    handle.remove()
    return hidden, settings


@torch.no_grad()
def _run(layer: torch.nn.Module, states: torch.Tensor, settings: dict[str, Any]) -> torch.Tensor:
    out = layer(states, **settings)
    return out[0] if isinstance(out, tuple) else out


def _hessians(
    layer: torch.nn.Module, wanted: dict[str, torch.nn.Linear], hidden: list[torch.Tensor], settings: dict[str, Any]
) -> dict[str, torch.Tensor]:
    """For each linear the sum of x x^T over its inputs x. Linears that read the same input share one tensor."""
    hessians: dict[str, torch.Tensor] = {}
    # An input of this pass -> the linear that read it first. Holding it keeps its memory from being used again meanwhile.
    seen: dict[int, tuple[str, torch.Tensor]] = {}

    def listen(name: str) -> Callable:
        def hook(_module, args):
            x = args[0].detach()
            first, _ = seen.setdefault(x.data_ptr(), (name, x))
            if first != name and (name not in hessians or hessians[name] is hessians[first]):
                hessians[name] = hessians[first]
                return
            flat = x.reshape(-1, x.shape[-1]).float()
            if name not in hessians:
                hessians[name] = torch.zeros(flat.shape[1], flat.shape[1])
            hessians[name].addmm_(flat.T, flat)

        return hook

    handles = [module.register_forward_pre_hook(listen(name)) for name, module in wanted.items()]
    for states in hidden:
        seen.clear()
        _run(layer, states, settings)
    for handle in handles:
        handle.remove()
    return hessians
