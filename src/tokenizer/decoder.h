// How pieces become text again: a list of steps, each of which sees all pieces one after another.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiled.h"
#include "json.h"
#include "regex.h"

namespace weft::tokenizer {

/// One step at work on one sequence: takes pieces, hands others on. A step may hold pieces back until it is sure, so that
/// decoding a sequence at once and token by token are the same thing.
class DecoderStep {
 public:
  virtual ~DecoderStep() = default;
  virtual void push(std::string_view piece) = 0;
  /// A control token is left out here.
  virtual void gap() {}
  /// Hands on what it still holds. It is then as new.
  virtual void finish() = 0;
  void set_next(DecoderStep* next) { next_ = next; }

 protected:
  [[nodiscard]] DecoderStep& next() const { return *next_; }

 private:
  DecoderStep* next_ = nullptr;
};

/// Pieces stand for bytes; those become characters, and what is no character becomes U+FFFD once it is sure.
class BytesStep : public DecoderStep {
 public:
  using BytesOf = std::string (*)(std::string_view piece);
  explicit BytesStep(BytesOf bytes_of) : bytes_of_(bytes_of) {}
  void push(std::string_view piece) override;
  void finish() override;

 private:
  void emit(bool all);
  BytesOf bytes_of_;
  std::string held_;
};

class Decoder {
 public:
  /// Pieces joined with blanks: Hugging Face's way where a file names no decoder.
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  /// @name Adds one step behind the others; the first one replaces the joining with blanks.
  /// @{
  void add_nothing() { no_decoder_ = false; }  ///< Pieces are joined as they are.
  void add_byte_level();
  void add_byte_fallback();
  void add_fuse();
  void add_replace(std::string literal, std::string content);
  void add_replace(Regex pattern, std::string content);
  void add_strip(std::string character, std::size_t start, std::size_t stop);
  void add_metaspace(std::string replacement, bool drop_first);
  void add_word_piece(std::string prefix, bool cleanup);
  void add_bpe(std::string suffix);
  void add_ctc(std::string pad, std::string word_delimiter, bool cleanup);
  /// A step of another format's own.
  class StepFactory {
   public:
    virtual ~StepFactory() = default;
    [[nodiscard]] virtual std::unique_ptr<DecoderStep> make() const = 0;
    /// Writes its kind and what it was made of.
    virtual void save(CompiledWriter& writer) const = 0;
  };
  /// What a compiled file begins a step with.
  enum class Kind {
    kByteLevel,
    kByteFallback,
    kReplaceLiteral,
    kReplaceRegex,
    kStrip,
    kStripText,
    kMetaspace,
    kWordPiece,
    kBpe,
    kCtc,
    kGather,
    kSentencePiece,
    kDenormalizing,
    kRwkv,
  };
  friend constexpr Kind last_of(Kind) { return Kind::kRwkv; }
  void add(std::unique_ptr<const StepFactory> factory);
  /// @}

  void save(CompiledWriter& writer) const;
  /// Reads what save() wrote.
  /// @throws Error{kCorrupt}
  static Decoder read(CompiledReader& reader);

  /// Whether a text is just the bytes of its pieces (bytes_of()), ill-formed ones repaired.
  [[nodiscard]] bool is_plain_bytes() const { return plain_bytes_; }
  /// The bytes that `piece` stands for in the byte-level alphabet, or its own.
  [[nodiscard]] static std::string bytes_of(std::string_view piece);

  /// A sequence being decoded. Lent the decoder.
  class Run {
   public:
    explicit Run(const Decoder& decoder);
    /// Of pieces that are bytes already, as is_plain_bytes() tells of what they were made of.
    static Run of_bytes();
    Run(Run&&) noexcept;
    ~Run();
    void push(std::string_view piece) { first_->push(piece); }
    void gap() { first_->gap(); }
    void finish() { first_->finish(); }
    /// What has come out since the last take().
    [[nodiscard]] std::string take();

   private:
    class Output;
    Run();
    void connect();
    std::vector<std::unique_ptr<DecoderStep>> steps_;
    std::unique_ptr<Output> output_;
    DecoderStep* first_;
  };

 private:
  std::vector<std::unique_ptr<const StepFactory>> factories_;
  void gather();

  bool no_decoder_ = true;
  bool fused_ = false;  // the steps so far leave one piece, which comes in stretches
  bool plain_bytes_ = false;
};

/// Reads the "decoder" of a `tokenizer.json`.
/// @throws Error{kCorrupt, kUnsupported}
[[nodiscard]] Decoder read_decoder(const std::optional<JsonValue>& json);

}  // namespace weft::tokenizer
