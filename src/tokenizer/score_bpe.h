// Byte-pair encoding over characters, without a list of merges: two neighbours merge if their joined text is a piece, the
// one with the highest score first, the leftmost of several. SentencePiece's, llama.cpp's and llama2.c's way.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "piece_table.h"
#include "piece_trie.h"
#include "weft/token.h"

namespace weft::tokenizer {

/// The pieces are so long and so many that their merges can't be listed.
struct MergesTooMany {};

class ScoreBpe {
 public:
  struct Piece {
    enum class Kind {
      kNormal,
      kUnused,       ///< Merges, but is taken apart again in the end; a single character is unknown.
      kUserDefined,  ///< Found in the text before anything merges, and stays as it is.
    };
    std::string_view text;  ///< Not empty; lent until the constructor returns.
    Token id;
    float score;  ///< Any; equal are those with the same bits.
    Kind kind = Kind::kNormal;
  };

  /// @param pieces  No two with one text.
  /// @throws MergesTooMany
  explicit ScoreBpe(const std::vector<Piece>& pieces);

  /// For a reader of compiled files.
  ScoreBpe() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.ids_, self.is_unused_, self.any_unused_, self.starts_, self.ascii_, self.entries_, self.cuts_before_,
            self.cuts_behind_);
    if constexpr (Archive::kReads) archive.demand(self.is_sound(), "has a table of merges that leads nowhere");
  }
  [[nodiscard]] bool ids_below(std::size_t limit) const {
    return std::all_of(ids_.begin(), ids_.end(), [&](Token id) { return id < static_cast<std::int64_t>(limit); });
  }

  /// A stretch of text that became one token; -1: its characters are in no piece.
  struct Symbol {
    Token id;
    std::uint32_t length;
  };

  /// Encodes one text after another, and remembers the words that it has met.
  class Encoder {
   public:
    explicit Encoder(const ScoreBpe& bpe) : bpe_(bpe) {}
    /// A text of so many bytes comes. Until there were some thousands, words aren't remembered.
    void begin(std::size_t text_bytes);
    /// The text is done.
    void end();
    /// Appends the symbols of well-formed `text`. Costs O(n log n) for n bytes.
    void encode(std::string_view text, std::vector<Symbol>& out);

   private:
    struct Known {
      static constexpr std::size_t kMost = 3;
      ShortKey key;
      std::array<Symbol, kMost> symbols{};
      std::uint8_t bytes = 0, count = 0;  // bytes is 0: free
    };
    struct Node {
      std::uint32_t internal;  // the symbol's number in the tables of ScoreBpe
      std::uint32_t length;
    };

    void encode_word(std::string_view word, std::vector<Symbol>& out);
    void start(std::string_view word);
    void merge_short();
    void merge_long();
    void put(const Node& node, std::vector<Symbol>& out);

    const ScoreBpe& bpe_;
    std::size_t seen_ = 0;  // bytes of all texts
    std::vector<Known> known_;
    std::vector<Node> nodes_;
    // How each unused piece was last seen to be made, anywhere in the text.
    std::unordered_map<std::uint32_t, std::pair<Node, Node>> unused_;
  };

 private:
  // Symbols have numbers of their own: besides pieces, there are characters that are none, but parts of some.
  struct Entry {
    std::uint64_t pair;
    std::uint32_t rank;    // 0 for the highest score; the same for equal scores
    std::uint32_t result;
  };
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  static constexpr std::uint32_t kUnknown = ~std::uint32_t{0} - 1;  // a character that is in no piece
  static constexpr std::uint32_t kFrozen = 1u << 23;  // in values of starts_: a user-defined piece

  void add_merges(const std::vector<Piece>& pieces);
  void find_cuts(const std::vector<Piece>& pieces);
  [[nodiscard]] std::size_t next_cut(std::string_view text, std::size_t pos) const;
  [[nodiscard]] const Entry* find(std::uint32_t left, std::uint32_t right) const {
    const std::uint64_t pair = std::uint64_t{left} << 32 | right;
    for (std::size_t at = place(pair);; at = (at + 1) & (entries_.size() - 1)) {
      if (entries_[at].pair == pair) return &entries_[at];
      if (entries_[at].pair == kFree) return nullptr;
    }
  }
  [[nodiscard]] std::size_t place(std::uint64_t pair) const {
    const std::uint64_t mixed = pair * 0x9E3779B97F4A7C15;
    return static_cast<std::size_t>(mixed ^ mixed >> 32) & (entries_.size() - 1);
  }

  [[nodiscard]] bool is_sound() const;

  Array<Token> ids_;                // by symbol; -1 for a character that is no piece
  Array<std::uint8_t> is_unused_;  // by symbol
  bool any_unused_ = false;
  PieceTrie starts_;  // characters and user-defined pieces
  std::array<std::uint32_t, 128> ascii_{};  // the symbol of each ASCII character, where no longer start has it
  Array<Entry> entries_;
  // Whether no piece has U+2581 behind (before) something else: texts are then cut before (behind) it.
  bool cuts_before_ = false, cuts_behind_ = false;
};

}  // namespace weft::tokenizer
