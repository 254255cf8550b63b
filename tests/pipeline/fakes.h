// A tokenizer and a runner small enough to see through, and scripted: the pipeline's tests in milliseconds.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/error.h"
#include "weft/pipeline.h"

namespace fakes {

using weft::Token;

enum : Token { kUser = 256, kAssistant, kSystem, kEnd, kParis, kPar, kIs, kVocab };

/// One token a byte, four control tokens, and the word "Paris", which can also be sampled as "Par" and "is".
class ByteTokenizer final : public weft::Tokenizer {
 public:
  using Tokenizer::encode;

  std::vector<Token> encode(std::span<const weft::TextPart> parts) const override {
    std::string text, authors;
    for (const auto& part : parts) {
      text += part.text;
      authors.append(part.text.size(), part.specials == weft::Specials::kAsTokens ? 't' : 'u');
    }
    std::vector<Token> tokens;
    for (std::size_t i = 0; i < text.size();) {
      const Token token = match(std::string_view(text).substr(i), std::string_view(authors).substr(i));
      tokens.push_back(token);
      i += token < 256 ? 1 : piece(token).size();
    }
    return tokens;
  }

  std::string decode(std::span<const Token> tokens, weft::Specials specials) const override {
    std::string bytes;
    for (const Token token : tokens) {
      if (!is_special(token) || specials == weft::Specials::kAsTokens) bytes += piece(token);
    }
    return well_formed(bytes);
  }

  std::size_t vocab_size() const noexcept override { return kVocab; }
  std::string piece(Token token) const override {
    if (token < 0 || token >= kVocab) throw weft::Error(weft::ErrorCode::kInvalidArgument, "no such token");
    return token < 256 ? std::string(1, static_cast<char>(token)) : kPieces[static_cast<std::size_t>(token - 256)];
  }
  std::optional<Token> find(std::string_view wanted) const override {
    for (Token token = 0; token < kVocab; ++token) {
      if (piece(token) == wanted) return token;
    }
    return {};
  }
  bool is_special(Token token) const override { return token >= kUser && token <= kEnd; }

 private:
  inline static const std::array<std::string, 7> kPieces{"<user>", "<assistant>", "<system>", "<end>",
                                                         "Paris",  "Par",         "is"};

  Token match(std::string_view text, std::string_view authors) const {
    for (Token token = kUser; token <= kParis; ++token) {
      const std::string spelled = piece(token);
      if (!text.starts_with(spelled)) continue;
      if (token == kParis || authors.substr(0, spelled.size()).find('u') == std::string_view::npos) return token;
    }
    return static_cast<unsigned char>(text[0]);
  }

  static std::string well_formed(std::string_view bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size();) {
      const auto lead = static_cast<unsigned char>(bytes[i]);
      const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
      std::size_t there = 1;
      while (there < length && i + there < bytes.size() && (bytes[i + there] & 0xC0) == 0x80) ++there;
      text += length == there ? std::string(bytes.substr(i, there)) : "\xEF\xBF\xBD";
      i += there;
    }
    return text;
  }
};

class FakeCache final : public weft::Cache {
 public:
  explicit FakeCache(std::size_t n_capacity) : capacity_(n_capacity) {}

  std::size_t size() const noexcept override { return tokens.size(); }
  std::size_t capacity() const noexcept override { return capacity_; }
  void truncate(std::size_t n_tokens) override {
    if (n_tokens > tokens.size()) throw weft::Error(weft::ErrorCode::kInvalidArgument, "too many to truncate to");
    tokens.resize(n_tokens);
  }
  std::unique_ptr<weft::Cache> fork() const override { return std::make_unique<FakeCache>(*this); }
  void save(std::ostream& out) const override {
    out << "fake " << tokens.size() << ' ';
    for (const Token token : tokens) out << token << ' ';
  }

  std::vector<Token> tokens;

 private:
  std::size_t capacity_;
};

/// What comes next, from all that came before: a model without state, like a real one.
using Script = std::function<Token(const std::vector<Token>& sequence)>;

class FakeRunner final : public weft::Runner {
 public:
  explicit FakeRunner(Script next, std::size_t capacity = 4096) : next_(std::move(next)), capacity_(capacity) {}

  std::size_t vocab_size() const noexcept override { return n_vocab; }
  std::size_t max_context() const noexcept override { return capacity_; }
  std::unique_ptr<weft::Cache> new_cache() override {
    ++n_caches;
    return std::make_unique<FakeCache>(capacity_);
  }
  std::unique_ptr<weft::Cache> load_cache(std::istream& in) override {
    auto cache = std::make_unique<FakeCache>(capacity_);
    std::string word;
    std::size_t n_tokens = 0;
    if (!(in >> word >> n_tokens) || word != "fake") {
      throw weft::Error(weft::ErrorCode::kCorrupt, "not a fake cache");
    }
    for (Token token; cache->tokens.size() < n_tokens && in >> token;) cache->tokens.push_back(token);
    if (cache->tokens.size() < n_tokens) throw weft::Error(weft::ErrorCode::kCorrupt, "the fake cache is cut short");
    in.ignore(1);
    return cache;
  }

  void forward(std::span<const weft::Step> steps, weft::Logits& out) override {
    if (on_forward) on_forward(forwards.size());
    out.resize(steps.size(), vocab_size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      auto& tokens = dynamic_cast<FakeCache&>(steps[i].cache).tokens;
      if (tokens.size() + steps[i].tokens.size() > capacity_) {
        throw weft::Error(weft::ErrorCode::kContextFull, "the pipeline should have seen this");
      }
      tokens.insert(tokens.end(), steps[i].tokens.begin(), steps[i].tokens.end());
      forwards.push_back({steps[i].tokens.begin(), steps[i].tokens.end()});
      std::fill(out.row(i).begin(), out.row(i).end(), 0.0f);
      out.row(i)[static_cast<std::size_t>(next_(tokens))] = 10.0f;
    }
  }

  std::size_t n_tokens_computed() const {
    std::size_t n = 0;
    for (const auto& tokens : forwards) n += tokens.size();
    return n;
  }

  std::vector<std::vector<Token>> forwards;              ///< The tokens of each call.
  std::function<void(std::size_t n_before)> on_forward;  ///< May throw, as a failing backend does.
  std::size_t n_caches = 0;
  std::size_t n_vocab = kVocab;

 private:
  Script next_;
  std::size_t capacity_;
};

inline std::vector<Token> tokens_of(std::string_view text) {
  return ByteTokenizer().encode(text, weft::Specials::kAsTokens);
}

/// After `prompt`, these tokens, then kEnd for ever.
inline Script says(std::string_view prompt, std::vector<Token> answer) {
  return [n_prompt = tokens_of(prompt).size(), answer = std::move(answer)](const std::vector<Token>& sequence) {
    const std::size_t i = sequence.size() - n_prompt;
    return i < answer.size() ? answer[i] : Token{kEnd};
  };
}
inline Script says(std::string_view prompt, std::string_view answer) { return says(prompt, tokens_of(answer)); }

/// In a conversation, the n-th answer to the n-th question.
inline Script converses(std::vector<std::vector<Token>> answers) {
  return [answers = std::move(answers)](const std::vector<Token>& sequence) {
    const auto n = static_cast<std::size_t>(std::count(sequence.begin(), sequence.end(), Token{kAssistant}));
    const auto begin = std::find(sequence.rbegin(), sequence.rend(), Token{kAssistant});
    const auto i = static_cast<std::size_t>(begin - sequence.rbegin());
    return n > 0 && n <= answers.size() && i < answers[n - 1].size() ? answers[n - 1][i] : Token{kEnd};
  };
}

inline weft::PipelineParts parts(std::shared_ptr<weft::Runner> runner) {
  return {.runner = std::move(runner), .tokenizer = std::make_shared<ByteTokenizer>(), .stop_tokens = {kEnd}};
}

/// What() of the weft::Error that `action` throws.
template <class Action>
std::string error_of(Action action, weft::ErrorCode code) {
  try {
    action();
  } catch (const weft::Error& error) {
    return error.code() == code ? error.what() : "another code: " + std::string(error.what());
  }
  return "no error";
}

}  // namespace fakes
