// The metadata at the head of a GGUF file: keys and values. What follows, the tensors, isn't read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/error.h"

namespace weft::tokenizer {

[[nodiscard]] bool is_gguf(std::string_view bytes);

class GgufMetadata {
 public:
  /// The bytes end before the metadata does: with more of the file it may be read.
  struct TooShort {};

  /// @param bytes  The head of the file; lent for this object's life.
  /// @throws TooShort
  /// @throws Error{kCorrupt, kUnsupported}
  GgufMetadata(std::string_view bytes, std::string name);

  /// @name The value of a key, if there is one. Each throws Error{kCorrupt} if it is of another kind.
  /// @{
  [[nodiscard]] std::optional<std::string_view> text(std::string_view key) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
  [[nodiscard]] std::optional<std::vector<std::string_view>> texts(std::string_view key, std::size_t most) const;
  [[nodiscard]] std::optional<std::vector<float>> reals(std::string_view key, std::size_t most) const;
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(std::string_view key, std::size_t most) const;
  /// An array of bytes.
  [[nodiscard]] std::optional<std::string_view> bytes(std::string_view key) const;
  /// @}

  [[noreturn]] void fail(std::string_view key, const std::string& message,
                         ErrorCode code = ErrorCode::kCorrupt) const;

 private:
  struct Value {
    std::uint32_t type;      // of the value, or of an array's items
    bool is_array;
    std::uint64_t count;     // of an array's items; else 1
    std::size_t begin, end;  // its bytes
  };
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] const Value* find_array(std::string_view key, std::size_t most) const;
  [[nodiscard]] std::int64_t integer_at(std::size_t pos, std::uint32_t type) const;

  std::string_view bytes_;
  std::string name_;
  std::map<std::string_view, Value> values_;
};

}  // namespace weft::tokenizer
