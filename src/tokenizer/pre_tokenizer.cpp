#include "pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "byte_level.h"
#include "unicode.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kSupported = "these are: ByteLevel, Digits, Punctuation, Sequence, Split";

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

}  // namespace

struct PreTokenizer::Step {
  enum class Kind { kRegex, kKnown, kFlag, kByteLevel };
  Kind kind = Kind::kRegex;
  std::optional<Regex> regex{};              // kRegex
  KnownPattern known = KnownPattern::kGpt2;  // kKnown; kByteLevel: always GPT-2's
  std::uint8_t flag = 0;                     // kFlag: characters that have it
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
  bool add_prefix_space = false, use_regex = false;  // kByteLevel

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
        const CodePoint c = decode_at(text, pos);
        if ((flags(c.value) & flag) != 0) add(pos, pos + c.length);
        pos += c.length;
      }
    } else if (kind == Kind::kKnown) {
      std::vector<Range> found;
      scan(known, text, range, found);
      for (const Range& match : found) add(match.begin, match.end);
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
};

PreTokenizer::~PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;

PreTokenizer::PreTokenizer(const std::optional<JsonValue>& json) {
  if (json) read(*json);
}

bool PreTokenizer::is_byte_level() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& s) { return s.kind == Step::Kind::kByteLevel; });
}

void PreTokenizer::read(const JsonValue& json) {
  const JsonValue type_value = json.at("type");
  const std::string_view type = type_value.string();
  if (type == "Sequence") {
    for (const auto& [key, step] : json.at("pretokenizers").expect_array()) read(step);
  } else if (type == "ByteLevel") {
    read_byte_level(json);
  } else if (type == "Split") {
    Step step;
    const JsonValue pattern = json.at("pattern");
    step.behavior = read_behavior(json.at("behavior"));
    step.invert = json.at("invert").boolean();
    const auto regex = pattern.find("Regex");
    const auto known = regex ? find_known_pattern(regex->string()) : std::nullopt;
    if (known) {
      step.kind = Step::Kind::kKnown;
      step.known = *known;
    } else {
      step.regex = read_pattern(pattern);
    }
    steps_.push_back(std::move(step));
  } else if (type == "Digits") {
    const bool each = json.at("individual_digits").boolean();
    steps_.push_back({.kind = Step::Kind::kFlag,
                      .flag = kNumeric,
                      .behavior = each ? SplitBehavior::kIsolated : SplitBehavior::kContiguous});
  } else if (type == "Punctuation") {
    const auto behavior = json.find("behavior");
    steps_.push_back({.kind = Step::Kind::kFlag,
                      .flag = kPunctuation,
                      .behavior = behavior ? read_behavior(*behavior) : SplitBehavior::kIsolated});
  } else {
    type_value.fail("the pre-tokenizer " + quoted(type) + " is not supported; " + std::string(kSupported),
                    ErrorCode::kUnsupported, "report the model");
  }
}

void PreTokenizer::read_byte_level(const JsonValue& json) {
  if (is_byte_level()) {
    json.fail("a second ByteLevel is not supported", ErrorCode::kUnsupported, "report the model");
  }
  steps_.push_back({.kind = Step::Kind::kByteLevel,
                    .add_prefix_space = json.at("add_prefix_space").boolean(),
                    .use_regex = json.boolean_or("use_regex", true)});
}

std::size_t PreTokenizer::split(std::string_view text, std::size_t from, Words& words) const {
  // Most files' steps come down to one scan; that can stop at any word, which keeps the words in the caches.
  const auto idle = [](const Step& step) {
    return step.kind == Step::Kind::kByteLevel && !step.add_prefix_space && !step.use_regex;
  };
  const auto plain = [](const Step& step) {
    return step.is_plain_scan() || (step.kind == Step::Kind::kByteLevel && !step.add_prefix_space && step.use_regex);
  };
  const bool one_scan = plain(steps_.front()) && (steps_.size() == 1 || (steps_.size() == 2 && idle(steps_.back())));
  if (!one_scan) {
    split_whole(text, words);
    return text.size();
  }
  constexpr std::size_t kBatch = 1024;
  words.text = text;
  words.ranges.clear();
  return scan(steps_.front().known, text, {from, text.size()}, words.ranges, kBatch);
}

void PreTokenizer::split_whole(std::string_view text, Words& words) const {
  words.text = text;
  words.ranges.assign(1, {0, text.size()});
  bool spelled = false;  // words.text is in the byte-level alphabet
  // Rewrites every word, and leaves out what lies between them.
  const auto rewrite = [&](auto&& spell) {
    std::string changed;
    for (Range& word : words.ranges) {
      const std::size_t begin = changed.size();
      spell(words.text.substr(word.begin, word.size()), changed);
      word = {begin, changed.size()};
    }
    words.changed = std::move(changed);
    words.text = words.changed;
  };
  const auto scan_all = [&](KnownPattern pattern) {
    std::vector<Range> found;
    for (const Range& word : words.ranges) scan(pattern, words.text, word, found);
    words.ranges = std::move(found);
  };

  for (const Step& step : steps_) {
    if (step.is_plain_scan()) {
      scan_all(step.known);
      continue;
    }
    if (step.kind != Step::Kind::kByteLevel) {
      std::vector<Range> found;
      std::vector<Match> matches;
      for (const Range& word : words.ranges) {
        matches.clear();
        step.find(words.text, word, matches);
        apply(step.behavior, matches, found);
      }
      words.ranges = std::move(found);
      continue;
    }
    if (step.add_prefix_space) {
      rewrite([](std::string_view word, std::string& out) {
        if (!word.starts_with(' ')) out += ' ';
        out += word;
      });
    }
    if (step.use_regex) scan_all(step.known);
    // What follows sees the letters of the byte-level alphabet, not the text: such is Hugging Face's order of things.
    if (&step != &steps_.back()) {
      rewrite([](std::string_view word, std::string& out) { out += to_byte_level(word); });
      spelled = true;
    }
  }
  if (spelled) {
    rewrite([](std::string_view word, std::string& out) { out += from_byte_level(word).value(); });
  }
}

}  // namespace weft::tokenizer
