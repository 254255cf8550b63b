#include "llama_cpp_normalizers.h"

#include <string>
#include <utility>

#include "piece_trie.h"
#include "unicode.h"
#include "utf8.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kSpace = "\u2581";

// A new text with, if asked for, the place in the original of each byte.
class Writer {
 public:
  explicit Writer(const NormalizedText& old) : old_(old) {
    text_.reserve(old.text.size() + old.text.size() / 2 + kSpace.size());
  }
  /// Puts `part` in the place of old bytes [begin, end), not empty.
  void put(std::string_view part, std::size_t begin, std::size_t end) {
    text_ += part;
    if (old_.trace == Trace::kNone) return;
    source_.insert(source_.end(), part.size(), {old_.source[begin].begin, old_.source[end - 1].end});
  }
  [[nodiscard]] const std::string& text() const { return text_; }
  void replace(NormalizedText& old) {
    old.text = std::move(text_);
    old.source = std::move(source_);
  }

 private:
  const NormalizedText& old_;
  std::string text_;
  std::vector<Range> source_;
};

// llama-vocab.cpp, llm_tokenizer_wpm_session::is_chinese_char
bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_word_by_itself(char32_t c) {
  constexpr CategorySet kPunctuationSigns =
      set_of(Category::kPc, Category::kPd, Category::kPe, Category::kPf, Category::kPi, Category::kPo, Category::kPs);
  constexpr CategorySet kSymbols = set_of(Category::kSc, Category::kSk, Category::kSm, Category::kSo);
  return in(kPunctuationSigns, c) || (c < 0x7F && in(kSymbols, c)) || is_ideograph(c);
}

class Words : public NormalizerStep {
 public:
  explicit Words(LlamaCppWordRules rules) : rules_(rules) {}

  void save(CompiledWriter& writer) const override { writer(Kind::kLlamaCppWords, rules_); }
  [[nodiscard]] bool leaves(std::string_view text) const override { return text.empty(); }
  [[nodiscard]] bool may_drop_start() const override { return true; }
  void apply(NormalizedText& text) const override {
    constexpr CategorySet kControls = set_of(Category::kCc, Category::kCf, Category::kCo, Category::kCs);
    Writer out(text);
    bool in_word = false;
    const auto start_word = [&](std::size_t begin, std::size_t end) {
      if (!out.text().empty()) out.put(" ", begin, end);
      out.put(kSpace, begin, end);
    };
    std::string bytes;
    for (std::size_t pos = 0; pos < text.text.size();) {
      const std::size_t begin = pos;
      auto [c, length] = decode_at(text.text, pos);
      pos += length;
      if (rules_.strip_accents && c >= 0xC0) {
        if (const std::u32string parts = decompose(c); !parts.empty()) c = parts.front();
      }
      if (is_space(c)) {
        in_word = false;
        continue;
      }
      if (c == 0 || c == 0xFFFD || in(kControls, c) || (rules_.strip_accents && in(kMarks, c))) continue;
      const bool alone = is_word_by_itself(c);
      if (!in_word || alone) start_word(begin, pos);
      in_word = !alone;
      bytes.clear();
      append_utf8(bytes, !rules_.lowercase ? c : c == 0x130 ? U'i' : to_lower(c));
      out.put(bytes, begin, pos);
    }
    out.replace(text);
  }

 private:
  LlamaCppWordRules rules_;
};

class UnigramStep : public NormalizerStep {
 public:
  UnigramStep(LlamaCppUnigramRules rules, const std::vector<std::string_view>& user_defined) : rules_(std::move(rules)) {
    std::vector<PieceTrie::Entry> entries;
    for (const std::string_view piece : user_defined) entries.push_back({piece, 0});
    user_defined_ = PieceTrie(std::move(entries));
  }
  explicit UnigramStep(CompiledReader& reader) { reader(rules_, user_defined_); }

  void save(CompiledWriter& writer) const override { writer(Kind::kLlamaCppUnigram, rules_, user_defined_); }
  [[nodiscard]] bool leaves(std::string_view text) const override { return text.empty(); }
  [[nodiscard]] bool may_drop_start() const override { return true; }
  // llama-vocab.cpp, llm_tokenizer_ugm_session::normalize
  void apply(NormalizedText& text) const override {
    Writer out(text);
    bool prepended = false, in_word = false;
    for (std::size_t pos = 0; pos < text.text.size();) {
      const Charsmap::Match match = prefix(text.text, pos);
      const std::size_t end = pos + match.length;
      for (const char& c : match.replacement) {
        if (c == ' ') {
          in_word = false;
          if (!rules_.remove_extra_whitespaces) out.put(kSpace, pos, end);
          continue;
        }
        if (!in_word && ((rules_.add_space_prefix && !prepended) || rules_.remove_extra_whitespaces)) {
          out.put(kSpace, pos, end);
          prepended = true;
        }
        in_word = true;
        out.put(std::string_view(&c, 1), pos, end);
      }
      pos = end;
    }
    out.replace(text);
  }

 private:
  [[nodiscard]] Charsmap::Match prefix(std::string_view text, std::size_t pos) const {
    if (const auto found = user_defined_.longest(text, pos); found.end != pos) {
      return {found.end - pos, text.substr(pos, found.end - pos)};
    }
    if (const Charsmap::Match match = rules_.map.longest(text, pos); match.length != 0) return match;
    const std::size_t length = decode_at(text, pos).length;
    return {length, text.substr(pos, length)};
  }

  LlamaCppUnigramRules rules_;
  PieceTrie user_defined_;
};

}  // namespace

std::unique_ptr<NormalizerStep> make_llama_cpp_words(LlamaCppWordRules rules) { return std::make_unique<Words>(rules); }

std::unique_ptr<NormalizerStep> make_llama_cpp_unigram(LlamaCppUnigramRules rules,
                                                       const std::vector<std::string_view>& user_defined) {
  return std::make_unique<UnigramStep>(std::move(rules), user_defined);
}

std::unique_ptr<NormalizerStep> read_llama_cpp_unigram(CompiledReader& reader) { return std::make_unique<UnigramStep>(reader); }

}  // namespace weft::tokenizer
