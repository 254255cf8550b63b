#include "gguf_metadata.h"

#include <bit>
#include <utility>

#include "json.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kMagic = "GGUF";
enum Type : std::uint32_t {
  kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64, kTypes,
};
constexpr std::size_t kSizes[kTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
constexpr std::uint64_t kMostKeys = 1 << 20;

std::uint64_t read_number(std::string_view bytes, std::size_t pos, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[pos + i]);
  return value;
}

// Walks through the bytes; every length is checked against what is left.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] std::size_t pos() const { return pos_; }
  void skip(std::uint64_t count) {
    if (count > bytes_.size() - pos_) throw GgufMetadata::TooShort();
    pos_ += static_cast<std::size_t>(count);
  }
  std::uint64_t number(std::size_t size) {
    const std::size_t at = pos_;
    skip(size);
    return read_number(bytes_, at, size);
  }
  std::string_view text() {
    const std::uint64_t size = number(8);
    const std::size_t at = pos_;
    skip(size);
    return bytes_.substr(at, static_cast<std::size_t>(size));
  }

 private:
  std::string_view bytes_;
  std::size_t pos_ = 0;
};

}  // namespace

bool is_gguf(std::string_view bytes) { return bytes.starts_with(kMagic); }

GgufMetadata::GgufMetadata(std::string_view bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {
  Cursor cursor(bytes);
  cursor.skip(kMagic.size());
  const auto refuse = [&](const std::string& message) {
    throw Error(ErrorCode::kCorrupt, message, name_ + ": byte " + std::to_string(cursor.pos()),
                "the file is damaged; fetch it or convert it again");
  };
  const std::uint64_t version = cursor.number(4);
  if (version != 2 && version != 3) {
    const bool swapped = version % (1 << 24) == 0 && version != 0;
    throw Error(ErrorCode::kUnsupported,
                swapped ? "is a GGUF file of big-endian numbers"
                        : "GGUF version " + std::to_string(version) + " is not supported; these are: 2, 3",
                name_ + ": byte " + std::to_string(kMagic.size()), swapped ? "convert it to little-endian ones" : "convert the model again");
  }
  cursor.skip(8);  // how many tensors there are
  const std::uint64_t keys = cursor.number(8);
  if (keys > kMostKeys) refuse("says that it has " + std::to_string(keys) + " keys");
  for (std::uint64_t i = 0; i < keys; ++i) {
    const std::string_view key = cursor.text();
    Value value{static_cast<std::uint32_t>(cursor.number(4)), false, 1, 0, 0};
    if (value.type == kArray) {
      value.is_array = true;
      value.type = static_cast<std::uint32_t>(cursor.number(4));
      value.count = cursor.number(8);
    }
    if (value.type >= kTypes || value.type == kArray) refuse("a value is of the unknown type " + std::to_string(value.type));
    value.begin = cursor.pos();
    if (value.type == kString) {
      for (std::uint64_t item = 0; item < value.count; ++item) cursor.text();
    } else {
      if (value.count > ~std::uint64_t{0} / 8) throw TooShort();
      cursor.skip(value.count * kSizes[value.type]);
    }
    value.end = cursor.pos();
    if (!values_.emplace(key, value).second) refuse("the key " + tokenizer::quoted(key) + " is there twice");
  }
}

void GgufMetadata::fail(std::string_view key, const std::string& message, ErrorCode code) const {
  throw Error(code, message, name_ + ": " + std::string(key),
              code == ErrorCode::kTooLarge ? "raise TokenizerLimits::vocab_size if the file is right"
                                           : "convert the model again, or report it");
}

const GgufMetadata::Value* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

const GgufMetadata::Value* GgufMetadata::find_array(std::string_view key, std::size_t most) const {
  const Value* value = find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array) fail(key, "is no array");
  if (value->count > most) fail(key, "has " + std::to_string(value->count) + " items, beyond the bound of " + std::to_string(most), ErrorCode::kTooLarge);
  return value;
}

std::int64_t GgufMetadata::integer_at(std::size_t pos, std::uint32_t type) const {
  const std::size_t size = kSizes[type];
  const std::uint64_t value = read_number(bytes_, pos, size);
  const bool is_signed = type == kI8 || type == kI16 || type == kI32 || type == kI64;
  const auto shift = static_cast<int>(64 - 8 * size);
  return is_signed ? static_cast<std::int64_t>(value << shift) >> shift : static_cast<std::int64_t>(value);
}

std::optional<std::string_view> GgufMetadata::text(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != kString) fail(key, "is no text");
  return bytes_.substr(value->begin + 8, value->end - value->begin - 8);
}

std::optional<bool> GgufMetadata::boolean(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != kBool) fail(key, "is no boolean");
  return bytes_[value->begin] != 0;
}

std::optional<std::int64_t> GgufMetadata::integer(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type == kString || value->type == kF32 || value->type == kF64) fail(key, "is no integer");
  return integer_at(value->begin, value->type);
}

std::optional<std::vector<std::string_view>> GgufMetadata::texts(std::string_view key, std::size_t most) const {
  const Value* value = find_array(key, most);
  if (value == nullptr) return std::nullopt;
  if (value->type != kString) fail(key, "is no array of texts");
  std::vector<std::string_view> result;
  result.reserve(static_cast<std::size_t>(value->count));
  Cursor cursor(bytes_);
  cursor.skip(value->begin);
  for (std::uint64_t i = 0; i < value->count; ++i) result.push_back(cursor.text());
  return result;
}

std::optional<std::vector<float>> GgufMetadata::reals(std::string_view key, std::size_t most) const {
  const Value* value = find_array(key, most);
  if (value == nullptr) return std::nullopt;
  if (value->type != kF32) fail(key, "is no array of floats");
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(value->count));
  for (std::size_t pos = value->begin; pos < value->end; pos += 4) {
    result.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(read_number(bytes_, pos, 4))));
  }
  return result;
}

std::optional<std::vector<std::int64_t>> GgufMetadata::integers(std::string_view key, std::size_t most) const {
  const Value* value = find_array(key, most);
  if (value == nullptr) return std::nullopt;
  if (value->type == kString || value->type == kF32 || value->type == kF64) fail(key, "is no array of integers");
  std::vector<std::int64_t> result;
  result.reserve(static_cast<std::size_t>(value->count));
  for (std::size_t pos = value->begin; pos < value->end; pos += kSizes[value->type]) {
    result.push_back(integer_at(pos, value->type));
  }
  return result;
}

std::optional<std::string_view> GgufMetadata::bytes(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array || (value->type != kU8 && value->type != kI8)) fail(key, "is no array of bytes");
  return bytes_.substr(value->begin, value->end - value->begin);
}

}  // namespace weft::tokenizer
