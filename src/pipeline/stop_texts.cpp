#include "stop_texts.h"

#include <algorithm>
#include <utility>

#include "weft/error.h"

namespace weft {

StopTexts::StopTexts(std::span<const std::string> texts) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string& text = texts[i];
    const auto where = [&] { return "stop text " + std::to_string(i + 1); };
    if (text.empty()) throw Error(ErrorCode::kInvalidArgument, "it is empty", where(), "leave it out");
    if ((static_cast<unsigned char>(text[0]) & 0xC0) == 0x80) {
      throw Error(ErrorCode::kInvalidArgument, "it begins in the middle of a character", where(), "pass UTF-8");
    }
    Pattern pattern{text, {0, 0}};
    for (std::size_t n = 2; n < text.size(); ++n) {
      std::size_t shorter = pattern.fallback[n - 1];
      while (shorter > 0 && text[shorter] != text[n - 1]) shorter = pattern.fallback[shorter];
      if (text[shorter] == text[n - 1]) ++shorter;
      pattern.fallback.push_back(shorter);
    }
    patterns_.push_back(std::move(pattern));
  }
}

void StopTexts::advance(Pattern& pattern, char byte) {
  while (pattern.matched > 0 && pattern.text[pattern.matched] != byte) {
    pattern.matched = pattern.fallback[pattern.matched];
  }
  if (pattern.text[pattern.matched] == byte) ++pattern.matched;
}

std::string StopTexts::push(std::string_view text) {
  if (found_) return {};
  std::size_t may_become_stop = 0;
  for (const char byte : text) {
    held_ += byte;
    may_become_stop = 0;
    std::size_t stop = 0;
    for (Pattern& pattern : patterns_) {
      advance(pattern, byte);
      may_become_stop = std::max(may_become_stop, pattern.matched);
      if (pattern.matched == pattern.text.size()) stop = std::max(stop, pattern.matched);
    }
    if (stop > 0) {
      found_ = true;
      held_.resize(held_.size() - stop);
      return finish();
    }
  }
  if (text.empty()) return {};
  std::string shown = held_.substr(0, held_.size() - may_become_stop);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopTexts::finish() { return std::exchange(held_, {}); }

}  // namespace weft
