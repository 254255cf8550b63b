#include <gtest/gtest.h>

#include <random>

#include "src/tokenizer/utf8.h"
#include "tests/tokenizer/tiny_file.h"
#include "weft/error.h"
#include "weft/tokenizer.h"

namespace {

using namespace weft::testing;
using weft::Specials;
using weft::StreamDecoder;
using weft::Token;
using Ids = std::vector<Token>;

TEST(StreamDecoder, HoldsBackHalfOfAnEmojiUntilItsLastByte) {
  const auto tokenizer = parse(tiny_file());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push('a'), "a");
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push(0x9F), "");
  EXPECT_EQ(decoder.push(0x98), "");
  EXPECT_EQ(decoder.push(0x80), "😀");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, GivesUpOnHalfACharacterWhenItEnds) {
  const auto tokenizer = parse(tiny_file());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(0xE2), "");
  EXPECT_EQ(decoder.push(0x82), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, IsAsNewAfterItsEnd) {
  const auto tokenizer = parse(tiny_file());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(0xC3), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.push(0xA9), "\uFFFD") << "no character starts so";
  EXPECT_EQ(decoder.push('a'), "a");
}

TEST(StreamDecoder, SpellsControlTokensOutIfAsked) {
  const auto tokenizer = parse(tiny_file());
  StreamDecoder as_text(*tokenizer), as_tokens(*tokenizer, Specials::kAsTokens);
  EXPECT_EQ(as_text.push(kEnd), "");
  EXPECT_EQ(as_tokens.push(kEnd), "<|end|>");
}

TEST(StreamDecoder, JoinsACharacterAroundAControlToken) {
  const auto tokenizer = parse(tiny_file());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(0xC3), "");
  EXPECT_EQ(decoder.push(kEnd), "");
  EXPECT_EQ(decoder.push(0xA9), "é");
  EXPECT_EQ(tokenizer->decode(Ids{0xC3, kEnd, 0xA9}, Specials::kAsText), "é");
}

TEST(StreamDecoder, RefusesIdsOutsideOfTheVocabulary) {
  const auto tokenizer = parse(tiny_file());
  StreamDecoder decoder(*tokenizer, Specials::kAsTokens);
  EXPECT_EQ(decoder.push(0xC3), "");
  EXPECT_THROW((void)decoder.push(-1), weft::Error);
  EXPECT_THROW((void)decoder.push(264), weft::Error);
  EXPECT_EQ(decoder.push(0xA9), "é") << "a refused token changes nothing";
}

// Tokenizers of other kinds, as a user may write them: only the six virtuals.
class UsersTokenizer : public weft::Tokenizer {
 public:
  using Tokenizer::encode;
  [[nodiscard]] Ids encode(std::span<const weft::TextPart>) const override { return {}; }
  [[nodiscard]] std::size_t vocab_size() const noexcept override { return 300; }
  [[nodiscard]] std::optional<Token> find(std::string_view) const override { return std::nullopt; }
  [[nodiscard]] bool is_special(Token token) const override { return token >= 256; }
  [[nodiscard]] std::string piece(Token token) const override {
    return is_special(token) ? "</s>" : std::string(1, static_cast<char>(token));
  }
  [[nodiscard]] std::string decode(std::span<const Token> tokens, Specials specials) const override {
    decoded += tokens.size();
    std::string bytes;
    for (const Token token : tokens) {
      if (is_special(token)) {
        if (specials == Specials::kAsTokens) bytes += "</s>";
      } else {
        bytes += static_cast<char>(token);
      }
    }
    return finish(bytes);
  }
  mutable std::size_t decoded = 0;  // tokens that decode() has been given, over all calls

 protected:
  [[nodiscard]] virtual std::string finish(std::string bytes) const { return weft::tokenizer::repair_utf8(bytes); }
};

// SentencePiece: one U+FFFD for each wrong byte, and a text's first blank is left out.
class SentencePieceLike : public UsersTokenizer {
 protected:
  [[nodiscard]] std::string finish(std::string bytes) const override {
    if (bytes.starts_with(' ')) bytes.erase(0, 1);
    std::string text;
    for (std::size_t pos = 0; pos < bytes.size();) {
      const auto step = weft::tokenizer::step_utf8(std::string_view(bytes).substr(pos));
      for (unsigned i = 0; !step.well_formed && i < step.length; ++i) text += "\uFFFD";
      if (step.well_formed) text += bytes.substr(pos, step.length);
      pos += step.length;
    }
    return text;
  }
};

Ids random_ids(std::mt19937& random, std::size_t size) {
  static const std::vector<std::string> kTexts = {"a",        " ",    "word ",    "é",    "€",      "😀",
                                                  "\xF0\x9F", "\x80", "\xE2\x82", "\xC3", "\uFFFD", " \n"};
  Ids ids;
  while (ids.size() < size) {
    for (const char c : kTexts[random() % kTexts.size()]) ids.push_back(static_cast<unsigned char>(c));
    if (random() % 8 == 0) ids.push_back(256 + static_cast<Token>(random() % 8));
  }
  return ids;
}

template <typename T>
class StreamDecoderOf : public testing::Test {};
using Tokenizers = testing::Types<UsersTokenizer, SentencePieceLike>;
TYPED_TEST_SUITE(StreamDecoderOf, Tokenizers);

TYPED_TEST(StreamDecoderOf, PiecesAreWellFormedAndJoinToDecode) {
  const TypeParam tokenizer;
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    const Ids ids = random_ids(random, random() % 80);
    for (const Specials specials : {Specials::kAsText, Specials::kAsTokens}) {
      StreamDecoder decoder(tokenizer, specials);
      std::string joined;
      const auto take = [&](const std::string& piece) {
        ASSERT_EQ(weft::tokenizer::valid_utf8_prefix(piece), piece.size());
        joined += piece;
      };
      for (const Token id : ids) take(decoder.push(id));
      take(decoder.finish());
      ASSERT_EQ(joined, tokenizer.decode(ids, specials)) << round;
    }
  }
}

TYPED_TEST(StreamDecoderOf, CostsTheSameForEachTokenOfALongAnswer) {
  const TypeParam tokenizer;
  std::mt19937 random(1);
  // Words; nothing but control tokens; nothing but wrong bytes; blanks.
  const std::vector<Ids> answers = {random_ids(random, 5000), Ids(5000, 256), Ids(5000, 0x80), Ids(5000, 0xF0),
                                    Ids(5000, ' ')};
  for (const Ids& ids : answers) {
    StreamDecoder decoder(tokenizer);
    tokenizer.decoded = 0;
    std::string joined;
    for (const Token id : ids) joined += decoder.push(id);
    EXPECT_LT(tokenizer.decoded, 20 * ids.size()) << ids[0];
    joined += decoder.finish();
    EXPECT_EQ(joined, tokenizer.decode(ids, Specials::kAsText)) << ids[0];
  }
}

TEST(StreamDecoder, WritesTextAsSoonAsItIsSure) {
  const UsersTokenizer tokenizer;
  StreamDecoder decoder(tokenizer);
  std::size_t written = 0, given = 0;
  for (int i = 0; i < 1000; ++i) {
    written += decoder.push("0123456789"[i % 10]).size();
    EXPECT_EQ(written, ++given);
  }
}

}  // namespace
