#include "pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "byte_level.h"
#include "unicode.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kSupported =
    "these are: BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, Punctuation, Sequence, "
    "Split, UnicodeScripts, Whitespace, WhitespaceSplit";

constexpr std::size_t kBatch = 1024;  // words at a time, so that they stay in the caches

struct Match {
  Range range;
  bool matched;
};

SplitBehavior read_behavior(const JsonValue& json) {
  constexpr std::pair<std::string_view, SplitBehavior> kNames[] = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  };
  for (const auto& [name, behavior] : kNames) {
    if (json.string() == name) return behavior;
  }
  json.fail("the behavior " + quoted(json.string()) +
            " is none of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

// Joins or drops matches as `behavior` says; appends what is left.
void apply(SplitBehavior behavior, const std::vector<Match>& matches, std::vector<Range>& words) {
  const std::size_t first = words.size();
  const auto push = [&](Range range) { words.push_back(range); };
  bool previous = false;
  switch (behavior) {
    case SplitBehavior::kIsolated:
      for (const Match& match : matches) push(match.range);
      break;
    case SplitBehavior::kRemoved:
      for (const Match& match : matches) {
        if (!match.matched) push(match.range);
      }
      break;
    case SplitBehavior::kContiguous:
    case SplitBehavior::kMergedWithPrevious:
      for (const Match& match : matches) {
        const bool joins =
            behavior == SplitBehavior::kContiguous ? match.matched == previous : match.matched && !previous;
        if (joins && words.size() > first) {
          words.back().end = match.range.end;
        } else {
          push(match.range);
        }
        previous = match.matched;
      }
      break;
    case SplitBehavior::kMergedWithNext:
      for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
        if (match->matched && !previous && words.size() > first) {
          words.back().begin = match->range.begin;
        } else {
          push(match->range);
        }
        previous = match->matched;
      }
      std::reverse(words.begin() + static_cast<std::ptrdiff_t>(first), words.end());
      break;
  }
  // Empty words vanish only now: they count as matches before.
  words.erase(std::remove_if(words.begin() + static_cast<std::ptrdiff_t>(first), words.end(),
                             [](const Range& word) { return word.size() == 0; }),
              words.end());
}

bool is_flagged(std::string_view text, std::size_t pos, std::uint8_t flag, unsigned& length) {
  const CodePoint c = decode_at(text, pos);
  length = c.length;
  return (flags(c.value) & flag) != 0;
}

// Scans that see each character once, and may stop between any two words. Each appends words of bytes [from, end) of
// `text` until there are `most`, and returns where to go on.

std::size_t scan_whitespace_split(std::string_view text, std::size_t from, std::size_t end, std::vector<Range>& words,
                                  std::size_t most) {
  std::size_t pos = from;
  while (pos < end && words.size() < most) {
    CodePoint c = decode_at(text, pos);
    if (is_space(c.value)) {
      pos += c.length;
      continue;
    }
    const std::size_t begin = pos;
    do {
      pos += c.length;
      if (pos >= end) break;
      c = decode_at(text, pos);
    } while (!is_space(c.value));
    words.push_back({begin, pos});
  }
  return pos;
}

// \w+|[^\w\s]+
std::size_t scan_whitespace(std::string_view text, std::size_t from, std::size_t end, std::vector<Range>& words,
                            std::size_t most) {
  enum class Kind : std::uint8_t { kSpace, kWord, kOther };
  const auto kind_of = [](char32_t c) {
    if ((flags(c) & kAddedWord) != 0) return Kind::kWord;
    return is_space(c) ? Kind::kSpace : Kind::kOther;
  };
  std::size_t pos = from;
  while (pos < end && words.size() < most) {
    CodePoint c = decode_at(text, pos);
    const Kind kind = kind_of(c.value);
    const std::size_t begin = pos;
    do {
      pos += c.length;
      if (pos >= end) break;
      c = decode_at(text, pos);
    } while (kind_of(c.value) == kind);
    if (kind != Kind::kSpace) words.push_back({begin, pos});
  }
  return pos;
}

// Words between blanks, each punctuation character by itself.
std::size_t scan_bert(std::string_view text, std::size_t from, std::size_t end, std::vector<Range>& words,
                      std::size_t most) {
  std::size_t pos = from;
  while (pos < end && words.size() < most) {
    CodePoint c = decode_at(text, pos);
    const std::size_t begin = pos;
    pos += c.length;
    if (is_space(c.value)) continue;
    if ((flags(c.value) & kPunctuation) == 0) {
      while (pos < end) {
        c = decode_at(text, pos);
        if (is_space(c.value) || (flags(c.value) & kPunctuation) != 0) break;
        pos += c.length;
      }
    }
    words.push_back({begin, pos});
  }
  return pos;
}

}  // namespace

struct PreTokenizer::Step {
  enum class Kind : std::uint8_t {
    kRegex,
    kLiteral,
    kKnown,
    kFlag,
    kByteLevel,
    kMetaspace,
    kWhitespace,
    kWhitespaceSplit,
    kBert,
    kScripts,
    kFixedLength,
  };
  friend constexpr Kind last_of(Kind) { return Kind::kFixedLength; }
  Kind kind;
  std::optional<Regex> regex{};              // kRegex
  std::string literal{};                     // kLiteral
  KnownPattern known = KnownPattern::kGpt2;  // kKnown; kByteLevel: always GPT-2's
  std::uint8_t flag = 0;                     // kFlag: characters that have it
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
  bool add_prefix_space = false, use_regex = false;  // kByteLevel
  Metaspace metaspace{};
  std::size_t length = 0;  // kFixedLength

  template <typename Archive, typename Self>
  static void fields(Archive& archive, Self& self) {
    archive(self.kind, self.regex, self.literal, self.known, self.flag, self.behavior, self.invert, self.add_prefix_space,
            self.use_regex, self.metaspace, self.length);
    if constexpr (Archive::kReads) {
      archive.demand((self.kind != Kind::kRegex || self.regex) && (self.kind != Kind::kLiteral || !self.literal.empty()) &&
                         (self.kind != Kind::kFixedLength || self.length != 0) &&
                         (self.kind != Kind::kMetaspace || !self.metaspace.replacement.empty()),
                     "has a step that splits at nothing");
    }
  }

  // Appends the matches and what lies between them.
  void find(std::string_view text, Range range, std::vector<Match>& matches) const {
    std::size_t done = range.begin;
    const auto add = [&](std::size_t begin, std::size_t end) {
      if (begin != done) matches.push_back({{done, begin}, invert});
      matches.push_back({{begin, end}, !invert});
      done = end;
    };
    if (kind == Kind::kFlag) {
      for (std::size_t pos = range.begin; pos < range.end;) {
        unsigned length_of_it = 0;
        if (is_flagged(text, pos, flag, length_of_it)) add(pos, pos + length_of_it);
        pos += length_of_it;
      }
    } else if (kind == Kind::kKnown) {
      std::vector<Range> found;
      scan(known, text, range, found);
      for (const Range& match : found) add(match.begin, match.end);
    } else if (kind == Kind::kLiteral) {
      const std::string_view part = text.substr(0, range.end);
      for (std::size_t at = part.find(literal, range.begin); at != std::string_view::npos;
           at = part.find(literal, done)) {
        add(at, at + literal.size());
      }
    } else {
      for (const Range& match : regex->find_all(text.substr(range.begin, range.size()))) {
        add(range.begin + match.begin, range.begin + match.end);
      }
    }
    if (done != range.end) matches.push_back({{done, range.end}, invert});
  }

  /// Whether the words are just what the known pattern matches: it matches everything.
  [[nodiscard]] bool is_plain_scan() const {
    return kind == Kind::kKnown && behavior == (invert ? SplitBehavior::kRemoved : SplitBehavior::kIsolated);
  }
  /// Whether it does nothing but let words stay bytes.
  [[nodiscard]] bool is_idle() const { return kind == Kind::kByteLevel && !add_prefix_space && !use_regex; }
  [[nodiscard]] bool only_splits() const { return kind != Kind::kByteLevel && kind != Kind::kMetaspace; }
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::~PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;

void PreTokenizer::add(Step step) { steps_.push_back(std::move(step)); }

void PreTokenizer::add_split(KnownPattern pattern, SplitBehavior behavior, bool invert) {
  add({.kind = Step::Kind::kKnown, .known = pattern, .behavior = behavior, .invert = invert});
}
void PreTokenizer::add_split(Regex pattern, SplitBehavior behavior, bool invert) {
  add({.kind = Step::Kind::kRegex, .regex = std::move(pattern), .behavior = behavior, .invert = invert});
}
void PreTokenizer::add_split(std::string literal, SplitBehavior behavior, bool invert) {
  add({.kind = Step::Kind::kLiteral, .literal = std::move(literal), .behavior = behavior, .invert = invert});
}
void PreTokenizer::add_byte_level(bool add_prefix_space, bool use_regex) {
  add({.kind = Step::Kind::kByteLevel, .add_prefix_space = add_prefix_space, .use_regex = use_regex});
}
void PreTokenizer::add_metaspace(Metaspace metaspace) {
  if (metaspace.prepend == Metaspace::Prepend::kFirst) (steps_.empty() ? asks_for_start_ : needs_trace_) = true;
  add({.kind = Step::Kind::kMetaspace, .metaspace = std::move(metaspace)});
}
void PreTokenizer::add_whitespace() { add({.kind = Step::Kind::kWhitespace}); }
void PreTokenizer::add_whitespace_split() { add({.kind = Step::Kind::kWhitespaceSplit}); }
void PreTokenizer::add_bert() { add({.kind = Step::Kind::kBert}); }
void PreTokenizer::add_digits(bool individual) {
  add({.kind = Step::Kind::kFlag,
       .flag = kNumeric,
       .behavior = individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous});
}
void PreTokenizer::add_punctuation(SplitBehavior behavior) {
  add({.kind = Step::Kind::kFlag, .flag = kPunctuation, .behavior = behavior});
}
void PreTokenizer::add_unicode_scripts() { add({.kind = Step::Kind::kScripts}); }
void PreTokenizer::add_fixed_length(std::size_t characters) {
  add({.kind = Step::Kind::kFixedLength, .length = characters});
}

void PreTokenizer::save(CompiledWriter& writer) const { writer(steps_, keep_bytes_); }

PreTokenizer PreTokenizer::read(CompiledReader& reader) {
  PreTokenizer result;
  std::vector<Step> steps;
  bool keep_bytes = false;
  reader(steps, keep_bytes);
  for (Step& step : steps) {
    if (step.kind == Step::Kind::kMetaspace) {
      result.add_metaspace(std::move(step.metaspace));
    } else {
      result.add(std::move(step));
    }
  }
  reader.demand(!keep_bytes || result.can_keep_bytes() ||
                    std::none_of(result.steps_.begin(), result.steps_.end(),
                                 [](const Step& step) { return step.kind == Step::Kind::kByteLevel; }),
                "spells bytes where no step may");
  if (keep_bytes) result.keep_bytes();
  return result;
}

bool PreTokenizer::can_keep_bytes() const {
  const auto is_byte_level = [](const Step& step) { return step.kind == Step::Kind::kByteLevel; };
  const auto first = std::find_if(steps_.begin(), steps_.end(), is_byte_level);
  return first != steps_.end() &&
         std::all_of(first + 1, steps_.end(), [](const Step& step) { return step.only_splits(); });
}

// Takes one text through the steps.
class PreTokenizer::Splitter {
 public:
  Splitter(Words& words, bool traced)
      : words_(words), traced_(traced), most_(most_bytes_after(words.text.size())) {}

  void split_with(const Step& step) {
    using enum Step::Kind;
    std::vector<Range> found;
    std::vector<Match> matches;
    const std::size_t all = ~std::size_t{0};
    for (const Range& word : words_.ranges) {
      switch (step.kind) {
        case kWhitespace: scan_whitespace(words_.text, word.begin, word.end, found, all); break;
        case kWhitespaceSplit: scan_whitespace_split(words_.text, word.begin, word.end, found, all); break;
        case kBert: scan_bert(words_.text, word.begin, word.end, found, all); break;
        case kScripts: split_scripts(word, found); break;
        case kFixedLength: split_lengths(word, step.length, found); break;
        default:
          if (step.is_plain_scan()) {
            scan(step.known, words_.text, word, found);
          } else {
            matches.clear();
            step.find(words_.text, word, matches);
            weft::tokenizer::apply(step.behavior, matches, found);
          }
      }
    }
    words_.ranges = std::move(found);
  }

  void add_prefix_space() {
    rewrite([&](Range word) {
      if (words_.text[word.begin] != ' ') put(" ", word.begin);
      keep(word);
    });
  }
  void scan_words() {
    std::vector<Range> found;
    for (const Range& word : words_.ranges) scan(KnownPattern::kGpt2, words_.text, word, found);
    words_.ranges = std::move(found);
  }
  void spell_bytes() {
    rewrite([&](Range word) {
      for (std::size_t i = word.begin; i < word.end; ++i) put(to_byte_level(words_.text.substr(i, 1)), i);
    });
  }
  void unspell_bytes() {
    rewrite([&](Range word) {
      for (std::size_t pos = word.begin; pos < word.end;) {
        const unsigned length = decode_at(words_.text, pos).length;
        put(from_byte_level(words_.text.substr(pos, length)).value(), pos);
        pos += length;
      }
    });
  }

  void metaspace(const Metaspace& step, bool at_start) {
    const std::string& blank = step.replacement;
    std::vector<Range> found;
    rewrite([&](Range word) {
      const std::size_t begin = changed_.size();
      const bool starts =
          words_.text[word.begin] == ' ' || words_.text.substr(word.begin, word.size()).starts_with(blank);
      const bool first = traced_ ? words_.source[word.begin].begin == 0 : at_start && word.begin == 0;
      if (!starts && (step.prepend == Metaspace::Prepend::kAlways ||
                      (step.prepend == Metaspace::Prepend::kFirst && first))) {
        put(blank, word.begin);
      }
      std::size_t kept = word.begin;
      for (std::size_t i = word.begin; i < word.end; ++i) {
        if (words_.text[i] != ' ') continue;
        keep({kept, i});
        put(blank, i);
        kept = i + 1;
      }
      keep({kept, word.end});
      if (step.split) split_before(blank, begin, found);
    });
    if (step.split) words_.ranges = std::move(found);
  }

 private:
  // Writes every word anew, and leaves out what lies between them.
  template <typename Write>
  void rewrite(Write&& write) {
    changed_.clear();
    source_.clear();
    changed_.reserve(words_.text.size() + words_.text.size() / 2);
    for (Range& word : words_.ranges) {
      const std::size_t begin = changed_.size();
      write(word);
      check_growth(changed_.size(), most_);
      word = {begin, changed_.size()};
    }
    words_.changed.swap(changed_);
    words_.text = words_.changed;
    words_.source.swap(source_);
  }
  void keep(Range range) {
    changed_ += words_.text.substr(range.begin, range.size());
    if (!traced_) return;
    source_.insert(source_.end(), words_.source.begin() + static_cast<std::ptrdiff_t>(range.begin),
                   words_.source.begin() + static_cast<std::ptrdiff_t>(range.end));
  }
  void put(std::string_view text, std::size_t instead_of) {
    changed_ += text;
    if (traced_) source_.insert(source_.end(), text.size(), words_.source[instead_of]);
  }

  // Words that start with one `blank` each: MergedWithNext.
  void split_before(std::string_view blank, std::size_t begin, std::vector<Range>& found) const {
    const std::string_view text(changed_);
    std::size_t start = begin;
    for (std::size_t at = text.find(blank, begin); at != std::string_view::npos; at = text.find(blank, at + blank.size())) {
      if (at != start) found.push_back({start, at});
      start = at;
    }
    if (start != text.size()) found.push_back({start, text.size()});
  }

  void split_scripts(Range word, std::vector<Range>& found) const {
    // What precedes the first character that has a script is lost, as in Hugging Face's unicode_scripts.
    std::uint8_t last = 0;
    std::size_t start = word.end;
    for (std::size_t pos = word.begin; pos < word.end;) {
      const CodePoint c = decode_at(words_.text, pos);
      const std::uint8_t script = split_script(c.value);
      if (script != 0 && script != last) {
        if (last != 0) found.push_back({start, pos});
        start = pos;
        last = script;
      }
      pos += c.length;
    }
    if (last != 0) found.push_back({start, word.end});
  }

  void split_lengths(Range word, std::size_t length, std::vector<Range>& found) const {
    std::size_t start = word.begin, count = 0;
    for (std::size_t pos = word.begin; pos < word.end;) {
      pos += decode_at(words_.text, pos).length;
      if (++count == length || pos == word.end) {
        found.push_back({start, pos});
        start = pos, count = 0;
      }
    }
  }

  Words& words_;
  bool traced_;
  std::size_t most_;  // bytes
  std::string changed_;
  std::vector<Range> source_;
};

std::size_t PreTokenizer::split(std::string_view text, std::size_t from, bool at_start, Words& words) const {
  words.text = text;
  words.ranges.clear();
  if (steps_.empty()) {
    words.ranges.push_back({0, text.size()});
    return text.size();
  }
  // Most files' steps come down to one scan; that can stop at any word, which keeps the words in the caches.
  const Step& first = steps_.front();
  if (steps_.size() == 1 || (keep_bytes_ && steps_.size() == 2 && steps_.back().is_idle())) {
    using enum Step::Kind;
    const bool byte_level = first.kind == kByteLevel && keep_bytes_ && !first.add_prefix_space && first.use_regex;
    if (first.is_plain_scan() || byte_level) {
      return scan(first.known, text, {from, text.size()}, words.ranges, kBatch);
    }
    if (first.kind == kBert) return scan_bert(text, from, text.size(), words.ranges, kBatch);
    if (first.kind == kWhitespace) return scan_whitespace(text, from, text.size(), words.ranges, kBatch);
    if (first.kind == kWhitespaceSplit) return scan_whitespace_split(text, from, text.size(), words.ranges, kBatch);
  }
  words.ranges.push_back({0, text.size()});
  run_steps(words, at_start, /*traced=*/false);
  return text.size();
}

void PreTokenizer::split_traced(const NormalizedText& text, Range range, Words& words) const {
  words.text = std::string_view(text.text).substr(range.begin, range.size());
  words.source.assign(text.source.begin() + static_cast<std::ptrdiff_t>(range.begin),
                      text.source.begin() + static_cast<std::ptrdiff_t>(range.end));
  words.ranges.assign(1, {0, words.text.size()});
  run_steps(words, false, /*traced=*/true);
}

void PreTokenizer::run_steps(Words& words, bool at_start, bool traced) const {
  Splitter splitter(words, traced);
  bool spelled = false;  // words.text is in the byte-level alphabet
  for (const Step& step : steps_) {
    if (step.kind == Step::Kind::kMetaspace) {
      splitter.metaspace(step.metaspace, at_start);
    } else if (step.kind != Step::Kind::kByteLevel) {
      splitter.split_with(step);
    } else {
      if (step.add_prefix_space) splitter.add_prefix_space();
      if (step.use_regex) splitter.scan_words();
      // What follows sees the letters of the byte-level alphabet, not the text: such is Hugging Face's order of things.
      if (!keep_bytes_ || &step != &steps_.back()) {
        splitter.spell_bytes();
        spelled = true;
      }
    }
  }
  if (spelled && keep_bytes_) splitter.unspell_bytes();
}

namespace {

void read_steps(const JsonValue& json, PreTokenizer& steps) {
  const JsonValue type_value = json.at("type");
  const std::string_view type = type_value.string();
  if (type == "Sequence") {
    for (const auto& [key, step] : json.at("pretokenizers").expect_array()) read_steps(step, steps);
  } else if (type == "ByteLevel") {
    (void)json.at("trim_offsets").boolean();
    steps.add_byte_level(json.at("add_prefix_space").boolean(), json.boolean_or("use_regex", true));
  } else if (type == "Split") {
    const JsonValue pattern = json.at("pattern");
    const SplitBehavior behavior = read_behavior(json.at("behavior"));
    const bool invert = json.at("invert").boolean();
    const auto regex = pattern.find("Regex");
    if (const auto known = regex ? find_known_pattern(regex->string()) : std::nullopt) {
      steps.add_split(*known, behavior, invert);
    } else if (const auto literal = read_literal(pattern)) {
      steps.add_split(std::string(*literal), behavior, invert);
    } else {
      steps.add_split(read_pattern(pattern), behavior, invert);
    }
  } else if (type == "Metaspace") {
    steps.add_metaspace(read_metaspace(json));
  } else if (type == "Whitespace") {
    steps.add_whitespace();
  } else if (type == "WhitespaceSplit") {
    steps.add_whitespace_split();
  } else if (type == "BertPreTokenizer") {
    steps.add_bert();
  } else if (type == "Digits") {
    steps.add_digits(json.at("individual_digits").boolean());
  } else if (type == "Punctuation") {
    const auto behavior = json.find("behavior");
    steps.add_punctuation(behavior ? read_behavior(*behavior) : SplitBehavior::kIsolated);
  } else if (type == "CharDelimiterSplit") {
    steps.add_split(read_character(json.at("delimiter")), SplitBehavior::kRemoved, false);
  } else if (type == "UnicodeScripts") {
    steps.add_unicode_scripts();
  } else if (type == "FixedLength") {
    const auto length = json.find("length");
    const std::size_t characters = length ? length->integer(std::size_t{1} << 31) : 5;
    if (characters == 0) length->fail("words of no characters make no sense");
    steps.add_fixed_length(characters);
  } else {
    type_value.fail("the pre-tokenizer " + quoted(type) + " is not supported; " + std::string(kSupported),
                    ErrorCode::kUnsupported, "report the model");
  }
}

}  // namespace

std::string read_character(const JsonValue& json) {
  const std::string_view text = json.string();
  if (text.empty() || decode_at(text, 0).length != text.size()) json.fail("must be one character, not " + quoted(text));
  return std::string(text);
}

Metaspace read_metaspace(const JsonValue& json) {
  Metaspace result;
  result.replacement = read_character(json.at("replacement"));
  result.split = json.boolean_or("split", true);
  if (const auto scheme = json.find("prepend_scheme")) {
    const std::string_view name = scheme->string();
    if (name != "always" && name != "first" && name != "never") {
      scheme->fail("the prepend_scheme " + quoted(name) + " is none of always, first, never");
    }
    result.prepend = name == "always"  ? Metaspace::Prepend::kAlways
                     : name == "first" ? Metaspace::Prepend::kFirst
                                       : Metaspace::Prepend::kNever;
  }
  if (!json.boolean_or("add_prefix_space", true) && result.prepend != Metaspace::Prepend::kNever) {
    json.at("add_prefix_space").fail("says no, but the prepend_scheme is not \"never\"");
  }
  return result;
}

PreTokenizer read_pre_tokenizer(const std::optional<JsonValue>& json) {
  PreTokenizer steps;
  if (json) read_steps(*json, steps);
  return steps;
}

}  // namespace weft::tokenizer
