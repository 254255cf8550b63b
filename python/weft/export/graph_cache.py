"""A Transformers cache whose tensors are buffers of the exported program (the in-graph contract).

It stands where a model expects a cache of its own (`DynamicCache`), so that the model's code runs unchanged, whatever its
attention or its state is. Shapes are learned from one eager forward: configurations name them in too many ways.

H heads, C rows (the context), D and Dv head sizes.
"""

from __future__ import annotations

import torch
from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DummyLayer,
    LinearAttentionLayer,
    get_layer_types_and_kwargs,
)

from weft.export.attention import Unsupported


class _Rows(CacheLayerMixin):
    """Keys and values of one attention layer: [1, H, C, D] and [1, H, C, Dv]. A window's rows are all kept; its mask hides them."""

    is_compileable = True

    def __init__(self, cache: GraphCache, is_sliding: bool):
        super().__init__()
        self.cache, self.is_sliding = cache, is_sliding
        self.indexer_keys: torch.Tensor | None = None

    def lazy_initialization(self, key_states, value_states):
        rows = self.cache.max_context
        self.keys = key_states.new_zeros((*key_states.shape[:2], rows, key_states.shape[3]))
        self.values = value_states.new_zeros((*value_states.shape[:2], rows, value_states.shape[3]))
        self.is_initialized = True

    def update(self, key_states, value_states, *args, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys.index_copy_(2, self.cache.positions, key_states)
        self.values.index_copy_(2, self.cache.positions, value_states)
        return self.keys, self.values

    def update_indexer(self, indexer_key_states):
        """Keys of a sparse attention's indexer (DeepSeek-V3.2): [1, C, size]."""
        if self.indexer_keys is None:
            shape = (1, self.cache.max_context, indexer_key_states.shape[2])
            self.indexer_keys = indexer_key_states.new_zeros(shape)
        self.indexer_keys.index_copy_(1, self.cache.positions, indexer_key_states)
        return self.indexer_keys

    def get_mask_sizes(self, query_length):
        return self.cache.max_context, 0

    def get_seq_length(self):
        return self.cache.get_seq_length()

    def get_max_length(self):
        return self.cache.max_context


class _RowsAndState(LinearAttentionLayer, _Rows):
    """A layer with both: Falcon-H1's."""

    def __init__(self, cache: GraphCache, is_sliding: bool, number_of_states: int):
        _Rows.__init__(self, cache, is_sliding)
        LinearAttentionLayer.__init__(self, number_of_states)

    def lazy_initialization(self, *args, **kwargs):
        if kwargs:
            LinearAttentionLayer.lazy_initialization(self, **kwargs)
        else:
            _Rows.lazy_initialization(self, *args)

    get_mask_sizes, get_max_length = _Rows.get_mask_sizes, _Rows.get_max_length


_ROWS = {"full_attention": False, "indexed_attention": False, "sliding_attention": True, "chunked_attention": True}
_STATE = ("conv", "linear_attention")
_BOTH = {"hybrid": False, "hybrid_sliding": True}


class GraphCache(Cache):
    """Made empty; `learn()` an eager forward's shapes, then `buffers()` are to be registered, and `attach()`ed in each forward."""

    def __init__(self, config, max_context: int):
        self.max_context = max_context
        self.positions: torch.Tensor | None = None  # i64 [T]
        layers = []
        for kind, settings in zip(*get_layer_types_and_kwargs(config.get_text_config(decoder=True)), strict=True):
            states = settings.get("number_of_states", 1)
            if kind in _ROWS:
                layers.append(_Rows(self, _ROWS[kind]))
            elif kind in _STATE:
                layers.append(LinearAttentionLayer(states))
            elif kind in _BOTH:
                layers.append(_RowsAndState(self, _BOTH[kind], states))
            elif kind == "dummy":
                layers.append(DummyLayer())
            else:
                raise Unsupported(f"it has layers of the kind '{kind}', whose cache is not known")
        super().__init__(layers=layers)

    def get_seq_length(self, layer_idx: int = 0):
        return self.positions[0]

    @property
    def has_state(self) -> bool:
        """Whether something is kept that can't go back to an earlier token."""
        return any(isinstance(layer, LinearAttentionLayer) for layer in self.layers)

    def _slots(self):
        """(name, container, key) of every tensor: container[key], or the attribute of that name."""
        for i, layer in enumerate(self.layers):
            if isinstance(layer, _Rows) and layer.is_initialized:
                yield f"key_cache_{i}", layer.__dict__, "keys"
                yield f"value_cache_{i}", layer.__dict__, "values"
                if layer.indexer_keys is not None:
                    yield f"indexer_cache_{i}", layer.__dict__, "indexer_keys"
            if isinstance(layer, LinearAttentionLayer):
                for kind in ("conv", "recurrent"):
                    states = getattr(layer, f"{kind}_states")
                    for j, state in states.items():
                        if state is not None:
                            yield f"{kind}_state_{i}_{j}", states, j

    def buffers(self) -> dict[str, torch.Tensor]:
        """Zeros of every tensor's shape, by name. To be called after the forward that shows them."""
        return {name: torch.zeros_like(slots[key]) for name, slots, key in self._slots()}

    def attach(self, buffers: dict[str, torch.Tensor], positions: torch.Tensor) -> None:
        """Makes `buffers` the tensors of this forward. States begin anew where a sequence does."""
        self.positions = positions
        for name, slots, key in self._slots():
            buffer = buffers[name]
            if "_state_" in name:
                buffer.copy_(torch.where(positions[0] == 0, torch.zeros_like(buffer), buffer))
            slots[key] = buffer
        for layer in self.layers:
            if isinstance(layer, LinearAttentionLayer):
                layer.has_previous_state = dict.fromkeys(layer.has_previous_state, True)
