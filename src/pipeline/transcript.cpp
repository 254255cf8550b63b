#include "transcript.h"

#include <algorithm>
#include <string>
#include <utility>

namespace weft {
namespace {

/// Without empty parts, and neighbours of one author joined: equal texts are then equal lists.
Prompt joined(const Prompt& prompt) {
  Prompt result;
  for (const TextPart& part : prompt) {
    if (part.text.empty()) continue;
    if (!result.empty() && result.back().specials == part.specials) {
      result.back().text += part.text;
    } else {
      result.push_back(part);
    }
  }
  return result;
}

/// How many bytes two joined texts have in common at their beginnings.
std::size_t common_bytes(const Prompt& a, const Prompt& b) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i].specials != b[i].specials) break;
    const std::string &x = a[i].text, &y = b[i].text;
    const auto differ = std::mismatch(x.begin(), x.end(), y.begin(), y.end());
    bytes += static_cast<std::size_t>(differ.first - x.begin());
    if (differ.first != x.end() || differ.second != y.end()) break;
  }
  return bytes;
}

Prompt after(const Prompt& prompt, std::size_t bytes) {
  Prompt rest;
  for (const TextPart& part : prompt) {
    if (bytes < part.text.size()) rest.push_back({part.text.substr(bytes), part.specials});
    bytes -= std::min(bytes, part.text.size());
  }
  return rest;
}

bool begins_with_control_token(const Prompt& text, std::span<const Token> tokens, const Tokenizer& tokenizer) {
  if (text.empty() || tokens.empty() || text.front().specials != Specials::kAsTokens) return false;
  if (!tokenizer.is_special(tokens.front())) return false;
  const std::string piece = tokenizer.piece(tokens.front());
  return !piece.empty() && text.front().text.starts_with(piece);
}

/// How many of the sampled tokens make exactly this text; nothing if no number of them does.
std::optional<std::size_t> tokens_of(std::string_view answer, std::span<const Token> sampled,
                                     const Tokenizer& tokenizer) {
  const auto is_text = [&](Token token) {
    return static_cast<std::size_t>(token) < tokenizer.vocab_size() && !tokenizer.is_special(token);
  };
  if (!std::all_of(sampled.begin(), sampled.end(), is_text)) return {};
  // Mostly all of them; fewer where a stop text was cut off.
  for (std::size_t n = sampled.size();; --n) {
    const std::string text = tokenizer.decode(sampled.first(n), Specials::kAsText);
    if (text == answer) return n;
    if (n == 0 || text.size() < answer.size()) return {};
  }
}

}  // namespace

std::vector<Token> Transcript::encode(const Prompt& prompt, const Tokenizer& tokenizer) const {
  const Prompt text = joined(prompt);
  const std::size_t common = common_bytes(text_, text);
  for (auto mark = marks_.rbegin(); mark != marks_.rend(); ++mark) {
    if (mark->bytes > common) continue;
    const Prompt rest = after(text, mark->bytes);
    const std::vector<Token> rest_tokens = tokenizer.encode(rest);
    if (!begins_with_control_token(rest, rest_tokens, tokenizer)) continue;
    std::vector<Token> tokens(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(mark->tokens));
    tokens.insert(tokens.end(), rest_tokens.begin(), rest_tokens.end());
    return tokens;
  }
  return tokenizer.encode(text);
}

void Transcript::remember(const Prompt& prompt, std::span<const Token> prompt_tokens, std::string_view answer,
                          std::span<const Token> sampled, const Tokenizer& tokenizer) {
  Transcript next;
  next.text_ = joined(prompt);
  next.tokens_.assign(prompt_tokens.begin(), prompt_tokens.end());
  // Earlier answers stay known as far as this prompt still has their text and their tokens.
  const std::size_t common = common_bytes(text_, next.text_);
  const auto differ = std::mismatch(tokens_.begin(), tokens_.end(), next.tokens_.begin(), next.tokens_.end());
  const auto common_tokens = static_cast<std::size_t>(differ.first - tokens_.begin());
  std::copy_if(marks_.begin(), marks_.end(), std::back_inserter(next.marks_),
               [&](const Mark& mark) { return mark.bytes <= common && mark.tokens <= common_tokens; });

  if (const auto n_tokens = tokens_of(answer, sampled, tokenizer)) {
    next.text_.push_back({std::string(answer), Specials::kAsText});
    next.text_ = joined(next.text_);
    next.tokens_.insert(next.tokens_.end(), sampled.begin(), sampled.begin() + static_cast<std::ptrdiff_t>(*n_tokens));
    std::size_t bytes = 0;
    for (const TextPart& part : next.text_) bytes += part.text.size();
    next.marks_.push_back({bytes, next.tokens_.size()});
  }
  *this = std::move(next);
}

void Transcript::save(SessionWriter& writer) const {
  writer.put_number(text_.size());
  for (const TextPart& part : text_) {
    writer.put_number(part.specials == Specials::kAsTokens ? 1 : 0);
    writer.put_text(part.text);
  }
  writer.put_tokens(tokens_);
  writer.put_number(marks_.size());
  for (const Mark& mark : marks_) {
    writer.put_number(mark.bytes);
    writer.put_number(mark.tokens);
  }
}

Transcript Transcript::load(SessionReader& reader) {
  Transcript transcript;
  std::size_t bytes = 0;
  for (std::uint64_t left = reader.number(); left > 0; --left) {
    const std::uint64_t author = reader.number();
    if (author > 1) SessionReader::throw_corrupt("a part of its text has an author who is neither 0 nor 1");
    transcript.text_.push_back({reader.text(), author == 1 ? Specials::kAsTokens : Specials::kAsText});
    bytes += transcript.text_.back().text.size();
  }
  transcript.text_ = joined(transcript.text_);
  transcript.tokens_ = reader.tokens();
  for (std::uint64_t left = reader.number(); left > 0; --left) {
    const std::uint64_t mark_bytes = reader.number(), mark_tokens = reader.number();
    const Mark last = transcript.marks_.empty() ? Mark{0, 0} : transcript.marks_.back();
    if (mark_bytes > bytes || mark_tokens > transcript.tokens_.size() || mark_bytes < last.bytes ||
        mark_tokens < last.tokens) {
      SessionReader::throw_corrupt("the end of an answer lies outside of its text");
    }
    transcript.marks_.push_back({static_cast<std::size_t>(mark_bytes), static_cast<std::size_t>(mark_tokens)});
  }
  return transcript;
}

}  // namespace weft
