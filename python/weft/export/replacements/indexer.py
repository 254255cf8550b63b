"""Sparse attention's choice of keys, for all queries at once instead of one after another over what `nonzero` found.

B batch, T queries, C keys, N blocks of R keys, H index heads, D their size.
"""

from __future__ import annotations

import math

import torch


def qwen4_exp(self, hidden_states, position_embeddings, attention_mask, past_key_values):
    """bool [B, 1, T, C]: the keys of the best complete blocks, and those after the last complete block. The mask is causal."""
    from transformers.models.qwen4_exp.modeling_qwen4_exp import apply_rotary_pos_emb

    n_tokens, size, block = hidden_states.shape[1], self.index_head_dim, self.compress_ratio
    cos, sin = position_embeddings
    projected = self.index_qk_proj(hidden_states)
    query, keys = projected.split([self.index_n_heads * size, self.index_kv_heads * size], dim=-1)
    query = self.q_layernorm(query.reshape(*query.shape[:2], -1, size))
    query = apply_rotary_pos_emb(query, cos=cos[:, -n_tokens:], sin=sin[:, -n_tokens:], unsqueeze_dim=2)
    if past_key_values is not None:
        keys = past_key_values.update_indexer(keys, self.layer_idx)

    visible = attention_mask[:, 0] if attention_mask.dtype == torch.bool else attention_mask[:, 0] == 0  # [B, T, C]
    complete = visible.sum(-1, keepdim=True) // block  # [B, T, 1]: blocks that a query sees all of
    n_blocks = keys.shape[1] // block
    places = torch.arange(visible.shape[-1])
    chosen = visible & (places >= complete * block)
    if n_blocks > 0:
        pooled = keys[:, : n_blocks * block].reshape(keys.shape[0], n_blocks, block, size).float().mean(2).to(keys.dtype)
        starts = torch.arange(n_blocks) * block
        pooled = apply_rotary_pos_emb(
            self.k_layernorm(pooled).unsqueeze(2), cos=cos[:, starts], sin=sin[:, starts], unsqueeze_dim=2
        ).squeeze(2)
        scores = torch.einsum("bthd,bnd->bthn", query.float(), pooled.float()).relu().sum(2) / math.sqrt(size)
        scores = scores.masked_fill(torch.arange(n_blocks) >= complete, -1.0)  # below every other: they aren't negative
        best = scores.topk(min(self.block_topk, n_blocks), dim=-1)
        picked = torch.zeros_like(scores).scatter(-1, best.indices, (best.values >= 0).to(scores.dtype)) > 0  # [B, T, N]
        of_block = picked.repeat_interleave(block, dim=-1)
        chosen = chosen | (visible & torch.nn.functional.pad(of_block, (0, visible.shape[-1] - of_block.shape[-1])))
    return chosen[:, None]
