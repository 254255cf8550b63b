#include "weft/tokenizer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <thread>

#include "tests/tokenizer/tiny_file.h"
#include "weft/error.h"

namespace {

using namespace weft::testing;
using weft::Specials;
using weft::Token;
using Ids = std::vector<Token>;

constexpr auto kAsText = Specials::kAsText;
constexpr auto kAsTokens = Specials::kAsTokens;

Ids operator+(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Tokenizer, MergesWords) {
  const auto tokenizer = parse(tiny_file());
  EXPECT_EQ(tokenizer->encode("hello", kAsText), Ids{kHello});
  EXPECT_EQ(tokenizer->encode("lo", kAsText), Ids{kLo});
  EXPECT_EQ(tokenizer->encode("hel", kAsText), (Ids{256, 'l'}));
  EXPECT_EQ(tokenizer->encode("", kAsText), Ids{});
}

TEST(Tokenizer, FindsControlTokensOnlyWhereTheyAreMeant) {
  const auto tokenizer = parse(tiny_file());
  EXPECT_EQ(tokenizer->encode("hello<|end|>", kAsTokens), (Ids{kHello, kEnd}));
  EXPECT_EQ(tokenizer->encode("hello<|end|>", kAsText), Ids{kHello} + bytes_of("<|end|>"));
}

TEST(Tokenizer, FindsOtherAddedTokensEverywhere) {
  const auto tokenizer = parse(tiny_file());
  EXPECT_EQ(tokenizer->encode("a    b", kAsText), (Ids{'a', kBlanks, 'b'}));
  const weft::Prompt halves = {{"a  ", kAsTokens}, {"  b", kAsText}};
  EXPECT_EQ(tokenizer->encode(halves), (Ids{'a', kBlanks, 'b'}));
}

TEST(Tokenizer, SplitsWordsAsIfThePartsWereOneText) {
  const auto tokenizer = parse(tiny_file());
  const weft::Prompt parts = {{"he", kAsTokens}, {"l", kAsText}, {"", kAsTokens}, {"lo", kAsText}};
  EXPECT_EQ(tokenizer->encode(parts), Ids{kHello});
}

TEST(Tokenizer, FindsNoControlTokenThatIsHalfAUsers) {
  const auto tokenizer = parse(tiny_file());
  const std::string token = "<|end|>";
  for (std::size_t cut = 1; cut < token.size(); ++cut) {
    for (const bool user_first : {false, true}) {
      const weft::Prompt parts = {{token.substr(0, cut), user_first ? kAsText : kAsTokens},
                                  {token.substr(cut), user_first ? kAsTokens : kAsText}};
      EXPECT_EQ(tokenizer->encode(parts), bytes_of(token)) << cut;
    }
  }
}

TEST(Tokenizer, CountsNeighbouringTemplatePartsAsOne) {
  const auto tokenizer = parse(tiny_file());
  const weft::Prompt parts = {{"<|e", kAsTokens}, {"", kAsText}, {"nd|>", kAsTokens}, {"<|end|>", kAsText}};
  EXPECT_EQ(tokenizer->encode(parts), Ids{kEnd} + bytes_of("<|end|>"));
}

TEST(Tokenizer, FindsTheTemplatesTokenThoughTheUsersTextWouldMakeItALongerOne) {
  auto file = tiny_file();
  file["added_tokens"].push_back(added_token(264, "<|end|>!", true));
  const auto tokenizer = parse(file);
  EXPECT_EQ(tokenizer->encode("<|end|>!", kAsTokens), Ids{264});
  const weft::Prompt behind = {{"<|end|>", kAsTokens}, {"!", kAsText}};
  EXPECT_EQ(tokenizer->encode(behind), (Ids{kEnd, '!'}));
}

TEST(Tokenizer, KeepsTheTemplatesTokenApartFromAUsersBeginningOfOne) {
  auto file = tiny_file();
  file["added_tokens"].push_back(added_token(264, "<<|end|>", true));
  const weft::Prompt before = {{"<", kAsText}, {"<|end|>", kAsTokens}};
  EXPECT_EQ(parse(file)->encode(before), (Ids{'<', kEnd}));
}

TEST(Tokenizer, NormalisedControlTokensKeepTheirAuthors) {
  auto file = tiny_file();
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "Lowercase"}}}}};
  file["added_tokens"][0]["normalized"] = true;
  const auto tokenizer = parse(file);
  // "É" shrinks in NFC and "İ" grows in lower case, so that places move.
  for (const std::string before : {"", "E\u0301", "\u0130\u0130", "e\u0301\u0130 "}) {
    const weft::Prompt trusted = {{before, kAsText}, {"<|END|>", kAsTokens}, {"\u0130", kAsText}};
    const weft::Prompt untrusted = {{before, kAsTokens}, {"<|END|>", kAsText}, {"\u0130", kAsTokens}};
    const auto count = [&](const weft::Prompt& prompt) { return std::ranges::count(tokenizer->encode(prompt), kEnd); };
    EXPECT_EQ(count(trusted), 1) << before;
    EXPECT_EQ(count(untrusted), 0) << before;
  }
}

TEST(Tokenizer, MakesNoControlTokenByMerging) {
  auto file = tiny_file();
  file["added_tokens"].push_back(added_token(258, "hell", true));
  for (const bool whole_words : {false, true}) {
    file["model"]["ignore_merges"] = whole_words;
    const auto tokenizer = parse(file);
    EXPECT_EQ(tokenizer->encode("hell", kAsText), (Ids{256, 257})) << whole_words;
    EXPECT_EQ(tokenizer->encode("hell", kAsTokens), Ids{258}) << whole_words;
  }
}

TEST(Tokenizer, DecodesWhatItEncoded) {
  const auto tokenizer = parse(tiny_file());
  for (const std::string text : {"hello, hello    world", "é😀\xF0\x9F\x98\x80", "", "\n\t\r\n", "na\u0301 "}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, kAsText), kAsText), text);
  }
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(std::string("\0a\0", 3), kAsText), kAsText), std::string("\0a\0", 3));
}

TEST(Tokenizer, LeavesControlTokensOutOfText) {
  const auto tokenizer = parse(tiny_file());
  EXPECT_EQ(tokenizer->decode(Ids{kHello, kEnd, kBlanks}, kAsText), "hello    ");
  EXPECT_EQ(tokenizer->decode(Ids{kHello, kEnd, kBlanks}, kAsTokens), "hello<|end|>    ");
}

TEST(Tokenizer, DecodesHalvesOfCharactersAsReplacements) {
  const auto tokenizer = parse(tiny_file());
  EXPECT_EQ(tokenizer->decode(Ids{0xF0, 0x9F, 'a', 0xC3, 0xE2, 0x82}, kAsText), "\uFFFDa\uFFFD\uFFFD");
}

TEST(Tokenizer, ReadsIllFormedTextAsReplacements) {
  const auto tokenizer = parse(tiny_file());
  const std::string bad = "a\xF0\x9F<\xC0\xAF\xED\xA0\x80";
  EXPECT_EQ(tokenizer->encode(bad, kAsText), tokenizer->encode("a\uFFFD<\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD", kAsText));
}

TEST(Tokenizer, FindsControlTokensBetweenIllFormedTexts) {
  const auto tokenizer = parse(tiny_file());
  const weft::Prompt parts = {{"\x80<|end|>\xE2", kAsText}, {"\x82<|end|>\xC3", kAsTokens}, {"\x80<|end|>", kAsText}};
  const Ids ids = tokenizer->encode(parts);
  EXPECT_EQ(std::ranges::count(ids, kEnd), 1);
  EXPECT_EQ(tokenizer->decode(ids, kAsTokens), "\uFFFD<|end|>\uFFFD<|end|>\xC3\x80<|end|>");
}

TEST(Tokenizer, KnowsItsPieces) {
  const auto tokenizer = parse(tiny_file());
  EXPECT_EQ(tokenizer->vocab_size(), 264u);
  EXPECT_EQ(tokenizer->piece(' '), "Ġ");
  EXPECT_EQ(tokenizer->piece(kEnd), "<|end|>");
  EXPECT_EQ(tokenizer->find("Ġ"), ' ');
  EXPECT_EQ(tokenizer->find("<|end|>"), kEnd);
  EXPECT_EQ(tokenizer->find("nothing"), std::nullopt);
  EXPECT_TRUE(tokenizer->is_special(kEnd));
  EXPECT_FALSE(tokenizer->is_special(kBlanks));
  EXPECT_FALSE(tokenizer->is_special(kHello));
}

TEST(Tokenizer, HolesHaveNoText) {
  auto file = tiny_file();
  file["model"]["vocab"]["far"] = 1000;
  const auto tokenizer = parse(file);
  EXPECT_EQ(tokenizer->vocab_size(), 1001u);
  EXPECT_EQ(tokenizer->piece(700), "");
  EXPECT_FALSE(tokenizer->is_special(700));
  EXPECT_EQ(tokenizer->decode(Ids{'a', 700, 'b'}, kAsTokens), "ab");
}

TEST(Tokenizer, RefusesIdsOutsideOfTheVocabulary) {
  const auto tokenizer = parse(tiny_file());
  for (const Token id : {-1, 264, std::numeric_limits<Token>::max(), std::numeric_limits<Token>::min()}) {
    const auto expect_refused = [&](auto&& call) {
      try {
        call();
        ADD_FAILURE() << id;
      } catch (const weft::Error& error) {
        EXPECT_EQ(error.code(), weft::ErrorCode::kInvalidArgument);
        EXPECT_EQ(error.message(), "id " + std::to_string(id) + " is outside of the vocabulary, 0 to 263");
      }
    };
    expect_refused([&] { (void)tokenizer->piece(id); });
    expect_refused([&] { (void)tokenizer->is_special(id); });
    expect_refused([&] { (void)tokenizer->decode(Ids{'a', id}, kAsText); });
  }
}

TEST(Tokenizer, RefusesTextBeyondItsBound) {
  weft::TokenizerLimits limits;
  limits.text_bytes = 10;
  const auto tokenizer = weft::parse_tokenizer(tiny_file().dump(), "tiny.json", limits);
  EXPECT_EQ(tokenizer->encode(std::string(10, 'a'), kAsText).size(), 10u);
  const weft::Prompt parts = {{"123456", kAsText}, {"12345", kAsTokens}};
  try {
    (void)tokenizer->encode(parts);
    FAIL();
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), weft::ErrorCode::kTooLarge);
    EXPECT_STREQ(error.what(),
                 "text: the text is longer than the bound of 10 bytes\n"
                 "fix: shorten it, or raise TokenizerLimits::text_bytes");
  }
}

TEST(Tokenizer, MergesVeryLongWordsAsItMergesShortOnes) {
  const auto tokenizer = parse(tiny_file());
  std::string text;
  Ids ids;
  for (int i = 0; i < 40; ++i) {  // longer than what the plain search takes
    text +=
        "hello"
        "lo"
        "hell"
        "l";
    ids = ids + Ids{kHello, kLo, 258, 'l'};
  }
  // "l" before "h" stays; "hell" before "l" too, for nothing merges with "hell" but "o".
  EXPECT_EQ(tokenizer->encode(text, kAsText), ids);
}

TEST(Tokenizer, TakesAMegabyteOfOneLetterAsOneWord) {
  const auto tokenizer = parse(tiny_file());
  for (const char* letter : {"l", " ", "\n", "0", "!", "\u0301", "😀"}) {
    std::string text;
    while (text.size() < 1 << 20) text += letter;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, kAsText), kAsText), text) << letter;
  }
}

TEST(Tokenizer, IsSharedByThreads) {
  const auto tokenizer = parse(tiny_file());
  const Ids expected = parse(tiny_file())->encode("hello lo hell <|end|>", kAsTokens);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) EXPECT_EQ(tokenizer->encode("hello lo hell <|end|>", kAsTokens), expected);
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Tokenizer, KeepsNothingOfATextForTheNext) {
  // What is kept between calls: storage, words that were met. Long, short, ill-formed, traced and failing ones in turn.
  const auto used = weft::parse_tokenizer(tiny_file().dump(), "tokenizer.json", weft::TokenizerLimits{.text_bytes = 300000});
  const std::vector<std::string> texts = {"hello lo", std::string(200000, 'h'), "hell<|end|>", "lo\xFF\xF0hello    lo", "", "l",
                                          std::string(100, 'o') + " hello", "\xE2\x82"};
  for (int round = 0; round < 3; ++round) {
    for (const std::string& text : texts) {
      const auto fresh = parse(tiny_file());
      EXPECT_EQ(used->encode(text, kAsTokens), fresh->encode(text, kAsTokens));
      EXPECT_EQ(used->count(text, kAsText), fresh->encode(text, kAsText).size());
      const weft::EncodeOptions options{.fields = weft::kIds | weft::kOffsets};
      const weft::Encoding got = used->encode(text, kAsText, options), expected = fresh->encode(text, kAsText, options);
      EXPECT_EQ(got.ids, expected.ids);
      EXPECT_EQ(got.offsets, expected.offsets);
    }
    EXPECT_THROW((void)used->encode(std::string(300001, 'h'), kAsText), weft::Error);
  }
}

TEST(Tokenizer, NumbersNewAddedTokensBehindTheVocabulary) {
  // As Hugging Face does: the file's own id counts for nothing.
  auto file = tiny_file();
  file["added_tokens"].push_back(added_token(7, "new", false));
  EXPECT_EQ(parse(file)->find("new"), 264);
}

// As tokenizers does: files like this have been published, for texts that have no such character.
TEST(Tokenizer, RefusesAnUnknownCharacterOnlyWhereItStandsIfTheUnknownTokenIsMissing) {
  auto file = tiny_file();
  file["model"]["unk_token"] = "<unk>";
  EXPECT_EQ(parse(file)->encode("hello", Specials::kAsText), Ids{kHello});  // all bytes are known
  file["model"]["vocab"].erase("a");
  file["model"]["vocab"]["aa"] = 97;
  const auto tokenizer = parse(file);
  EXPECT_EQ(tokenizer->encode("hello", Specials::kAsText), Ids{kHello});
  try {
    (void)tokenizer->encode("bab", Specials::kAsText);
    FAIL();
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), weft::ErrorCode::kUnsupported);
    EXPECT_EQ(error.message(), "\"a\" is not in the vocabulary, and neither is the model's unknown token");
  }
  EXPECT_EQ(tokenizer->encode("hello", Specials::kAsText), Ids{kHello});
}

// --- files that are wrong -------------------------------------------------------------------------------------------

struct BadFile {
  const char* name;
  void (*change)(nlohmann::json&);
  weft::ErrorCode code;
  const char* what;  // the start of it
};

void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }

using enum weft::ErrorCode;
using nlohmann::json;

json pieces(std::initializer_list<json> list) { return json::array_t(list); }

const BadFile kBadFiles[] = {
    {"NoModel", [](json& f) { f.erase("model"); }, kCorrupt, "tiny.json: has no object \"model\""},
    {"ModelIsNoObject", [](json& f) { f["model"] = 3; }, kCorrupt,
     "tiny.json: has no object \"model\""},
    {"OtherModel", [](json& f) { f["model"]["type"] = "Markov"; }, kUnsupported,
     "tiny.json: model.type: the model \"Markov\" is not supported; these are: BPE, Unigram, WordLevel, WordPiece"},
    {"UntypedModel", [](json& f) { f["model"] = {{"vocab", json::object()}}; }, kCorrupt,
     "tiny.json: model: has no \"unk_token\""},
    {"UnigramOfAnObject", [](json& f) { f["model"]["type"] = "Unigram"; }, kCorrupt,
     "tiny.json: model.vocab: must be an array, not an object"},
    {"UnigramPieceWithoutScore", [](json& f) { f["model"] = {{"vocab", pieces({{"a", 0.5}, json::array({"b"})})}}; }, kCorrupt,
     "tiny.json: model.vocab[1]: must be a piece and its score"},
    {"UnigramScoreIsText", [](json& f) { f["model"] = {{"vocab", pieces({{"a", "b"}})}}; }, kCorrupt,
     "tiny.json: model.vocab[0][1]: must be a number, not a string"},
    {"UnigramWithoutItsUnknown", [](json& f) { f["model"] = {{"vocab", pieces({{"a", 0.5}})}, {"unk_id", 1}}; }, kCorrupt,
     "tiny.json: model.unk_id: the unk_id 1 is beyond the 1 pieces of model.vocab"},
    {"UnigramWithNegativeUnknown", [](json& f) { f["model"] = {{"vocab", pieces({{"a", 0.5}})}, {"unk_id", -1}}; }, kCorrupt,
     "tiny.json: model.unk_id: must be an integer"},
    {"WordPieceWithoutPrefix", [](json& f) { f["model"]["type"] = "WordPiece"; }, kCorrupt,
     "tiny.json: model: has no \"continuing_subword_prefix\""},
    {"WordPieceOfNegativeLength",
     [](json& f) {
       f["model"].update(
           {{"type", "WordPiece"}, {"continuing_subword_prefix", ""}, {"unk_token", "a"}, {"max_input_chars_per_word", -1}});
     },
     kCorrupt, "tiny.json: model.max_input_chars_per_word: must be an integer"},
    {"WordLevelWithoutUnknown", [](json& f) { f["model"]["type"] = "WordLevel"; }, kCorrupt,
     "tiny.json: model: has no \"unk_token\""},
    {"OtherVersion", [](json& f) { f["version"] = "2.0"; }, kUnsupported,
     "tiny.json: version: version \"2.0\" is not supported"},
    {"NoVocab", [](json& f) { f["model"].erase("vocab"); }, kCorrupt, "tiny.json: model: has no \"vocab\""},
    {"VocabIsAnArray", [](json& f) { f["model"]["vocab"] = json::array(); }, kCorrupt,
     "tiny.json: model.vocab: must be an object, not an array"},
    {"NegativeId", [](json& f) { f["model"]["vocab"]["x1"] = -1; }, kCorrupt,
     "tiny.json: model.vocab.x1: must be an integer from 0 to 2147483647"},
    {"HugeId", [](json& f) { f["model"]["vocab"]["x1"] = 5'000'000; }, kTooLarge,
     "tiny.json: model.vocab.x1: id 5000000 is beyond the bound of 4194304 ids\nfix: raise "
     "TokenizerLimits::vocab_size"},
    {"IdBeyondInt", [](json& f) { f["model"]["vocab"]["x1"] = 1'000'000'000'000; }, kCorrupt,
     "tiny.json: model.vocab.x1: must be an integer from 0 to 2147483647"},
    {"RealId", [](json& f) { f["model"]["vocab"]["x1"] = 300.5; }, kCorrupt,
     "tiny.json: model.vocab.x1: must be an integer"},
    {"IdIsText", [](json& f) { f["model"]["vocab"]["x1"] = "7"; }, kCorrupt,
     "tiny.json: model.vocab.x1: must be an integer, not a string"},
    {"DuplicateId", [](json& f) { f["model"]["vocab"]["x1"] = 7; }, kCorrupt, "tiny.json: model.vocab."},
    {"NoMerges", [](json& f) { f["model"].erase("merges"); }, kCorrupt, "tiny.json: model: has no \"merges\""},
    {"MergeOfUnknownPiece", [](json& f) { f["model"]["merges"][3] = "l qu"; }, kCorrupt,
     "tiny.json: model.merges[3]: merge uses \"qu\", which is not in model.vocab\n"
     "fix: the file is cut short or was edited; fetch it again"},
    {"MergeIntoUnknownPiece", [](json& f) { f["model"]["merges"][4] = {"h", "h"}; }, kCorrupt,
     "tiny.json: model.merges[4]: merge makes \"hh\", which is not in model.vocab"},
    {"MergeOfOne", [](json& f) { f["model"]["merges"][1] = "ll"; }, kCorrupt,
     "tiny.json: model.merges[1]: a merge is two pieces with one blank between them, not \"ll\""},
    {"MergeOfThree", [](json& f) { f["model"]["merges"][1] = {"l", "l", "l"}; }, kCorrupt,
     "tiny.json: model.merges[1]: a merge has two pieces, not 3"},
    {"MergeIsANumber", [](json& f) { f["model"]["merges"][0] = 1; }, kCorrupt,
     "tiny.json: model.merges[0]: must be a string, not an integer"},
    {"MergeHalfIsANumber", [](json& f) { f["model"]["merges"][2] = {"l", 1}; }, kCorrupt,
     "tiny.json: model.merges[2][1]: must be a string, not an integer"},
    {"MergeWithoutPrefix", [](json& f) { f["model"]["continuing_subword_prefix"] = "##"; }, kCorrupt,
     "tiny.json: model.merges[0]: the second piece lacks the continuing_subword_prefix \"##\""},
    {"Dropout", [](json& f) { f["model"]["dropout"] = 0.1; }, kUnsupported,
     "tiny.json: model.dropout: dropout makes ids random and is not supported"},
    {"AddedTokensAreNoList", [](json& f) { f["added_tokens"] = "no"; }, kCorrupt,
     "tiny.json: added_tokens: must be an array, not a string"},
    {"AddedTokenWithoutContent", [](json& f) { f["added_tokens"][1].erase("content"); }, kCorrupt,
     "tiny.json: added_tokens[1]: has no \"content\""},
    {"AddedTokenWithNegativeId", [](json& f) { f["added_tokens"][1]["id"] = -5; }, kCorrupt,
     "tiny.json: added_tokens[1].id: must be an integer"},
    {"AddedTokenWithoutFlag", [](json& f) { f["added_tokens"][2].erase("lstrip"); }, kCorrupt,
     "tiny.json: added_tokens[2]: has no \"lstrip\""},
    {"AddedTokenFlagIsANumber", [](json& f) { f["added_tokens"][0]["special"] = 1; }, kCorrupt,
     "tiny.json: added_tokens[0].special: must be a boolean, not an integer"},
    {"VeryLongAddedToken", [](json& f) { f["added_tokens"][0]["content"] = std::string(2000, 'x'); }, kTooLarge,
     "tiny.json: added_tokens[0].content: an added token of more than 1024 bytes"},
    {"OtherNormalizer", [](json& f) { f["normalizer"] = {{"type", "Shout"}}; }, kUnsupported,
     "tiny.json: normalizer.type: the normalizer \"Shout\" is not supported; these are: "},
    {"NormalizerWithoutFlag", [](json& f) { f["normalizer"] = {{"type", "BertNormalizer"}}; }, kCorrupt,
     "tiny.json: normalizer: has no \"lowercase\""},
    {"CharsmapIsNoBase64",
     [](json& f) { f["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "AAA*"}}; }, kCorrupt,
     "tiny.json: normalizer.precompiled_charsmap: is not base64"},
    {"CharsmapIsCutShort",
     [](json& f) { f["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "ALQCAACEAAAAAACA"}}; }, kCorrupt,
     "tiny.json: normalizer.precompiled_charsmap: the character map says that its double array has"},
    {"OtherPreTokenizer",
     [](json& f) { f["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Scissors"}}}}}; },
     kUnsupported,
     "tiny.json: pre_tokenizer.pretokenizers[0].type: the pre-tokenizer \"Scissors\" is not supported; these are: "},
    {"WordsOfNoCharacters", [](json& f) { f["pre_tokenizer"] = {{"type", "FixedLength"}, {"length", 0}}; }, kCorrupt,
     "tiny.json: pre_tokenizer.length: words of no characters make no sense"},
    {"DelimiterOfTwoCharacters",
     [](json& f) { f["pre_tokenizer"] = {{"type", "CharDelimiterSplit"}, {"delimiter", "ab"}}; }, kCorrupt,
     "tiny.json: pre_tokenizer.delimiter: must be one character, not \"ab\""},
    {"MetaspaceOfNothing", [](json& f) { f["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", ""}}; }, kCorrupt,
     "tiny.json: pre_tokenizer.replacement: must be one character, not \"\""},
    {"OtherPrependScheme",
     [](json& f) {
       f["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "sometimes"}};
     },
     kCorrupt, "tiny.json: pre_tokenizer.prepend_scheme: the prepend_scheme \"sometimes\" is none of always, first, never"},
    {"MetaspaceThatContradictsItself",
     [](json& f) {
       f["decoder"] = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}, {"add_prefix_space", false}};
     },
     kCorrupt, "tiny.json: decoder.add_prefix_space: says no, but the prepend_scheme is not \"never\""},
    {"OtherBehavior",
     [](json& f) {
       f["pre_tokenizer"] = {
           {"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "Sideways"}, {"invert", false}};
     },
     kCorrupt, "tiny.json: pre_tokenizer.behavior: the behavior \"Sideways\" is none of Removed, "},
    {"WrongRegex",
     [](json& f) {
       f["pre_tokenizer"] = {
           {"type", "Split"}, {"pattern", {{"Regex", "a(b"}}}, {"behavior", "Isolated"}, {"invert", false}};
     },
     kCorrupt,
     "tiny.json: pre_tokenizer.pattern.Regex: the regular expression is wrong: '(' without ')' (at byte 3 of the "
     "regular "
     "expression)"},
    {"UnsupportedRegex",
     [](json& f) {
       f["pre_tokenizer"] = {
           {"type", "Split"}, {"pattern", {{"Regex", "a\\Kb"}}}, {"behavior", "Isolated"}, {"invert", false}};
     },
     kUnsupported,
     "tiny.json: pre_tokenizer.pattern.Regex: the regular expression uses the escape \\K, which is not supported (at "
     "byte 3 "
     "of the regular expression)"},
    {"OtherDecoder", [](json& f) { f["decoder"] = {{"type", "Enigma"}}; }, kUnsupported,
     "tiny.json: decoder.type: the decoder \"Enigma\" is not supported; these are: BPEDecoder, ByteFallback, ByteLevel, "},
    {"OtherDecoderInSequence",
     [](json& f) { f["decoder"] = {{"type", "Sequence"}, {"decoders", {{{"type", "Fuse"}}, {{"type", "Fuze"}}}}}; },
     kUnsupported, "tiny.json: decoder.decoders[1].type: the decoder \"Fuze\" is not supported"},
    {"StripOfNegativeLength",
     [](json& f) { f["decoder"] = {{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}}; }, kCorrupt,
     "tiny.json: decoder.start: must be an integer"},
    {"OtherPostProcessor", [](json& f) { f["post_processor"] = {{"type", "Magic"}}; }, kUnsupported,
     "tiny.json: post_processor.type: the post-processor \"Magic\" is not supported; these are: "},
    {"TemplateWithoutItsToken",
     [](json& f) {
       const json piece = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
       f["post_processor"] = {
           {"type", "TemplateProcessing"}, {"single", {piece}}, {"pair", json::array()}, {"special_tokens", json::object()}};
     },
     kCorrupt,
     "tiny.json: post_processor.single[0].SpecialToken.id: the special token \"<s>\" is not in special_tokens"},
    {"TemplateOfAThirdText",
     [](json& f) {
       const json piece = {{"Sequence", {{"id", "C"}, {"type_id", 0}}}};
       f["post_processor"] = {
           {"type", "TemplateProcessing"}, {"single", {piece}}, {"pair", json::array()}, {"special_tokens", json::object()}};
     },
     kCorrupt, "tiny.json: post_processor.single[0].Sequence.id: the sequence \"C\" is none of A, B"},
    {"BertWithoutAnId",
     [](json& f) { f["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"x"}}, {"cls", {"x", 1}}}; }, kCorrupt,
     "tiny.json: post_processor.sep: must be a token and its id"},
    {"OtherTruncation",
     [](json& f) { f["truncation"] = {{"max_length", 5}, {"stride", 0}, {"strategy", "Middle"}}; }, kCorrupt,
     "tiny.json: truncation.strategy: the strategy \"Middle\" is none of LongestFirst, OnlyFirst, OnlySecond"},
    {"NegativeTruncation",
     [](json& f) { f["truncation"] = {{"max_length", -5}, {"stride", 0}, {"strategy", "OnlyFirst"}}; }, kCorrupt,
     "tiny.json: truncation.max_length: must be an integer"},
    {"HugePadding",
     [](json& f) {
       f["padding"] = {{"strategy", {{"Fixed", 1'000'000'000'000}}}, {"direction", "Right"}, {"pad_id", 0},
                       {"pad_type_id", 0}, {"pad_token", "x"}};
     },
     kCorrupt, "tiny.json: padding.strategy.Fixed: must be an integer from 0 to "},
    {"PaddingUpwards",
     [](json& f) {
       f["padding"] = {{"strategy", "BatchLongest"}, {"direction", "Up"}, {"pad_id", 0}, {"pad_type_id", 0},
                       {"pad_token", "x"}};
     },
     kCorrupt, "tiny.json: padding.direction: the direction \"Up\" is none of Left, Right"},
    {"UntypedComponent", [](json& f) { f["decoder"] = json::object(); }, kCorrupt,
     "tiny.json: decoder: has no \"type\""},
    {"ControlCharactersInAName",
     [](json& f) { f["normalizer"] = {{"type", std::string("a\nb\x1b") + std::string(500, 'c')}}; }, kUnsupported,
     "tiny.json: normalizer.type: the normalizer \"a\\x0Ab\\x1Bccc"},
};

class BadTokenizerFile : public testing::TestWithParam<BadFile> {};

TEST_P(BadTokenizerFile, IsAnErrorThatNamesThePlace) {
  json file = tiny_file();
  GetParam().change(file);
  try {
    (void)parse(file);
    FAIL() << "no error";
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), GetParam().code);
    EXPECT_EQ(std::string(error.what()).substr(0, std::string(GetParam().what).size()), GetParam().what);
    EXPECT_LT(std::string(error.what()).size(), 400u);
  }
}

INSTANTIATE_TEST_SUITE_P(Every, BadTokenizerFile, testing::ValuesIn(kBadFiles),
                         [](const auto& bad) { return std::string(bad.param.name); });

void expect_error_or_tokenizer(const std::string& bytes) {
  try {
    const auto tokenizer = weft::parse_tokenizer(bytes, "bad.json");
    (void)tokenizer->decode(tokenizer->encode("hello <|end|> hell\u0301o", kAsTokens), kAsText);
  } catch (const weft::Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("bad.json: ")) << error.what();
  }
}

TEST(TokenizerFile, CutShortIsAnErrorAtEveryPlace) {
  const std::string whole = tiny_file().dump();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    try {
      (void)weft::parse_tokenizer(std::string_view(whole).substr(0, size), "short.json");
      ADD_FAILURE() << size;
    } catch (const weft::Error& error) {
      EXPECT_EQ(error.code(), kCorrupt) << size;
    }
  }
  try {
    (void)weft::parse_tokenizer(std::string_view(whole).substr(0, 40), "short.json");
  } catch (const weft::Error& error) {
    EXPECT_STREQ(error.what(),
                 "short.json: line 1, column 41: the JSON ends early, after 40 bytes\n"
                 "fix: the file is cut short or was edited; fetch it again");
  }
}

TEST(TokenizerFile, WithFlippedBytesIsAnErrorOrATokenizer) {
  const std::string whole = tiny_file().dump();
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      bytes[random() % bytes.size()] =
          static_cast<char>(random() % 4 == 0 ? random() : "[]{}\",:0-9eul\\ "[random() % 16]);
    }
    expect_error_or_tokenizer(bytes);
  }
}

TEST(TokenizerFile, WithMovedPartsIsAnErrorOrATokenizer) {
  // Any value in any other's place: wrong types everywhere.
  const json whole = tiny_file();
  const json flat = whole.flatten();
  std::vector<json::json_pointer> places;
  for (const auto& [key, value] : flat.items()) {
    json::json_pointer place(key);
    while (!place.empty()) {
      if (places.empty() || std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
      place = place.parent_pointer();
    }
  }
  std::mt19937 random(2);
  for (int i = 0; i < 2000; ++i) {
    json file = whole;
    file[places[random() % places.size()]] = whole[places[random() % places.size()]];
    expect_error_or_tokenizer(file.dump());
  }
}

TEST(TokenizerFile, NestedDeeplyIsAnError) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string bytes = "{\"model\":";
    for (int i = 0; i < 1'000'000; ++i) bytes += open;
    try {
      (void)weft::parse_tokenizer(bytes, "deep.json");
      FAIL();
    } catch (const weft::Error& error) {
      EXPECT_EQ(error.code(), kTooLarge);
      EXPECT_STREQ(error.what(),
                   "deep.json: the JSON nests deeper than 64 levels\n"
                   "fix: raise TokenizerLimits::json_depth if the file is right");
    }
  }
}

TEST(TokenizerFile, BeyondItsBoundsIsAnError) {
  const std::string bytes = tiny_file().dump();
  const auto expect_too_large = [&](const weft::TokenizerLimits& limits, const std::string& what) {
    try {
      (void)weft::parse_tokenizer(bytes, "tiny.json", limits);
      ADD_FAILURE() << what;
    } catch (const weft::Error& error) {
      EXPECT_EQ(error.code(), kTooLarge);
      EXPECT_TRUE(std::string(error.what()).starts_with(what)) << error.what();
    }
  };
  expect_too_large({.file_bytes = 100},
                   "tiny.json: the file has " + std::to_string(bytes.size()) + " bytes, beyond the bound of 100");
  expect_too_large({.vocab_size = 250}, "tiny.json: model.vocab.");
  expect_too_large({.vocab_size = 262}, "tiny.json: added_tokens[1]: more than 262 ids");
}

TEST(TokenizerFile, OfAnotherFormatIsAnError) {
  const auto expect_error = [](std::string_view bytes, const char* what) {
    try {
      (void)weft::parse_tokenizer(bytes, "file");
      ADD_FAILURE() << what;
    } catch (const weft::Error& error) {
      EXPECT_STREQ(error.what(), what);
    }
  };
  expect_error("", "file: the file is empty\nfix: fetch it again");
  expect_error("hello",
               "file: is no tokenizer file of a known format; these are: Hugging Face tokenizer.json, SentencePiece .model, "
               "tiktoken ranks, Mistral tekken.json, llama2.c tokenizer.bin, GGUF, weft's compiled form\n"
               "fix: name the model's tokenizer.json; if this is it, fetch it again");
  expect_error("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 17\n",
               "file: is a pointer of Git LFS, which stands for the file\nfix: fetch the file itself: git lfs pull");
  expect_error("GGUF\x03", "file: byte 5: ends inside of its metadata\nfix: the file is cut short or damaged; fetch it again");
  for (const char* bytes : {"{}", R"({"version": 7, "model": 3})"}) {
    expect_error(bytes, "file: has no object \"model\": it is no tokenizer.json\n"
                        "fix: name the model's tokenizer.json, which lies beside its vocab.json, config.json and tokenizer_config.json");
  }
}

TEST(TokenizerFile, IsReadFromDisk) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("weft_tokenizer_test_" + std::to_string(std::random_device()()) + ".json");
  std::ofstream(path) << tiny_file().dump();
  EXPECT_EQ(weft::load_tokenizer(path)->encode("hello", kAsText), Ids{kHello});
  std::filesystem::remove(path);
  try {
    (void)weft::load_tokenizer(path);
    FAIL();
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), kNotFound);
    EXPECT_EQ(error.where(), path.string());
    EXPECT_EQ(error.message(), "there is no such file");
  }
  try {
    (void)weft::load_tokenizer(std::filesystem::temp_directory_path());
    FAIL();
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), kIo);
    EXPECT_EQ(error.message(), "is a folder, not a tokenizer file");
  }
}

}  // namespace
