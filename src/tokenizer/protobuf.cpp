#include "protobuf.h"

#include <bit>
#include <utility>

namespace weft::tokenizer {

using Wire = ProtobufField::Wire;

std::string_view ProtobufField::text() const {
  if (wire != Wire::kBytes) throw ProtobufError{"field " + std::to_string(number) + " is not a string", place};
  return bytes;
}

bool ProtobufField::boolean() const {
  if (wire != Wire::kVarint) throw ProtobufError{"field " + std::to_string(number) + " is not a boolean", place};
  return value != 0;
}

std::int32_t ProtobufField::integer() const {
  if (wire != Wire::kVarint) throw ProtobufError{"field " + std::to_string(number) + " is not an integer", place};
  return static_cast<std::int32_t>(value);  // negative ones have ten bytes, of which the lower 32 bits count
}

float ProtobufField::real() const {
  if (wire != Wire::kFixed32) throw ProtobufError{"field " + std::to_string(number) + " is not a float", place};
  return std::bit_cast<float>(static_cast<std::uint32_t>(value));
}

void ProtobufReader::fail(std::string message, std::size_t at) const {
  throw ProtobufError{std::move(message), place_ + at};
}

std::uint64_t ProtobufReader::varint() {
  const std::size_t start = pos_;
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (pos_ == bytes_.size()) fail("ends inside of a number", start);
    const auto byte = static_cast<unsigned char>(bytes_[pos_++]);
    value |= shift < 64 ? std::uint64_t{byte & 0x7Fu} << shift : 0;
    if (byte < 0x80) return value;
  }
  fail("a number has more than 10 bytes", start);
}

std::string_view ProtobufReader::take(std::size_t count) {
  const std::string_view taken = bytes_.substr(pos_, count);
  pos_ += count;
  return taken;
}

std::optional<ProtobufField> ProtobufReader::next() {
  if (pos_ == bytes_.size()) return std::nullopt;
  const std::size_t start = pos_;
  const std::uint64_t tag = varint();
  if (tag >> 3 == 0 || tag >> 3 >= 1u << 29) fail("is no field: its number is " + std::to_string(tag >> 3), start);
  ProtobufField field{static_cast<std::uint32_t>(tag >> 3), static_cast<Wire>(tag & 7), 0, {}, place_ + start, 0};
  const auto left = [&] { return bytes_.size() - pos_; };
  switch (field.wire) {
    case Wire::kVarint: field.value = varint(); return field;
    case Wire::kFixed32:
    case Wire::kFixed64: {
      const std::size_t size = field.wire == Wire::kFixed32 ? 4 : 8;
      if (left() < size) fail("ends inside of a number", start);
      const std::string_view bytes = take(size);
      for (std::size_t i = size; i-- > 0;) field.value = field.value << 8 | static_cast<unsigned char>(bytes[i]);
      return field;
    }
    case Wire::kBytes: {
      const std::uint64_t size = varint();
      if (size > left()) {
        fail("field " + std::to_string(field.number) + " says that it has " + std::to_string(size) +
                 " bytes, but there are " + std::to_string(left()),
             start);
      }
      field.body = place_ + pos_;
      field.bytes = take(static_cast<std::size_t>(size));
      return field;
    }
  }
  fail("field " + std::to_string(field.number) + " is of the unknown kind " + std::to_string(tag & 7), start);
}

}  // namespace weft::tokenizer
