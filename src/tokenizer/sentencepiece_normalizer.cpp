#include "sentencepiece_normalizer.h"

#include <utility>

#include "utf8.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kSpace = "\u2581";

PieceTrie trie_of(const std::vector<std::string_view>& pieces) {
  std::vector<PieceTrie::Entry> entries;
  for (const std::string_view piece : pieces) entries.push_back({piece, 0});
  return PieceTrie(std::move(entries));
}

class Step : public NormalizerStep {
 public:
  explicit Step(SentencePieceNormalizer normalizer) : normalizer_(std::move(normalizer)) {}
  void save(CompiledWriter& writer) const override { writer(Kind::kSentencePiece, normalizer_); }

  [[nodiscard]] bool leaves(std::string_view text) const override { return text.empty(); }
  [[nodiscard]] bool may_drop_start() const override { return true; }
  void apply(NormalizedText& text) const override {
    if (text.trace == Trace::kNone) {
      text.text = normalizer_.apply(text.text);
      return;
    }
    std::vector<std::size_t> origins;
    std::string result = normalizer_.apply(text.text, &origins);
    std::vector<Range> source;
    source.reserve(result.size());
    const auto place = [&](std::size_t pos) {
      if (pos < text.source.size()) return text.source[pos].begin;
      return text.source.empty() ? text.origin : text.source.back().end;
    };
    std::size_t next = 0;  // the first byte that comes from elsewhere
    for (std::size_t i = 0; i < result.size(); ++i) {
      while (next <= i || (next < result.size() && origins[next] == origins[i])) ++next;
      // Of several pieces that come from one character, SentencePiece gives all of it to the last one.
      source.push_back({place(origins[i]), place(origins[text.trace == Trace::kOffsets ? i + 1 : next])});
    }
    text.text = std::move(result);
    text.source = std::move(source);
  }

 private:
  SentencePieceNormalizer normalizer_;
};

}  // namespace

std::unique_ptr<NormalizerStep> make_sentencepiece_step(SentencePieceNormalizer normalizer) {
  return std::make_unique<Step>(std::move(normalizer));
}

SentencePieceNormalizer::SentencePieceNormalizer(SentencePieceRules rules, bool treat_whitespace_as_suffix,
                                                 const std::vector<std::string_view>& user_defined)
    : rules_(std::move(rules)), suffix_(treat_whitespace_as_suffix), user_defined_(trie_of(user_defined)) {
  for (int byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    may_change_[byte] = c == ' ' || rules_.map.may_start_with(c) || user_defined_.may_start_with(c);
  }
}

SentencePieceNormalizer::Prefix SentencePieceNormalizer::prefix(std::string_view text, std::size_t pos) const {
  if (const auto found = user_defined_.longest(text, pos); found.end != pos && ends_character(text, found.end)) {
    return {text.substr(pos, found.end - pos), found.end - pos};
  }
  if (const Charsmap::Match match = rules_.map.longest(text, pos); match.length != 0) {
    return {match.replacement, match.length};
  }
  const std::size_t length = decode_at(text, pos).length;
  return {text.substr(pos, length), length};
}

std::size_t SentencePieceNormalizer::skip_unchanged(std::string_view text, std::size_t pos) const {
  const std::size_t begin = pos;
  while (pos < text.size() && may_change_[static_cast<unsigned char>(text[pos])] == 0) ++pos;
  // A rule may be about the last one together with what isn't ASCII behind it.
  const bool joins = pos < text.size() && pos > begin && static_cast<unsigned char>(text[pos]) >= 0x80 && !rules_.map.empty();
  return joins ? pos - 1 : pos;
}

std::string SentencePieceNormalizer::apply(std::string_view text, std::vector<std::size_t>* origins) const {
  const bool removes = rules_.remove_extra_whitespaces;
  const std::string_view space = rules_.escape_whitespaces ? kSpace : std::string_view(" ");
  std::size_t pos = 0;
  while (removes && pos < text.size()) {
    const Prefix next = prefix(text, pos);
    if (next.replacement != " ") break;
    pos += next.length;
  }
  std::string result;
  const auto put = [&](std::string_view part, std::size_t from) {
    result += part;
    if (origins != nullptr) origins->insert(origins->end(), part.size(), from);
  };
  if (pos == text.size()) {
    if (origins != nullptr) origins->push_back(pos);
    return result;
  }
  result.reserve(text.size() + text.size() / 2 + space.size());
  if (!suffix_ && rules_.add_dummy_prefix) put(space, pos);

  bool after_space = removes;
  while (pos < text.size()) {
    if (const std::size_t end = skip_unchanged(text, pos); end != pos) {
      result.append(text, pos, end - pos);
      for (; pos < end && origins != nullptr; ++pos) {
        // All bytes of a character come from its start.
        const bool continues = (static_cast<unsigned char>(text[pos]) & 0xC0) == 0x80;
        origins->push_back(continues ? origins->back() : pos);
      }
      pos = end;
      after_space = false;
      continue;
    }
    const Prefix next = prefix(text, pos);
    const std::size_t from = pos;
    std::string_view part = next.replacement;
    pos += next.length;
    while (after_space && part.starts_with(' ')) part.remove_prefix(1);
    if (part.empty()) continue;
    for (const char& c : part) put(c == ' ' ? space : std::string_view(&c, 1), from);
    after_space = removes && part.ends_with(' ');
  }
  if (removes) {
    std::size_t size = result.size();
    while (std::string_view(result).substr(0, size).ends_with(space)) size -= space.size();
    if (origins != nullptr && size != result.size()) {
      pos = (*origins)[size];
      origins->resize(size);
    }
    result.resize(size);
  }
  if (suffix_ && rules_.add_dummy_prefix) put(space, pos);
  if (origins != nullptr) origins->push_back(pos);
  return result;
}

}  // namespace weft::tokenizer
