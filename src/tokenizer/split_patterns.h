// How texts are split into words: scanners written by hand for the patterns that most models use, a general engine for
// all others.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "json.h"
#include "regex.h"
#include "utf8.h"

namespace weft::tokenizer {

/// The patterns that have a scanner. Each matches every character of every text.
enum class KnownPattern {
  kGpt2,    ///< GPT-2, and ByteLevel with `use_regex`.
  kCl100k,  ///< GPT-4 and Llama 3: numbers in groups of three, letters with one sign before them.
  kQwen2,   ///< The same, but each digit by itself.
  kO200k,   ///< GPT-4o: words also end where their case changes.
  kTiktokenCl100k,  ///< tiktoken's own form of kCl100k: blanks at a text's end are one word, line ends included.
  kLlamaCppLlama3,  ///< llama.cpp's form of kCl100k: no long s in contractions.
  kLlamaCppQwen2,   ///< The same of kQwen2.
  kTekken,          ///< Mistral's form of kO200k: each digit by itself, no contractions.
  /// llama.cpp's own way to group numbers from the right by three: a group ends where the next one begins; what stands
  /// before a number is one word with its first group.
  kLlamaCppNumberGroups,
  kLlamaCppThousands,  ///< Words end inside of ASCII numbers only, before each group of three from the right.
  kOnigurumaCl100k,    ///< What Oniguruma finds with tiktoken's form of kCl100k: numbers are not cut.
};
constexpr KnownPattern last_of(KnownPattern) { return KnownPattern::kOnigurumaCl100k; }

std::optional<KnownPattern> find_known_pattern(std::string_view regex, RegexEngine engine = RegexEngine::kOniguruma);

/// Appends the words of bytes [begin, end) of well-formed `text`, at most `most` of them.
/// @returns where it stopped: `range.end`, or the start of the next word.
std::size_t scan(KnownPattern pattern, std::string_view text, Range range, std::vector<Range>& words,
                 std::size_t most = ~std::size_t{0});

/// The text of {"String": ...} if it isn't empty: what can be searched for without an engine.
std::optional<std::string_view> read_literal(const JsonValue& json);

/// Reads {"String": ...} or {"Regex": ...}, as the components Split and Replace have it.
/// @throws Error{kCorrupt, kUnsupported}
Regex read_pattern(const JsonValue& json);

}  // namespace weft::tokenizer
