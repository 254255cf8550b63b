// Files that aren't tokenizer.json, whole and damaged.
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "weft/error.h"
#include "weft/tokenizer.h"

namespace weft {
namespace {

std::string little_endian(std::uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// --- SentencePiece -------------------------------------------------------------------------------------------------

std::string field(int number, const std::string& bytes) {  // shorter than 128 bytes
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string number(int field, int value) { return {static_cast<char>(field << 3), static_cast<char>(value)}; }

std::string piece(const std::string& text, float score, int type = 1) {
  return field(1, field(1, text) + "\x15" + little_endian(std::bit_cast<std::uint32_t>(score)) + number(3, type));
}

// Ids: <unk>, <s>, a, b, ab, U+2581. No dummy prefix.
std::string sentencepiece_model(int kind) {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("a", -3) + piece("b", -3) + piece("ab", -1) +
         piece("\u2581", -3) + field(2, number(3, kind)) + field(3, number(3, 0));
}

std::vector<Token> encode(const std::string& file, std::string_view text, const TokenizerOptions& options = {}) {
  return parse_tokenizer(file, "test", options)->encode(text, Specials::kAsText);
}

TEST(SentencePieceFile, EncodesWithEachKindOfModel) {
  const std::vector<Token> unigram{4, 5, 2, 0}, characters{2, 3, 5, 2, 0};
  EXPECT_EQ(encode(sentencepiece_model(1), "ab axy"), unigram);
  EXPECT_EQ(encode(sentencepiece_model(2), "ab axy"), unigram);
  EXPECT_EQ(encode(sentencepiece_model(4), "ab axy"), characters);
  EXPECT_EQ(encode(sentencepiece_model(3), "ab"), std::vector<Token>{4});
}

TEST(SentencePieceFile, FindsControlPiecesOnlyInTrustedText) {
  const auto tokenizer = parse_tokenizer(sentencepiece_model(2), "test");
  EXPECT_EQ(tokenizer->encode("a<s>b", Specials::kAsTokens), (std::vector<Token>{2, 1, 3}));
  EXPECT_EQ(tokenizer->encode("a<s>b", Specials::kAsText), (std::vector<Token>{2, 0, 3}));
}

TEST(SentencePieceFile, RefusesPiecesThatAreThereTwice) {
  EXPECT_THROW((void)encode(piece("a", 0) + sentencepiece_model(2), "a"), Error);
  EXPECT_THROW((void)encode(piece("<s>", 0, 2) + sentencepiece_model(2), "a"), Error);
}

TEST(SentencePieceFile, RefusesByteFallbackWithoutAllBytes) {
  const std::string file = piece("<unk>", 0, 2) + piece("<0x41>", 0, 6) + field(2, number(3, 2) + "\x98\x02\x01");
  EXPECT_THROW((void)encode(file, "a"), Error);
}

// --- damage, of every format ---------------------------------------------------------------------------------------

std::string ranks() {
  static const char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string file;
  for (int byte = 0; byte < 256; ++byte) {
    file += {kDigits[byte >> 2], kDigits[(byte & 3) << 4], '=', '='};
    file += ' ' + std::to_string(byte) + '\n';
  }
  return file + "aGU= 256\n";  // "he"
}

std::string llama2c() {
  std::string file = little_endian(6);
  const auto add = [&](const std::string& text, float score) {
    file += little_endian(std::bit_cast<std::uint32_t>(score)) + little_endian(static_cast<std::uint32_t>(text.size())) + text;
  };
  add("<unk>", 0), add("\n<s>\n", 0), add("\n</s>\n", 0);
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    add(text, 0);
  }
  add(" a", -1), add(" ", -3), add("a", -2);
  return file;
}

std::string gguf() {
  const auto text = [](const std::string& value) {
    return little_endian(static_cast<std::uint32_t>(value.size())) + little_endian(0) + value;
  };
  const auto string = [&](const std::string& key, const std::string& value) {
    return text(key) + little_endian(8) + text(value);
  };
  const auto strings = [&](const std::string& key, const std::vector<std::string>& values) {
    std::string result = text(key) + little_endian(9) + little_endian(8) +
                         little_endian(static_cast<std::uint32_t>(values.size())) + little_endian(0);
    for (const std::string& value : values) result += text(value);
    return result;
  };
  return "GGUF" + little_endian(3) + little_endian(0) + little_endian(0) + little_endian(4) + little_endian(0) +
         string("tokenizer.ggml.model", "gpt2") + string("tokenizer.ggml.pre", "gpt-2") +
         strings("tokenizer.ggml.tokens", {"a", "b", "ab"}) + strings("tokenizer.ggml.merges", {"a b"});
}

std::string tekken() {
  return R"({"config": {"pattern": "\\S+", "default_vocab_size": 2, "default_num_special_tokens": 2}, "vocab": []})";
}

struct Format {
  const char* name;
  std::string file;
  TokenizerOptions options{};
};

class EveryOtherFormat : public testing::TestWithParam<Format> {};

// Whatever is done to a file: it loads, or it is an Error that names it.
void try_to_load(const std::string& file, const TokenizerOptions& options) {
  try {
    const auto tokenizer = parse_tokenizer(file, "damaged", options);
    const auto ids = tokenizer->encode("ab he\u2581<s> \xFF", Specials::kAsTokens);
    (void)tokenizer->decode(ids, Specials::kAsTokens);
  } catch (const Error& error) {
    EXPECT_FALSE(error.where().empty()) << error.what();
    EXPECT_FALSE(error.fix().empty()) << error.what();
  }
}

TEST_P(EveryOtherFormat, SurvivesEveryCut) {
  const Format& format = GetParam();
  const std::size_t step = format.file.size() > 2000 ? 7 : 1;
  for (std::size_t size = 0; size < format.file.size(); size += step) {
    try_to_load(format.file.substr(0, size), format.options);
  }
}

TEST_P(EveryOtherFormat, SurvivesRandomDamage) {
  const Format& format = GetParam();
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    std::string file = format.file;
    for (unsigned i = 0; i <= random() % 3; ++i) file[random() % file.size()] = static_cast<char>(random());
    try_to_load(file, format.options);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, EveryOtherFormat,
    testing::Values(Format{"unigram", sentencepiece_model(1)}, Format{"bpe", sentencepiece_model(2)},
                    Format{"word", sentencepiece_model(3)}, Format{"tiktoken", ranks(), {.encoding = "gpt2"}},
                    Format{"llama2c", llama2c()}, Format{"gguf", gguf()}, Format{"tekken", tekken()}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(Llama2cFile, EncodesAsItsModelDoes) {
  EXPECT_EQ(encode(llama2c(), "a"), (std::vector<Token>{259}));
  EXPECT_EQ(encode(llama2c(), "\x01"), (std::vector<Token>{260, 3 + 1}));
}

TEST(TiktokenFile, NeedsAnEncoding) {
  EXPECT_EQ(encode(ranks(), "he", {.encoding = "gpt2"}), std::vector<Token>{256});
  EXPECT_EQ(parse_tokenizer(ranks(), "x/r50k_base.tiktoken")->vocab_size(), 50257u);
  EXPECT_THROW((void)encode(ranks(), "he"), Error);
  EXPECT_THROW((void)encode(ranks(), "he", {.encoding = "gpt-2"}), Error);
  EXPECT_THROW((void)encode(sentencepiece_model(1), "a", {.encoding = "gpt2"}), Error);
}

TEST(TiktokenFile, QuotesBytesThatAreNoUtf8InItsErrors) {
  const auto message = [](const std::string& last_line) {
    // Of its own size, so that a sanitizer sees what is read behind it.
    const std::string bytes = "AA== 0\nAQ== 1\n" + last_line;
    const std::vector<char> exact(bytes.begin(), bytes.end());
    try {
      (void)parse_tokenizer({exact.data(), exact.size()}, "x/r50k_base.tiktoken");
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_EQ(message("QQ== 2\xF0"), R"(the rank is a number, not "2\xF0")");
  EXPECT_EQ(message("Q\xE0\xCF= 2"), R"("Q\xE0\xCF=" is not base64)");
  EXPECT_EQ(message("8J8= 2\n8J8= 3"), R"(the token "\xF0\x9F" is there twice)");
}

TEST(TokenizerFile, MayNotHaveFourGibibytesWhateverTheLimits) {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / ("weft-huge-" + std::to_string(::getpid()));
  std::ofstream(path) << '{';
  std::filesystem::resize_file(path, std::uintmax_t{1} << 32);  // takes no room on the disk
  try {
    (void)load_tokenizer(path, TokenizerLimits{.file_bytes = ~std::size_t{0}});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kTooLarge);
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace weft
