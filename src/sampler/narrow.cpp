#include "narrow.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace weft::sampling {

std::uint64_t fixed_total(const std::vector<Candidate>& candidates, const Softmax& softmax) {
  std::uint64_t total = 0;
  for (const Candidate& candidate : candidates) total += fixed_weight(softmax.weight(candidate.logit));
  return total;
}

void keep_top_k(std::vector<Candidate>& candidates, std::size_t k, std::vector<Candidate>& scratch) {
  if (k >= candidates.size()) return;
  scratch = candidates;
  const auto last_kept = scratch.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(scratch.begin(), last_kept, scratch.end(), is_likelier);
  std::erase_if(candidates, [&](const Candidate& candidate) { return is_likelier(*last_kept, candidate); });
}

void keep_top_p(std::vector<Candidate>& candidates, const Softmax& softmax, std::uint64_t target,
                std::vector<Candidate>& scratch) {
  // The bucket of similar weights in which the target is reached.
  constexpr std::size_t kBuckets = 40 * 32 + 1;  // 32 for each halving; below 2^-40 fixed_weight() is 0
  const auto bucket_of = [&](const Candidate& candidate) {
    return static_cast<std::size_t>(
        std::min(softmax.log2_weight(candidate.logit) * -32.0f, static_cast<float>(kBuckets - 1)));
  };
  std::array<std::uint64_t, kBuckets> weights{};
  for (const Candidate& candidate : candidates) {
    weights[bucket_of(candidate)] += fixed_weight(softmax.weight(candidate.logit));
  }
  std::size_t bucket = 0;
  std::uint64_t weight_of_few = 0;
  while (bucket + 1 < kBuckets && weight_of_few + weights[bucket] < target) weight_of_few += weights[bucket++];
  scratch.clear();
  for (const Candidate& candidate : candidates) {
    if (bucket_of(candidate) == bucket) scratch.push_back(candidate);
  }
  if (scratch.empty()) return;

  // In it, a quickselect by weight: the first `few` weigh less than the target, the first `enough` are enough.
  std::size_t few = 0, enough = scratch.size();
  while (enough - few > 1) {
    const std::size_t middle = few + (enough - few) / 2;
    const auto at = [&](std::size_t i) { return scratch.begin() + static_cast<std::ptrdiff_t>(i); };
    std::nth_element(at(few), at(middle), at(enough), is_likelier);
    std::uint64_t weight = weight_of_few;
    for (std::size_t i = few; i < middle; ++i) weight += fixed_weight(softmax.weight(scratch[i].logit));
    if (weight >= target) {
      enough = middle;
    } else {
      few = middle;
      weight_of_few = weight;
    }
  }
  const Candidate last_kept = scratch[few];
  std::erase_if(candidates, [&](const Candidate& candidate) { return is_likelier(last_kept, candidate); });
}

void keep_min_p(std::vector<Candidate>& candidates, const Softmax& softmax, float min_p) {
  std::erase_if(candidates, [&](const Candidate& candidate) { return softmax.weight(candidate.logit) < min_p; });
}

std::uint64_t top_p_target(float top_p, double total) {
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(top_p) * total));
}

float max_logit(const std::vector<Candidate>& candidates) {
  return std::max_element(candidates.begin(), candidates.end(),
                          [](const Candidate& a, const Candidate& b) { return a.logit < b.logit; })
      ->logit;
}

}  // namespace weft::sampling
