// A Runner of one's own, as small as one can be: a "model" that knows the alphabet.
//
// Its tokens are the letters a to z (0 to 25) and an end token. After a letter it finds the next one likeliest, the
// one after that less likely, and so on; after z it ends. It keeps every promise of weft/runner.h, so that the
// ready-made pipelines run on it with all they do: prefix reuse, rewinding, sessions.
#pragma once

#include <algorithm>
#include <istream>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "weft/error.h"
#include "weft/runner.h"
#include "weft/tokenizer.h"

/// The state of one sequence: here just what was read.
class LetterCache final : public weft::Cache {
 public:
  explicit LetterCache(std::size_t n_capacity) : capacity_(n_capacity) {}

  std::size_t size() const noexcept override { return letters.size(); }
  std::size_t capacity() const noexcept override { return capacity_; }
  void truncate(std::size_t n_tokens) override {
    if (n_tokens > letters.size()) throw weft::Error(weft::ErrorCode::kInvalidArgument, "longer than the cache");
    letters.resize(n_tokens);
  }
  std::unique_ptr<weft::Cache> fork() const override { return std::make_unique<LetterCache>(*this); }
  void save(std::ostream& out) const override {
    for (const weft::Token letter : letters) out.put(static_cast<char>('a' + letter));
    out.put('\n');
  }

  std::vector<weft::Token> letters;

 private:
  std::size_t capacity_;
};

class AlphabetRunner final : public weft::Runner {
 public:
  static constexpr weft::Token kEnd = 26;

  std::size_t vocab_size() const noexcept override { return kEnd + 1; }
  std::size_t max_context() const noexcept override { return 64; }

  std::unique_ptr<weft::Cache> new_cache() override { return std::make_unique<LetterCache>(max_context()); }

  std::unique_ptr<weft::Cache> load_cache(std::istream& in) override {
    auto cache = std::make_unique<LetterCache>(max_context());
    for (int c = in.get(); c != '\n'; c = in.get()) {
      if (c < 'a' || c > 'a' + kEnd || cache->letters.size() == max_context()) {
        throw weft::Error(weft::ErrorCode::kCorrupt, "not the cache of an AlphabetRunner");
      }
      cache->letters.push_back(c - 'a');
    }
    return cache;
  }

  void forward(std::span<const weft::Step> steps, weft::Logits& out) override {
    // Everything is checked before anything changes.
    std::size_t n_rows = 0;
    for (const weft::Step& step : steps) {
      if (step.cache.size() + step.tokens.size() > step.cache.capacity()) {
        throw weft::Error(weft::ErrorCode::kContextFull, "the cache is full", "AlphabetRunner");
      }
      n_rows += step.rows == weft::LogitRows::kAll ? step.tokens.size() : 1;
    }
    out.resize(n_rows, vocab_size());
    std::size_t row = 0;
    for (const weft::Step& step : steps) {
      auto& letters = dynamic_cast<LetterCache&>(step.cache).letters;
      letters.insert(letters.end(), step.tokens.begin(), step.tokens.end());
      const auto wanted = step.rows == weft::LogitRows::kAll ? step.tokens : step.tokens.last(1);
      for (const weft::Token letter : wanted) predict_after(letter, out.row(row++));
    }
  }

 private:
  static void predict_after(weft::Token letter, std::span<float> logits) {
    for (weft::Token next = 0; next <= kEnd; ++next) {
      const weft::Token distance = next > letter ? next - letter - 1 : kEnd;
      logits[static_cast<std::size_t>(next)] = -2.0f * static_cast<float>(distance);
    }
  }
};

/// The ready-made tokenizer, reading what a model's tokenizer.json holds: 26 letters, no merges, one control token.
inline std::shared_ptr<const weft::Tokenizer> alphabet_tokenizer() {
  std::string letters;
  for (weft::Token letter = 0; letter < AlphabetRunner::kEnd; ++letter) {
    (letters += '"') += static_cast<char>('a' + letter);
    letters.append("\": ").append(std::to_string(letter)).append(", ");
  }
  const std::string json = R"({
    "added_tokens": [{"id": 26, "content": "<end>", "special": true,
                      "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "merges": [], "vocab": {)" +
                           letters + R"("<end>": 26}}
  })";
  return weft::parse_tokenizer(json, "the alphabet");
}
