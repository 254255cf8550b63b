// Regular expressions as tokenizer files write them: in Oniguruma's syntax with Oniguruma's answers (tokenizers), or in that of Rust's
// crate fancy-regex (tiktoken).
//
// For the patterns that have no scanner of their own (split_patterns.h). Finds what a backtracking engine finds, but
// remembers where it failed once matching gets slow, so that the usual explosive patterns stay linear in the text. With references
// to groups, a place alone doesn't tell what will fail: those patterns have a budget of steps instead.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "unicode.h"
#include "utf8.h"

namespace weft::tokenizer {

/// What is wrong with a pattern, and at which byte of it.
struct RegexError {
  std::string message;
  std::size_t place;
  bool unsupported;  ///< Right for the engine, but not supported here; else it is an error there too.
};

/// Whose meaning a pattern has. To tiktoken, whose engine is fancy-regex, `^` and `$` are the ends of the text, `\w` is what
/// Unicode Technical Standard #18 calls a word's character, `[:alpha:]` and the like are ASCII, `(?s)` is what `(?m)` is to
/// Oniguruma, and X{1,3}+ never gives back, where it is a repeat of a repeat to Oniguruma.
enum class RegexEngine : std::uint8_t { kOniguruma, kTiktoken };
constexpr RegexEngine last_of(RegexEngine) { return RegexEngine::kTiktoken; }

class Regex {
 public:
  /// @throws RegexError
  explicit Regex(std::string_view pattern, RegexEngine engine = RegexEngine::kOniguruma);
  /// Of the empty pattern; for a reader of compiled files.
  Regex() : Regex(std::string_view()) {}

  /// A compiled file holds the pattern, and whose it is.
  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    if constexpr (Archive::kReads) {
      const auto pattern = archive.template take<std::string>();
      const auto engine = archive.template take<RegexEngine>();
      try {
        self = Regex(pattern, engine);
      } catch (const RegexError& error) {
        archive.fail("has a pattern that is wrong at byte " + std::to_string(error.place) + ": " + error.message);
      }
    } else {
      archive(self.pattern_, self.engine_);
    }
  }

  /// All matches in well-formed `text`, left to right without overlap, as Oniguruma's search finds them.
  /// @throws Error{kTooLarge}  matching takes far longer than linear time.
  [[nodiscard]] std::vector<Range> find_all(std::string_view text) const;

 private:
  friend class RegexCompiler;
  friend class RegexMatcher;

  /// A set of characters: (any of the parts, and all of the intersections) or its opposite.
  struct Set {
    struct Span {
      char32_t first, last;
    };
    bool negated = false;
    std::bitset<128> ascii;  // the whole answer for ASCII, negation included
    std::vector<Span> spans;
    CategorySet categories = 0;
    std::uint8_t flags = 0;
    bool spaces = false;
    std::vector<std::uint8_t> scripts;
    std::vector<Set> any_of, all_of;

    [[nodiscard]] bool contains(char32_t c) const;
    [[nodiscard]] bool decide(char32_t c) const;  // without the shortcut of `ascii`
    void finish();                                // fills `ascii`
  };

  enum class Op : std::uint8_t {
    kSet,         // one character of sets_[x]
    kSplit,       // try x, then y
    kJump,        // go to x
    kAhead,       // (?=...): the body starts behind this, ends with kAccept; x: where to go on, y: 1 if negative
    kBehind,      // (?<=...): likewise; z: the widths of the body in characters, min << 16 | max
    kAtomic,      // (?>...): likewise
    kLineStart,   // ^; at the text's end, too, if x is 1
    kLineEnd,     // $
    kTextStart,   // \A
    kTextEnd,     // \z
    kTextEndEol,  // \Z
    kWordEdge,    // \b between what has one of the flags y and what has none, and \B if x is 1
    kSave,        // this place into slot x: even ones are where a group starts, odd ones where it ends
    kReference,   // what group x has matched, once more
    kAccept,
  };
  struct Instruction {
    Op op;
    std::uint32_t x = 0, y = 0, z = 0;
  };

  std::string pattern_;
  RegexEngine engine_;
  std::vector<Instruction> program_;
  std::vector<Set> sets_;
  std::uint32_t splits_ = 0;      // kSplit's are numbered in z
  std::uint32_t groups_ = 0;      // that a reference asks for
  std::bitset<256> first_bytes_;  // a match that isn't empty starts with one of these
  bool may_be_empty_ = false;
};

}  // namespace weft::tokenizer
