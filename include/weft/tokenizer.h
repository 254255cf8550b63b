// Text to token ids and back.
//
//   auto tokenizer = weft::load_tokenizer("tokenizer.json");
//   auto ids = tokenizer->encode("Hello, world", weft::Specials::kAsText);
//
// A loaded Tokenizer never changes: any number of threads may share one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/token.h"

namespace weft {

/// Bounds on what comes from outside; exceeding one is Error{kTooLarge} that names it.
struct TokenizerLimits {
  std::size_t file_bytes = std::size_t{256} << 20;
  std::size_t text_bytes = std::size_t{256} << 20;
  std::size_t vocab_size = std::size_t{1} << 22;
  std::size_t json_depth = 64;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Encodes the parts as one text; adds no BOS or EOS. A control token is recognised only where it
  /// lies wholly inside one kAsTokens part (neighbouring kAsTokens parts count as one); words are
  /// otherwise split as if the parts were one string, as the model saw them in training. Added tokens
  /// that are no control tokens (runs of blanks, "<think>" of some models) are found in every part.
  /// Ill-formed UTF-8 is read as U+FFFD, one for each maximal ill-formed subsequence (Unicode 15,
  /// section 3.9). Costs O(n log n) for every input of n bytes.
  /// @throws Error{kTooLarge}  the parts are longer than TokenizerLimits::text_bytes together, or the
  ///                           file's own split pattern explodes on them.
  [[nodiscard]] virtual std::vector<Token> encode(std::span<const TextPart> parts) const = 0;

  /// The text of `tokens`, always well-formed UTF-8 (halves of characters become U+FFFD).
  /// Control tokens are left out with kAsText (they carry no text), and spelled out with kAsTokens.
  /// @throws Error{kInvalidArgument}  an id is outside of [0, vocab_size()).
  [[nodiscard]] virtual std::string decode(std::span<const Token> tokens, Specials specials) const = 0;

  /// One more than the largest id. Ids without a piece (holes) decode to nothing.
  [[nodiscard]] virtual std::size_t vocab_size() const noexcept = 0;

  /// The piece of one id as the vocabulary spells it ("Ġhello", "<|im_end|>"); empty for a hole.
  /// @throws Error{kInvalidArgument}  `token` is outside of [0, vocab_size()).
  [[nodiscard]] virtual std::string piece(Token token) const = 0;

  /// The id of a piece as the vocabulary spells it.
  [[nodiscard]] virtual std::optional<Token> find(std::string_view piece) const = 0;

  /// Whether `token` is a control token: no text of its own, never made from a user's text.
  [[nodiscard]] virtual bool is_special(Token token) const = 0;

  /// Encodes one text by one author.
  [[nodiscard]] std::vector<Token> encode(std::string_view text, Specials specials) const;
};

/// Turns tokens into text one at a time, as they are sampled.
///
/// What push() and finish() return joins to exactly decode() of all tokens, and each piece is
/// well-formed UTF-8: bytes are held back until their character is complete.
class StreamDecoder {
 public:
  /// @param tokenizer  Lent for the decoder's life.
  explicit StreamDecoder(const Tokenizer& tokenizer, Specials specials = Specials::kAsText);

  /// The text that `token` completes; often empty in the middle of a character. Costs the same however
  /// long the answer already is.
  /// @throws Error{kInvalidArgument}  as decode(); the decoder is then as before.
  [[nodiscard]] std::string push(Token token);
  /// What is still held back, ill-formed rests as U+FFFD. The decoder is then as new.
  [[nodiscard]] std::string finish();

 private:
  const Tokenizer* tokenizer_;
  Specials specials_;
  std::vector<Token> window_;  // the tokens whose text may still change with the next one
  std::size_t emitted_ = 0;    // bytes of decode(window_) already returned
};

/// Reads a tokenizer file; the format is told from the content. Today: Hugging Face
/// `tokenizer.json` with a byte-level BPE model.
/// @throws Error{kNotFound, kIo, kCorrupt, kUnsupported, kTooLarge} naming file and place.
[[nodiscard]] std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path,
                                                              const TokenizerLimits& limits = {});

/// The same from bytes. `name` stands in errors where load_tokenizer() has the path.
[[nodiscard]] std::unique_ptr<const Tokenizer> parse_tokenizer(std::string_view bytes, std::string_view name,
                                                               const TokenizerLimits& limits = {});

}  // namespace weft
