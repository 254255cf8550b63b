// Byte-pair encoding: a word's bytes or characters become ids by merging neighbours, lowest rank first.
//
// Most words are met again and again: a small cache knows them. For the others, merging is not what is done. Let a token be
// *sound* if its own bytes merge to it. Tokens t1 ... tn are what merging a word ends with if and only if they spell the word,
// each is sound, and merging t1 t2, t2 t3, ... pair by pair changes nothing: what happens inside of two neighbours depends on
// nothing else as long as no merge crosses their border. So the longest sound token is tried at each place, then shorter ones,
// then the place before; each place is given up at most once, which makes the cost linear in the word's length.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "array.h"
#include "bpe_alphabet.h"
#include "model.h"
#include "piece_table.h"
#include "piece_trie.h"
#include "utf8.h"
#include "weft/token.h"
#include "word_table.h"

namespace weft::tokenizer {

class Bpe : public Model {
 public:
  struct Merge {
    Token left, right, result;
  };

  /// @param merges       By ascending rank. The last of several for one pair counts.
  /// @param words        Each id's piece as words have it; none for ids that no word may become.
  /// @param whole_words  A word that is a piece is that piece, whatever its merges (`ignore_merges`).
  Bpe(std::vector<Merge> merges, BpeAlphabet alphabet, PieceTable words, bool whole_words);
  /// For a reader of compiled files.
  Bpe() = default;

  [[nodiscard]] std::unique_ptr<Model::Encoder> start() const override { return std::make_unique<Encoder>(*this); }

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.pairs_, self.results_, self.alphabet_, self.whole_words_, self.by_match_, self.origins_, self.sound_,
            self.any_others_, self.others_, self.whole_, self.words_);
    if constexpr (Archive::kReads) self.check(archive);
  }
  void save(CompiledWriter& writer) const override { writer(Kind::kBpe, *this); }
  [[nodiscard]] bool ids_below(std::size_t limit) const;

  class Cache;

  /// Remembers the words that it has met. Apart from what other threads write to.
  class alignas(128) Encoder : public Model::Encoder {
   public:
    explicit Encoder(const Bpe& bpe);
    ~Encoder() override;
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;
    void begin(std::size_t text_bytes) override;
    void end() override;
    /// Costs O(n) for n bytes where words are matched, else O(n log n).
    void encode(std::string_view text, std::span<const Range> words, std::vector<Token>& ids) override;
    void encode_word(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places) override;

   private:
    Token* encode_long(std::string_view word, std::uint64_t hash, Token* out);
    bool encode_matched(std::string_view word, std::vector<Token>& ids, std::vector<Range>& places);

    const Bpe& bpe_;
    std::unique_ptr<Cache> cache_;
    std::size_t seen_ = 0;    // bytes of all texts
    std::vector<Token> ids_;  // of the words at hand
  };

 private:
  static constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();

  // Ranks by pairs of ids, eight bytes each: the pair in the upper bits, the rank in the lower ones.
  class PairTable {
   public:
    PairTable() = default;
    PairTable(const std::vector<Merge>& merges, std::size_t ids);
    template <typename Archive, typename Self>
    static void fields(Archive& archive, Self& self) {
      archive(self.id_bits_, self.rank_bits_, self.slots_, self.known_);
      if constexpr (Archive::kReads) archive.demand(self.prepare(), "has a table of merges that is full");
    }
    /// The rank of the merge of two neighbours, or kNoRank.
    [[nodiscard]] std::uint32_t find(Token left, Token right) const {
      const std::uint64_t pair = key(left, right), hash = mixed(pair);
      if (!may_have(hash)) return kNoRank;
      for (std::size_t at = static_cast<std::size_t>(hash >> shift_);; at = (at + 1) & mask_) {
        const std::uint64_t slot = slots_[at];
        if (slot >> rank_bits_ == pair) return static_cast<std::uint32_t>(slot & ((std::uint64_t{1} << rank_bits_) - 1));
        if (slot == kFree) return kNoRank;
      }
    }

   private:
    static constexpr std::uint64_t kFree = ~std::uint64_t{0};
    [[nodiscard]] std::uint64_t key(Token left, Token right) const {
      return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << id_bits_ |
             static_cast<std::uint32_t>(right);
    }
    static std::uint64_t mixed(std::uint64_t pair) { return pair * 0x9E3779B97F4A7C15; }
    [[nodiscard]] bool may_have(std::uint64_t hash) const {
      const std::uint64_t bit = hash >> known_shift_;
      return (known_[static_cast<std::size_t>(bit >> 6)] >> (bit & 63) & 1) != 0;
    }
    // Sets what follows from the number of slots; false if there can't be so many, or none is free.
    bool prepare();

    int id_bits_ = 0, rank_bits_ = 0, shift_ = 0;
    std::size_t mask_ = 0;
    Array<std::uint64_t> slots_;
    // A bit for each of four to eight times as many hashes as there are merges: most pairs are none, and this 1/16 of memory
    // stays in the caches that the slots do not fit into.
    Array<std::uint64_t> known_;
    int known_shift_ = 0;
  };

  // How a sound token comes to be: `made` is one more than the rank of its last merge, higher than its halves'; 0 for a byte,
  // and kOutOfOrder where the ranks don't ascend.
  static constexpr std::uint32_t kOutOfOrder = kNoRank;
  struct Origin {
    Token left = -1, right = -1;
    std::uint32_t made = 0;
    std::uint32_t length = 0;  // bytes; 0: the token isn't sound
  };

  void check(const CompiledReader& reader);
  [[nodiscard]] std::uint32_t rank_of(Token left, Token right) const {
    if ((left | right) < 0) return kNoRank;  // BpeAlphabet::kGap
    const std::uint32_t rank = pairs_.find(left, right);
    return rank < results_.size() ? rank : kNoRank;
  }
  void find_origins(const std::vector<Merge>& merges);
  [[nodiscard]] bool stay_apart(Token left, Token right, std::uint32_t limit) const;
  [[nodiscard]] bool parts_stay_apart(Token left, Token right, std::uint32_t limit) const;
  [[nodiscard]] bool stay_apart(Token left, Token right, std::string_view text) const;
  Token* encode_word(std::string_view word, Cache& cache, Token* out) const;
  [[nodiscard]] bool is_unknown_at(std::string_view word, std::size_t pos) const {
    return sound_.longest(word, pos).value == PieceTrie::kValues;
  }
  /// Where the run of unknown characters ends that starts at `pos`.
  [[nodiscard]] std::size_t unknown_end(std::string_view word, std::size_t pos) const {
    do pos += decode_at(word, pos).length;
    while (pos < word.size() && is_unknown_at(word, pos));
    return pos;
  }
  Token* encode_by_match(std::string_view word, Cache& cache, Token* out) const;
  [[nodiscard]] Token find_whole(std::string_view word) const;
  /// The one id that a word becomes, if a short way leads to it, or -1.
  [[nodiscard]] Token find_short(const ShortWord& word, std::size_t size, std::uint64_t hash) const {
    if (whole_.empty() || size > WordTable::kLongest) return -1;
    const Token id = whole_.find(word, size, hash);
    return id < static_cast<std::int64_t>(origins_.size()) ? id : -1;
  }
  [[nodiscard]] bool is_its_own_merge(Token id) const;
  void merge_short(std::vector<Token>& symbols) const;
  /// @param lengths  If given: how much of the word each symbol stands for, before and after.
  void merge_long(std::vector<Token>& symbols, std::vector<std::uint32_t>* lengths = nullptr) const;
  void merge_word(std::string_view word, std::vector<Token>& symbols) const;

  PairTable pairs_;
  Array<Token> results_;  // of the merges, by rank
  BpeAlphabet alphabet_;
  bool whole_words_ = false;
  bool by_match_ = false;  // words are encoded by matching sound tokens, as above; else by merging
  Array<Origin> origins_;
  PieceTrie sound_;
  PieceTrie others_;   // words that whole_words finds and matching doesn't
  bool any_others_ = false;
  WordTable whole_;   // the same words and sound tokens, those that are short
  PieceTable words_;  // unless by_match_
  // Whether a piece's own bytes merge to it: 0 not yet known, 1 yes, 2 no. Found out when first asked for; any
  // thread finds the same.
  std::unique_ptr<std::atomic<std::uint8_t>[]> own_merge_;
};

}  // namespace weft::tokenizer
