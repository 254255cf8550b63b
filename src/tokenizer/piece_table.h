// Pieces of text by id, and ids by piece.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "array.h"
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
    spans_.at(static_cast<std::size_t>(id)) = {static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(piece.size())};
    text_.append(piece);
  }
  [[nodiscard]] bool has(Token id) const { return spans_[static_cast<std::size_t>(id)].length != kNone; }
  [[nodiscard]] std::string_view operator[](Token id) const {
    const Span& span = spans_[static_cast<std::size_t>(id)];
    return span.length == kNone ? std::string_view() : std::string_view(text_.data() + span.place, span.length);
  }

  static constexpr std::size_t kCopyMargin = 16;
  /// Writes the piece of `id`, and up to kCopyMargin bytes behind it, to `to`: most pieces are short, and copies of a known
  /// size take half the time of others.
  /// @returns the end of the piece.
  char* copy(Token id, char* to) const {
    const std::string_view piece = (*this)[id];
    if (piece.size() <= kCopyMargin && spans_[static_cast<std::size_t>(id)].place + kCopyMargin <= text_.size()) {
      std::memcpy(to, piece.data(), kCopyMargin);
    } else if (!piece.empty()) {
      std::memcpy(to, piece.data(), piece.size());
    }
    return to + piece.size();
  }

  /// Makes `id` the answer to find() of its piece; false if another id is already.
  bool index(Token id) {
    if (2 * (indexed_ + 1) > slots_.size()) grow();
    const std::string_view piece = (*this)[id];
    const std::uint64_t hash = hash_of(piece);
    for (std::size_t at = hash;; ++at) {
      Slot& slot = slots_.at(at & (slots_.size() - 1));
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
  /// Fetches what find() with this hash will look at first.
  void prefetch(std::uint64_t hash) const {
#ifdef __GNUC__
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
#endif
  }
  /// Avoids growing while `count` pieces are indexed.
  void reserve(std::size_t count) {
    if (2 * (count + 1) > slots_.size()) rehash(std::bit_ceil(2 * (count + 1)));
  }
  /// Gives back memory that further pieces would take.
  void shrink() {
    text_.shrink();
    spans_.shrink();
  }

  /// All pieces in one text, for a look at their UTF-8.
  [[nodiscard]] std::string_view text() const { return {text_.data(), text_.size()}; }
  /// Whether every piece starts and ends between two characters of text().
  [[nodiscard]] bool cuts_characters() const {
    const auto inside = [&](std::size_t at) { return at < text_.size() && (static_cast<unsigned char>(text_[at]) & 0xC0) == 0x80; };
    return std::any_of(spans_.begin(), spans_.end(), [&](const Span& span) {
      return span.length != kNone && (inside(span.place) || inside(std::size_t{span.place} + span.length));
    });
  }

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.text_, self.spans_, self.slots_);
    if constexpr (Archive::kReads) self.check(archive);
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  // Both fit: files are bounded, and have no more bytes of pieces than of their own.
  struct Span {
    std::uint32_t place = 0, length = kNone;
  };
  struct Slot {
    std::uint32_t tag;  // the hash's upper half
    Token id;           // -1: free
  };

  void grow() { rehash(std::max<std::size_t>(16, slots_.size() * 2)); }
  void rehash(std::size_t size) {
    std::vector<Slot> slots(size, Slot{0, -1});
    for (const Slot& slot : slots_) {
      if (slot.id < 0) continue;
      std::size_t at = hash_of((*this)[slot.id]);
      while (slots[at & (size - 1)].id >= 0) ++at;
      slots[at & (size - 1)] = slot;
    }
    slots_ = Array<Slot>(std::move(slots));
  }

  template <typename Reader>
  void check(const Reader& reader) const {
    bool inside = true;
    for (const Span& span : spans_) {
      inside &= span.length == kNone || std::uint64_t{span.place} + span.length <= text_.size();
    }
    std::size_t taken = 0;
    for (const Slot& slot : slots_) {
      taken += slot.id >= 0;
      inside &= slot.id < static_cast<std::int64_t>(spans_.size());
    }
    reader.demand(inside, "has a piece that isn't there");
    // Searches end at a free slot.
    reader.demand(slots_.empty() || (std::has_single_bit(slots_.size()) && taken < slots_.size()), "has a full table of pieces");
  }

  Array<char> text_;
  Array<Span> spans_;
  Array<Slot> slots_;
  std::size_t indexed_ = 0;
};

}  // namespace weft::tokenizer
