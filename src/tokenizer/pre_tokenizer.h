// How a text is split into the words that the model encodes one by one: a list of steps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiled.h"
#include "json.h"
#include "normalizer.h"
#include "split_patterns.h"
#include "utf8.h"

namespace weft::tokenizer {

/// Words of one text, as places in `text`, none empty. What lies between them is left out.
struct Words {
  std::string_view text;  ///< The text that is split, or `changed`.
  std::vector<Range> ranges;
  std::string changed;
  /// From split_traced() only: for each byte of `text`, the bytes of the original that it comes from.
  std::vector<Range> source;
};

/// What becomes of the matches of a pattern.
enum class SplitBehavior : std::uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
constexpr SplitBehavior last_of(SplitBehavior) { return SplitBehavior::kContiguous; }

struct Metaspace {
  enum class Prepend : std::uint8_t {
    kNever,
    kFirst,  ///< Only to a word at the very start of the original text.
    kAlways,
  };
  friend constexpr Prepend last_of(Prepend) { return Prepend::kAlways; }
  std::string replacement = "\u2581";
  Prepend prepend = Prepend::kAlways;
  bool split = true;

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.replacement, self.prepend, self.split);
  }
};

class PreTokenizer {
 public:
  /// A text is one word.
  PreTokenizer();
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;

  /// @name Adds one step behind the others. The names are Hugging Face's.
  /// @{
  void add_split(KnownPattern pattern, SplitBehavior behavior, bool invert);
  void add_split(Regex pattern, SplitBehavior behavior, bool invert);
  void add_split(std::string literal, SplitBehavior behavior, bool invert);
  void add_byte_level(bool add_prefix_space, bool use_regex);
  void add_metaspace(Metaspace metaspace);
  void add_whitespace();
  void add_whitespace_split();
  void add_bert();
  void add_digits(bool individual);
  void add_punctuation(SplitBehavior behavior);
  void add_unicode_scripts();
  void add_fixed_length(std::size_t characters);  ///< At least one.
  /// @}

  void save(CompiledWriter& writer) const;
  /// Reads what save() wrote.
  /// @throws Error{kCorrupt}
  static PreTokenizer read(CompiledReader& reader);

  /// Whether the words may be bytes instead of letters of the byte-level alphabet: the model sees nothing else.
  [[nodiscard]] bool can_keep_bytes() const;
  /// Chooses so. Without it, words are as Hugging Face has them.
  void keep_bytes() { keep_bytes_ = true; }

  /// Whether split() isn't enough: a later step asks where in the original text a word stands.
  [[nodiscard]] bool needs_trace() const { return needs_trace_; }
  /// Whether split() looks at `at_start`.
  [[nodiscard]] bool asks_for_start() const { return asks_for_start_; }

  /// Splits well-formed `text` from `from` on, where the text's start or the last call's return is.
  /// @param at_start  Whether the first byte of `text` comes from the start of the original.
  /// @param words     Overwritten with the next words; its storage is used again.
  /// @returns where to go on; `text.size()` at the end.
  std::size_t split(std::string_view text, std::size_t from, bool at_start, Words& words) const;
  /// Splits all of bytes [begin, end) of `text`, which is traced.
  void split_traced(const NormalizedText& text, Range range, Words& words) const;

 private:
  struct Step;
  class Splitter;
  void add(Step step);
  void run_steps(Words& words, bool at_start, bool traced) const;

  std::vector<Step> steps_;
  bool keep_bytes_ = false, needs_trace_ = false, asks_for_start_ = false;
};

/// Readers of a `tokenizer.json`'s parts.
/// @throws Error{kCorrupt}
[[nodiscard]] Metaspace read_metaspace(const JsonValue& json);
[[nodiscard]] std::string read_character(const JsonValue& json);

/// Reads the "pre_tokenizer" of a `tokenizer.json`.
/// @param json  Nothing: a text is one word.
/// @throws Error{kCorrupt, kUnsupported}
[[nodiscard]] PreTokenizer read_pre_tokenizer(const std::optional<JsonValue>& json);

}  // namespace weft::tokenizer
