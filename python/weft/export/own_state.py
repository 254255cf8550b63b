"""Models whose recurrent state lies neither in a cache of Transformers' kind nor in attributes of their modules.

A state has its tensors before the first token (`initial`), by name, and runs the model with given ones: that is all that
`weft.export.program.StateModel` needs to make them buffers of the exported program.
"""

from __future__ import annotations

import torch


class RwkvState:
    """The argument and result `state` of RWKV: a list of tensors."""

    def __init__(self, model):
        shape = (1, model.config.hidden_size, model.config.num_hidden_layers)
        dtypes = (model.dtype, model.dtype, torch.float32, torch.float32, torch.float32)
        self.initial = {f"state_{i}": torch.zeros(shape, dtype=dtype, device=model.device) for i, dtype in enumerate(dtypes)}
        self.initial["state_4"] -= 1e30  # a maximum of exponents (RwkvModel.forward)

    def run(self, model, tokens, tensors: dict[str, torch.Tensor]):
        # The blocks write into the list's tensors.
        out = model(input_ids=tokens, state=[tensor.clone() for tensor in tensors.values()], use_cache=True)
        return out.logits, dict(zip(tensors, out.state, strict=True))


class XlstmState:
    """xLSTM's cache: three tensors for each layer, written in place."""

    def __init__(self, model):
        self._cache = self._new_cache(model)
        self.initial = {
            f"state_{layer}_{i}": tensor for layer, tensors in self._cache.rnn_state.items() for i, tensor in enumerate(tensors)
        }

    def _new_cache(self, model):
        from transformers.models.xlstm.modeling_xlstm import xLSTMCache

        return xLSTMCache(model.config, max_batch_size=1, dtype=model.dtype, device=model.device)

    def run(self, model, tokens, tensors: dict[str, torch.Tensor]):
        cache = self._new_cache(model)
        copies = [tensor.clone() for tensor in tensors.values()]
        cache.rnn_state = {layer: tuple(copies[3 * layer : 3 * layer + 3]) for layer in cache.rnn_state}
        logits = model(input_ids=tokens, cache_params=cache, use_cache=True).logits
        return logits, dict(zip(tensors, (tensor for layer in cache.rnn_state.values() for tensor in layer), strict=True))


_STATES = {"rwkv": RwkvState, "xlstm": XlstmState}


def own_state(model):
    """The state of such a model; None for any other."""
    kind = _STATES.get(model.config.model_type)
    return kind(model) if kind is not None else None
