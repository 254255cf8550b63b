// The stages that drop candidates, each a selection in O(n) that leaves the order of what it keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "weft/sampler.h"
#include "weights.h"

namespace weft::sampling {

/// The one order of all stages: the likelier first, of two equals the lower id.
inline bool is_likelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

/// Weights as integers, whose sum is the same in every order: std::nth_element's is the library's own.
/// 2^22 tokens (TokenizerLimits::vocab_size) of weight 1 fit into 64 bits.
inline std::uint64_t fixed_weight(float weight) { return static_cast<std::uint64_t>(weight * 0x1p40f); }

/// What the candidates weigh together.
std::uint64_t fixed_total(const std::vector<Candidate>& candidates, const Softmax& softmax);

/// `scratch` is work space, which keeps its memory from call to call.
void keep_top_k(std::vector<Candidate>& candidates, std::size_t k, std::vector<Candidate>& scratch);
/// Keeps the smallest set of the likeliest that weighs at least `target`; never none.
void keep_top_p(std::vector<Candidate>& candidates, const Softmax& softmax, std::uint64_t target,
                std::vector<Candidate>& scratch);
/// Keeps what weighs at least `min_p`. The likeliest weighs 1.
void keep_min_p(std::vector<Candidate>& candidates, const Softmax& softmax, float min_p);

/// The weight to ask of keep_top_p(); `total` is the weight of all tokens, in units of fixed_weight().
std::uint64_t top_p_target(float top_p, double total);

/// `candidates` must not be empty.
float max_logit(const std::vector<Candidate>& candidates);

}  // namespace weft::sampling
