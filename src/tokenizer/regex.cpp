#include "regex.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "weft/error.h"

namespace weft::tokenizer {
namespace {

constexpr char32_t kLastCodePoint = 0x10FFFF;
constexpr std::size_t kMaxDepth = 64;             // of groups in a pattern
constexpr std::size_t kMaxProgram = 20'000;       // instructions
constexpr unsigned kMaxRepeat = 1'000;            // of {n,m}
constexpr unsigned kMaxBehind = 64;               // characters of a lookbehind
constexpr std::size_t kMaxMemoBytes = 256 << 20;  // of states remembered

bool is_ascii_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// A pattern as a tree. Sets stand in RegexCompiler::sets.
struct Node {
  enum class Kind { kEmpty, kSet, kSequence, kChoice, kRepeat, kAhead, kBehind, kAtomic, kAssertion, kGroup, kReference };
  Kind kind = Kind::kEmpty;
  std::uint32_t set = 0;                     // kSet
  unsigned min = 0, max = 0;                 // kRepeat; kReference: the group's width
  std::size_t group = 0;                     // kGroup, kReference
  bool greedy = true, negative = false;      // kRepeat; kAhead, kBehind
  std::uint8_t assertion = 0, argument = 0;  // kAssertion: an Op and its x
  std::vector<std::unique_ptr<Node>> children;
};
using NodePtr = std::unique_ptr<Node>;
constexpr unsigned kUnbounded = ~0u;

struct Width {
  unsigned min, max;
};

Width width_of(const Node& node) {
  const auto saturating = [](std::uint64_t n) { return static_cast<unsigned>(std::min<std::uint64_t>(n, kUnbounded)); };
  switch (node.kind) {
    case Node::Kind::kSet: return {1, 1};
    case Node::Kind::kReference: return {node.min, node.max};
    case Node::Kind::kGroup:
    case Node::Kind::kSequence:
    case Node::Kind::kAtomic: {
      Width sum{0, 0};
      for (const auto& child : node.children) {
        const Width w = width_of(*child);
        sum = {saturating(std::uint64_t{sum.min} + w.min), saturating(std::uint64_t{sum.max} + w.max)};
      }
      return sum;
    }
    case Node::Kind::kChoice: {
      Width all{kUnbounded, 0};
      for (const auto& child : node.children) {
        const Width w = width_of(*child);
        all = {std::min(all.min, w.min), std::max(all.max, w.max)};
      }
      return all;
    }
    case Node::Kind::kRepeat: {
      const Width w = width_of(*node.children[0]);
      return {saturating(std::uint64_t{w.min} * node.min),
              w.max == 0 ? 0 : saturating(std::uint64_t{w.max} * node.max)};
    }
    default: return {0, 0};
  }
}

struct NamedCategories {
  std::string_view name;
  CategorySet set;
};

constexpr CategorySet kOthers = set_of(Category::kCn, Category::kCc, Category::kCf, Category::kCo, Category::kCs);
constexpr CategorySet kPunctuations =
    set_of(Category::kPc, Category::kPd, Category::kPe, Category::kPf, Category::kPi, Category::kPo, Category::kPs);
constexpr CategorySet kSymbols = set_of(Category::kSc, Category::kSk, Category::kSm, Category::kSo);
constexpr CategorySet kSeparators = set_of(Category::kZl, Category::kZp, Category::kZs);
constexpr CategorySet kCased = set_of(Category::kLl, Category::kLt, Category::kLu);

// clang-format off
constexpr NamedCategories kCategoryNames[] = {
    {"any", ~CategorySet{0}}, {"assigned", ~set_of(Category::kCn)},
    {"c", kOthers}, {"other", kOthers}, {"cc", set_of(Category::kCc)}, {"cf", set_of(Category::kCf)},
    {"cn", set_of(Category::kCn)}, {"co", set_of(Category::kCo)}, {"cs", set_of(Category::kCs)},
    {"l", kLetters}, {"letter", kLetters}, {"lc", kCased}, {"ll", set_of(Category::kLl)},
    {"lowercaseletter", set_of(Category::kLl)}, {"lm", set_of(Category::kLm)}, {"lo", set_of(Category::kLo)},
    {"lt", set_of(Category::kLt)}, {"lu", set_of(Category::kLu)}, {"uppercaseletter", set_of(Category::kLu)},
    {"m", kMarks}, {"mark", kMarks}, {"combiningmark", kMarks}, {"mc", set_of(Category::kMc)},
    {"me", set_of(Category::kMe)}, {"mn", set_of(Category::kMn)},
    {"n", kNumbers}, {"number", kNumbers}, {"nd", set_of(Category::kNd)}, {"digit", set_of(Category::kNd)},
    {"nl", set_of(Category::kNl)}, {"no", set_of(Category::kNo)},
    {"p", kPunctuations}, {"punctuation", kPunctuations}, {"punct", kPunctuations}, // [:punct:] has some symbols, too
    {"pc", set_of(Category::kPc)}, {"pd", set_of(Category::kPd)},
    {"pe", set_of(Category::kPe)}, {"pf", set_of(Category::kPf)}, {"pi", set_of(Category::kPi)},
    {"po", set_of(Category::kPo)}, {"ps", set_of(Category::kPs)},
    {"s", kSymbols}, {"symbol", kSymbols}, {"sc", set_of(Category::kSc)}, {"sk", set_of(Category::kSk)},
    {"sm", set_of(Category::kSm)}, {"so", set_of(Category::kSo)},
    {"z", kSeparators}, {"separator", kSeparators}, {"zl", set_of(Category::kZl)}, {"zp", set_of(Category::kZp)},
    {"zs", set_of(Category::kZs)},
};
// clang-format on

}  // namespace

bool Regex::Set::contains(char32_t c) const { return c < 128 ? ascii[c] : decide(c); }

bool Regex::Set::decide(char32_t c) const {
  const auto inside = [&] {
    for (const Span& span : spans) {
      if (c >= span.first && c <= span.last) return true;
    }
    if (categories != 0 && in(categories, c)) return true;
    if (flags != 0 && (tokenizer::flags(c) & flags) != 0) return true;
    if (spaces && is_space(c)) return true;
    if (std::find(scripts.begin(), scripts.end(), scripts.empty() ? 0 : script(c)) != scripts.end()) return true;
    return std::any_of(any_of.begin(), any_of.end(), [&](const Set& set) { return set.contains(c); });
  };
  const bool all =
      inside() && std::all_of(all_of.begin(), all_of.end(), [&](const Set& set) { return set.contains(c); });
  return all != negated;
}

void Regex::Set::finish() {
  for (char32_t c = 0; c < 128; ++c) ascii[c] = decide(c);
}

// Reads a pattern into a tree (recursive descent, its depth counted), then writes the program.
class RegexCompiler {
 public:
  RegexCompiler(std::string_view pattern, RegexEngine engine, Regex& regex)
      : pattern_(pattern), tiktoken_(engine == RegexEngine::kTiktoken), regex_(regex) {}

  void compile() {
    const std::size_t good = valid_utf8_prefix(pattern_);
    if (good != pattern_.size()) throw RegexError{"ill-formed UTF-8", good, false};
    Options options;
    const NodePtr tree = choice(options, 0);
    if (!at_end()) fail("')' without '('");
    if (numbered_ && named_) unsupported("a reference by number beside groups that have names");
    write(*tree);
    add(Regex::Op::kAccept);
    find_first_bytes(*tree);
  }

 private:
  using Op = Regex::Op;
  using Set = Regex::Set;
  struct Options {
    bool ignore_case = false, dot_all = false, extended = false;
    bool by_lines = false;  // tiktoken's (?m)
  };

  // --- reading ------------------------------------------------------------------------------------------------

  [[noreturn]] void fail(std::string message) const { throw RegexError{std::move(message), pos_, false}; }
  [[noreturn]] void unsupported(std::string message) const { throw RegexError{std::move(message), pos_, true}; }
  [[nodiscard]] bool at_end() const { return pos_ >= pattern_.size(); }
  [[nodiscard]] bool looking_at(std::string_view text) const { return pattern_.substr(pos_).starts_with(text); }
  bool take(std::string_view text) {
    if (!looking_at(text)) return false;
    pos_ += text.size();
    return true;
  }
  char32_t take_char() {
    if (at_end()) fail("ends early");
    const CodePoint c = decode_at(pattern_, pos_);
    pos_ += c.length;
    return c.value;
  }

  static NodePtr make(Node::Kind kind) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    return node;
  }
  NodePtr make_set(Set set) {
    set.finish();
    auto node = make(Node::Kind::kSet);
    node->set = static_cast<std::uint32_t>(regex_.sets_.size());
    regex_.sets_.push_back(std::move(set));
    return node;
  }
  static NodePtr make_assertion(Op op, std::uint8_t argument = 0) {
    auto node = make(Node::Kind::kAssertion);
    node->assertion = static_cast<std::uint8_t>(op);
    node->argument = argument;
    return node;
  }

  // choice := sequence ('|' sequence)*.  Options set by "(?i)" hold up to the end of the group that has it.
  NodePtr choice(Options options, std::size_t depth) {
    if (depth > kMaxDepth) unsupported("groups nest deeper than " + std::to_string(kMaxDepth));
    auto node = make(Node::Kind::kChoice);
    do node->children.push_back(sequence(options, depth));
    while (take("|"));
    return node->children.size() == 1 ? std::move(node->children[0]) : std::move(node);
  }

  NodePtr sequence(Options& options, std::size_t depth) {
    auto node = make(Node::Kind::kSequence);
    char32_t previous = 0;  // the letter before, where letters may fold together: "ss" and U+00DF
    while (!at_end() && !looking_at("|") && !looking_at(")")) {
      if (options.extended && skip_blank()) continue;
      if (take("(?#")) {
        while (!at_end() && !looking_at(")")) take_char();
        if (!take(")")) fail("a comment without ')'");
        continue;
      }
      const char32_t letter = options.ignore_case && is_ascii_letter(static_cast<unsigned char>(pattern_[pos_]))
                                  ? static_cast<char32_t>(pattern_[pos_] | 0x20)
                                  : 0;
      if (letter != 0) refuse_folding(previous, letter);
      previous = letter;
      NodePtr item = atom(options, depth);
      if (item != nullptr) node->children.push_back(quantified(std::move(item)));
    }
    return node;
  }

  bool skip_blank() {
    if (take("#")) {
      while (!at_end() && !take("\n")) take_char();
      return true;
    }
    return take(" ") || take("\t") || take("\n") || take("\r") || take("\f") || take("\v");
  }

  // Without regard to case, some pairs of letters also match one character (U+00DF, U+FB00 to U+FB06), but not for tiktoken.
  void refuse_folding(char32_t a, char32_t b) const {
    if (tiktoken_) return;
    const bool folds = (a == 's' && (b == 's' || b == 't')) || (a == 'f' && (b == 'f' || b == 'i' || b == 'l'));
    if (folds) unsupported("letters that fold together ('ss', 'st', 'ff', 'fi', 'fl') without regard to case");
  }

  NodePtr quantified(NodePtr item) {
    for (;;) {
      unsigned min = 0, max = kUnbounded;
      bool interval = false;
      const std::size_t begin = pos_;
      if (take("*")) {
      } else if (take("+")) {
        min = 1;
      } else if (take("?")) {
        max = 1;
      } else if (looking_at("{") && take_interval(min, max)) {
        interval = true;
      } else {
        return item;
      }
      auto repeat = make(Node::Kind::kRepeat);
      repeat->min = min, repeat->max = max;
      if (max == kUnbounded && width_of(*item).min == 0) unsupported("a repeat without end of what may match nothing");
      repeat->children.push_back(std::move(item));
      item = std::move(repeat);
      // To Oniguruma, a '+' behind {n,m} is one more repeat, and so is a '?' behind {n}; to tiktoken, nothing is.
      const bool exact = interval && pattern_.substr(begin, pos_ - begin).find(',') == std::string_view::npos;
      if ((tiktoken_ || !exact) && take("?")) item->greedy = false;
      if ((tiktoken_ || (!interval && item->greedy)) && take("+")) {
        auto atomic = make(Node::Kind::kAtomic);
        atomic->children.push_back(std::move(item));
        item = std::move(atomic);
      }
      if (tiktoken_) return item;
    }
  }

  // {n}, {n,}, {,m}, {n,m}; anything else is the character '{'.
  bool take_interval(unsigned& min, unsigned& max) {
    std::size_t at = pos_ + 1;
    const auto number = [&]() -> std::optional<unsigned> {
      std::optional<unsigned> value;
      for (; at < pattern_.size() && pattern_[at] >= '0' && pattern_[at] <= '9'; ++at) {
        value = std::min(value.value_or(0) * 10 + static_cast<unsigned>(pattern_[at] - '0'), kMaxRepeat + 1);
      }
      return value;
    };
    const auto low = number();
    const bool comma = at < pattern_.size() && pattern_[at] == ',';
    if (comma) ++at;
    const auto high = comma ? number() : low;
    if (at >= pattern_.size() || pattern_[at] != '}' || (!low && !high)) return false;
    if (low.value_or(0) > kMaxRepeat || high.value_or(0) > kMaxRepeat) {
      unsupported("a repeat of more than " + std::to_string(kMaxRepeat));
    }
    min = low.value_or(0), max = high.value_or(kUnbounded);
    if (min > max) unsupported("an interval that runs backwards");
    pos_ = at + 1;
    return true;
  }

  NodePtr atom(Options& options, std::size_t depth) {
    if (take("(")) return group(options, depth);
    if (looking_at("[")) return make_set(bracket(options, 0));
    if (take(".")) {
      Set set;
      if (options.dot_all) {
        set.categories = ~CategorySet{0};
      } else {
        set.spans = {{'\n', '\n'}};
        set.negated = true;
      }
      return make_set(std::move(set));
    }
    const bool lines = !tiktoken_ || options.by_lines;
    if (take("^")) return lines ? make_assertion(Op::kLineStart, tiktoken_ ? 1 : 0) : make_assertion(Op::kTextStart);
    if (take("$")) return make_assertion(lines ? Op::kLineEnd : Op::kTextEnd);
    if (looking_at("*") || looking_at("+") || looking_at("?")) fail("a repeat of nothing");
    if (looking_at("\\")) {
      if (take("\\A")) return make_assertion(Op::kTextStart);
      if (take("\\z")) return make_assertion(Op::kTextEnd);
      if (!tiktoken_ && take("\\Z")) return make_assertion(Op::kTextEndEol);
      if (take("\\b")) return make_assertion(Op::kWordEdge, 0);
      if (take("\\B")) return make_assertion(Op::kWordEdge, 1);
      if (NodePtr node = reference(options)) return node;
      Set set;
      if (!class_escape(set, options, false)) add_char(set, char_escape(false), options);
      return make_set(std::move(set));
    }
    Set set;
    add_char(set, take_char(), options);
    return make_set(std::move(set));
  }

  NodePtr group(Options& options, std::size_t depth) {
    NodePtr node;
    if (take("?")) {
      if (take(":")) {
        node = choice(options, depth + 1);
      } else if (take("=") || looking_at("!")) {
        node = look(Node::Kind::kAhead, options, depth);
      } else if (take("<=") || looking_at("<!")) {
        take("<");
        node = look(Node::Kind::kBehind, options, depth);
        const Width width = width_of(*node->children[0]);
        if (width.max > kMaxBehind) {
          unsupported("a lookbehind of more than " + std::to_string(kMaxBehind) + " characters");
        }
      } else if (take(">")) {
        node = make(Node::Kind::kAtomic);
        node->children.push_back(choice(options, depth + 1));
      } else if (take("<") || take("P<")) {
        const std::size_t begin = pos_, end = std::min(pattern_.find('>', pos_), pattern_.size());
        pos_ = std::min(end + 1, pattern_.size());
        named_ = true;
        node = capture(std::string(pattern_.substr(begin, end - begin)), options, depth);
      } else {
        Options inner = options;
        flags_of(inner);
        if (take(")")) {  // "(?i)": what follows, up to the end of this group. To Oniguruma that is a group of its own
          options = inner;
          return tiktoken_ ? nullptr : choice(options, depth + 1);
        }
        if (!take(":")) unsupported("this kind of group");
        node = choice(inner, depth + 1);
      }
    } else if (looking_at("*")) {
      unsupported("a callout");
    } else {
      node = capture({}, options, depth);
    }
    if (!take(")")) fail("'(' without ')'");
    return node;
  }

  // What a reference behind it may ask for.
  struct Group {
    std::string name;
    bool closed = false;
    Width width{};
    std::uint32_t number = 0;  // of those that are asked for; 0: none asks
  };

  NodePtr capture(std::string name, const Options& options, std::size_t depth) {
    auto node = make(Node::Kind::kGroup);
    node->group = groups_.size();
    groups_.push_back({std::move(name)});
    node->children.push_back(choice(options, depth + 1));
    groups_[node->group].closed = true;
    groups_[node->group].width = width_of(*node);
    return node;
  }

  // \1 to \9 and \k<name>, or nothing if no reference is here.
  NodePtr reference(const Options& options) {
    std::size_t group = groups_.size();
    if (take("\\k<")) {
      const std::size_t end = std::min(pattern_.find('>', pos_), pattern_.size());
      const std::string_view name = pattern_.substr(pos_, end - pos_);
      for (std::size_t i = 0; i < groups_.size(); ++i) {
        if (groups_[i].name != name || name.empty()) continue;
        if (group != groups_.size()) unsupported("a reference to one of several groups of a name");
        group = i;
      }
      pos_ = std::min(end + 1, pattern_.size());
    } else if (looking_at("\\") && pos_ + 1 < pattern_.size() && pattern_[pos_ + 1] >= '1' && pattern_[pos_ + 1] <= '9') {
      group = static_cast<std::size_t>(pattern_[pos_ + 1] - '1');
      pos_ += 2;
      if (!at_end() && pattern_[pos_] >= '0' && pattern_[pos_] <= '9') unsupported("an escape of several digits");
      numbered_ = true;
    } else {
      return nullptr;
    }
    if (group >= groups_.size() || !groups_[group].closed) unsupported("a reference to a group that doesn't end before it");
    if (options.ignore_case) unsupported("a reference to a group without regard to case");
    if (groups_[group].number == 0) groups_[group].number = ++regex_.groups_;
    auto node = make(Node::Kind::kReference);
    node->group = group;
    node->min = groups_[group].width.min, node->max = groups_[group].width.max;
    return node;
  }

  NodePtr look(Node::Kind kind, const Options& options, std::size_t depth) {
    auto node = make(kind);
    node->negative = take("!");
    node->children.push_back(choice(options, depth + 1));
    return node;
  }

  void flags_of(Options& options) {
    bool on = true;
    while (!at_end() && !looking_at(")") && !looking_at(":")) {
      if (take("-")) {
        on = false;
      } else if (take("i")) {
        options.ignore_case = on;
      } else if (take(tiktoken_ ? "s" : "m")) {
        options.dot_all = on;
      } else if (tiktoken_ && take("m")) {
        options.by_lines = on;
      } else if (take("x")) {
        options.extended = on;
      } else {
        unsupported("this kind of group");
      }
    }
  }

  // --- sets ---------------------------------------------------------------------------------------------------

  void add_char(Set& set, char32_t c, const Options& options) { add_span(set, c, c, options); }

  void add_span(Set& set, char32_t first, char32_t last, const Options& options) {
    set.spans.push_back({first, last});
    if (!options.ignore_case) return;
    for (char32_t c = first; c <= last && c < 128; ++c) {
      if (!is_ascii_letter(c)) continue;
      set.spans.push_back({c ^ 0x20, c ^ 0x20});
      if ((c | 0x20) == 's') set.spans.push_back({0x17F, 0x17F});
      if ((c | 0x20) == 'k') set.spans.push_back({0x212A, 0x212A});
    }
    if (last >= 128 && (first != last || in(kCased, last))) {
      unsupported("letters outside of ASCII without regard to case");
    }
  }

  // \d \w \s \h and their opposites, \p{...}: true if one of them was taken.
  bool class_escape(Set& set, const Options& options, bool in_bracket) {
    Set found;
    if (take("\\d") || take("\\D")) {
      found.categories = set_of(Category::kNd);
    } else if (take("\\w") || take("\\W")) {
      if (in_bracket) {
        add_word(found);
      } else {
        found.flags = word_flags();
      }
    } else if (take("\\s") || take("\\S")) {
      found.spaces = true;
    } else if (take("\\h") || take("\\H")) {
      found.spans = {{'0', '9'}, {'a', 'f'}, {'A', 'F'}};
    } else if (take("\\p{") || take("\\P{")) {
      found.negated = pattern_[pos_ - 2] == 'P';
      if (take("^")) found.negated = !found.negated;
      const std::size_t end = pattern_.find('}', pos_);
      if (end == std::string_view::npos) fail("\\p{ without }");
      property(found, pattern_.substr(pos_, end - pos_), options, in_bracket);
      pos_ = end + 1;
      merge(set, std::move(found));
      return true;
    } else if (tiktoken_ && (take("\\p") || take("\\P"))) {  // \pL
      found.negated = pattern_[pos_ - 1] == 'P';
      const std::size_t begin = pos_;
      take_char();
      property(found, pattern_.substr(begin, pos_ - begin), options, in_bracket);
      merge(set, std::move(found));
      return true;
    } else {
      return false;
    }
    const char letter = pattern_[pos_ - 1];
    found.negated = letter >= 'A' && letter <= 'Z';
    merge(set, std::move(found));
    return true;
  }

  static void merge(Set& set, Set part) {
    part.finish();
    set.any_of.push_back(std::move(part));
  }

  [[nodiscard]] std::uint8_t word_flags() const { return tiktoken_ ? kAddedWord : kWord; }

  void property(Set& set, std::string_view name, const Options& options, bool in_bracket) {
    std::string plain;
    for (const char c : name) {
      if (c != '_' && c != ' ' && c != '-') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    const auto category = std::find_if(std::begin(kCategoryNames), std::end(kCategoryNames),
                                       [&](const NamedCategories& known) { return known.name == plain; });
    if (category != std::end(kCategoryNames)) {
      set.categories = category->set;
    } else if (plain == "word" && !in_bracket && !tiktoken_) {
      set.flags = kWord;
    } else if (!(tiktoken_ ? other_property(set, plain) : posix(set, plain))) {
      const auto script = find_script(plain);
      if (!script) unsupported("the property \\p{" + std::string(name) + "}");
      set.scripts.push_back(*script);
    }
    refuse_case(set, "\\p{" + std::string(name) + "}", options);
  }

  void refuse_case(const Set& set, const std::string& what, const Options& options) const {
    const CategorySet cased = set.categories & kCased;
    const bool tells = (cased != 0 && cased != kCased) || (set.flags & (kUpper | kLower)) != 0;
    if (options.ignore_case && tells) unsupported(what + " without regard to case");
  }

  // By itself, \w takes the superscripts and fractions of Latin-1; as part of a set, Oniguruma's doesn't.
  void add_word(Set& set) const {
    set.flags = word_flags();
    if (tiktoken_) return;
    Set others;
    others.spans = {{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}};
    others.negated = true;
    others.finish();
    set.all_of.push_back(std::move(others));
  }

  // What tiktoken's \p{...} knows beside categories and scripts.
  bool other_property(Set& set, std::string_view name) const {
    static constexpr std::string_view kNames[] = {"alpha",     "alphabetic", "ascii", "cntrl",     "lower",
                                                  "lowercase", "space",      "upper", "uppercase", "whitespace"};
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) && posix(set, name);
  }

  // [:name:] of tiktoken, by where its spans begin and end.
  bool ascii_class(Set& set, std::string_view name, const Options& options) {
    static constexpr std::pair<std::string_view, std::string_view> kClasses[] = {
        {"alnum", "09AZaz"}, {"alpha", "AZaz"}, {"ascii", std::string_view("\0\x7F", 2)}, {"blank", "\t\t  "},
        {"cntrl", std::string_view("\0\x1F\x7F\x7F", 4)}, {"digit", "09"}, {"graph", "!~"}, {"lower", "az"}, {"print", " ~"},
        {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"}, {"word", "09AZ__az"}, {"xdigit", "09AFaf"},
    };
    for (const auto& [known, spans] : kClasses) {
      if (name != known) continue;
      for (std::size_t i = 0; i < spans.size(); i += 2) {
        add_span(set, static_cast<char32_t>(spans[i]), static_cast<char32_t>(spans[i + 1]), options);
      }
      return true;
    }
    return false;
  }

  bool posix(Set& set, std::string_view name) const {
    if (name == "alpha" || name == "alphabetic") {
      set.flags = kAlphabetic;
    } else if (name == "alnum") {
      set.flags = kAlphabetic;
      set.categories = set_of(Category::kNd);
    } else if (name == "digit") {
      set.categories = set_of(Category::kNd);
    } else if (name == "upper" || name == "uppercase") {
      set.flags = kUpper;
    } else if (name == "lower" || name == "lowercase") {
      set.flags = kLower;
    } else if (name == "punct") {
      set.flags = kPosixPunct;
    } else if (name == "space" || name == "whitespace") {
      set.spaces = true;
    } else if (name == "word") {
      add_word(set);
    } else if (name == "xdigit") {
      set.spans = {{'0', '9'}, {'a', 'f'}, {'A', 'F'}};
    } else if (name == "ascii") {
      set.spans = {{0, 127}};
    } else if (name == "blank") {
      set.spans = {{'\t', '\t'}};
      set.categories = set_of(Category::kZs);
    } else if (name == "cntrl") {
      set.categories = set_of(Category::kCc);
    } else {
      return false;
    }
    return true;
  }

  char32_t hex(std::size_t max_digits) {
    char32_t value = 0;
    std::size_t digits = 0;
    for (; digits < max_digits && !at_end(); ++digits, ++pos_) {
      const char c = pattern_[pos_];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) break;
      value = value * 16 + static_cast<char32_t>(digit);
    }
    if (digits == 0) fail("an escape without hexadecimal digits");
    if (value > kLastCodePoint || (value >= 0xD800 && value < 0xE000)) fail("an escape that is no character");
    return value;
  }

  char32_t char_escape(bool in_bracket) {
    if (!take("\\")) fail("ends early");
    const char32_t c = take_char();
    switch (c) {
      case 't': return '\t';
      case 'n': return '\n';
      case 'r': return '\r';
      case 'f': return '\f';
      case 'v': return '\v';
      case 'a': return '\a';
      case 'e': return 0x1B;
      case 'u': {
        const std::size_t before = pos_;
        const char32_t value = hex(4);
        if (pos_ != before + 4) fail("\\u needs four digits");
        return value;
      }
      case 'x': {
        if (!take("{")) {
          const char32_t value = hex(2);
          if (value >= 0x80) unsupported("\\x80 to \\xFF, which are bytes");
          return value;
        }
        const char32_t value = hex(8);
        if (!take("}")) fail("\\x{ without }");
        return value;
      }
      case 'b':
        if (in_bracket) return '\b';
        break;
      case '0': {
        char32_t value = 0;
        for (int i = 0; i < 2 && !at_end() && pattern_[pos_] >= '0' && pattern_[pos_] <= '7'; ++i, ++pos_) {
          value = value * 8 + static_cast<char32_t>(pattern_[pos_] - '0');
        }
        return value;
      }
      default: break;
    }
    if (is_ascii_letter(c) || (c >= '1' && c <= '9')) {
      unsupported(std::string("the escape \\") + static_cast<char>(c));
    }
    return c;
  }

  // bracket := '[' '^'? item* ('&&' item*)* ']'
  Set bracket(const Options& options, std::size_t depth) {
    if (depth > kMaxDepth) unsupported("brackets nest deeper than " + std::to_string(kMaxDepth));
    if (!take("[")) fail("ends early");
    const bool negated = take("^");
    Set all;  // the intersections so far
    Set current;
    bool first = true, intersected = false;
    for (;; first = false) {
      if (at_end()) fail("'[' without ']'");
      if (!first && take("]")) break;
      if (tiktoken_ && (looking_at("--") || looking_at("~~"))) unsupported("a difference of sets");
      if (take("&&")) {
        current.finish();
        (intersected ? all.all_of : all.any_of).push_back(std::exchange(current, Set{}));
        intersected = true;
        continue;
      }
      if (looking_at("[:") && posix_bracket(current, options)) continue;
      if (looking_at("[")) {
        current.any_of.push_back(bracket(options, depth + 1));
        continue;
      }
      if (looking_at("\\") && class_escape(current, options, true)) continue;
      const char32_t low = looking_at("\\") ? char_escape(true) : take_char();
      char32_t high = low;
      if (looking_at("-") && !looking_at("-]") && !looking_at("-[") && !looking_at("-&&")) {
        const std::size_t dash = pos_;
        take("-");
        Set after;
        if (looking_at("\\") && class_escape(after, options, true)) {
          pos_ = dash;  // "a-\d": the dash is itself
        } else {
          high = looking_at("\\") ? char_escape(true) : take_char();
          if (high < low) fail("a range that runs backwards");
        }
      }
      add_span(current, low, high, options);
    }
    if (!intersected) {
      current.negated = negated;
      current.finish();
      return current;
    }
    current.finish();
    all.all_of.push_back(std::move(current));
    all.negated = negated;
    all.finish();
    return all;
  }

  bool posix_bracket(Set& set, const Options& options) {
    const std::size_t end = pattern_.find(":]", pos_ + 2);
    if (end == std::string_view::npos) return false;
    std::string_view name = pattern_.substr(pos_ + 2, end - pos_ - 2);
    Set found;
    found.negated = name.starts_with("^");
    if (found.negated) name.remove_prefix(1);
    if (!(tiktoken_ ? ascii_class(found, name, options) : posix(found, name))) unsupported("the class [:" + std::string(name) + ":]");
    refuse_case(found, "[:" + std::string(name) + ":]", options);
    pos_ = end + 2;
    merge(set, std::move(found));
    return true;
  }

  // --- writing ------------------------------------------------------------------------------------------------

  std::uint32_t add(Op op, std::uint32_t x = 0, std::uint32_t y = 0, std::uint32_t z = 0) {
    if (regex_.program_.size() >= kMaxProgram) unsupported("a pattern this large");
    regex_.program_.push_back({op, x, y, z});
    return static_cast<std::uint32_t>(regex_.program_.size() - 1);
  }
  std::uint32_t add_split() { return add(Op::kSplit, 0, 0, regex_.splits_++); }
  [[nodiscard]] std::uint32_t here() const { return static_cast<std::uint32_t>(regex_.program_.size()); }
  void aim(std::uint32_t split, bool greedy, std::uint32_t body, std::uint32_t exit) {
    regex_.program_[split].x = greedy ? body : exit;
    regex_.program_[split].y = greedy ? exit : body;
  }

  void write(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kEmpty: break;
      case Node::Kind::kSet: add(Op::kSet, node.set); break;
      case Node::Kind::kSequence:
        for (const auto& child : node.children) write(*child);
        break;
      case Node::Kind::kChoice: write_choice(node); break;
      case Node::Kind::kRepeat: write_repeat(node); break;
      case Node::Kind::kAssertion: add(static_cast<Op>(node.assertion), node.argument, word_flags()); break;
      case Node::Kind::kReference: add(Op::kReference, groups_[node.group].number - 1); break;
      case Node::Kind::kGroup: {
        const std::uint32_t number = groups_[node.group].number;
        if (number != 0) add(Op::kSave, 2 * (number - 1));
        write(*node.children[0]);
        if (number != 0) add(Op::kSave, 2 * (number - 1) + 1);
        break;
      }
      case Node::Kind::kAhead: write_inner(node, Op::kAhead, 0); break;
      case Node::Kind::kAtomic: write_inner(node, Op::kAtomic, 0); break;
      case Node::Kind::kBehind: {
        const Width width = width_of(*node.children[0]);
        write_inner(node, Op::kBehind, width.min << 16 | width.max);
        break;
      }
    }
  }

  void write_choice(const Node& node) {
    std::vector<std::uint32_t> exits;
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      if (i + 1 == node.children.size()) {
        write(*node.children[i]);
        break;
      }
      const std::uint32_t split = add_split();
      write(*node.children[i]);
      exits.push_back(add(Op::kJump));
      aim(split, true, split + 1, here());
    }
    for (const std::uint32_t exit : exits) regex_.program_[exit].x = here();
  }

  void write_repeat(const Node& node) {
    const Node& body = *node.children[0];
    for (unsigned i = 0; i < node.min; ++i) write(body);
    if (node.max == kUnbounded) {
      const std::uint32_t split = add_split();
      write(body);
      add(Op::kJump, split);
      aim(split, node.greedy, split + 1, here());
      return;
    }
    std::vector<std::uint32_t> splits;
    for (unsigned i = node.min; i < node.max; ++i) {
      splits.push_back(add_split());
      write(body);
    }
    for (const std::uint32_t split : splits) aim(split, node.greedy, split + 1, here());
  }

  void write_inner(const Node& node, Op op, std::uint32_t z) {
    const std::uint32_t start = add(op, 0, node.negative ? 1 : 0, z);
    write(*node.children[0]);
    add(Op::kAccept);
    regex_.program_[start].x = here();
  }

  // The bytes that a match can start with, where that is easy to tell; a search skips all others.
  void find_first_bytes(const Node& tree) {
    regex_.may_be_empty_ = width_of(tree).min == 0;
    if (!first_of(tree)) regex_.first_bytes_.set();
  }

  // Adds the first bytes of `node`; false if they can't be told.
  bool first_of(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kSet: {
        const Set& set = regex_.sets_[node.set];
        for (std::size_t c = 0; c < 128; ++c) {
          if (set.ascii[c]) regex_.first_bytes_.set(c);
        }
        for (std::size_t byte = 0x80; byte < 256; ++byte) regex_.first_bytes_.set(byte);
        return true;
      }
      case Node::Kind::kSequence:
      case Node::Kind::kGroup:
      case Node::Kind::kAtomic:
        for (const auto& child : node.children) {
          if (!first_of(*child)) return false;
          if (width_of(*child).min > 0) return true;
        }
        return false;
      case Node::Kind::kChoice:
        return std::all_of(node.children.begin(), node.children.end(), [&](const NodePtr& c) { return first_of(*c); });
      case Node::Kind::kRepeat: return first_of(*node.children[0]);
      case Node::Kind::kAhead:
      case Node::Kind::kBehind:
      case Node::Kind::kAssertion: return true;  // takes nothing: what follows decides
      case Node::Kind::kReference:
      case Node::Kind::kEmpty: return false;
    }
    return false;
  }

  std::string_view pattern_;
  bool tiktoken_;
  Regex& regex_;
  std::size_t pos_ = 0;
  std::vector<Group> groups_;
  bool numbered_ = false, named_ = false;  // whether there is such a reference; such a group
};

Regex::Regex(std::string_view pattern, RegexEngine engine) : pattern_(pattern), engine_(engine) { RegexCompiler(pattern, engine, *this).compile(); }

// One search through one text. A state is (instruction, place). Without references to groups, a state that failed once
// fails always, and remembering failed kSplit states bounds the work by program * text. A lookahead only asks whether
// something matches: in it, a state that succeeded once also succeeds always.
class RegexMatcher {
 public:
  RegexMatcher(const Regex& regex, std::string_view text) : regex_(regex), text_(text) {}

  /// The first match at or behind `from`.
  std::optional<Range> find(std::size_t from) {
    slots_.assign(2 * std::size_t{regex_.groups_}, kNowhere);  // which they are again after a start that failed
    for (std::size_t start = from; start <= text_.size();) {
      start_ = start;
      const bool promising = regex_.may_be_empty_ ||
                             (start < text_.size() && regex_.first_bytes_[static_cast<unsigned char>(text_[start])]);
      if (promising && run(0, start, kAnywhere)) return Range{start, end_};
      start += start < text_.size() ? decode_at(text_, start).length : 1;
    }
    return std::nullopt;
  }

 private:
  using Op = Regex::Op;
  // Where a run may end: anywhere, and end_ becomes where; or so that only whether it does counts; or at one place.
  static constexpr std::size_t kAnywhere = ~std::size_t{0}, kWhether = kAnywhere - 1;
  static constexpr std::size_t kNowhere = ~std::size_t{0};
  struct Frame {
    enum class Kind : std::uint8_t {
      kChoice,  // to be tried: pc at pos
      kTried,   // all choices of this state lie above
      kSlot,    // what slot pc was before
    };
    std::uint32_t pc;
    Kind kind;
    std::size_t pos;
  };

  // Whether the program from `pc` on accepts at `pos`.
  bool run(std::uint32_t pc, std::size_t pos, std::size_t must_end) {
    const std::size_t base = stack_.size();
    for (;;) {
      if (step(pc, pos, must_end)) {
        if (accepted_) {
          accepted_ = false;
          for (std::size_t i = base; must_end == kWhether && i < stack_.size(); ++i) {
            if (stack_[i].kind == Frame::Kind::kTried) remember(stack_[i], kSucceeded);
          }
          stack_.resize(base);
          end_ = pos;
          return true;
        }
        continue;
      }
      for (;;) {
        if (stack_.size() == base) return false;
        const Frame frame = stack_.back();
        stack_.pop_back();
        if (frame.kind == Frame::Kind::kChoice) {
          pc = frame.pc, pos = frame.pos;
          break;
        }
        if (frame.kind == Frame::Kind::kSlot) {
          slots_[frame.pc] = frame.pos;
        } else {
          remember(frame, kFailed);
        }
      }
    }
  }

  // One instruction; false if it fails.
  bool step(std::uint32_t& pc, std::size_t& pos, std::size_t must_end) {
    count();
    const Regex::Instruction& at = regex_.program_[pc];
    switch (at.op) {
      case Op::kSet: {
        if (pos >= text_.size()) return false;
        const CodePoint c = decode_at(text_, pos);
        if (!regex_.sets_[at.x].contains(c.value)) return false;
        pos += c.length;
        break;
      }
      case Op::kSplit:
        if (memo_ != nullptr && must_end >= kWhether) {  // what a lookbehind found out holds for its own end only
          if (remembers(at.z, pos, kFailed)) return false;
          accepted_ = must_end == kWhether && remembers(at.z, pos, kSucceeded);
          if (accepted_) return true;
          stack_.push_back({pc, Frame::Kind::kTried, pos});
        }
        stack_.push_back({at.y, Frame::Kind::kChoice, pos});
        pc = at.x;
        return true;
      case Op::kJump: pc = at.x; return true;
      case Op::kAhead:
      case Op::kBehind:
      case Op::kAtomic: return step_into(pc, pos, at);
      case Op::kLineStart:
        if (pos != 0 && (text_[pos - 1] != '\n' || (at.x == 0 && pos == text_.size()))) return false;
        break;
      case Op::kLineEnd:
        if (pos != text_.size() && text_[pos] != '\n') return false;
        break;
      case Op::kTextStart:
        if (pos != 0) return false;
        break;
      case Op::kTextEnd:
        if (pos != text_.size()) return false;
        break;
      case Op::kTextEndEol:
        if (pos != text_.size() && text_.substr(pos) != "\n") return false;
        break;
      case Op::kWordEdge: {
        const auto is_word = [&](char32_t c) { return (flags(c) & at.y) != 0; };
        const bool before = pos > 0 && is_word(decode_before(text_, pos).value);
        const bool after = pos < text_.size() && is_word(decode_at(text_, pos).value);
        if ((before != after) != (at.x == 0)) return false;
        break;
      }
      case Op::kSave: set_slot(at.x, pos); break;
      case Op::kReference: {
        const std::size_t begin = slots_[2 * std::size_t{at.x}], end = slots_[2 * std::size_t{at.x} + 1];
        if (begin == kNowhere || end == kNowhere) return false;
        const std::string_view group = text_.substr(begin, end - begin);
        if (!text_.substr(pos).starts_with(group)) return false;
        pos += group.size();
        break;
      }
      case Op::kAccept: accepted_ = must_end >= kWhether || pos == must_end; return accepted_;
    }
    ++pc;
    return true;
  }

  void set_slot(std::uint32_t slot, std::size_t place) {
    stack_.push_back({slot, Frame::Kind::kSlot, slots_[slot]});
    slots_[slot] = place;
  }

  // A body that is matched by itself. The recursion is as deep as the pattern's groups nest.
  bool step_into(std::uint32_t& pc, std::size_t& pos, const Regex::Instruction& at) {
    bool found = false;
    const std::vector<std::size_t> before = slots_;
    if (at.op == Op::kBehind) {
      std::size_t from = pos;
      for (unsigned width = 0; width <= (at.z & 0xFFFF) && !found; ++width) {
        if (width >= at.z >> 16) found = run(pc + 1, from, pos);
        if (from == 0) break;
        from -= decode_before(text_, from).length;
      }
    } else {
      found = run(pc + 1, pos, at.op == Op::kAtomic ? kAnywhere : kWhether);
    }
    // A body that matched has forgotten how to take its groups back: that is remembered here, or done if it shouldn't have matched.
    std::vector<std::size_t> now = std::exchange(slots_, before);
    if (found != (at.y == 0)) return false;
    for (std::uint32_t slot = 0; found && slot < now.size(); ++slot) {
      if (now[slot] != slots_[slot]) set_slot(slot, now[slot]);
    }
    if (at.op == Op::kAtomic) pos = end_;
    pc = at.x;
    return true;
  }

  // States are remembered only once a search is slow: most never are.
  void count() {
    ++steps_;
    if (regex_.groups_ > 0) {
      if (steps_ > 1024 * (start_ + 65536)) give_up();
    } else if (memo_ == nullptr) {
      if (steps_ > 256 * (start_ + 256)) start_memo();
    } else if (steps_ > limit_) {
      give_up();
    }
  }
  [[noreturn]] static void give_up() {
    throw Error(ErrorCode::kTooLarge, "the tokenizer's regular expression takes too long on this text", {},
                "shorten the text, or split it before encoding");
  }

  void start_memo() {
    const std::size_t states = 2 * std::size_t{regex_.splits_} * (text_.size() + 1);
    if (states / 8 > kMaxMemoBytes) {
      throw Error(ErrorCode::kTooLarge, "the tokenizer's regular expression needs too much memory on this text", {},
                  "shorten the text, or split it before encoding");
    }
    memo_ = std::make_unique<std::vector<bool>>(states);
    limit_ = steps_ + 16 * (regex_.program_.size() + 16) * (text_.size() + 256);
  }

  enum Outcome { kFailed, kSucceeded };
  [[nodiscard]] std::size_t place(std::uint32_t split, std::size_t pos, Outcome outcome) const {
    return 2 * (std::size_t{split} * (text_.size() + 1) + pos) + outcome;
  }
  [[nodiscard]] bool remembers(std::uint32_t split, std::size_t pos, Outcome outcome) const {
    return (*memo_)[place(split, pos, outcome)];
  }
  void remember(const Frame& frame, Outcome outcome) {
    (*memo_)[place(regex_.program_[frame.pc].z, frame.pos, outcome)] = true;
  }

  const Regex& regex_;
  std::string_view text_;
  std::vector<Frame> stack_;
  std::vector<std::size_t> slots_;
  std::unique_ptr<std::vector<bool>> memo_;
  std::uint64_t steps_ = 0, limit_ = 0;
  std::size_t start_ = 0, end_ = 0;
  bool accepted_ = false;
};

std::vector<Range> Regex::find_all(std::string_view text) const {
  std::vector<Range> found;
  RegexMatcher matcher(*this, text);
  std::size_t from = 0;
  while (from <= text.size()) {
    const auto match = matcher.find(from);
    if (!match) break;
    // An empty match right behind the last one doesn't count.
    if (match->size() == 0 && !found.empty() && found.back().end == match->end) {
      from = match->end < text.size() ? match->end + decode_at(text, match->end).length : text.size() + 1;
      continue;
    }
    found.push_back(*match);
    from = match->end;
  }
  return found;
}

}  // namespace weft::tokenizer
