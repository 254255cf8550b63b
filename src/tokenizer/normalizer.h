// What happens to a text before it is split into words: a list of steps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "charsmap.h"
#include "compiled.h"
#include "json.h"
#include "regex.h"
#include "utf8.h"

namespace weft::tokenizer {

/// What a text on its way through the steps remembers of where its bytes come from.
enum class Trace : std::uint8_t {
  kNone,
  kAuthors,  ///< All of the original that went into a byte: who wrote it?
  kOffsets,  ///< What Hugging Face gives as offsets: of several characters that became one, the first, and the like.
};

struct NormalizedText {
  std::string text;
  Trace trace = Trace::kNone;
  /// Unless kNone: for each byte of `text`, the bytes of the original that it comes from.
  std::vector<Range> source{};
  std::size_t origin = 0;  ///< Where the text starts in the original.

  /// A text without changes; its characters' bytes come from all of the character.
  static NormalizedText of(std::string_view text, Trace trace, std::size_t origin);
};

class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;

  /// What a compiled file begins a step with.
  enum class Kind {
    kNormalForm,
    kLowercase,
    kStrip,
    kStripAccents,
    kReplaceLiteral,
    kReplaceRegex,
    kPrepend,
    kPrecompiled,
    kBert,
    kNmt,
    kByteLevel,
    kSentencePiece,
    kLlamaCppWords,
    kLlamaCppUnigram,
  };
  friend constexpr Kind last_of(Kind) { return Kind::kLlamaCppUnigram; }
  /// Writes its kind and what it was made of.
  virtual void save(CompiledWriter& writer) const = 0;
  /// Whether apply() would leave well-formed `text` as it is; may say no without need.
  [[nodiscard]] virtual bool leaves(std::string_view text) const = 0;
  virtual void apply(NormalizedText& text) const = 0;
  /// Whether the first byte of a text that isn't empty may come from elsewhere than its start.
  [[nodiscard]] virtual bool may_drop_start() const = 0;
};

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<std::unique_ptr<NormalizerStep>> steps) : steps_(std::move(steps)) {}

  void save(CompiledWriter& writer) const;
  /// Reads what save() wrote.
  /// @throws Error{kCorrupt}
  static Normalizer read(CompiledReader& reader);

  [[nodiscard]] bool empty() const { return steps_.empty(); }
  [[nodiscard]] bool may_drop_start() const;
  /// Whether `text` is already normal. A quick look: false doesn't mean that it isn't.
  [[nodiscard]] bool leaves(std::string_view text) const;
  [[nodiscard]] std::string apply(std::string_view text) const;
  void apply(NormalizedText& text) const;

 private:
  std::vector<std::unique_ptr<NormalizerStep>> steps_;
};

/// @name The steps, by Hugging Face's names.
/// @{
enum class NormalForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };
constexpr NormalForm last_of(NormalForm) { return NormalForm::kNfkd; }
std::unique_ptr<NormalizerStep> make_normal_form(NormalForm form);
std::unique_ptr<NormalizerStep> make_lowercase();
std::unique_ptr<NormalizerStep> make_strip(bool left, bool right);
std::unique_ptr<NormalizerStep> make_strip_accents();
std::unique_ptr<NormalizerStep> make_replace(std::string literal, std::string content);
std::unique_ptr<NormalizerStep> make_replace(Regex pattern, std::string content);
std::unique_ptr<NormalizerStep> make_prepend(std::string prefix);
std::unique_ptr<NormalizerStep> make_precompiled(Charsmap charsmap);
struct BertNormalizerOptions {
  bool clean_text = true, handle_chinese_chars = true, strip_accents = true, lowercase = true;

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.clean_text, self.handle_chinese_chars, self.strip_accents, self.lowercase);
  }
};
std::unique_ptr<NormalizerStep> make_bert_normalizer(const BertNormalizerOptions& options);
std::unique_ptr<NormalizerStep> make_nmt();
std::unique_ptr<NormalizerStep> make_byte_level_normalizer();
/// @}

/// Reads the "normalizer" of a `tokenizer.json`.
/// @param json  Nothing: changes nothing.
/// @throws Error{kCorrupt, kUnsupported}
[[nodiscard]] Normalizer read_normalizer(const std::optional<JsonValue>& json);

}  // namespace weft::tokenizer
