// Text to token ids and back.
//
//   auto tokenizer = weft::load_tokenizer("tokenizer.json");
//   auto ids = tokenizer->encode("Hello, world", weft::Specials::kAsText);
//
// A loaded Tokenizer never changes: any number of threads may share one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

enum class Side { kLeft, kRight };

/// How long sequences are cut to a length.
struct Truncation {
  enum class Strategy {
    kLongestFirst,  ///< The longer one of a pair.
    kOnlyFirst,     ///< Error{kInvalidArgument} if that isn't enough.
    kOnlySecond,    ///< Likewise; also if there is no second text.
  };
  std::size_t max_tokens = 512;  ///< What the post-processor adds included.
  std::size_t stride = 0;        ///< Tokens that an overflowing part repeats of the one before it.
  Strategy strategy = Strategy::kLongestFirst;
  Side side = Side::kRight;  ///< Where tokens are taken away.
};

/// How short sequences are filled up to a length.
struct Padding {
  std::size_t length = 0;       ///< 0: that of the longest of a batch.
  std::size_t multiple_of = 0;  ///< The length is rounded up to a multiple of this; 0: it isn't.
  Side side = Side::kRight;
  Token id = 0;
  std::uint32_t type_id = 0;
};

/// What an Encoding is to hold, as bits.
enum EncodingField : unsigned {
  kIds = 1 << 0,
  kOffsets = 1 << 1,        ///< A call then takes two to four times as long.
  kWords = 1 << 2,          ///< Likewise.
  kTypeIds = 1 << 3,
  kSpecialsMask = 1 << 4,
  kAttentionMask = 1 << 5,
};

struct EncodeOptions {
  unsigned fields = kIds;  ///< Of EncodingField; 0 counts only.
  /// Whether the file's post-processor adds its tokens: BOS, EOS, [CLS], [SEP].
  bool add_special_tokens = true;
  std::optional<Truncation> truncation{};
  std::optional<Padding> padding{};
  /// Truncate and pad as the file itself says, where `truncation` and `padding` say nothing.
  bool as_file_says = false;
};

/// Bytes [begin, end) of a text.
struct ByteSpan {
  std::size_t begin = 0, end = 0;
  bool operator==(const ByteSpan&) const = default;
};

/// The tokens of a text or a pair. Of the vectors, those that were asked for have one element for each token.
struct Encoding {
  std::size_t size = 0;  ///< Tokens.
  std::vector<Token> ids;
  /// Where a token is in the text (of a pair: in its own text), as it was given, before any repair of its UTF-8;
  /// parts count as joined. A token that covers some of a character's bytes has the whole character's. {0, 0} for
  /// what the post-processor or padding added.
  std::vector<ByteSpan> offsets;
  /// The number of the word, counted from 0 in each text; -1 for what was added.
  std::vector<std::int32_t> words;
  std::vector<std::uint32_t> type_ids;       ///< Which text of a pair, as the post-processor numbers them.
  std::vector<std::uint8_t> specials_mask;   ///< 1 for what the post-processor or padding added.
  std::vector<std::uint8_t> attention_mask;  ///< 0 for padding, else 1.
  std::vector<Encoding> overflowing;         ///< What truncation cut off, as further sequences of that length.
};

/// A text, or a pair of them, each in parts by author.
struct EncodeInput {
  std::span<const TextPart> text;
  std::optional<std::span<const TextPart>> second{};
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
  /// @throws Error{kUnsupported}  the model has neither a piece for a character nor an unknown token.
  [[nodiscard]] virtual std::vector<Token> encode(std::span<const TextPart> parts) const = 0;

  /// Encodes a text or a pair as a model's input: with BOS, EOS and the like, offsets, masks, truncation and padding,
  /// each where asked for. Of a class that doesn't override this, the text's encode() fills the ids, and what it can't
  /// know is an Error.
  /// @throws Error  as above; kInvalidArgument: the truncation can't be met, or makes no sense; kUnsupported: a class
  ///                of one's own doesn't know what is asked for.
  [[nodiscard]] virtual Encoding encode(const EncodeInput& input, const EncodeOptions& options) const;

  /// The text of `tokens`, always well-formed UTF-8 (halves of characters become U+FFFD).
  /// Control tokens are left out with kAsText (they carry no text), and spelled out with kAsTokens.
  /// @throws Error{kInvalidArgument}  an id is outside of [0, vocab_size()).
  [[nodiscard]] virtual std::string decode(std::span<const Token> tokens, Specials specials) const = 0;

  /// decode() token by token; StreamDecoder is its owner.
  class Stream {
   public:
    virtual ~Stream() = default;
    [[nodiscard]] virtual std::string push(Token token) = 0;
    [[nodiscard]] virtual std::string finish() = 0;
  };
  /// Starts a stream that keeps StreamDecoder's promises. Unless overridden, it decodes the last few tokens again for
  /// each: right where a token's text hangs on a few others only.
  /// @returns a stream that this tokenizer must outlive.
  [[nodiscard]] virtual std::unique_ptr<Stream> stream(Specials specials) const;

  /// One more than the largest id. Ids without a piece (holes) decode to nothing.
  [[nodiscard]] virtual std::size_t vocab_size() const noexcept = 0;

  /// The piece of one id as the vocabulary spells it ("Ġhello", "<|im_end|>"); empty for a hole.
  /// @throws Error{kInvalidArgument}  `token` is outside of [0, vocab_size()).
  [[nodiscard]] virtual std::string piece(Token token) const = 0;

  /// The id of a piece as the vocabulary spells it.
  [[nodiscard]] virtual std::optional<Token> find(std::string_view piece) const = 0;

  /// Whether `token` is a control token: no text of its own, never made from a user's text.
  [[nodiscard]] virtual bool is_special(Token token) const = 0;

  /// Encodes one text by one author. Unless overridden, as one part.
  [[nodiscard]] virtual std::vector<Token> encode(std::string_view text, Specials specials) const;
  [[nodiscard]] Encoding encode(std::string_view text, Specials specials, const EncodeOptions& options) const;
  [[nodiscard]] Encoding encode_pair(std::string_view first, std::string_view second, Specials specials,
                                     const EncodeOptions& options) const;
  /// How many ids encode() would give, without building them.
  [[nodiscard]] std::size_t count(std::string_view text, Specials specials) const;
};

/// Encodes many inputs at once, on `threads` threads (0: one for each core). Padding without a length of its own pads
/// all of them to the longest.
/// @throws Error  what encode() throws for the first input that fails.
[[nodiscard]] std::vector<Encoding> encode_batch(const Tokenizer& tokenizer, std::span<const EncodeInput> inputs,
                                                 const EncodeOptions& options, unsigned threads = 0);
[[nodiscard]] std::vector<std::vector<Token>> encode_batch(const Tokenizer& tokenizer,
                                                           std::span<const std::string_view> texts, Specials specials,
                                                           unsigned threads = 0);
[[nodiscard]] std::vector<std::string> decode_batch(const Tokenizer& tokenizer,
                                                    std::span<const std::span<const Token>> sequences,
                                                    Specials specials, unsigned threads = 0);

/// Which control tokens a text may hold, by name, as tiktoken's allowed_special and disallowed_special.
///
///   const weft::SpecialRules rules(*tokenizer, weft::SpecialRules::Names{{"<|endoftext|>"}});
///   auto ids = tokenizer->encode(rules.parts(text));
class SpecialRules {
 public:
  /// Some control tokens by their pieces, or all.
  struct Names {
    std::vector<std::string> names{};
    bool all = false;
  };
  /// @param allowed     These become their tokens.
  /// @param disallowed  A text that holds one of these, allowed ones aside, is an Error. Others are text.
  /// @throws Error{kInvalidArgument}  a name is not a control token's.
  SpecialRules(const Tokenizer& tokenizer, const Names& allowed, const Names& disallowed);
  /// Disallows all that aren't allowed.
  SpecialRules(const Tokenizer& tokenizer, const Names& allowed);

  /// Cuts `text` into parts for Tokenizer::encode().
  /// @throws Error{kInvalidArgument}  names the disallowed token and its place.
  [[nodiscard]] Prompt parts(std::string_view text) const;

 private:
  struct Name {
    std::string text;
    bool allowed;
  };
  std::vector<Name> names_;  // by first byte, longest first
};

/// Turns tokens into text one at a time, as they are sampled.
///
/// What push() and finish() return joins to exactly decode() of all tokens, and each piece is
/// well-formed UTF-8: bytes are held back until their character is complete.
class StreamDecoder {
 public:
  /// @param tokenizer  Lent for the decoder's life.
  explicit StreamDecoder(const Tokenizer& tokenizer, Specials specials = Specials::kAsText)
      : stream_(tokenizer.stream(specials)) {}

  /// The text that `token` completes; often empty in the middle of a character. Costs the same however
  /// long the answer already is.
  /// @throws Error{kInvalidArgument}  as decode(); the decoder is then as before.
  [[nodiscard]] std::string push(Token token) { return stream_->push(token); }
  /// What is still held back, ill-formed rests as U+FFFD. The decoder is then as new.
  [[nodiscard]] std::string finish() { return stream_->finish(); }

 private:
  std::unique_ptr<Tokenizer::Stream> stream_;
};

/// What tiktoken's rank files don't say. Other files say it themselves: for them, all of it must be empty.
struct TokenizerOptions {
  /// A published encoding: "cl100k_base", "llama3", ... (docs/tokenizer.md has all). Empty: the file's name tells.
  std::string encoding{};
  /// Instead of an encoding: the regular expression whose matches are a text's words, as tiktoken (fancy-regex) reads it ...
  std::string pattern{};
  /// ... and the control tokens.
  std::vector<std::pair<std::string, Token>> special_tokens{};
};

/// Reads a tokenizer file; the format is told from the content: Hugging Face's `tokenizer.json`, SentencePiece's
/// `.model`, tiktoken's rank files, Mistral's `tekken.json`, llama2.c's `tokenizer.bin`, the vocabulary in a GGUF file
/// (of which only the head is read), and what compile_tokenizer() made, which is used where it is mapped: no table is
/// copied, and processes share the pages.
/// @throws Error{kNotFound, kIo, kCorrupt, kUnsupported, kTooLarge} naming file and place; kInvalidArgument: the
///               options don't suit the file.
[[nodiscard]] std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path,
                                                              const TokenizerLimits& limits = {});
[[nodiscard]] std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path,
                                                              const TokenizerOptions& options,
                                                              const TokenizerLimits& limits = {});

/// A tokenizer as bytes for a file that loads in milliseconds, whatever file it was loaded from: same ids, offsets and
/// text. The bytes are for builds that read the same version of the format; others refuse them and say so.
/// @throws Error{kUnsupported}  the tokenizer is of a class of one's own.
[[nodiscard]] std::string compile_tokenizer(const Tokenizer& tokenizer);
/// Puts them into a file, by renaming: what others have mapped of an old one of that name stays as it is.
/// @throws Error{kUnsupported}  likewise; Error{kIo}.
void save_tokenizer(const Tokenizer& tokenizer, const std::filesystem::path& path);

/// load_tokenizer() from bytes. `name` stands in errors where load_tokenizer() has the path.
[[nodiscard]] std::unique_ptr<const Tokenizer> parse_tokenizer(std::string_view bytes, std::string_view name,
                                                               const TokenizerLimits& limits = {});
[[nodiscard]] std::unique_ptr<const Tokenizer> parse_tokenizer(std::string_view bytes, std::string_view name,
                                                               const TokenizerOptions& options,
                                                               const TokenizerLimits& limits = {});
/// The same, for bytes that `owner` keeps: the tokenizer holds on to it, and uses a compiled one's tables where they lie.
[[nodiscard]] std::unique_ptr<const Tokenizer> parse_tokenizer(std::shared_ptr<const void> owner, std::string_view bytes,
                                                               std::string_view name, const TokenizerLimits& limits = {});

}  // namespace weft
