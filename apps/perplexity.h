// How well a model predicts a text.
//
// Windows of `context` tokens begin each `stride` tokens, every one with an empty cache; the last may be shorter. A token is scored
// once, in the first window that holds it, given the tokens before it in that window; the text's first token isn't scored. This is
// the recipe for models of fixed length in Transformers' documentation. With a stride as long as the context, windows don't overlap,
// and the first token of each isn't scored.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>

#include "weft/runner.h"

namespace weft::apps {

struct PerplexityWindows {
  std::size_t context;  ///< 2 to the runner's max_context().
  std::size_t stride;   ///< 1 to context.
};

struct Perplexity {
  double negative_log_likelihood = 0;  ///< Sum over the scored tokens, natural logarithm.
  std::size_t tokens = 0;              ///< Scored.
  std::size_t computed = 0;            ///< Fed, with those that only are context.
  std::size_t windows = 0;
  /// exp(mean of the scored tokens' negative log-likelihoods).
  [[nodiscard]] double value() const;
};

/// @param tokens       At least two.
/// @param on_progress  Called now and then with how many tokens are scored.
/// @return             What was measured until the end, or until `cancel` asked to stop.
/// @throws Error{kInvalidArgument}  fewer than two tokens, or windows out of range; and what the runner throws.
[[nodiscard]] Perplexity measure_perplexity(Runner& runner, std::span<const Token> tokens, const PerplexityWindows& windows,
                                            const std::stop_token& cancel = {},
                                            const std::function<void(std::size_t scored)>& on_progress = {});

}  // namespace weft::apps
