#include "draw.h"

#include <algorithm>

#include "weights.h"

namespace weft::sampling {

Token Draw::operator()(std::vector<Candidate>& candidates, float temperature, SplitMix64& random) {
  // A user's stage may have left an order of its standard library's own; the draw needs the same one everywhere.
  const auto by_token = [](const Candidate& a, const Candidate& b) { return a.token < b.token; };
  if (!std::is_sorted(candidates.begin(), candidates.end(), by_token)) {
    std::sort(candidates.begin(), candidates.end(), by_token);
  }
  logits_.clear();
  for (const Candidate& candidate : candidates) logits_.push_back(candidate.logit);
  const Softmax softmax = Softmax::at(find_maxima(logits_, block_max_), temperature);
  const double total = weigh(logits_, softmax, block_sums_);
  return candidates[pick(logits_, softmax, block_sums_, total, random.next_unit())].token;
}

}  // namespace weft::sampling
