// The stages one by one, for chains that a user composes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "draw.h"
#include "narrow.h"
#include "options.h"
#include "penalties.h"
#include "random.h"
#include "weft/error.h"
#include "weft/sampler.h"
#include "weights.h"

namespace weft {
namespace {

using namespace sampling;

class ChainSampler final : public Sampler {
 public:
  ChainSampler(std::vector<std::unique_ptr<SamplerStage>> stages, std::uint64_t seed)
      : stages_(std::move(stages)), seed_(seed), random_(seed) {}

  Token sample(std::span<const float> logits) override {
    find_maxima(logits, block_max_);  // for its checks
    candidates_.clear();
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] >= std::numeric_limits<float>::lowest()) candidates_.push_back({static_cast<Token>(i), logits[i]});
    }
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      stages_[i]->apply(candidates_);
      check_after_stage(i);
    }
    return draw_(candidates_, 1.0f, random_);
  }

  void accept(Token token) override {
    for (const auto& stage : stages_) stage->accept(token);
  }

  void reset() override {
    for (const auto& stage : stages_) stage->reset();
    random_ = SplitMix64(seed_);
  }

 private:
  /// What the next stage builds on.
  void check_after_stage(std::size_t i) const {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    float max = -kInfinity;
    bool all_below_infinity = true;
    for (const Candidate& candidate : candidates_) {
      max = std::max(max, candidate.logit);
      all_below_infinity &= candidate.logit < kInfinity;  // not so for NaN either
    }
    if (all_below_infinity && max > -kInfinity) return;
    throw Error(ErrorCode::kInvalidArgument,
                all_below_infinity ? "it left no token that is allowed" : "it made a logit +infinity or not a number",
                "sampler stage " + std::to_string(i + 1) + " of " + std::to_string(stages_.size()),
                "a stage must keep one candidate with a finite logit, and make only finite logits or -infinity");
  }

  const std::vector<std::unique_ptr<SamplerStage>> stages_;
  const std::uint64_t seed_;
  SplitMix64 random_;
  Draw draw_;
  std::vector<float> block_max_;
  std::vector<Candidate> candidates_;
};

class TemperatureStage final : public SamplerStage {
 public:
  explicit TemperatureStage(float temperature) : temperature_(temperature) {}
  void apply(std::vector<Candidate>& candidates) override {
    if (temperature_ == 0.0f) return keep_top_k(candidates, 1, scratch_);
    // Less the largest, which leaves the softmax as it is and can't overflow however small the divisor.
    const float max = max_logit(candidates);
    for (Candidate& candidate : candidates) candidate.logit = (candidate.logit - max) / temperature_;
  }

 private:
  const float temperature_;
  std::vector<Candidate> scratch_;
};

class TopKStage final : public SamplerStage {
 public:
  explicit TopKStage(int top_k) : top_k_(static_cast<std::size_t>(top_k)) {}
  void apply(std::vector<Candidate>& candidates) override {
    if (top_k_ > 0) keep_top_k(candidates, top_k_, scratch_);
  }

 private:
  const std::size_t top_k_;
  std::vector<Candidate> scratch_;
};

class TopPStage final : public SamplerStage {
 public:
  explicit TopPStage(float top_p) : top_p_(top_p) {}
  void apply(std::vector<Candidate>& candidates) override {
    if (top_p_ == 1.0f) return;
    const Softmax softmax{max_logit(candidates)};
    const auto total = static_cast<double>(fixed_total(candidates, softmax));
    keep_top_p(candidates, softmax, top_p_target(top_p_, total), scratch_);
  }

 private:
  const float top_p_;
  std::vector<Candidate> scratch_;
};

class MinPStage final : public SamplerStage {
 public:
  explicit MinPStage(float min_p) : min_p_(min_p) {}
  void apply(std::vector<Candidate>& candidates) override {
    if (min_p_ > 0.0f) keep_min_p(candidates, Softmax{max_logit(candidates)}, min_p_);
  }

 private:
  const float min_p_;
};

class PenaltyStage final : public SamplerStage {
 public:
  PenaltyStage(const Penalties& penalties, int window)
      : penalties_(penalties), seen_(static_cast<std::size_t>(window)) {}
  void apply(std::vector<Candidate>& candidates) override {
    if (seen_.distinct().empty()) return;
    for (Candidate& candidate : candidates) {
      const std::uint32_t count = seen_.count(candidate.token);
      if (count > 0) candidate.logit = penalties_.apply(candidate.logit, count);
    }
  }
  void accept(Token token) override { seen_.accept(token); }
  void reset() override { seen_.clear(); }

 private:
  const Penalties penalties_;
  SeenTokens seen_;
};

class LogitBiasStage final : public SamplerStage {
 public:
  explicit LogitBiasStage(std::vector<LogitBias> biases) : biases_(std::move(biases)) {
    std::stable_sort(biases_.begin(), biases_.end(), is_before);
  }
  void apply(std::vector<Candidate>& candidates) override {
    for (Candidate& candidate : candidates) {
      const auto [first, last] =
          std::equal_range(biases_.begin(), biases_.end(), LogitBias{candidate.token, 0.0f}, is_before);
      for (auto bias = first; bias != last; ++bias) candidate.logit += bias->bias;
    }
  }

 private:
  static bool is_before(const LogitBias& a, const LogitBias& b) { return a.token < b.token; }
  std::vector<LogitBias> biases_;
};

}  // namespace

std::unique_ptr<Sampler> make_sampler_chain(std::vector<std::unique_ptr<SamplerStage>> stages,
                                            std::optional<std::uint64_t> seed) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (stages[i] == nullptr) {
      throw Error(ErrorCode::kInvalidArgument, "it is null", "sampler stage " + std::to_string(i + 1),
                  "leave out what is not wanted");
    }
  }
  return std::make_unique<ChainSampler>(std::move(stages), seed_or_random(seed));
}

std::unique_ptr<SamplerStage> make_temperature_stage(float temperature) {
  check_temperature(temperature);
  return std::make_unique<TemperatureStage>(temperature);
}

std::unique_ptr<SamplerStage> make_top_k_stage(int top_k) {
  check_top_k(top_k);
  return std::make_unique<TopKStage>(top_k);
}

std::unique_ptr<SamplerStage> make_top_p_stage(float top_p) {
  check_top_p(top_p);
  return std::make_unique<TopPStage>(top_p);
}

std::unique_ptr<SamplerStage> make_min_p_stage(float min_p) {
  check_min_p(min_p);
  return std::make_unique<MinPStage>(min_p);
}

std::unique_ptr<SamplerStage> make_penalty_stage(float repetition, float frequency, float presence, int window) {
  const Penalties penalties{repetition, frequency, presence};
  check_penalties(penalties, window);
  return std::make_unique<PenaltyStage>(penalties, window);
}

std::unique_ptr<SamplerStage> make_logit_bias_stage(std::vector<LogitBias> biases) {
  check_logit_bias(biases);
  return std::make_unique<LogitBiasStage>(std::move(biases));
}

}  // namespace weft
