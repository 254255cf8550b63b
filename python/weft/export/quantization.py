"""Which parameters of a model are stored in fewer bits, and their codes."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from weft.errors import Error
from weft.export.calibrate import calibrate
from weft.export.progress import Progress
from weft.export.quantize import QuantizedWeight
from weft.export.rounding import round_to_nearest
from weft.export.schemes import INT4, INT8, Plan, Scheme


def choose_weights(
    model: torch.nn.Module,
    plan: Plan,
    stored: Mapping[str, QuantizedWeight],
    *,
    calibration: list[int] | None = None,
    progress: Progress | None = None,
) -> dict[str, QuantizedWeight]:
    """The quantised weights by parameter name. `model` gets their values in place of its own, so that it gives the file's logits.

    stored: what the source itself holds quantised, by parameter name; `plan.keep` takes it.
    calibration: token ids of a text; the linears of the decoder layers are then rounded by GPTQ, all else to nearest.
    Raises weft.Error (invalid_argument, unsupported).
    """
    progress = progress or Progress()
    if not plan.quantizes:
        return {}
    if plan.keep and not stored:
        message = "the source has no quantised weights to keep"
        raise Error("invalid_argument", message, "quantize", "choose none, int8 or int4")
    modules = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | torch.nn.Embedding)}
    plan.check_patterns(modules)
    chosen: dict[str, QuantizedWeight] = {}
    schemes: dict[str, Scheme] = {}
    for name, scheme in _schemes(model, modules, plan, progress).items():
        if plan.keep and plan.override(name) is None:
            if f"{name}.weight" in stored:
                chosen[f"{name}.weight"] = stored[f"{name}.weight"]
        elif scheme is not None:
            schemes[name] = scheme
    if calibration is not None:
        chosen |= calibrate(model, calibration, schemes, progress)
    tied: dict[int, QuantizedWeight] = {}
    for name, scheme in schemes.items():
        weight = modules[name].weight
        if f"{name}.weight" in chosen:
            continue
        if id(weight) not in tied:
            tied[id(weight)] = round_to_nearest(weight, scheme)
            weight.data.copy_(torch.from_numpy(tied[id(weight)].dequantize()))
        chosen[f"{name}.weight"] = tied[id(weight)]
    return chosen


def _schemes(model, modules: dict[str, torch.nn.Module], plan: Plan, progress: Progress) -> dict[str, Scheme | None]:
    """The scheme of each module; None: it stays as it is."""
    # Both read one row a token, and errors in them reach everything: 8 bits, unless a rule says otherwise.
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    sensitive = {id(module.weight) for module in ends if module is not None}
    schemes: dict[str, Scheme | None] = {}
    by_parameter: dict[int, tuple[str, Scheme | None]] = {}
    too_narrow = []
    for name, module in modules.items():
        override = plan.override(name)
        scheme = override[1] if override else plan.default
        if override is None and scheme is not None and scheme.bits == INT4.bits and id(module.weight) in sensitive:
            scheme = INT8
        columns = module.weight.shape[1]
        if scheme is not None and columns % scheme.group != 0:
            if override is not None:
                message = f"has rows of {columns} weights, no multiple of '{scheme.name}'s group of {scheme.group}"
                raise Error("unsupported", message, name, "choose another group, or none")
            too_narrow.append(name)
            scheme = None
        earlier, agreed = by_parameter.setdefault(id(module.weight), (name, scheme))
        if agreed != scheme:
            # A rule for one of two names of the same weight is a rule for both.
            if override is not None and plan.override(earlier) is None:
                schemes[earlier] = scheme
                by_parameter[id(module.weight)] = (earlier, scheme)
            elif override is not None:
                raise Error("invalid_argument", f"{earlier} and {name} share one weight, but the rules differ", "quantize_layers", "give them the same")
            else:
                scheme = agreed
        schemes[name] = scheme
    if too_narrow:
        progress.note(f"{len(too_narrow)} layers stay as they are: their rows are no multiple of the group: {too_narrow[0]}")
    return schemes
