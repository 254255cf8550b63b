// A JSON file that knows where everything stands in it, so that what is wrong can be named: "model.merges[48123]".
//
//   const JsonDocument document(bytes, "tokenizer.json", limits);
//   const JsonValue model = document.root().at("model");
//   if (model.at("type").string() != "BPE") model.at("type").fail(...);
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weft/error.h"
#include "weft/tokenizer.h"

namespace weft::tokenizer {

class JsonDocument;

/// `text` in quotation marks for an error message: shortened; of control characters and of what isn't UTF-8, each byte as \xHH.
[[nodiscard]] std::string quoted(std::string_view text);

enum class JsonKind : std::uint8_t { kNull, kBool, kInteger, kReal, kString, kArray, kObject };

/// One value of a document, lent by it. Copying costs nothing.
class JsonValue {
 public:
  JsonValue(const JsonDocument* document, std::size_t index) : document_(document), index_(index) {}

  [[nodiscard]] JsonKind kind() const;
  [[nodiscard]] bool is_null() const { return kind() == JsonKind::kNull; }

  /// @name Readers. Each throws Error{kCorrupt} that names the place if the value is of another kind.
  /// @{
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] std::string_view string() const;
  /// An integer of [0, limit); else also Error{kCorrupt}.
  [[nodiscard]] std::size_t integer(std::size_t limit) const;
  [[nodiscard]] double number() const;
  /// @}

  /// Members of an object or items of an array, in order; any other kind has none.
  class Iterator;
  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] Iterator end() const;
  [[nodiscard]] std::size_t size() const;
  /// This value; Error{kCorrupt} unless it is an array (an object).
  [[nodiscard]] JsonValue expect_array() const;
  [[nodiscard]] JsonValue expect_object() const;

  /// The member `key`, the last one where several are; Error{kCorrupt} if there is none, or this is no object.
  [[nodiscard]] JsonValue at(std::string_view key) const;
  /// The same, but nothing if there is none or it is null.
  [[nodiscard]] std::optional<JsonValue> find(std::string_view key) const;
  [[nodiscard]] bool boolean_or(std::string_view key, bool fallback) const;

  /// "tokenizer.json: model.merges[48123]", found by a walk through the document: for errors only.
  [[nodiscard]] std::string where() const;
  [[noreturn]] void fail(std::string message, ErrorCode code = ErrorCode::kCorrupt, std::string fix = {}) const;

 private:
  const JsonDocument* document_;
  std::size_t index_;
};

class JsonDocument {
 public:
  /// @param bytes  Lent for the document's life.
  /// @throws Error{kCorrupt}   `bytes` is not JSON; names line and column.
  /// @throws Error{kTooLarge}  nested deeper than limits.json_depth.
  JsonDocument(std::string_view bytes, std::string name, const TokenizerLimits& limits);
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  [[nodiscard]] JsonValue root() const { return {this, 0}; }

 private:
  friend class JsonValue;
  struct Data;
  std::unique_ptr<Data> data_;
};

class JsonValue::Iterator {
 public:
  struct Entry {
    std::string_view key;  ///< Empty for an item of an array.
    JsonValue value;
  };
  Iterator(const JsonDocument* document, std::size_t index, bool keyed)
      : document_(document), index_(index), keyed_(keyed) {}
  Entry operator*() const;
  Iterator& operator++();
  bool operator!=(const Iterator& other) const { return index_ != other.index_; }

 private:
  const JsonDocument* document_;
  std::size_t index_;
  bool keyed_;
};

}  // namespace weft::tokenizer
