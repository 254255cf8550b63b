#include "normalizer.h"

#include <algorithm>
#include <utility>

#include "base64.h"
#include "byte_level.h"
#include "llama_cpp_normalizers.h"
#include "sentencepiece_normalizer.h"
#include "split_patterns.h"
#include "unicode.h"

namespace weft::tokenizer {
namespace {

// Writes a new text from pieces of an old one, and keeps track of where they come from.
class Rewriter {
 public:
  explicit Rewriter(const NormalizedText& old) : old_(old), most_(most_bytes_after(old.text.size())) {
    result_.trace = old.trace;
    result_.origin = old.origin;
    result_.text.reserve(old.text.size() + old.text.size() / 8);
    if (traced()) result_.source.reserve(old.text.size() + old.text.size() / 8);
  }
  [[nodiscard]] bool traced() const { return old_.trace != Trace::kNone; }
  void keep(std::size_t begin, std::size_t end) {
    result_.text.append(old_.text, begin, end - begin);
    if (traced()) {
      result_.source.insert(result_.source.end(), old_.source.begin() + static_cast<std::ptrdiff_t>(begin),
                            old_.source.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }
  /// Puts `text` in the place of old bytes [begin, end), not empty.
  void put(std::string_view text, std::size_t begin, std::size_t end) {
    if (!traced()) return put(text, Range{0, 0});
    Range source = old_.source[begin];
    for (std::size_t i = begin; i < end; ++i) {
      source = {std::min(source.begin, old_.source[i].begin), std::max(source.end, old_.source[i].end)};
    }
    put(text, source);
  }
  /// Puts `text`, which comes from `source` in the original.
  void put(std::string_view text, Range source) {
    check_growth(result_.text.size() + text.size(), most_);
    result_.text += text;
    if (traced()) result_.source.insert(result_.source.end(), text.size(), source);
  }
  void put(char32_t c, std::size_t begin, std::size_t end) {
    char bytes[4];
    put(encode_utf8(c, bytes), begin, end);
  }
  void put(char32_t c, Range source) {
    char bytes[4];
    put(encode_utf8(c, bytes), source);
  }
  NormalizedText take() { return std::move(result_); }

 private:
  static std::string_view encode_utf8(char32_t c, char (&bytes)[4]) {
    std::string text;
    append_utf8(text, c);
    std::copy(text.begin(), text.end(), bytes);
    return {bytes, text.size()};
  }

  const NormalizedText& old_;
  NormalizedText result_;
  std::size_t most_;
};

// Hugging Face's way to say what becomes of a text: a list of characters, each of which stands for an old one (0), or
// for that and N more (-N), or is new (1). Where characters move, it is places, not characters, that keep their source.
class Alignment {
 public:
  /// @param pos  Where in the old text the list starts.
  Alignment(const NormalizedText& old, std::size_t pos) : old_(old), pos_(pos) {}

  /// The source of the next character of the list.
  Range next(int change) {
    if (change > 0) return pos_ == 0 ? Range{old_.origin, old_.origin} : old_.source[pos_ - 1];
    if (pos_ >= old_.text.size()) return old_.source.back();
    const Range source = old_.source[pos_];
    for (int i = change; i <= 0 && pos_ < old_.text.size(); ++i) pos_ += decode_at(old_.text, pos_).length;
    return source;
  }

 private:
  const NormalizedText& old_;
  std::size_t pos_;
};

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// A step that looks at one character at a time. `change(c, pos, rewriter)` is false if `c` stays as it is.
template <typename Change>
void rewrite_characters(NormalizedText& text, Change&& change) {
  Rewriter rewriter(text);
  std::size_t kept = 0;
  for (std::size_t pos = 0; pos < text.text.size();) {
    const CodePoint c = decode_at(text.text, pos);
    const std::size_t end = pos + c.length;
    rewriter.keep(kept, pos);
    kept = change(c.value, Range{pos, end}, rewriter) ? end : pos;
    pos = end;
  }
  rewriter.keep(kept, text.text.size());
  text = rewriter.take();
}

// The four normal forms. The text is taken apart at characters that neither change nor meet what precedes them, so that
// only stretches with something to do are touched.
class NormalFormStep : public NormalizerStep {
 public:
  explicit NormalFormStep(NormalForm form)
      : form_(form),
        composed_(form == NormalForm::kNfc || form == NormalForm::kNfkc),
        compatible_(form == NormalForm::kNfkc || form == NormalForm::kNfkd) {}
  void save(CompiledWriter& writer) const override { writer(Kind::kNormalForm, form_); }

  [[nodiscard]] bool leaves(std::string_view text) const override {
    for (std::size_t pos = 0; pos < text.size();) {
      if (static_cast<unsigned char>(text[pos]) < 0x80) {
        ++pos;
        continue;
      }
      const CodePoint c = decode_at(text, pos);
      if (!is_stable(c.value)) return false;
      pos += c.length;
    }
    return true;
  }

  void apply(NormalizedText& text) const override {
    Rewriter rewriter(text);
    std::size_t kept = 0, start = 0;  // [kept, start) may be copied; a stretch starts at `start`
    bool stable = true;               // whether [start, pos) is
    for (std::size_t pos = 0;;) {
      const bool at_end = pos == text.text.size();
      const CodePoint c = at_end ? CodePoint{0, 0} : decode_at(text.text, pos);
      if (at_end || is_boundary(c.value)) {
        if (!stable) {
          rewriter.keep(kept, start);
          rewrite(text, start, pos, rewriter);
          kept = pos;
        }
        start = pos;
        stable = true;
      }
      if (at_end) break;
      stable = stable && is_stable(c.value);
      pos += c.length;
    }
    rewriter.keep(kept, text.text.size());
    text = rewriter.take();
  }

  [[nodiscard]] bool may_drop_start() const override { return false; }

 private:
  struct Part {
    char32_t c;
    std::uint8_t combining_class;
    int change;  // as Alignment has it
    std::size_t begin, end;
  };

  [[nodiscard]] bool is_boundary(char32_t c) const { return compatible_ ? is_nfkc_boundary(c) : is_nfc_boundary(c); }
  [[nodiscard]] bool is_stable(char32_t c) const {
    if (composed_) return is_boundary(c);
    if (compatible_ && (traits(c) & kCompat) != 0) return false;
    return c < 0xC0 || (combining_class(c) == 0 && decompose(c).empty());
  }

  void rewrite(const NormalizedText& text, std::size_t begin, std::size_t end, Rewriter& rewriter) const {
    std::vector<Part> parts;
    for (std::size_t pos = begin; pos < end;) {
      const CodePoint c = decode_at(text.text, pos);
      std::u32string pieces = compatible_ ? decompose_compatible(c.value) : decompose(c.value);
      if (pieces.empty()) pieces = c.value;
      int change = 0;
      for (const char32_t piece : pieces) {
        parts.push_back({piece, combining_class(piece), change, pos, pos + c.length});
        change = 1;
      }
      pos += c.length;
    }
    for (auto run = parts.begin(); run != parts.end();) {  // canonical order: marks between two starters
      const auto next = std::find_if(run + 1, parts.end(), [](const Part& part) { return part.combining_class == 0; });
      std::stable_sort(run, next, [](const Part& a, const Part& b) { return a.combining_class < b.combining_class; });
      run = next;
    }
    if (composed_) compose_in_place(parts);
    if (text.trace == Trace::kOffsets) {
      Alignment alignment(text, begin);
      for (const Part& part : parts) rewriter.put(part.c, alignment.next(part.change));
    } else {
      for (const Part& part : parts) rewriter.put(part.c, part.begin, part.end);
    }
  }

  // Unicode 15, section 3.11: each character joins the last starter, unless one between them blocks it.
  static void compose_in_place(std::vector<Part>& parts) {
    std::size_t kept = 0, starter = 0;
    bool has_starter = false;
    for (const Part part : parts) {
      if (has_starter) {
        const bool adjacent = kept == starter + 1;
        const std::uint8_t last = parts[kept - 1].combining_class;
        const bool blocked = !adjacent && (last == 0 || last >= part.combining_class);
        const char32_t composed = blocked ? 0 : compose(parts[starter].c, part.c);
        if (composed != 0) {
          Part& into = parts[starter];
          into = {composed, 0, into.change + part.change - 1, std::min(into.begin, part.begin),
                  std::max(into.end, part.end)};
          continue;
        }
      }
      if (part.combining_class == 0) starter = kept, has_starter = true;
      parts[kept++] = part;
    }
    parts.resize(kept);
  }

  NormalForm form_;
  bool composed_, compatible_;
};

class Lowercase : public NormalizerStep {
 public:
  void save(CompiledWriter& writer) const override { writer(Kind::kLowercase); }
  [[nodiscard]] bool leaves(std::string_view text) const override {
    return is_ascii(text) && std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  }
  void apply(NormalizedText& text) const override {
    rewrite_characters(text, [](char32_t c, Range place, Rewriter& rewriter) {
      const char32_t lower = to_lower(c);
      if (c == 0x130) {
        rewriter.put("i\u0307", place.begin, place.end);
      } else if (lower != c) {
        rewriter.put(lower, place.begin, place.end);
      } else {
        return false;
      }
      return true;
    });
  }
  [[nodiscard]] bool may_drop_start() const override { return false; }
};

class Strip : public NormalizerStep {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void save(CompiledWriter& writer) const override { writer(Kind::kStrip, left_, right_); }
  [[nodiscard]] bool leaves(std::string_view text) const override {
    const Range kept = kept_of(text);
    return kept.begin == 0 && kept.end == text.size();
  }
  void apply(NormalizedText& text) const override {
    const Range kept = kept_of(text.text);
    Rewriter rewriter(text);
    rewriter.keep(kept.begin, kept.end);
    text = rewriter.take();
  }
  [[nodiscard]] bool may_drop_start() const override { return left_; }

 private:
  [[nodiscard]] Range kept_of(std::string_view text) const {
    Range kept{0, text.size()};
    while (left_ && kept.begin < kept.end) {
      const CodePoint c = decode_at(text, kept.begin);
      if (!is_space(c.value)) break;
      kept.begin += c.length;
    }
    while (right_ && kept.begin < kept.end) {
      const CodePoint c = decode_before(text, kept.end);
      if (!is_space(c.value)) break;
      kept.end -= c.length;
    }
    return kept;
  }
  bool left_, right_;
};

class StripAccents : public NormalizerStep {
 public:
  void save(CompiledWriter& writer) const override { writer(Kind::kStripAccents); }
  [[nodiscard]] bool leaves(std::string_view text) const override { return is_ascii(text); }
  void apply(NormalizedText& text) const override {
    rewrite_characters(text, [](char32_t c, Range, Rewriter&) { return (traits(c) & kAccent) != 0; });
  }
  [[nodiscard]] bool may_drop_start() const override { return true; }
};

class ReplaceLiteral : public NormalizerStep {
 public:
  ReplaceLiteral(std::string literal, std::string content)
      : literal_(std::move(literal)), content_(std::move(content)) {}
  void save(CompiledWriter& writer) const override { writer(Kind::kReplaceLiteral, literal_, content_); }
  [[nodiscard]] bool leaves(std::string_view text) const override {
    return text.find(literal_) == std::string_view::npos;
  }
  void apply(NormalizedText& text) const override {
    Rewriter rewriter(text);
    std::size_t kept = 0;
    for (std::size_t at = text.text.find(literal_); at != std::string::npos; at = text.text.find(literal_, kept)) {
      rewriter.keep(kept, at);
      kept = at + literal_.size();
      rewriter.put(content_, text.trace == Trace::kOffsets ? kept - 1 : at, kept);
    }
    rewriter.keep(kept, text.text.size());
    text = rewriter.take();
  }
  [[nodiscard]] bool may_drop_start() const override { return true; }

 private:
  std::string literal_, content_;
};

class ReplaceRegex : public NormalizerStep {
 public:
  ReplaceRegex(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void save(CompiledWriter& writer) const override { writer(Kind::kReplaceRegex, pattern_, content_); }
  [[nodiscard]] bool leaves(std::string_view text) const override { return text.empty(); }
  void apply(NormalizedText& text) const override {
    Rewriter rewriter(text);
    std::size_t kept = 0;
    for (const Range& match : pattern_.find_all(text.text)) {
      rewriter.keep(kept, match.begin);
      if (!rewriter.traced()) {
        rewriter.put(content_, Range{0, 0});
      } else if (match.end == 0) {
        rewriter.put(content_, Range{text.origin, text.origin});
      } else {
        // What stands for several characters has the last one's place; what is put between two, the first one's.
        const bool last_only = text.trace == Trace::kOffsets || match.size() == 0;
        rewriter.put(content_, last_only ? match.end - 1 : match.begin, match.end);
      }
      kept = match.end;
    }
    rewriter.keep(kept, text.text.size());
    text = rewriter.take();
  }
  [[nodiscard]] bool may_drop_start() const override { return true; }

 private:
  Regex pattern_;
  std::string content_;
};

class Prepend : public NormalizerStep {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void save(CompiledWriter& writer) const override { writer(Kind::kPrepend, prefix_); }
  [[nodiscard]] bool leaves(std::string_view text) const override { return text.empty() || prefix_.empty(); }
  void apply(NormalizedText& text) const override {
    text.text.insert(0, prefix_);
    if (text.trace != Trace::kNone) text.source.insert(text.source.begin(), prefix_.size(), text.source.front());
  }
  [[nodiscard]] bool may_drop_start() const override { return false; }

 private:
  std::string prefix_;
};

class Precompiled : public NormalizerStep {
 public:
  explicit Precompiled(Charsmap charsmap) : charsmap_(std::move(charsmap)) {}
  void save(CompiledWriter& writer) const override { writer(Kind::kPrecompiled, charsmap_); }
  [[nodiscard]] bool leaves(std::string_view text) const override {
    return charsmap_.skip_plain(text, 0) == text.size();
  }
  void apply(NormalizedText& text) const override {
    if (text.trace == Trace::kOffsets) return apply_aligned(text);
    Rewriter rewriter(text);
    std::size_t kept = 0;
    find_rules(text.text, [&](std::size_t begin, std::size_t end, std::string_view replacement) {
      rewriter.keep(kept, begin);
      rewriter.put(replacement, begin, end);
      kept = end;
    });
    rewriter.keep(kept, text.text.size());
    text = rewriter.take();
  }
  [[nodiscard]] bool may_drop_start() const override { return true; }

 private:
  // Calls found(begin, end, replacement) for what some rule changes, in order.
  template <typename Found>
  void find_rules(std::string_view text, Found&& found) const {
    constexpr std::size_t kLongestCluster = 5;
    for (std::size_t pos = 0; pos < text.size();) {
      const std::size_t plain = charsmap_.skip_plain(text, pos);
      if (plain > pos) {
        pos = plain;
        continue;
      }
      const std::size_t end = grapheme_end(text, pos);
      if (end - pos <= kLongestCluster) {
        if (const auto replacement = charsmap_.shortest(text.substr(pos, end - pos))) {
          found(pos, end, *replacement);
          pos = end;
          continue;
        }
      }
      while (pos < end) {
        const unsigned length = decode_at(text, pos).length;
        if (const auto replacement = charsmap_.shortest(text.substr(pos, length))) found(pos, pos + length, *replacement);
        pos += length;
      }
    }
  }

  static int count_characters(std::string_view text) {
    return static_cast<int>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }

  void apply_aligned(NormalizedText& text) const {
    struct Character {
      char32_t value;
      int change;
    };
    std::vector<Character> list;
    const auto append = [&](std::string_view part) {
      for (std::size_t pos = 0; pos < part.size();) {
        const CodePoint c = decode_at(part, pos);
        list.push_back({c.value, 0});
        pos += c.length;
      }
    };
    std::size_t kept = 0;
    bool changed = false;
    find_rules(text.text, [&](std::size_t begin, std::size_t end, std::string_view replacement) {
      append(std::string_view(text.text).substr(kept, begin - kept));
      append(replacement);
      kept = end;
      changed = true;
      const int more = count_characters(replacement) - count_characters(std::string_view(text.text).substr(begin, end - begin));
      if (more > 0) {
        for (int i = 1; i <= more; ++i) list[list.size() - static_cast<std::size_t>(i)].change = 1;
      } else if (more < 0 && !list.empty()) {
        list.back().change += more;
      }
    });
    if (!changed) return;
    append(std::string_view(text.text).substr(kept));
    Rewriter rewriter(text);
    Alignment alignment(text, 0);
    for (const Character& c : list) rewriter.put(c.value, alignment.next(c.change));
    text = rewriter.take();
  }

  Charsmap charsmap_;
};

bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

class BertNormalizer : public NormalizerStep {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options) : options_(options), decompose_(NormalForm::kNfd) {}
  void save(CompiledWriter& writer) const override { writer(Kind::kBert, options_); }

  [[nodiscard]] bool leaves(std::string_view text) const override {
    return std::all_of(text.begin(), text.end(), [&](char c) {
      return c >= ' ' && c < 0x7F && !(options_.lowercase && c >= 'A' && c <= 'Z');
    });
  }

  // No step looks beyond a run of ASCII: long ones go the short way, also where the text has other characters.
  void apply(NormalizedText& text) const override {
    if (text.trace != Trace::kNone) return apply_to_any(text);
    const std::string_view all = text.text;
    std::string result;
    for (std::size_t pos = 0; pos < all.size();) {
      Range ascii = next_long_ascii(all, pos);
      if (ascii.begin > pos) {
        NormalizedText other{std::string(all.substr(pos, ascii.begin - pos))};
        apply_to_any(other);
        result += other.text;
      }
      append_ascii(all.substr(ascii.begin, ascii.size()), result);
      pos = ascii.end;
    }
    text.text = std::move(result);
  }
  [[nodiscard]] bool may_drop_start() const override { return true; }

 private:
  void apply_to_any(NormalizedText& text) const {
    if (options_.clean_text) {
      rewrite_characters(text, [](char32_t c, Range place, Rewriter& rewriter) {
        if (c == 0 || c == 0xFFFD || (traits(c) & kControl) != 0) return true;
        if (c == ' ' || !is_space(c)) return false;
        rewriter.put(" ", place.begin, place.end);
        return true;
      });
    }
    if (options_.handle_chinese_chars) {
      rewrite_characters(text, [&](char32_t c, Range place, Rewriter& rewriter) {
        if (!is_cjk(c)) return false;
        rewriter.put(" ", place.begin, place.end);
        rewriter.put(c, place.begin, place.end);
        rewriter.put(" ", place.begin, place.end);
        return true;
      });
    }
    if (options_.strip_accents) {
      if (!decompose_.leaves(text.text)) decompose_.apply(text);
      rewrite_characters(text, [](char32_t c, Range, Rewriter&) { return (traits(c) & kNonspacing) != 0; });
    }
    if (options_.lowercase && !lowercase_.leaves(text.text)) lowercase_.apply(text);
  }

  // The next run of ASCII that is worth it, or nothing at the end. It starts with a character that stays: accents before and
  // behind a control character that is cleaned away meet, and are then put in order.
  static Range next_long_ascii(std::string_view text, std::size_t pos) {
    constexpr std::size_t kLong = 32;
    const auto is_other = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
    const auto first = text.begin();
    for (;;) {
      const auto begin = std::find_if(first + static_cast<std::ptrdiff_t>(pos), text.end(),
                                      [](char c) { return c >= ' ' && c < 0x7F; });
      const auto end = std::find_if(begin, text.end(), is_other);
      const Range run{static_cast<std::size_t>(begin - first), static_cast<std::size_t>(end - first)};
      if (run.size() >= kLong || run.begin == text.size()) return run;
      pos = run.end;
    }
  }

  void append_ascii(std::string_view text, std::string& result) const {
    std::size_t kept = result.size();
    result.resize(kept + text.size());
    for (char c : text) {
      if (options_.clean_text) {
        if (c == '\t' || c == '\n' || c == '\r') c = ' ';
        if (c < ' ' || c == 0x7F) continue;
      }
      if (options_.lowercase && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
      result[kept++] = c;
    }
    result.resize(kept);
  }

  BertNormalizerOptions options_;
  NormalFormStep decompose_;
  Lowercase lowercase_;
};

class Nmt : public NormalizerStep {
 public:
  void save(CompiledWriter& writer) const override { writer(Kind::kNmt); }
  [[nodiscard]] bool leaves(std::string_view text) const override {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; });
  }
  void apply(NormalizedText& text) const override {
    rewrite_characters(text, [](char32_t c, Range place, Rewriter& rewriter) {
      const bool removed = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
      if (removed) return true;
      const bool blank = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      if (blank) rewriter.put(" ", place.begin, place.end);
      return blank;
    });
  }
  [[nodiscard]] bool may_drop_start() const override { return true; }
};

class ByteLevel : public NormalizerStep {
 public:
  void save(CompiledWriter& writer) const override { writer(Kind::kByteLevel); }
  [[nodiscard]] bool leaves(std::string_view text) const override {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  }
  void apply(NormalizedText& text) const override {
    Rewriter rewriter(text);
    for (std::size_t pos = 0; pos < text.text.size(); ++pos) {
      rewriter.put(kByteToChar[static_cast<unsigned char>(text.text[pos])], pos, pos + 1);
    }
    text = rewriter.take();
  }
  [[nodiscard]] bool may_drop_start() const override { return false; }
};

void read_steps(const JsonValue& json, std::vector<std::unique_ptr<NormalizerStep>>& steps) {
  const JsonValue type_value = json.at("type");
  const std::string_view type = type_value.string();
  if (type == "Sequence") {
    for (const auto& [key, step] : json.at("normalizers").expect_array()) read_steps(step, steps);
  } else if (type == "NFC") {
    steps.push_back(make_normal_form(NormalForm::kNfc));
  } else if (type == "NFD") {
    steps.push_back(make_normal_form(NormalForm::kNfd));
  } else if (type == "NFKC") {
    steps.push_back(make_normal_form(NormalForm::kNfkc));
  } else if (type == "NFKD") {
    steps.push_back(make_normal_form(NormalForm::kNfkd));
  } else if (type == "Lowercase") {
    steps.push_back(make_lowercase());
  } else if (type == "Strip") {
    steps.push_back(make_strip(json.at("strip_left").boolean(), json.at("strip_right").boolean()));
  } else if (type == "StripAccents") {
    steps.push_back(make_strip_accents());
  } else if (type == "Replace") {
    std::string content(json.at("content").string());
    if (const auto literal = read_literal(json.at("pattern"))) {
      steps.push_back(make_replace(std::string(*literal), std::move(content)));
    } else {
      steps.push_back(make_replace(read_pattern(json.at("pattern")), std::move(content)));
    }
  } else if (type == "Prepend") {
    steps.push_back(make_prepend(std::string(json.at("prepend").string())));
  } else if (type == "Precompiled") {
    const JsonValue map = json.at("precompiled_charsmap");
    const auto bytes = from_base64(map.string());
    if (!bytes) map.fail("is not base64");
    try {
      steps.push_back(make_precompiled(Charsmap(*bytes)));
    } catch (const CharsmapError& error) {
      map.fail(error.message);
    }
  } else if (type == "BertNormalizer") {
    const bool lowercase = json.at("lowercase").boolean();
    steps.push_back(make_bert_normalizer({.clean_text = json.at("clean_text").boolean(),
                                          .handle_chinese_chars = json.at("handle_chinese_chars").boolean(),
                                          .strip_accents = json.boolean_or("strip_accents", lowercase),
                                          .lowercase = lowercase}));
  } else if (type == "Nmt") {
    steps.push_back(make_nmt());
  } else if (type == "ByteLevel") {
    steps.push_back(make_byte_level_normalizer());
  } else {
    type_value.fail("the normalizer " + quoted(type) +
                        " is not supported; these are: BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, "
                        "Precompiled, Prepend, Replace, Sequence, Strip, StripAccents",
                    ErrorCode::kUnsupported, "report the model");
  }
}

}  // namespace

void Normalizer::save(CompiledWriter& writer) const {
  writer(steps_.size());
  for (const auto& step : steps_) step->save(writer);
}

Normalizer Normalizer::read(CompiledReader& reader) {
  using Kind = NormalizerStep::Kind;
  std::vector<std::unique_ptr<NormalizerStep>> steps;
  const auto text = [&] { return reader.take<std::string>(); };
  for (auto left = reader.take<std::size_t>(); left > 0; --left) {
    switch (reader.take<Kind>()) {
      case Kind::kNormalForm: steps.push_back(make_normal_form(reader.take<NormalForm>())); break;
      case Kind::kLowercase: steps.push_back(make_lowercase()); break;
      case Kind::kStrip: {
        const bool on_left = reader.take<bool>();
        steps.push_back(make_strip(on_left, reader.take<bool>()));
        break;
      }
      case Kind::kStripAccents: steps.push_back(make_strip_accents()); break;
      case Kind::kReplaceLiteral: {
        std::string literal = text();
        reader.demand(!literal.empty(), "replaces nothing by something");
        steps.push_back(make_replace(std::move(literal), text()));
        break;
      }
      case Kind::kReplaceRegex: {
        auto pattern = reader.take<Regex>();
        steps.push_back(make_replace(std::move(pattern), text()));
        break;
      }
      case Kind::kPrepend: steps.push_back(make_prepend(text())); break;
      case Kind::kPrecompiled: steps.push_back(make_precompiled(reader.take<Charsmap>())); break;
      case Kind::kBert: steps.push_back(make_bert_normalizer(reader.take<BertNormalizerOptions>())); break;
      case Kind::kNmt: steps.push_back(make_nmt()); break;
      case Kind::kByteLevel: steps.push_back(make_byte_level_normalizer()); break;
      case Kind::kSentencePiece: steps.push_back(make_sentencepiece_step(reader.take<SentencePieceNormalizer>())); break;
      case Kind::kLlamaCppWords: steps.push_back(make_llama_cpp_words(reader.take<LlamaCppWordRules>())); break;
      case Kind::kLlamaCppUnigram: steps.push_back(read_llama_cpp_unigram(reader)); break;
    }
  }
  return Normalizer(std::move(steps));
}

std::unique_ptr<NormalizerStep> make_normal_form(NormalForm form) { return std::make_unique<NormalFormStep>(form); }
std::unique_ptr<NormalizerStep> make_lowercase() { return std::make_unique<Lowercase>(); }
std::unique_ptr<NormalizerStep> make_strip(bool left, bool right) { return std::make_unique<Strip>(left, right); }
std::unique_ptr<NormalizerStep> make_strip_accents() { return std::make_unique<StripAccents>(); }
std::unique_ptr<NormalizerStep> make_replace(std::string literal, std::string content) {
  return std::make_unique<ReplaceLiteral>(std::move(literal), std::move(content));
}
std::unique_ptr<NormalizerStep> make_replace(Regex pattern, std::string content) {
  return std::make_unique<ReplaceRegex>(std::move(pattern), std::move(content));
}
std::unique_ptr<NormalizerStep> make_prepend(std::string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}
std::unique_ptr<NormalizerStep> make_precompiled(Charsmap charsmap) {
  return std::make_unique<Precompiled>(std::move(charsmap));
}
std::unique_ptr<NormalizerStep> make_bert_normalizer(const BertNormalizerOptions& options) {
  return std::make_unique<BertNormalizer>(options);
}
std::unique_ptr<NormalizerStep> make_nmt() { return std::make_unique<Nmt>(); }
std::unique_ptr<NormalizerStep> make_byte_level_normalizer() { return std::make_unique<ByteLevel>(); }

NormalizedText NormalizedText::of(std::string_view text, Trace trace, std::size_t origin) {
  NormalizedText result{std::string(text), trace, {}, origin};
  if (trace == Trace::kNone) return result;
  result.source.reserve(text.size());
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t end = pos + decode_at(text, pos).length;
    result.source.insert(result.source.end(), end - pos, Range{origin + pos, origin + end});
    pos = end;
  }
  return result;
}

bool Normalizer::may_drop_start() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const auto& step) { return step->may_drop_start(); });
}

bool Normalizer::leaves(std::string_view text) const {
  return std::all_of(steps_.begin(), steps_.end(), [&](const auto& step) { return step->leaves(text); });
}

std::string Normalizer::apply(std::string_view text) const {
  NormalizedText result{std::string(text)};
  apply(result);
  return std::move(result.text);
}

void Normalizer::apply(NormalizedText& text) const {
  const std::size_t most = most_bytes_after(text.text.size());
  for (const auto& step : steps_) {
    if (step->leaves(text.text)) continue;
    step->apply(text);
    check_growth(text.text.size(), most);
  }
}

Normalizer read_normalizer(const std::optional<JsonValue>& json) {
  std::vector<std::unique_ptr<NormalizerStep>> steps;
  if (json) read_steps(*json, steps);
  return Normalizer(std::move(steps));
}

}  // namespace weft::tokenizer
