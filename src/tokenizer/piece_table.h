// Pieces of text by id, and ids by piece.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/token.h"

namespace weft::tokenizer {

/// A key of at most 16 bytes as numbers: with its length, they tell it from every other.
struct ShortKey {
  static constexpr std::size_t kLongest = 16;
  std::uint64_t a = 0, b = 0;

  ShortKey() = default;
  ShortKey(const char* p, std::size_t n) {
    const auto read = [](const char* from, auto value) {
      std::memcpy(&value, from, sizeof value);
      return value;
    };
    if (n >= 8) {
      a = read(p, std::uint64_t{}), b = read(p + n - 8, std::uint64_t{});
    } else if (n >= 4) {
      a = read(p, std::uint32_t{}), b = read(p + n - 4, std::uint32_t{});
    } else if (n > 0) {
      a = static_cast<unsigned char>(p[0]);
      b = static_cast<unsigned char>(p[n / 2]) | static_cast<std::uint64_t>(static_cast<unsigned char>(p[n - 1])) << 8;
    }
  }
  bool operator==(const ShortKey&) const = default;
};

/// For hash tables in memory: fast on short keys, differs between byte orders.
inline std::uint64_t hash_of(const ShortKey& key, std::uint64_t seed) noexcept {
  constexpr std::uint64_t kA = 0x9E3779B97F4A7C15, kB = 0xC2B2AE3D27D4EB4F;
  std::uint64_t hash = seed ^ key.a * kA ^ std::rotl(key.b * kB, 29);
  hash = (hash ^ hash >> 32) * kB;
  return hash ^ hash >> 29;
}
inline std::uint64_t hash_of(std::string_view key) noexcept {
  std::uint64_t hash = key.size();
  const char* p = key.data();
  std::size_t n = key.size();
  for (; n > ShortKey::kLongest; p += 8, n -= 8) hash = hash_of(ShortKey(p, 8), hash);
  return hash_of(ShortKey(p, n), hash);
}

class PieceTable {
 public:
  /// Makes room for ids below `size`; new ones have no piece.
  void resize(std::size_t size) { spans_.resize(size); }
  [[nodiscard]] std::size_t size() const { return spans_.size(); }
  [[nodiscard]] bool empty() const { return spans_.empty(); }

  /// Gives `id` a piece instead of what it had. Doesn't make the piece findable.
  void set(Token id, std::string_view piece) {
    spans_[static_cast<std::size_t>(id)] = {text_.size(), static_cast<std::uint32_t>(piece.size()), true};
    text_ += piece;
  }
  [[nodiscard]] bool has(Token id) const { return spans_[static_cast<std::size_t>(id)].set; }
  [[nodiscard]] std::string_view operator[](Token id) const {
    const Span& span = spans_[static_cast<std::size_t>(id)];
    return std::string_view(text_).substr(span.place, span.length);
  }

  /// Makes `id` the answer to find() of its piece; false if another id is already.
  bool index(Token id) {
    if (2 * (indexed_ + 1) > slots_.size()) grow();
    const std::string_view piece = (*this)[id];
    const std::uint64_t hash = hash_of(piece);
    for (std::size_t at = hash;; ++at) {
      Slot& slot = slots_[at & (slots_.size() - 1)];
      if (slot.id < 0) {
        slot = {static_cast<std::uint32_t>(hash >> 32), id};
        ++indexed_;
        return true;
      }
      if (slot.tag == static_cast<std::uint32_t>(hash >> 32) && (*this)[slot.id] == piece) return slot.id == id;
    }
  }
  /// The id of `piece`, or -1.
  [[nodiscard]] Token find(std::string_view piece) const { return find(piece, hash_of(piece)); }
  [[nodiscard]] Token find(std::string_view piece, std::uint64_t hash) const {
    if (slots_.empty()) return -1;
    for (std::size_t at = hash;; ++at) {
      const Slot& slot = slots_[at & (slots_.size() - 1)];
      if (slot.id < 0) return -1;
      if (slot.tag == static_cast<std::uint32_t>(hash >> 32) && (*this)[slot.id] == piece) return slot.id;
    }
  }
  /// Avoids growing while `count` pieces are indexed.
  void reserve(std::size_t count) {
    if (2 * (count + 1) > slots_.size()) rehash(std::bit_ceil(2 * (count + 1)));
  }

 private:
  struct Span {
    std::size_t place = 0;
    std::uint32_t length = 0;
    bool set = false;
  };
  struct Slot {
    std::uint32_t tag;  // the hash's upper half
    Token id;           // -1: free
  };

  void grow() { rehash(std::max<std::size_t>(16, slots_.size() * 2)); }
  void rehash(std::size_t size) {
    std::vector<Slot> old(size, Slot{0, -1});
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.id < 0) continue;
      std::size_t at = hash_of((*this)[slot.id]);
      while (slots_[at & (size - 1)].id >= 0) ++at;
      slots_[at & (size - 1)] = slot;
    }
  }

  std::string text_;
  std::vector<Span> spans_;
  std::vector<Slot> slots_;
  std::size_t indexed_ = 0;
};

}  // namespace weft::tokenizer
