// A Tokenizer of one's own in the ready-made pipeline: it reads and writes letters in the spelling alphabet of radio.
//
// The model stays the same; only what its 26 tokens stand for in text changes.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "examples/alphabet.h"
#include "weft/error.h"
#include "weft/pipeline.h"

class RadioTokenizer final : public weft::Tokenizer {
 public:
  using Tokenizer::encode;

  std::vector<weft::Token> encode(std::span<const weft::TextPart> parts) const override {
    std::vector<weft::Token> tokens;
    std::string text;
    for (const weft::TextPart& part : parts) text += part.text;
    for (std::size_t begin = text.find_first_not_of(' '); begin != std::string::npos;) {
      const std::size_t end = std::min(text.find(' ', begin), text.size());
      const auto token = find(std::string_view(text).substr(begin, end - begin));
      if (!token || is_special(*token)) {
        throw weft::Error(weft::ErrorCode::kInvalidArgument, "it is not a word of the spelling alphabet",
                          text.substr(begin, end - begin));
      }
      tokens.push_back(*token);
      begin = text.find_first_not_of(' ', end);
    }
    return tokens;
  }

  std::string decode(std::span<const weft::Token> tokens, weft::Specials specials) const override {
    std::string text;
    for (const weft::Token token : tokens) {
      if (is_special(token) && specials == weft::Specials::kAsText) continue;
      text += ' ';
      text += piece(token);
    }
    return text;
  }

  std::size_t vocab_size() const noexcept override { return kWords.size(); }

  std::string piece(weft::Token token) const override {
    if (token < 0 || static_cast<std::size_t>(token) >= kWords.size()) {
      throw weft::Error(weft::ErrorCode::kInvalidArgument, "there is no such token", std::to_string(token));
    }
    return std::string(kWords[static_cast<std::size_t>(token)]);
  }

  std::optional<weft::Token> find(std::string_view piece) const override {
    const auto word = std::find(kWords.begin(), kWords.end(), piece);
    if (word == kWords.end()) return {};
    return static_cast<weft::Token>(word - kWords.begin());
  }

  bool is_special(weft::Token token) const override { return token == AlphabetRunner::kEnd; }

 private:
  static constexpr std::array<std::string_view, 27> kWords{
      "alfa",    "bravo", "charlie", "delta",  "echo",     "foxtrot", "golf",   "hotel",  "india",
      "juliett", "kilo",  "lima",    "mike",   "november", "oscar",   "papa",   "quebec", "romeo",
      "sierra",  "tango", "uniform", "victor", "whiskey",  "xray",    "yankee", "zulu",   "<end>"};
};

int main() {
  weft::CompletionPipeline pipeline({
      .runner = std::make_shared<AlphabetRunner>(),
      .tokenizer = std::make_shared<RadioTokenizer>(),
      .stop_tokens = {AlphabetRunner::kEnd},
  });
  std::cout << "tango uniform ->";
  pipeline.generate("tango uniform", {}, [](std::string_view text) { std::cout << text; });
  std::cout << "\n";
}
