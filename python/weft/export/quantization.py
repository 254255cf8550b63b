"""Which parameters of a model are stored in fewer bits, and their codes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch

from weft.errors import Error
from weft.export.calibrate import calibrate
from weft.export.experts import expert_weights
from weft.export.progress import Progress
from weft.export.quantize import QuantizedWeight
from weft.export.rounding import round_to_nearest
from weft.export.schemes import INT4, INT8, Plan, Scheme


@dataclasses.dataclass(frozen=True)
class _Matrix:
    """What can be stored in fewer bits: a linear's or an embedding's weight, or those of all experts of a layer."""

    parameter: str  # its name
    weight: torch.nn.Parameter  # [N, K]; of experts: [E, N, K], or [E, K, N] if transposed
    transposed: bool = False

    def rows(self) -> torch.Tensor:
        """[N, K]; of experts: [E * N, K]."""
        weight = self.weight.detach()
        return (weight.transpose(1, 2) if self.transposed else weight).reshape(-1, self.columns)

    @property
    def columns(self) -> int:
        return self.weight.shape[-2 if self.transposed else -1]

    @torch.no_grad()
    def fill(self, rows: torch.Tensor) -> None:
        shape = self.weight.shape
        self.weight.copy_(rows.view(shape[0], shape[2], shape[1]).transpose(1, 2) if self.transposed else rows.view(shape))


def _matrices(model: torch.nn.Module) -> dict[str, _Matrix]:
    """By the name that rules call them by: the module's, for experts the parameter's."""
    matrices = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            matrices[name] = _Matrix(f"{name}.weight", module.weight)
        for child in expert_weights(module):
            matrices[f"{name}.{child}"] = _Matrix(f"{name}.{child}", getattr(module, child), module.is_transposed)
    return matrices


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
    matrices = _matrices(model)
    plan.check_patterns(matrices)
    chosen: dict[str, QuantizedWeight] = {}
    schemes: dict[str, Scheme] = {}
    for name, scheme in _schemes(model, matrices, plan, progress).items():
        if plan.keep and plan.override(name) is None:
            if matrices[name].parameter in stored:
                chosen[matrices[name].parameter] = stored[matrices[name].parameter]
        elif scheme is not None:
            schemes[name] = scheme
    if calibration is not None:
        chosen |= calibrate(model, calibration, schemes, progress)
    tied: dict[int, QuantizedWeight] = {}
    for name, scheme in schemes.items():
        matrix = matrices[name]
        if matrix.parameter in chosen:
            continue
        if id(matrix.weight) not in tied:
            tied[id(matrix.weight)] = round_to_nearest(matrix.rows(), scheme)
            matrix.fill(torch.from_numpy(tied[id(matrix.weight)].dequantize()))
        chosen[matrix.parameter] = tied[id(matrix.weight)]
    return chosen


def _schemes(model, matrices: dict[str, _Matrix], plan: Plan, progress: Progress) -> dict[str, Scheme | None]:
    """The scheme of each matrix; None: it stays as it is."""
    # Both read one row a token, and errors in them reach everything: 8 bits, unless a rule says otherwise.
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    sensitive = {id(module.weight) for module in ends if module is not None}
    schemes: dict[str, Scheme | None] = {}
    by_parameter: dict[int, tuple[str, Scheme | None]] = {}
    too_narrow = []
    for name, matrix in matrices.items():
        override = plan.override(name)
        scheme = override[1] if override else plan.default
        if override is None and scheme is not None and scheme.bits == INT4.bits and id(matrix.weight) in sensitive:
            scheme = INT8
        columns = matrix.columns
        if scheme is not None and columns % scheme.group != 0:
            if override is not None:
                message = f"has rows of {columns} weights, no multiple of '{scheme.name}'s group of {scheme.group}"
                raise Error("unsupported", message, name, "choose another group, or none")
            too_narrow.append(name)
            scheme = None
        earlier, agreed = by_parameter.setdefault(id(matrix.weight), (name, scheme))
        if agreed != scheme:
            # A rule for one of two names of the same weight is a rule for both.
            if override is not None and plan.override(earlier) is None:
                schemes[earlier] = scheme
                by_parameter[id(matrix.weight)] = (earlier, scheme)
            elif override is not None:
                raise Error("invalid_argument", f"{earlier} and {name} share one weight, but the rules differ", "quantize_layers", "give them the same")
            else:
                scheme = agreed
        schemes[name] = scheme
    if too_narrow:
        progress.note(f"{len(too_narrow)} layers stay as they are: their rows are no multiple of the group: {too_narrow[0]}")
    return schemes
