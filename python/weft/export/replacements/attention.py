"""Attentions that compute scores themselves, as the operator `weft::attention`: the cache lies outside of the graph.

query, key, value [1, H, T, D] -> ([1, H, T, D], no weights).
"""

from __future__ import annotations

from weft.export.attention import Unsupported, Visible, attend


def _attend(query, key, value, attention_mask, scale: float, window: int = 0):
    if attention_mask is not None and not (isinstance(attention_mask, Visible) and attention_mask.window == 0):
        raise Unsupported("its attention has a mask or bias of its own")
    return attend(query, key, value, scale=scale, window=window).transpose(1, 2), None


def gptj(self, query, key, value, attention_mask=None):
    return _attend(query, key, value, attention_mask, 1.0 / float(self.scale_attn))


codegen = gptj


def gpt_neo(self, query, key, value, attention_mask=None):
    """Its scores aren't scaled; every other layer sees a window."""
    window = self.config.window_size if self.attention_type == "local" else 0
    return _attend(query, key, value, attention_mask, 1.0, window)
