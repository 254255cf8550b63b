#include "normalizer.h"

#include <algorithm>
#include <utility>

#include "regex.h"
#include "split_patterns.h"
#include "unicode.h"

namespace weft::tokenizer {
namespace {

constexpr std::string_view kSupported = "these are: Lowercase, NFC, NFD, Replace, Sequence";

// Writes a new text from pieces of an old one, and keeps track of where they come from.
class Rewriter {
 public:
  explicit Rewriter(const NormalizedText& old) : old_(old), traced_(!old.source.empty()) {
    result_.text.reserve(old.text.size());
    if (traced_) result_.source.reserve(old.text.size());
  }
  void keep(std::size_t begin, std::size_t end) {
    result_.text.append(old_.text, begin, end - begin);
    if (traced_) {
      result_.source.insert(result_.source.end(), old_.source.begin() + static_cast<std::ptrdiff_t>(begin),
                            old_.source.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }
  /// Puts `text` in the place of old bytes [begin, end), not empty.
  void put(std::string_view text, std::size_t begin, std::size_t end) {
    result_.text += text;
    if (!traced_) return;
    Range source{old_.source[begin].begin, old_.source[begin].end};
    for (std::size_t i = begin; i < end; ++i) {
      source = {std::min(source.begin, old_.source[i].begin), std::max(source.end, old_.source[i].end)};
    }
    result_.source.insert(result_.source.end(), text.size(), source);
  }
  void put(char32_t c, std::size_t begin, std::size_t end) {
    std::string text;
    append_utf8(text, c);
    put(text, begin, end);
  }
  NormalizedText take() { return std::move(result_); }

 private:
  const NormalizedText& old_;
  bool traced_;
  NormalizedText result_;
};

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// NFC and NFD. The text is taken apart at characters that neither change nor meet what precedes them, so that only
// stretches with something to do are touched.
class CanonicalForm : public NormalizerStep {
 public:
  explicit CanonicalForm(bool composed) : composed_(composed) {}

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
      if (at_end || is_nfc_boundary(c.value)) {
        if (!stable) {
          rewriter.keep(kept, start);
          rewrite(text.text, start, pos, rewriter);
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

 private:
  struct Part {
    char32_t c;
    std::uint8_t combining_class;
    std::size_t begin, end;
  };

  [[nodiscard]] bool is_stable(char32_t c) const {
    if (composed_) return is_nfc_boundary(c);
    return c < 0xC0 || (combining_class(c) == 0 && decompose(c).empty());
  }

  void rewrite(std::string_view text, std::size_t begin, std::size_t end, Rewriter& rewriter) const {
    std::vector<Part> parts;
    for (std::size_t pos = begin; pos < end;) {
      const CodePoint c = decode_at(text, pos);
      const std::u32string pieces = decompose(c.value);
      for (const char32_t piece : pieces.empty() ? std::u32string(1, c.value) : pieces) {
        parts.push_back({piece, combining_class(piece), pos, pos + c.length});
      }
      pos += c.length;
    }
    for (auto run = parts.begin(); run != parts.end();) {  // canonical order: marks between two starters
      const auto next = std::find_if(run + 1, parts.end(), [](const Part& part) { return part.combining_class == 0; });
      std::stable_sort(run, next, [](const Part& a, const Part& b) { return a.combining_class < b.combining_class; });
      run = next;
    }
    if (composed_) compose_in_place(parts);
    for (const Part& part : parts) rewriter.put(part.c, part.begin, part.end);
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
          into = {composed, 0, std::min(into.begin, part.begin), std::max(into.end, part.end)};
          continue;
        }
      }
      if (part.combining_class == 0) starter = kept, has_starter = true;
      parts[kept++] = part;
    }
    parts.resize(kept);
  }

  bool composed_;
};

class LowercaseStep : public NormalizerStep {
 public:
  [[nodiscard]] bool leaves(std::string_view text) const override {
    return is_ascii(text) && std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  }
  void apply(NormalizedText& text) const override {
    Rewriter rewriter(text);
    for (std::size_t pos = 0; pos < text.text.size();) {
      const CodePoint c = decode_at(text.text, pos);
      const char32_t lower = to_lower(c.value);
      if (c.value == 0x130) {
        rewriter.put("i\u0307", pos, pos + c.length);
      } else if (lower != c.value) {
        rewriter.put(lower, pos, pos + c.length);
      } else {
        rewriter.keep(pos, pos + c.length);
      }
      pos += c.length;
    }
    text = rewriter.take();
  }
};

class ReplaceStep : public NormalizerStep {
 public:
  ReplaceStep(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  [[nodiscard]] bool leaves(std::string_view) const override { return false; }
  void apply(NormalizedText& text) const override {
    Rewriter rewriter(text);
    std::size_t kept = 0;
    for (const Range& match : pattern_.find_all(text.text)) {
      rewriter.keep(kept, match.begin);
      // What stands between two characters belongs to both.
      const std::size_t begin = match.size() != 0 || match.begin == 0 ? match.begin : match.begin - 1;
      if (!text.text.empty()) rewriter.put(content_, begin, std::max(match.end, begin + 1));
      kept = match.end;
    }
    rewriter.keep(kept, text.text.size());
    text = rewriter.take();
  }

 private:
  Regex pattern_;
  std::string content_;
};

}  // namespace

Normalizer::Normalizer(const std::optional<JsonValue>& json) {
  if (json) read(*json);
}

void Normalizer::read(const JsonValue& json) {
  const JsonValue type_value = json.at("type");
  const std::string_view type = type_value.string();
  if (type == "Sequence") {
    for (const auto& [key, step] : json.at("normalizers").expect_array()) read(step);
  } else if (type == "NFC" || type == "NFD") {
    steps_.push_back(std::make_unique<CanonicalForm>(type == "NFC"));
  } else if (type == "Lowercase") {
    steps_.push_back(std::make_unique<LowercaseStep>());
  } else if (type == "Replace") {
    steps_.push_back(
        std::make_unique<ReplaceStep>(read_pattern(json.at("pattern")), std::string(json.at("content").string())));
  } else {
    type_value.fail("the normalizer " + quoted(type) + " is not supported; " + std::string(kSupported),
                    ErrorCode::kUnsupported, "report the model");
  }
}

bool Normalizer::leaves(std::string_view text) const {
  return std::all_of(steps_.begin(), steps_.end(), [&](const auto& step) { return step->leaves(text); });
}

NormalizedText Normalizer::apply(std::string_view text, bool with_source) const {
  NormalizedText result{std::string(text), {}};
  if (with_source) {
    result.source.resize(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) result.source[i] = {i, i + 1};
  }
  for (const auto& step : steps_) {
    if (!step->leaves(result.text)) step->apply(result);
  }
  return result;
}

}  // namespace weft::tokenizer
