// The stream of a Tokenizer that has none of its own.
#include <algorithm>
#include <utility>

#include "weft/tokenizer.h"

namespace weft {
namespace {

// A token's text may hang on the few before it: halves of a character, a blank that only the first word of a text
// lacks. So many stay in the window; more are dropped once the window is twice as long.
constexpr std::size_t kContext = 8;

constexpr std::string_view kReplacement = "\uFFFD";

// The bytes at the end of `text` that a further token may still change: U+FFFD may stand for the first bytes of a
// character, at most three, and some tokenizers write one for each of them.
std::size_t unsettled(std::string_view text) {
  std::size_t held = 0;
  while (held < 3 && text.ends_with(kReplacement)) {
    text.remove_suffix(kReplacement.size());
    ++held;
  }
  return held * kReplacement.size();
}

bool splits_character(std::string_view text, std::size_t pos) {
  return pos < text.size() && (static_cast<unsigned char>(text[pos]) & 0xC0) == 0x80;
}

class WindowStream : public Tokenizer::Stream {
 public:
  WindowStream(const Tokenizer& tokenizer, Specials specials) : tokenizer_(&tokenizer), specials_(specials) {}
  [[nodiscard]] std::string push(Token token) override;
  [[nodiscard]] std::string finish() override;

 private:
  const Tokenizer* tokenizer_;
  Specials specials_;
  std::vector<Token> window_;  // the tokens whose text may still change with the next one
  std::size_t emitted_ = 0;    // bytes of decode(window_) already returned
};

std::string WindowStream::push(Token token) {
  // What has no text now has none later, and would only make the window long.
  if (specials_ == Specials::kAsText && tokenizer_->is_special(token)) return {};
  if (tokenizer_->piece(token).empty()) return {};

  window_.push_back(token);
  std::string text;
  try {
    text = tokenizer_->decode(window_, specials_);
  } catch (...) {
    window_.pop_back();
    throw;
  }
  const std::size_t held = unsettled(text);
  const std::size_t settled = text.size() - held;
  std::string fresh;
  if (settled > emitted_ && !splits_character(text, emitted_)) {
    fresh = text.substr(emitted_, settled - emitted_);
    emitted_ = settled;
  }
  if (window_.size() >= 2 * kContext) {
    std::vector<Token> shorter(window_.end() - kContext, window_.end());
    const std::string rest = tokenizer_->decode(shorter, specials_);
    const std::string_view tail = std::string_view(text).substr(emitted_);
    const bool forced = window_.size() >= 8 * kContext;
    if ((rest.size() > tail.size() && rest.ends_with(tail)) || forced) {
      emitted_ = rest.size() - std::min(rest.size(), tail.size());
      window_ = std::move(shorter);
    }
  }
  return fresh;
}

std::string WindowStream::finish() {
  const std::string text = tokenizer_->decode(window_, specials_);
  std::string rest = emitted_ < text.size() ? text.substr(emitted_) : std::string();
  window_.clear();
  emitted_ = 0;
  return rest;
}

}  // namespace

std::unique_ptr<Tokenizer::Stream> Tokenizer::stream(Specials specials) const {
  return std::make_unique<WindowStream>(*this, specials);
}

}  // namespace weft
