"""Mixtures of experts that loop over the experts that were hit: here, over all of them, each weighted by its router's weight or 0.

T tokens, K experts for each, E experts, H hidden size, I intermediate size.
"""

from __future__ import annotations

import torch


def _weights(top_k_index, top_k_weights, n_experts: int):
    """[T, E]: each token's weight of each expert."""
    return torch.zeros(top_k_weights.shape[0], n_experts, dtype=top_k_weights.dtype).scatter_add(1, top_k_index, top_k_weights)


def dbrx(self, hidden_states, top_k_index, top_k_weights):
    batch_size = hidden_states.shape[0]
    states = hidden_states.reshape(-1, self.hidden_size)
    gate, up, down = (matrix.view(self.num_experts, self.ffn_hidden_size, self.hidden_size) for matrix in (self.mlp.w1, self.mlp.v1, self.mlp.w2))
    inner = self.mlp.activation_fn(torch.einsum("th,eih->eti", states, gate)) * torch.einsum("th,eih->eti", states, up)
    outputs = torch.einsum("eti,eih->eth", inner, down)
    weights = _weights(top_k_index, top_k_weights, self.num_experts)
    return torch.einsum("eth,te->th", outputs, weights).view(batch_size, -1, self.hidden_size)


def longcat_flash(self, hidden_states, top_k_index, top_k_weights):
    """The experts from num_routed_experts on compute nothing: they give what they get."""
    weights = _weights(top_k_index, top_k_weights, self.total_experts).to(hidden_states.dtype)
    routed = self.num_routed_experts
    out = hidden_states * weights[:, routed:].sum(-1, keepdim=True)
    if routed > 0:
        gate, up = torch.einsum("th,eih->eti", hidden_states, self.gate_up_proj[:routed]).chunk(2, dim=-1)
        outputs = torch.einsum("eti,ehi->eth", self.act_fn(gate) * up, self.down_proj)
        out = out + torch.einsum("eth,te->th", outputs, weights[:, :routed])
    return out
