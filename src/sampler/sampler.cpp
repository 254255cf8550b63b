// make_sampler(): the chain of all options, fused so that a vocabulary is passed over as few times as
// possible. chain.cpp has the same stages one by one.
#include "weft/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "draw.h"
#include "narrow.h"
#include "options.h"
#include "penalties.h"
#include "random.h"
#include "weft/error.h"
#include "weights.h"

namespace weft {
namespace {

using namespace sampling;

class OptionsSampler final : public Sampler {
 public:
  explicit OptionsSampler(const SamplingOptions& options)
      : options_(options),
        penalties_{options.repetition_penalty, options.frequency_penalty, options.presence_penalty},
        seen_(static_cast<std::size_t>(options.penalty_window)),
        seed_(seed_or_random(options.seed)),
        random_(seed_) {}

  Token sample(std::span<const float> logits) override {
    logits = adjusted(logits);
    const float max = find_maxima(logits, block_max_);
    if (options_.temperature == 0.0f) return static_cast<Token>(find_first(logits, block_max_, max));

    const Softmax softmax = Softmax::at(max, options_.temperature);
    if (options_.top_k > 0 && static_cast<std::size_t>(options_.top_k) < logits.size()) {
      gather_top_k(logits);
      if (options_.top_p < 1.0f) {
        const auto total = static_cast<double>(fixed_total(candidates_, softmax));
        keep_top_p(candidates_, softmax, top_p_target(options_.top_p, total), scratch_);
      }
    } else if (options_.top_p < 1.0f) {
      gather_top_p(logits, softmax);
    } else if (options_.min_p > 0.0f) {
      gather(logits, softmax, std::ilogb(options_.min_p) - 1);  // one less, for the rounding of the weights
    } else {
      const double total = weigh(logits, softmax, block_sums_);
      return static_cast<Token>(pick(logits, softmax, block_sums_, total, random_.next_unit()));
    }
    if (options_.min_p > 0.0f) keep_min_p(candidates_, softmax, options_.min_p);
    return draw_(candidates_, options_.temperature, random_);
  }

  void accept(Token token) override {
    if (penalties_.change_something()) seen_.accept(token);
  }

  void reset() override {
    seen_.clear();
    random_ = SplitMix64(seed_);
  }

 private:
  /// The logits with penalties and biases; copied only where there are some.
  std::span<const float> adjusted(std::span<const float> logits) {
    if (seen_.distinct().empty() && options_.logit_bias.empty()) return logits;
    adjusted_.assign(logits.begin(), logits.end());
    for (const Token token : seen_.distinct()) {
      const auto i = static_cast<std::size_t>(token);
      if (i < adjusted_.size()) adjusted_[i] = penalties_.apply(adjusted_[i], seen_.count(token));
    }
    for (const auto& [token, bias] : options_.logit_bias) {
      const auto i = static_cast<std::size_t>(token);
      if (i >= adjusted_.size()) {
        throw Error(ErrorCode::kInvalidArgument,
                    "token " + std::to_string(token) + " is not one of the model's " + std::to_string(adjusted_.size()),
                    "logit_bias", "the ids must be those of this model's tokenizer");
      }
      adjusted_[i] += bias;
    }
    return adjusted_;
  }

  /// Collects all tokens whose weight is at least 2^log2_weight.
  void gather(std::span<const float> logits, const Softmax& softmax, int log2_weight) {
    const auto bound = static_cast<float>(log2_weight);
    gather_if(logits, [&](float logit) { return softmax.log2_weight(logit) >= bound; });
  }

  /// `holds` must be monotone: true for a logit, true for each larger one.
  template <class Predicate>
  void gather_if(std::span<const float> logits, Predicate holds) {
    candidates_.clear();
    for (std::size_t b = 0; b < block_max_.size(); ++b) {
      if (!holds(block_max_[b])) continue;
      const std::size_t end = std::min(logits.size(), (b + 1) * kBlock);
      for (std::size_t i = b * kBlock; i < end; ++i) {
        if (holds(logits[i])) candidates_.push_back({static_cast<Token>(i), logits[i]});
      }
    }
  }

  void gather_top_k(std::span<const float> logits) {
    const auto k = static_cast<std::size_t>(options_.top_k);
    float least = std::numeric_limits<float>::lowest();  // leaves out what is forbidden
    if (k <= block_max_.size()) {
      // Each of k blocks has a token that is no less likely than the k-th likeliest of the blocks' best.
      best_of_blocks_ = block_max_;
      const auto kth = best_of_blocks_.begin() + static_cast<std::ptrdiff_t>(k - 1);
      std::nth_element(best_of_blocks_.begin(), kth, best_of_blocks_.end(), std::greater<>());
      least = std::max(least, *kth);
    }
    gather_if(logits, [&](float logit) { return logit >= least; });
    keep_top_k(candidates_, k, scratch_);
  }

  void gather_top_p(std::span<const float> logits, const Softmax& softmax) {
    const double total = weigh(logits, softmax, block_sums_);
    const std::uint64_t target = top_p_target(options_.top_p, total * fixed_weight(1.0f));
    gather(logits, softmax, -12);  // these few mostly do
    // What weighs less than 2^-40 has no fixed_weight() at all.
    if (fixed_total(candidates_, softmax) < target) gather(logits, softmax, -40);
    keep_top_p(candidates_, softmax, target, scratch_);
  }

  const SamplingOptions options_;
  const Penalties penalties_;
  SeenTokens seen_;
  const std::uint64_t seed_;
  SplitMix64 random_;
  Draw draw_;
  // Work space that keeps its memory from token to token.
  std::vector<float> adjusted_, block_max_, block_sums_, best_of_blocks_;
  std::vector<Candidate> candidates_, scratch_;
};

}  // namespace

std::unique_ptr<Sampler> make_sampler(const SamplingOptions& options) {
  check_temperature(options.temperature);
  check_top_k(options.top_k);
  check_top_p(options.top_p);
  check_min_p(options.min_p);
  check_penalties({options.repetition_penalty, options.frequency_penalty, options.presence_penalty},
                  options.penalty_window);
  check_logit_bias(options.logit_bias);
  return std::make_unique<OptionsSampler>(options);
}

}  // namespace weft
