// What lowers the logits of tokens that were already in the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "weft/token.h"

namespace weft::sampling {

/// How often each token was seen, among all or among the latest of them.
class SeenTokens {
 public:
  /// @param window  How many of the latest tokens count; 0: all.
  explicit SeenTokens(std::size_t window) : window_(window) {}

  /// @throws Error{kInvalidArgument}  negative, or beyond every vocabulary.
  void accept(Token token);
  void clear();

  [[nodiscard]] std::uint32_t count(Token token) const {
    const auto i = static_cast<std::size_t>(token);
    return i < entries_.size() ? entries_[i].count : 0;
  }
  /// Each token with a count above 0, once, in no particular order.
  [[nodiscard]] std::span<const Token> distinct() const { return distinct_; }

 private:
  struct Entry {
    std::uint32_t count = 0;
    std::uint32_t place = 0;  // in distinct_
  };
  void forget(Token token);

  std::size_t window_;
  std::vector<Token> latest_;   // a ring, once it holds window_ tokens
  std::size_t oldest_ = 0;      // in the ring
  std::vector<Entry> entries_;  // by token
  std::vector<Token> distinct_;
};

struct Penalties {
  float repetition = 1.0f;  ///< As in CTRL (Keskar 2019).
  float frequency = 0.0f;   ///< As in OpenAI's API, like the next.
  float presence = 0.0f;

  [[nodiscard]] bool change_something() const { return repetition != 1.0f || frequency != 0.0f || presence != 0.0f; }

  /// The logit of a token that was seen `count` >= 1 times.
  [[nodiscard]] float apply(float logit, std::uint32_t count) const {
    logit = logit < 0.0f ? logit * repetition : logit / repetition;
    return logit - static_cast<float>(count) * frequency - presence;
  }
};

}  // namespace weft::sampling
