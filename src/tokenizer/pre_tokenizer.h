// The pre-tokenizer of a `tokenizer.json`: how a text is split into the words that the model encodes one by one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"
#include "split_patterns.h"
#include "utf8.h"

namespace weft::tokenizer {

/// Words of one text, as places in `text`, none empty. What lies between them is left out.
struct Words {
  std::string_view text;  ///< The text that is split, or `changed`.
  std::vector<Range> ranges;
  std::string changed;
};

/// What becomes of the matches of a pattern.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

class PreTokenizer {
 public:
  /// @param json  Nothing: a text is one word.
  /// @throws Error{kCorrupt, kUnsupported}
  explicit PreTokenizer(const std::optional<JsonValue>& json);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;

  /// Whether the model sees words in the byte-level alphabet; here, they stay bytes.
  [[nodiscard]] bool is_byte_level() const;

  /// Splits well-formed `text` from `from` on, where the text's start or the last call's return is.
  /// @param words  Overwritten with the next words; its storage is used again.
  /// @returns where to go on; `text.size()` at the end.
  std::size_t split(std::string_view text, std::size_t from, Words& words) const;

 private:
  struct Step;
  void read(const JsonValue& json);
  void read_byte_level(const JsonValue& json);
  void split_whole(std::string_view text, Words& words) const;

  std::vector<Step> steps_;
};

}  // namespace weft::tokenizer
