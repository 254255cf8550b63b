// The decoder of a `tokenizer.json`: how pieces become text again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "json.h"

namespace weft::tokenizer {

class Decoder {
 public:
  /// @param json  Nothing: pieces stay as they are, joined with blanks.
  /// @throws Error{kCorrupt, kUnsupported}
  explicit Decoder(const std::optional<JsonValue>& json);

  /// The bytes that `piece` adds to a text; only together do they have to be UTF-8.
  [[nodiscard]] std::string bytes_of(std::string_view piece) const;
  /// Whether a blank stands between two pieces.
  [[nodiscard]] bool joins_with_blanks() const { return !byte_level_; }

 private:
  bool byte_level_ = false;
};

}  // namespace weft::tokenizer
