// The pieces that whole words are, by the words' bytes: one cache line answers, where a walk through a trie waits for memory at
// each byte.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "array.h"
#include "piece_trie.h"
#include "weft/token.h"

namespace weft::tokenizer {

/// A word of at most 16 bytes as two little-endian numbers, with zeros behind it.
struct ShortWord {
  static constexpr std::size_t kLongest = 16;

  std::uint64_t a = 0, b = 0;

  static std::uint64_t load(const char* from) {
    std::uint64_t value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  /// The `size` bytes at `begin` of `text`.
  static ShortWord of(std::string_view text, std::size_t begin, std::size_t size) {
    if (begin + kLongest <= text.size()) {
      const char* const from = text.data() + begin;
      return {load(from) & kMasks[size][0], load(from + 8) & kMasks[size][1]};
    }
    char padded[kLongest] = {};
    std::memcpy(padded, text.data() + begin, size);
    return {load(padded), load(padded + 8)};
  }
  static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t sum = (a ^ std::rotl(b * 0xC2B2AE3D27D4EB4F, 32)) * 0x9E3779B97F4A7C15;
    return sum ^ sum >> 32;
  }
  [[nodiscard]] std::uint64_t hash() const { return mix(a, b); }
  bool operator==(const ShortWord&) const = default;

 private:
  // What keeps the first n of 16 bytes.
  static constexpr auto kMasks = [] {
    std::array<std::array<std::uint64_t, 2>, 17> masks{};
    for (std::size_t n = 0; n <= 16; ++n) {
      for (std::size_t half = 0; half < 2; ++half) {
        const std::size_t bytes = std::min<std::size_t>(8, n - std::min(n, 8 * half));
        masks[n][half] = bytes == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * bytes) - 1;
      }
    }
    return masks;
  }();
  static_assert(std::endian::native == std::endian::little);
};

class WordTable {
 public:
  static constexpr std::size_t kLongest = 12;  ///< bytes of a word

  WordTable() = default;
  /// @param words  Most wanted first. Of several for one piece, the last one counts, as in a PieceTrie. What is too long or finds no
  ///               room isn't kept: who asks must know another way.
  explicit WordTable(const std::vector<PieceTrie::Entry>& words) : lines_(std::vector<Line>(words.size() * 2 / 5 + 1)) {
    for (const auto& [piece, id] : words) {
      if (piece.empty() || piece.size() > kLongest) continue;
      const ShortWord word = ShortWord::of(piece, 0, piece.size());
      for (Entry& entry : lines_.at(line_of(word.hash()))) {
        if (entry.size_and_id != 0 && !entry.is(word, piece.size())) continue;
        entry = {word.a, static_cast<std::uint32_t>(word.b), static_cast<std::uint32_t>(piece.size()) | id << 8};
        break;
      }
    }
  }

  /// The id of the word of `size` bytes, or -1. That of a forged file may be any.
  [[nodiscard]] Token find(const ShortWord& word, std::size_t size, std::uint64_t hash) const {
    if (size == 0) return -1;  // what is free has no bytes either
    for (const Entry& entry : lines_[line_of(hash)]) {
      if (entry.is(word, size)) return static_cast<Token>(entry.size_and_id >> 8);
    }
    return -1;
  }
  /// Asks for what find() will look at.
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(lines_.data() + line_of(hash)); }
  [[nodiscard]] bool empty() const { return lines_.empty(); }

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.lines_);
  }

 private:
  struct Entry {
    std::uint64_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t size_and_id = 0;  // 0: free

    [[nodiscard]] bool is(const ShortWord& word, std::size_t size) const {
      return a == word.a && b == word.b && (size_and_id & 255) == size;
    }
  };
  using Line = std::array<Entry, 4>;  // of a processor's cache; in a mapped file it is one
  [[nodiscard]] std::size_t line_of(std::uint64_t hash) const { return static_cast<std::size_t>((hash >> 32) * lines_.size() >> 32); }

  Array<Line> lines_;
};

}  // namespace weft::tokenizer
