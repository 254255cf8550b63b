// The last stage of every sampler: one token from the softmax of what is left.
#pragma once

#include <vector>

#include "random.h"
#include "weft/sampler.h"

namespace weft::sampling {

class Draw {
 public:
  /// Brings `candidates`, of which there must be one at least, into the order of their ids.
  /// @throws Error{kInvalidArgument}  a logit is NaN or +inf, or all are -inf.
  Token operator()(std::vector<Candidate>& candidates, float temperature, SplitMix64& random);

 private:
  std::vector<float> logits_, block_max_, block_sums_;  // keep their memory from token to token
};

}  // namespace weft::sampling
