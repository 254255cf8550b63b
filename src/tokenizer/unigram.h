// Unigram: of all ways to cut a text into pieces, the one whose scores add up to the most.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "piece_table.h"
#include "piece_trie.h"
#include "utf8.h"
#include "weft/token.h"

namespace weft::tokenizer {

class Unigram {
 public:
  /// Implementations differ in how they add up scores, and so in which of nearly equal ways is best.
  enum class Sums {
    kDouble,  ///< As tokenizers and llama.cpp: in double.
    kSingle,  ///< As SentencePiece 0.2.3: in float, starting anew from 0 where a sum goes beyond 100000.
  };
  friend constexpr Sums last_of(Sums) { return Sums::kSingle; }
  struct Piece {
    std::string_view text;  ///< Not empty; lent until the constructor returns.
    Token id;
    double score;
  };
  struct Options {
    Sums sums = Sums::kDouble;
    Token unknown = -1;  ///< For characters that no piece covers; -1: such a character is an Error.
    double unknown_score = 0;
    /// A run of unknown characters that is a piece as a whole is that piece (as in tokenizers).
    bool unknown_runs_may_be_pieces = false;
    /// The ids of bytes, -1 for none: a run of unknown characters becomes its bytes if all of them have an id.
    std::optional<std::array<Token, 256>> bytes;

    template <typename Archive, typename Self>
    static void fields(Archive& archive, Self& self) {
      archive(self.sums, self.unknown, self.unknown_score, self.unknown_runs_may_be_pieces, self.bytes);
    }
  };

  /// @param pieces  Of several with one text, the last one counts. Ids are below PieceTrie::kValues.
  Unigram(const std::vector<Piece>& pieces, const Options& options);

  /// For a reader of compiled files.
  Unigram() = default;
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.trie_, self.scores_, self.cuts_, self.options_);
    if constexpr (Archive::kReads) archive.demand(self.trie_.values_below(self.scores_.size()), "has a piece without a score");
  }
  [[nodiscard]] bool ids_below(std::size_t limit) const {
    const auto below = [&](Token id) { return id < static_cast<std::int64_t>(limit); };
    return scores_.size() <= limit && below(options_.unknown) &&
           (!options_.bytes || std::all_of(options_.bytes->begin(), options_.bytes->end(), below));
  }

  /// Encodes the words of one text after another, and remembers those that it has met.
  class Encoder {
   public:
    explicit Encoder(const Unigram& unigram) : unigram_(unigram) {}
    /// A text of so many bytes comes. Until there were some thousands, words aren't remembered.
    void begin(std::size_t text_bytes);

    /// Appends the ids of well-formed `word`. A run of unknown characters is one id (or its bytes).
    /// Costs O(n) for n bytes, times the length of the longest piece.
    /// @param ranges  If given, gets the bytes of `word` that each id covers; for one of a run's bytes all of the run, or
    ///                with Sums::kSingle all of the character.
    /// @throws Error{kUnsupported}  an unknown character, without an id for it.
    void encode(std::string_view word, std::vector<Token>& out, std::vector<Range>* ranges = nullptr);

   private:
    struct Known {
      static constexpr std::size_t kMost = 3;
      ShortKey key;
      std::array<Token, kMost> ids{};
      std::uint8_t bytes = 0, count = 0;  // bytes is 0: free
      bool holds = false;                 // whatever stands before
    };
    template <typename Score>
    struct Node {  // the best way to a place in the text
      Score score;
      std::uint32_t length;  // of its last piece
      Token id;
    };
    // What is emitted: unknown characters are held back until their run ends.
    struct Output {
      std::vector<Token>& ids;
      std::vector<Range>* ranges;
      Range unknown{0, 0};
    };

    struct Margin {
      double least = std::numeric_limits<double>::infinity();  // that the scores of two ways to one place differ by
      double most = 0;                                         // that the score of any way is away from 0
    };
    struct NoMargin {};

    /// Bytes [from, text.size()) of `text`.
    /// @param before  The score of what stands before.
    /// @returns the score at the end.
    template <typename Score, typename Margins>
    Score find_best(std::string_view text, std::size_t from, Score before, std::vector<Node<Score>>& nodes, Output& output,
                    Margins& margins);
    void encode_single(std::string_view text, Output& output);
    const Known& learn(std::string_view word, const ShortKey& key, Known& known);
    template <typename Score>
    void emit(std::string_view text, const Node<Score>* nodes, std::size_t begin, std::size_t end, Output& output);
    void emit_unknown(std::string_view text, Output& output) const;

    const Unigram& unigram_;
    std::size_t seen_ = 0;  // bytes of all texts
    std::vector<Known> known_;
    std::vector<Node<double>> doubles_;
    std::vector<Node<float>> singles_;
    std::vector<std::uint32_t> lengths_;
    std::vector<Token> learned_;
  };

 private:
  PieceTrie trie_;
  Array<double> scores_;  // by id
  // Whether no piece has U+2581 behind something else: a text is then as good as cut before each run of them.
  bool cuts_ = false;
  Options options_;
};

}  // namespace weft::tokenizer
