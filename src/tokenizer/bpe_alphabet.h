// The symbols that byte-pair encoding starts from: the ids of a word's bytes or characters.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "array.h"
#include "piece_table.h"
#include "weft/token.h"

namespace weft::tokenizer {

class BpeAlphabet {
 public:
  /// Of a file whose unknown token isn't in its own vocabulary.
  static constexpr Token kMissing = -2;
  /// A symbol that is no token, merges with none, and is dropped behind the last merge.
  static constexpr Token kGap = -3;

  struct Options {
    Token unknown = -1;         ///< For what the vocabulary lacks; -1 leaves it out, kMissing refuses it.
    bool fuse_unknown = false;  ///< One `unknown` for neighbours.
    std::string prefix{};       ///< Of all pieces but a word's first (`continuing_subword_prefix`).
    std::string suffix{};       ///< Of a word's last piece (`end_of_word_suffix`).
    /// An alphabet of bytes without `unknown`: what the vocabulary lacks is kGap between its neighbours, which don't merge then.
    bool leaves_gaps = false;

    template <typename Archive, typename Self>
    static void fields(Archive& archive, Self& self) {
      archive(self.unknown, self.fuse_unknown, self.prefix, self.suffix, self.leaves_gaps);
    }
  };
  /// The id of each byte where it stands: [first in the word][last in the word][byte]; -1 for none.
  using ByteIds = std::array<std::array<std::array<Token, 256>, 2>, 2>;
  /// The ids of `<0x00>` to `<0xFF>`, -1 for none: of those, the bytes of what the vocabulary lacks.
  using FallbackIds = std::array<Token, 256>;

  /// Of bytes: `vocabulary` spells them in the byte-level alphabet, words don't.
  static BpeAlphabet of_bytes(const PieceTable& vocabulary, Options options);
  /// Of characters.
  /// @param fallback  Whether there is byte fallback.
  static BpeAlphabet of_characters(const PieceTable& vocabulary, Options options, bool fallback);

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.options_, self.complete_, self.bytes_, self.characters_, self.fallback_);
    if constexpr (Archive::kReads) {
      archive.demand(self.bytes_ || self.characters_.size() == (self.has_affixes() ? 4 : 1), "has an alphabet without letters");
      archive.demand(self.options_.unknown >= kMissing, "has an unknown token that is none of its ids");
    }
  }
  [[nodiscard]] bool ids_below(std::size_t limit) const;

  /// Whether one byte or character has several ids, by its place: a word's text then doesn't name its piece.
  [[nodiscard]] bool has_affixes() const { return !options_.prefix.empty() || !options_.suffix.empty(); }
  /// Whether start() may give kGap.
  [[nodiscard]] bool leaves_gaps() const { return options_.leaves_gaps && !complete_; }
  /// Whether no byte is unknown.
  [[nodiscard]] bool is_complete() const { return complete_; }
  /// Whether each symbol is the same wherever it stands, and nothing of a word is left out.
  [[nodiscard]] bool stands_alone() const;
  /// Whether `piece`, which is that of `id`, is one byte or character of this alphabet.
  [[nodiscard]] bool is_symbol(Token id, std::string_view piece) const;
  /// Whether `id` stands for what the vocabulary lacks.
  [[nodiscard]] bool is_substitute(Token id) const;
  /// At most so many symbols come of a word for each of its bytes.
  [[nodiscard]] std::size_t most_ids_of_a_byte() const {
    return fallback_ ? 1 + options_.prefix.size() + options_.suffix.size() : 1;
  }

  /// Appends the symbols of `word`.
  /// @param lengths  If given: how much of the word each stands for; with `fallback`, 1 for each of a character's bytes.
  /// @throws Error{kUnsupported}  the vocabulary lacks a part of it, and its unknown token as well.
  void start(std::string_view word, std::vector<Token>& symbols, std::vector<std::uint32_t>* lengths = nullptr) const;

 private:
  // Ids by character: pages of 256, of which the first is empty.
  class Table {
   public:
    void set(char32_t c, Token id);
    [[nodiscard]] Token operator[](char32_t c) const { return pages_[index_[c >> 8]][c & 255]; }
    [[nodiscard]] bool ids_below(std::size_t limit) const;

    template <typename Archive, typename Self>
    static void fields(Archive& archive, Self& self) {
      archive(self.index_, self.pages_);
      if constexpr (Archive::kReads) {
        archive.demand(std::all_of(self.index_.begin(), self.index_.end(), [&](auto page) { return page < self.pages_.size(); }),
                       "has an alphabet with a page that isn't there");
      }
    }

   private:
    std::array<std::uint16_t, 0x1100> index_{};
    Array<std::array<Token, 256>> pages_ = Array<std::array<Token, 256>>({empty_page()});
    static std::array<Token, 256> empty_page();
  };

  void start_characters(std::string_view word, std::vector<Token>& symbols, std::vector<std::uint32_t>* lengths) const;

  Options options_;
  bool complete_ = false;
  std::optional<ByteIds> bytes_;
  std::vector<Table> characters_;  // by place, 2 * first + last; one for all without affixes
  std::optional<FallbackIds> fallback_;
};

}  // namespace weft::tokenizer
