// Logits to one token id.
//
//   auto sampler = weft::make_sampler({.temperature = 0.7f, .top_p = 0.9f, .seed = 1});
//   weft::Token token = sampler->sample(logits);
//   sampler->accept(token);
//
// The same options, logits and history give the same tokens on every platform.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "weft/token.h"

namespace weft {

class Sampler {
 public:
  virtual ~Sampler() = default;

  /// Draws one id. `logits` is f32 [vocab], not normalised, left unchanged; -inf forbids a token.
  /// @throws Error{kInvalidArgument}  empty, or no entry is finite, or one is NaN or +inf.
  [[nodiscard]] virtual Token sample(std::span<const float> logits) = 0;

  /// Tells the sampler what was put into the sequence (sampled or prompt), for its penalties.
  virtual void accept(Token token) = 0;

  /// Forgets all accepted tokens and starts the random numbers again from the seed.
  virtual void reset() = 0;
};

/// The value of one token's logit is raised by `bias`; -inf bans the token.
struct LogitBias {
  Token token;
  float bias;
};

/// Names and ranges are OpenAI's and llama.cpp's; the order is Transformers' and vLLM's: penalties, bias,
/// temperature, top-k, top-p, min-p, draw. Of two tokens with equal logits the lower id counts as the likelier.
/// A draw costs one or two passes over the logits: nothing is sorted, and nothing allocated after the first.
struct SamplingOptions {
  float temperature = 0.0f;         ///< >= 0; 0 is greedy: the largest logit, lowest id on a tie.
  int top_k = 0;                    ///< Keep the k most likely; 0 keeps all.
  float top_p = 1.0f;               ///< (0, 1]: keep the smallest set with this much probability (Holtzman 2019).
  float min_p = 0.0f;               ///< [0, 1): drop what is below this share of the likeliest (Nguyen 2024).
  float repetition_penalty = 1.0f;  ///< > 0; divides positive, multiplies negative logits of seen tokens (Keskar 2019).
  float frequency_penalty = 0.0f;   ///< [-2, 2]; subtracted once for each time a token was seen.
  float presence_penalty = 0.0f;    ///< [-2, 2]; subtracted once if a token was seen.
  int penalty_window = 0;           ///< How many of the latest tokens count as seen; 0: all.
  std::vector<LogitBias> logit_bias = {};
  std::optional<std::uint64_t> seed = {};  ///< Without one, a seed is drawn from the system.
};

/// The ready-made chain of stages. @throws Error{kInvalidArgument} naming the option out of range.
[[nodiscard]] std::unique_ptr<Sampler> make_sampler(const SamplingOptions& options = {});

/// One entry of the distribution that the stages of a chain narrow down.
struct Candidate {
  Token token;
  float logit;
};

/// One link of a chain: a user's own, or one of the make_*_stage() below.
class SamplerStage {
 public:
  virtual ~SamplerStage() = default;
  /// Changes logits (not to NaN or +inf) or drops entries (never all that are finite). On entry `candidates`
  /// is in no promised order, and one of them at least is finite.
  virtual void apply(std::vector<Candidate>& candidates) = 0;
  virtual void accept(Token) {}
  virtual void reset() {}
};

/// Runs `stages` in order over all candidates, then draws from the softmax of what is left.
/// An empty list draws from the plain softmax. With the ready-made stages it draws what make_sampler() draws,
/// which is faster: a chain lists every token for its first stage.
[[nodiscard]] std::unique_ptr<Sampler> make_sampler_chain(std::vector<std::unique_ptr<SamplerStage>> stages,
                                                          std::optional<std::uint64_t> seed = {});

[[nodiscard]] std::unique_ptr<SamplerStage> make_temperature_stage(float temperature);
[[nodiscard]] std::unique_ptr<SamplerStage> make_top_k_stage(int top_k);
[[nodiscard]] std::unique_ptr<SamplerStage> make_top_p_stage(float top_p);
[[nodiscard]] std::unique_ptr<SamplerStage> make_min_p_stage(float min_p);
[[nodiscard]] std::unique_ptr<SamplerStage> make_penalty_stage(float repetition, float frequency, float presence,
                                                               int window);
[[nodiscard]] std::unique_ptr<SamplerStage> make_logit_bias_stage(std::vector<LogitBias> biases);

}  // namespace weft
