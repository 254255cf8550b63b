// Base64 as tokenizer files hold it (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::tokenizer {

/// The bytes that `text` stands for, or nothing if it isn't base64: padded, without blanks.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace weft::tokenizer
