// Byte-pair encoding: a word's bytes or characters become ids by merging neighbours, lowest rank first.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bpe_alphabet.h"
#include "model.h"
#include "piece_table.h"
#include "weft/token.h"

namespace weft::tokenizer {

class Bpe : public Model {
 public:
  struct Merge {
    Token left, right, result;
  };

  /// @param merges       By ascending rank. The last of several for one pair counts.
  /// @param words        Each id's piece as words have it; findable are those that a word may become as a whole.
  /// @param whole_words  A word that is a piece is that piece, whatever its merges (`ignore_merges`).
  Bpe(const std::vector<Merge>& merges, BpeAlphabet alphabet, PieceTable words, bool whole_words);

  [[nodiscard]] std::unique_ptr<Model::Encoder> start(std::size_t text_bytes) const override {
    return std::make_unique<Encoder>(*this, text_bytes);
  }

  /// Remembers the words that it has met.
  class Encoder : public Model::Encoder {
   public:
    /// @param text_bytes  About how much will come: words of a short text aren't remembered.
    Encoder(const Bpe& bpe, std::size_t text_bytes);
    void encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) override {
      for (const Range& word : words) encode(text.substr(word.begin, word.size()), ids);
    }
    void encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) override;
    /// Appends the ids of one word, which isn't empty. Costs O(n log n) for n bytes.
    void encode(std::string_view word, std::vector<Token>& ids);

   private:
    // A short word of few ids. A new one takes the place of an old one.
    struct Known {
      static constexpr std::size_t kMost = 3;
      ShortKey key;
      std::array<Token, kMost> ids{};
      std::uint8_t bytes = 0, count = 0;  // bytes is 0: free
    };

    const Bpe& bpe_;
    std::vector<Known> known_;
    std::vector<Token> symbols_;
    std::vector<std::uint32_t> lengths_;
  };

 private:
  class PairTable {
   public:
    explicit PairTable(const std::vector<Merge>& merges);
    struct Entry {
      std::uint64_t pair;
      std::uint32_t rank;
      Token result;
    };
    /// The merge of two neighbours, or nullptr.
    [[nodiscard]] const Entry* find(Token left, Token right) const {
      const std::uint64_t pair = key(left, right);
      for (std::size_t at = place(pair);; at = (at + 1) & mask_) {
        const Entry& entry = entries_[at];
        if (entry.pair == pair) return &entry;
        if (entry.pair == kFree) return nullptr;
      }
    }

   private:
    static constexpr std::uint64_t kFree = ~std::uint64_t{0};
    static std::uint64_t key(Token left, Token right) {
      return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    }
    [[nodiscard]] std::size_t place(std::uint64_t pair) const {
      const std::uint64_t mixed = pair * 0x9E3779B97F4A7C15;
      return static_cast<std::size_t>(mixed ^ mixed >> 32) & mask_;
    }
    std::vector<Entry> entries_;
    std::size_t mask_;
  };

  /// The id of a word that is one piece, or -1. @param hash  hash_of(word)
  [[nodiscard]] Token find_whole(std::string_view word, std::uint64_t hash) const;
  void merge_short(std::vector<Token>& symbols) const;
  /// @param lengths  If given: how much of the word each symbol stands for, before and after.
  void merge_long(std::vector<Token>& symbols, std::vector<std::uint32_t>* lengths = nullptr) const;
  void merge_word(std::string_view word, std::vector<Token>& symbols) const;
  bool is_its_own_merge(Token id) const;

  PairTable pairs_;
  BpeAlphabet alphabet_;
  PieceTable words_;
  bool whole_words_;
  // Whether a piece's own bytes merge to it: 0 not yet known, 1 yes, 2 no. Found out when first asked for; any
  // thread finds the same.
  std::unique_ptr<std::atomic<std::uint8_t>[]> own_merge_;
};

}  // namespace weft::tokenizer
