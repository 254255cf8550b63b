#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "src/tokenizer/utf8.h"
#include "tests/tokenizer/tiny_file.h"
#include "weft/error.h"
#include "weft/tokenizer.h"

namespace {

using namespace weft::testing;
using nlohmann::json;
using weft::ByteSpan;
using weft::EncodeOptions;
using weft::Encoding;
using weft::Specials;
using weft::Token;
using Ids = std::vector<Token>;

constexpr auto kAsText = Specials::kAsText;
constexpr auto kAsTokens = Specials::kAsTokens;
constexpr unsigned kAll = ~0u;

// <|start|> text <|end|>, and <|start|> first <|end|> second <|end|> with type 1 for the second.
json file_with_template() {
  json file = tiny_file();
  const auto special = [](const char* id, int type) { return json{{"SpecialToken", {{"id", id}, {"type_id", type}}}}; };
  const auto text = [](const char* id, int type) { return json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };
  const json start = {{"id", "<s>"}, {"ids", {kStart}}, {"tokens", {"<|start|>"}}};
  const json end = {{"id", "</s>"}, {"ids", {kEnd}}, {"tokens", {"<|end|>"}}};
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {special("<s>", 0), text("A", 0), special("</s>", 0)}},
      {"pair", {special("<s>", 0), text("A", 0), special("</s>", 0), text("B", 1), special("</s>", 1)}},
      {"special_tokens", {{"<s>", start}, {"</s>", end}}},
  };
  return file;
}

void expect_error(weft::ErrorCode code, const std::string& message, auto&& call) {
  try {
    (void)call();
    ADD_FAILURE() << "no error: " << message;
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_EQ(error.message(), message);
  }
}

TEST(Encoding, HoldsWhatWasAskedForAndNothingElse) {
  const auto tokenizer = parse(file_with_template());
  const Encoding ids = tokenizer->encode("hello lo", kAsText, {});
  EXPECT_EQ(ids.ids, (Ids{kStart, kHello, ' ', kLo, kEnd}));
  EXPECT_EQ(ids.size, 5u);
  EXPECT_TRUE(ids.offsets.empty() && ids.words.empty() && ids.type_ids.empty() && ids.specials_mask.empty());
  const Encoding all = tokenizer->encode("hello lo", kAsText, {.fields = kAll});
  EXPECT_EQ(all.ids, ids.ids);
  EXPECT_EQ(all.offsets, (std::vector<ByteSpan>{{0, 0}, {0, 5}, {5, 6}, {6, 8}, {0, 0}}));
  EXPECT_EQ(all.words, (std::vector<std::int32_t>{-1, 0, 1, 1, -1}));
  EXPECT_EQ(all.specials_mask, (std::vector<std::uint8_t>{1, 0, 0, 0, 1}));
  EXPECT_EQ(all.attention_mask, std::vector<std::uint8_t>(5, 1));
  EXPECT_EQ(all.type_ids, std::vector<std::uint32_t>(5, 0));
}

TEST(Encoding, LeavesSpecialTokensOutIfAsked) {
  const auto tokenizer = parse(file_with_template());
  EXPECT_EQ(tokenizer->encode("hello", kAsText, {.add_special_tokens = false}).ids, Ids{kHello});
  EXPECT_EQ(tokenizer->encode("", kAsText, {}).ids, (Ids{kStart, kEnd}));
  EXPECT_EQ(tokenizer->encode("", kAsText, {.fields = kAll, .add_special_tokens = false}).size, 0u);
}

TEST(Encoding, JoinsAPairAsTheFileSays) {
  const auto tokenizer = parse(file_with_template());
  const Encoding pair = tokenizer->encode_pair("hello", "alo", kAsText, {.fields = kAll});
  EXPECT_EQ(pair.ids, (Ids{kStart, kHello, kEnd, 'a', kLo, kEnd}));
  EXPECT_EQ(pair.type_ids, (std::vector<std::uint32_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(pair.offsets, (std::vector<ByteSpan>{{0, 0}, {0, 5}, {0, 0}, {0, 1}, {1, 3}, {0, 0}}));
}

TEST(Encoding, CountsWhatEncodeGives) {
  const auto tokenizer = parse(file_with_template());
  std::string text;
  for (int i = 0; i < 5000; ++i) text += i % 7 == 0 ? "hello " : "lo, hell\n";
  EXPECT_EQ(tokenizer->count(text, kAsText), tokenizer->encode(text, kAsText).size());
  EXPECT_EQ(tokenizer->count("", kAsText), 0u);
  EXPECT_EQ(tokenizer->encode(text, kAsText, {.fields = 0}).size, tokenizer->count(text, kAsText) + 2);
}

TEST(Encoding, OffsetsAreThoseOfTheTextBeforeItsRepair) {
  const auto tokenizer = parse(tiny_file());
  // U+FFFD is three bytes of the byte-level alphabet; what stands there is one byte, then two.
  const std::string text = "a\xFFhello\xE2\x82lo";
  const Encoding encoding = tokenizer->encode(text, kAsText, {.fields = kAll});
  std::vector<ByteSpan> expected{{0, 1}};
  expected.insert(expected.end(), 3, {1, 2});
  expected.push_back({2, 7});
  expected.insert(expected.end(), 3, {7, 9});
  expected.push_back({9, 11});
  EXPECT_EQ(encoding.offsets, expected);
  const Encoding pair = tokenizer->encode_pair("lo", text, kAsText, {.fields = weft::kOffsets});
  expected.insert(expected.begin(), {0, 2});
  EXPECT_EQ(pair.offsets, expected);
}

TEST(Encoding, OffsetsCountPartsAsJoined) {
  const auto tokenizer = parse(tiny_file());
  const weft::Prompt parts = {{"lo<|end|>", kAsTokens}, {"lo<|end|>", kAsText}};
  const Encoding encoding = tokenizer->encode({.text = parts}, {.fields = weft::kIds | weft::kOffsets});
  EXPECT_EQ(encoding.ids, tokenizer->encode(parts));
  EXPECT_EQ(encoding.offsets[1], (ByteSpan{2, 9}));
  EXPECT_EQ(encoding.offsets[2], (ByteSpan{9, 11}));
  EXPECT_EQ(encoding.offsets.back(), (ByteSpan{17, 18}));
}

TEST(Encoding, TruncatesWithRoomForSpecialTokens) {
  const auto tokenizer = parse(file_with_template());
  const Encoding cut =
      tokenizer->encode("abcdefg", kAsText, {.fields = kAll, .truncation = weft::Truncation{.max_tokens = 5, .stride = 1}});
  EXPECT_EQ(cut.ids, (Ids{kStart, 'a', 'b', 'c', kEnd}));
  ASSERT_EQ(cut.overflowing.size(), 2u);
  EXPECT_EQ(cut.overflowing[0].ids, (Ids{kStart, 'c', 'd', 'e', kEnd}));
  EXPECT_EQ(cut.overflowing[1].ids, (Ids{kStart, 'e', 'f', 'g', kEnd}));
  EXPECT_EQ(cut.overflowing[1].offsets[3], (ByteSpan{6, 7}));
}

TEST(Encoding, RefusesTruncationThatCannotBe) {
  const auto tokenizer = parse(file_with_template());
  const auto truncated = [&](weft::Truncation truncation) {
    return [&tokenizer, truncation] { return tokenizer->encode("abcdefg", kAsText, {.truncation = truncation}); };
  };
  using enum weft::ErrorCode;
  expect_error(kInvalidArgument, "at most 1 tokens, but special ones alone are 2", truncated({.max_tokens = 1}));
  expect_error(kInvalidArgument, "the stride of 3 leaves nothing of the 3 tokens that there is room for",
               truncated({.max_tokens = 5, .stride = 3}));
  expect_error(kInvalidArgument, "only the second text may be cut, but there is none",
               truncated({.max_tokens = 5, .strategy = weft::Truncation::Strategy::kOnlySecond}));
  expect_error(kInvalidArgument, "one text has 1 tokens, but 6 must go", [&] {
    return tokenizer->encode_pair(
        "a", "abcdefgh", kAsText,
        {.truncation = weft::Truncation{.max_tokens = 6, .strategy = weft::Truncation::Strategy::kOnlyFirst}});
  });
}

TEST(Encoding, RefusesOverflowBeyondAllMemory) {
  const auto tokenizer = parse(tiny_file());
  const std::string text(1 << 20, 'a');
  EXPECT_THROW((void)tokenizer->encode(text, kAsText, {.truncation = weft::Truncation{.max_tokens = 1000, .stride = 999}}),
               weft::Error);
  EXPECT_THROW((void)tokenizer->encode("a", kAsText, {.padding = weft::Padding{.length = std::size_t{1} << 40}}),
               weft::Error);
}

TEST(Encoding, PadsToALengthOrAMultiple) {
  const auto tokenizer = parse(file_with_template());
  const weft::Padding left{.multiple_of = 4, .side = weft::Side::kLeft, .id = 7, .type_id = 3};
  const Encoding padded = tokenizer->encode("lo", kAsText, {.fields = kAll, .padding = left});
  EXPECT_EQ(padded.ids, (Ids{7, kStart, kLo, kEnd}));
  EXPECT_EQ(padded.attention_mask, (std::vector<std::uint8_t>{0, 1, 1, 1}));
  EXPECT_EQ(padded.specials_mask, (std::vector<std::uint8_t>{1, 1, 0, 1}));
  EXPECT_EQ(padded.type_ids, (std::vector<std::uint32_t>{3, 0, 0, 0}));
  EXPECT_EQ(tokenizer->encode("lo", kAsText, {.padding = weft::Padding{.length = 5}}).ids,
            (Ids{kStart, kLo, kEnd, 0, 0}));
}

TEST(Batch, GivesWhatEncodeGivesInOrder) {
  const auto tokenizer = parse(file_with_template());
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) texts.push_back(std::string(static_cast<std::size_t>(i % 17), 'l') + "hello");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const unsigned threads : {0u, 1u, 2u, 7u}) {
    const auto batch = weft::encode_batch(*tokenizer, views, kAsText, threads);
    ASSERT_EQ(batch.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(batch[i], tokenizer->encode(texts[i], kAsText));
    const std::vector<std::span<const Token>> sequences(batch.begin(), batch.end());
    EXPECT_EQ(weft::decode_batch(*tokenizer, sequences, kAsText, threads), texts);
  }
  EXPECT_TRUE(weft::encode_batch(*tokenizer, std::vector<std::string_view>(), kAsText).empty());
}

TEST(Batch, PadsAllToTheLongest) {
  const auto tokenizer = parse(file_with_template());
  std::vector<weft::Prompt> prompts;
  for (const char* text : {"a", "abcdef", "", "abc"}) prompts.push_back({{text, kAsText}});
  std::vector<weft::EncodeInput> inputs;
  for (const weft::Prompt& prompt : prompts) inputs.push_back({.text = prompt});
  for (const Encoding& encoding : weft::encode_batch(*tokenizer, inputs, {.padding = weft::Padding{.multiple_of = 3}}, 2)) {
    EXPECT_EQ(encoding.ids.size(), 9u);
  }
}

TEST(Batch, ThrowsWhatTheFirstFailureThrows) {
  const auto tokenizer = parse(tiny_file());
  const std::vector<Token> good{1}, bad{-1};
  const std::vector<std::span<const Token>> sequences{good, bad, good};
  expect_error(weft::ErrorCode::kInvalidArgument, "id -1 is outside of the vocabulary, 0 to 263",
               [&] { return weft::decode_batch(*tokenizer, sequences, kAsText, 2); });
}

TEST(SpecialRules, AllowAndDisallowAsTiktokenDoes) {
  const auto tokenizer = parse(tiny_file());
  using Names = weft::SpecialRules::Names;
  const std::string text = "lo<|end|>lo<|start|>";
  const weft::SpecialRules all(*tokenizer, Names{.all = true});
  EXPECT_EQ(tokenizer->encode(all.parts(text)), (Ids{kLo, kEnd, kLo, kStart}));
  const weft::SpecialRules one(*tokenizer, Names{.names = {"<|end|>"}}, Names{});
  Ids expected{kLo, kEnd, kLo};
  for (const Token id : bytes_of("<|start|>")) expected.push_back(id);
  EXPECT_EQ(tokenizer->encode(one.parts(text)), expected);
  const weft::SpecialRules strict(*tokenizer, Names{.names = {"<|end|>"}});
  expect_error(weft::ErrorCode::kInvalidArgument, "the text holds the control token \"<|start|>\" at byte 11",
               [&] { return strict.parts(text); });
  EXPECT_EQ(strict.parts("lo").size(), 1u);
  EXPECT_TRUE(strict.parts("").empty());
  expect_error(weft::ErrorCode::kInvalidArgument, "\"hello\" is no control token of this tokenizer",
               [&] { return weft::SpecialRules(*tokenizer, Names{.names = {"hello"}}); });
}

// A user's own class: three things it can't know are errors, the rest works.
class OneWord : public weft::Tokenizer {
 public:
  using Tokenizer::encode;
  [[nodiscard]] Ids encode(std::span<const weft::TextPart> parts) const override { return Ids(parts.size(), 1); }
  [[nodiscard]] std::string decode(std::span<const Token> tokens, Specials) const override {
    return std::string(tokens.size(), 'x');
  }
  [[nodiscard]] std::size_t vocab_size() const noexcept override { return 2; }
  [[nodiscard]] std::string piece(Token) const override { return "x"; }
  [[nodiscard]] std::optional<Token> find(std::string_view) const override { return std::nullopt; }
  [[nodiscard]] bool is_special(Token) const override { return false; }
};

TEST(UsersTokenizer, HasWhatFollowsFromEncode) {
  const OneWord tokenizer;
  EXPECT_EQ(tokenizer.count("x", kAsText), 1u);
  EXPECT_EQ(tokenizer.encode("x", kAsText, {.padding = weft::Padding{.length = 3}}).ids, (Ids{1, 0, 0}));
  using enum weft::ErrorCode;
  expect_error(kUnsupported, "this tokenizer knows no pairs", [&] { return tokenizer.encode_pair("x", "x", kAsText, {}); });
  expect_error(kUnsupported, "this tokenizer knows no offsets and words",
               [&] { return tokenizer.encode("x", kAsText, {.fields = weft::kOffsets}); });
}

// --- properties -----------------------------------------------------------------------------------------------------

std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> kPieces = {"hello", " ",  "lo",  "\u00e9", "e\u0301", "\u6f22", "\U0001F600",
                                                   "\n",    "12", "    ", "<|end|>", "\xF0\x9F", "\xFF", "a", ". "};
  std::string text;
  for (auto n = random() % 12; n > 0; --n) text += kPieces[random() % kPieces.size()];
  return text;
}

json with(json file, const char* part, json value) {
  file[part] = std::move(value);
  return file;
}

TEST(EveryTokenizer, OffsetsAndIdsAgreeOnEveryPath) {
  const json sequence = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFKC"}}, {{"type", "Lowercase"}}}}};
  const std::vector<json> files = {tiny_file(), file_with_template(), with(tiny_file(), "normalizer", sequence),
                                   with(tiny_file(), "pre_tokenizer", {{"type", "Whitespace"}}),
                                   with(tiny_file(), "pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "_"}})};
  std::mt19937 random(1);
  for (const json& file : files) {
    const auto tokenizer = parse(file);
    for (int round = 0; round < 300; ++round) {
      const std::string text = random_text(random);
      const weft::Prompt parts = {{text, kAsText}, {random_text(random), kAsTokens}, {text, kAsText}};
      const auto ids = tokenizer->encode(parts);
      const Encoding traced =
          tokenizer->encode({.text = parts}, {.fields = weft::kIds | weft::kOffsets, .add_special_tokens = false});
      ASSERT_EQ(traced.ids, ids) << text;
      const std::size_t size = parts[0].text.size() + parts[1].text.size() + parts[2].text.size();
      std::size_t last = 0;
      for (const ByteSpan& span : traced.offsets) {
        ASSERT_TRUE(span.begin <= span.end && span.end <= size);
        ASSERT_GE(span.end, last);  // in order
        last = span.end;
      }
      const Encoding count = tokenizer->encode({.text = parts}, {.fields = 0, .add_special_tokens = false});
      ASSERT_EQ(count.size, ids.size());
    }
  }
}

TEST(EveryTokenizer, ByteLevelTextsComeBackAsTheyWere) {
  const auto tokenizer = parse(tiny_file());
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = random_text(random);
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, kAsText), kAsText), weft::tokenizer::repair_utf8(text));
  }
}

TEST(TokenizerFile, WhoseStepsBlowTextsUpIsAnError) {
  json replaces = json::array(), letters = json::array(), decoders = json::array();
  for (int i = 0; i < 50; ++i) {
    replaces.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
    letters.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
    decoders.push_back({{"type", "Replace"}, {"pattern", {{"Regex", "a|aa"}}}, {"content", "aa"}});
  }
  const auto normalizing = parse(with(tiny_file(), "normalizer", {{"type", "Sequence"}, {"normalizers", replaces}}));
  const auto splitting = parse(with(tiny_file(), "pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", letters}}));
  const auto decoding = parse(with(tiny_file(), "decoder", {{"type", "Sequence"}, {"decoders", decoders}}));
  const auto expect_too_large = [](auto&& call) {
    try {
      (void)call();
      FAIL();
    } catch (const weft::Error& error) {
      EXPECT_EQ(error.code(), weft::ErrorCode::kTooLarge);
    }
  };
  expect_too_large([&] { return normalizing->encode("a", kAsText); });
  expect_too_large([&] { return normalizing->encode("a", kAsText, {.fields = kAll}); });
  expect_too_large([&] { return splitting->encode("a ", kAsText); });
  expect_too_large([&] { return decoding->decode(Ids{'a'}, kAsText); });
}

TEST(EveryTokenizer, NegativeByteTokensAreText) {
  json file = tiny_file();
  file["decoder"] = {{"type", "ByteFallback"}};
  file["model"]["vocab"]["<0x-1>"] = 300;
  file["model"]["vocab"]["<0x41>"] = 301;
  file["model"]["vocab"]["<0xC3>"] = 302;
  const auto tokenizer = parse(file);
  EXPECT_EQ(tokenizer->decode(Ids{300, 301, 302, 301}, kAsText), "<0x-1>\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(tokenizer->decode(Ids{301, 300, 301}, kAsText), "A<0x-1>A");
}

}  // namespace
