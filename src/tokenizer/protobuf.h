// The wire format of Protocol Buffers, as far as SentencePiece's models need it: fields one after another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::tokenizer {

/// What is wrong, and at which byte of the outermost message.
struct ProtobufError {
  std::string message;
  std::size_t place;
};

struct ProtobufField {
  std::uint32_t number;
  enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 } wire;
  std::uint64_t value;     ///< Of a number.
  std::string_view bytes;  ///< Of a string or a message.
  std::size_t place;       ///< Where it starts, in the outermost message.
  std::size_t body;        ///< Where `bytes` start there.

  /// @name Readers. Each throws ProtobufError if the field is of another kind.
  /// @{
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] std::int32_t integer() const;
  [[nodiscard]] float real() const;
  /// @}
};

/// Reads the fields of one message in order. Lengths are checked against the bytes that are there.
class ProtobufReader {
 public:
  /// @param place  Where `bytes` start in the outermost message.
  explicit ProtobufReader(std::string_view bytes, std::size_t place = 0) : bytes_(bytes), place_(place) {}
  /// The message in a field.
  explicit ProtobufReader(const ProtobufField& field) : ProtobufReader(field.text(), field.body) {}

  /// The next field, or nothing at the end. @throws ProtobufError
  std::optional<ProtobufField> next();

 private:
  std::uint64_t varint();
  std::string_view take(std::size_t count);
  [[noreturn]] void fail(std::string message, std::size_t at) const;

  std::string_view bytes_;
  std::size_t place_;
  std::size_t pos_ = 0;
};

}  // namespace weft::tokenizer
