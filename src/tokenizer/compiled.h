// The precompiled form of a tokenizer: its tables as they lie in memory, used where a file is mapped, and what is small as
// the arguments that it is made of again. docs/tokenizer.md describes the file.
//
// A class says once what belongs to it; a CompiledWriter writes that, a CompiledReader reads it back:
//
//   template <typename Archive, typename Self>
//   static void fields(Archive& archive, Self& self) { archive(self.units_, self.root_); }
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "array.h"

namespace weft::tokenizer {

static_assert(std::endian::native == std::endian::little, "a compiled tokenizer's tables are little-endian");

/// Where an Array's elements start in the file: a cache line.
constexpr std::size_t kCompiledAlignment = 64;

template <typename T>
constexpr bool kIsPlain = std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>;

/// Whether `text` is well-formed UTF-8.
[[nodiscard]] bool is_utf8(std::string_view text);

class CompiledWriter {
 public:
  static constexpr bool kReads = false;

  /// @throws Error{kUnsupported}  unless `text` is UTF-8: steps and pieces count on it.
  static void demand_utf8(std::string_view text);

  template <typename... Values>
  void operator()(const Values&... values) {
    (put(values), ...);
  }
  /// What has been written: the file's content, for seal_compiled().
  [[nodiscard]] std::string take() && { return std::move(bytes_); }

 private:
  template <typename T>
  void put(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      put(static_cast<std::uint64_t>(value));
    } else if constexpr (std::is_integral_v<T>) {
      put_number(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));  // in two's complement
    } else if constexpr (std::is_same_v<T, double>) {
      append(&value, sizeof value);
    } else {
      T::fields(*this, value);
    }
  }
  void put(const std::string& text);
  template <typename T, std::size_t N>
  void put(const std::array<T, N>& elements) {
    static_assert(kIsPlain<std::array<T, N>>);
    append(elements.data(), sizeof elements);
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <typename T>
  void put(const std::vector<T>& elements) {
    put(elements.size());
    for (const T& element : elements) put(element);
  }
  template <typename T>
  void put(const Array<T>& elements) {
    static_assert(std::is_same_v<T, double> || kIsPlain<T>);
    put(elements.size());
    align();
    append(elements.data(), elements.size() * sizeof(T));
  }
  // Not inline: each class's list of fields would have a copy for each field.
  void put_number(std::uint64_t number);
  void append(const void* data, std::size_t size);
  void align();

  std::string bytes_;
};

/// What it reads is checked: whatever the bytes are, either a value comes out that the class can live with, or an Error.
class CompiledReader {
 public:
  static constexpr bool kReads = true;

  /// @param bytes  Outlive what is read from them, and start at a multiple of 8.
  /// @throws Error{kCorrupt, kUnsupported}  of the header or the checksum.
  CompiledReader(std::string_view bytes, std::string name);

  template <typename... Values>
  void operator()(Values&... values) {
    (get(values), ...);
  }
  template <typename T>
  [[nodiscard]] T take() {
    T value{};
    get(value);
    return value;
  }

  /// @throws Error{kCorrupt}  unless `right`.
  void demand(bool right, const char* what) const {
    if (!right) fail(what);
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[noreturn]] void fail(std::string_view what) const;
  void finish() const { demand(pos_ == bytes_.size(), "has bytes behind its end"); }

 private:
  template <typename T>
  void get(T& value) {
    if constexpr (std::is_enum_v<T>) {
      const std::uint64_t number = read_u64();
      demand(number <= static_cast<std::uint64_t>(last_of(T{})), "has a value of a kind that is unknown");
      value = static_cast<T>(number);
    } else if constexpr (std::is_integral_v<T>) {
      const std::uint64_t number = read_u64();
      value = static_cast<T>(number);
      demand(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)) == number, "has a number beyond its range");
    } else if constexpr (std::is_same_v<T, double>) {
      std::memcpy(&value, read(sizeof value), sizeof value);
    } else {
      T::fields(*this, value);
    }
  }
  void get(std::string& text);
  template <typename T, std::size_t N>
  void get(std::array<T, N>& elements) {
    std::memcpy(elements.data(), read(sizeof elements), sizeof elements);
  }
  template <typename T>
  void get(std::optional<T>& value) {
    value.reset();
    if (take<bool>()) get(value.emplace());
  }
  template <typename T>
  void get(std::vector<T>& elements) {
    const std::size_t size = read_size(1);
    elements.clear();
    for (std::size_t i = 0; i < size; ++i) get(elements.emplace_back());
  }
  template <typename T>
  void get(Array<T>& elements) {
    const std::size_t size = read_size(sizeof(T));
    align();
    const char* data = read(size * sizeof(T));
    elements = Array<T>::lent({reinterpret_cast<const T*>(data), size});
  }

  std::uint64_t read_u64();
  // A number of elements that the rest of the file has room for.
  std::size_t read_size(std::size_t element_bytes);
  const char* read(std::size_t size);
  void align();

  std::string_view bytes_;
  std::string name_;
  std::size_t pos_;
};

/// The file with this content behind its header.
[[nodiscard]] std::string seal_compiled(std::string content);

/// Whether `bytes` start like a compiled tokenizer.
[[nodiscard]] bool is_compiled(std::string_view bytes);

}  // namespace weft::tokenizer
