// Ends a stream of text before the first of some texts, whatever pieces it comes in.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

class StopTexts {
 public:
  /// @throws Error{kInvalidArgument}  one is empty, or begins in the middle of a character.
  explicit StopTexts(std::span<const std::string> texts);

  /// Takes the next stretch of text. @return  What can be shown: all but an end that may become a stop text, or,
  /// once one is complete, all before it.
  [[nodiscard]] std::string push(std::string_view text);
  /// What was held back, as no more text comes.
  [[nodiscard]] std::string finish();

  [[nodiscard]] bool found() const noexcept { return found_; }

 private:
  /// Knuth, Morris and Pratt's automaton: each byte costs constant time, whatever the text repeats.
  struct Pattern {
    std::string text;
    std::vector<std::size_t> fallback;  // by length of a beginning: the next shorter one that ends it
    std::size_t matched = 0;            // the longest beginning that the stream ends with
  };
  static void advance(Pattern& pattern, char byte);

  std::vector<Pattern> patterns_;
  std::string held_;
  bool found_ = false;
};

}  // namespace weft
