// The compiled form: what it gives back, and what becomes of it when it is damaged.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "src/tokenizer/compiled.h"
#include "tests/tokenizer/tiny_file.h"
#include "weft/error.h"
#include "weft/tokenizer.h"

namespace weft::testing {
namespace {

constexpr std::size_t kHeader = 64;

nlohmann::json vocabulary_of(const std::vector<std::string>& pieces) {
  nlohmann::json vocab = nlohmann::json::object();
  for (std::size_t id = 0; id < pieces.size(); ++id) vocab[pieces[id]] = id;
  return vocab;
}

struct Source {
  std::string name, file;
  friend void PrintTo(const Source& source, std::ostream* out) { *out << source.name; }
};

// One small tokenizer for each kind of model, which together have every kind of part that holds a table.
std::vector<Source> sources() {
  std::vector<Source> files;
  files.push_back({"byte_bpe", tiny_file().dump()});

  nlohmann::json whole = tiny_file();
  whole["model"]["ignore_merges"] = true;
  whole["model"]["vocab"]["xyz"] = 264;
  whole["normalizer"] = {{"type", "Sequence"},
                         {"normalizers",
                          {{{"type", "NFC"}},
                           {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}},
                           {{"type", "Prepend"}, {"prepend", "h"}}}}};
  whole["truncation"] = {{"max_length", 9}, {"stride", 1}, {"strategy", "OnlyFirst"}, {"direction", "Left"}};
  whole["padding"] = {{"strategy", {{"Fixed", 12}}}, {"direction", "Left"}, {"pad_to_multiple_of", nullptr},
                      {"pad_id", 3},                 {"pad_type_id", 1},    {"pad_token", "x"}};
  files.push_back({"whole_words", whole.dump()});

  nlohmann::json pieces = tiny_file();
  pieces["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}, {"split", true}};
  pieces["decoder"] = {{"type", "Sequence"},
                       {"decoders",
                        {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
                         {{"type", "ByteFallback"}},
                         {{"type", "Fuse"}},
                         {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  std::vector<std::string> list = {"<unk>", "\u2581", "h", "e", "l", "o", "he", "ll", "hell", "hello", "\u2581hello", "\u00E9"};
  const auto digit = [](int value) { return std::string(1, "0123456789ABCDEF"[value]); };
  for (int byte = 0; byte < 256; ++byte) list.push_back("<0x" + digit(byte >> 4) + digit(byte & 15) + ">");
  pieces["added_tokens"] = {added_token(0, "<unk>", true)};
  pieces["model"] = {{"type", "BPE"},
                     {"unk_token", "<unk>"},
                     {"fuse_unk", true},
                     {"byte_fallback", true},
                     {"vocab", vocabulary_of(list)},
                     {"merges", {"h e", "l l", "he ll", "hell o", "\u2581 hello"}}};
  files.push_back({"fallback_bpe", pieces.dump()});

  nlohmann::json affixes = pieces;
  affixes["model"] = {{"type", "BPE"},
                      {"continuing_subword_prefix", "##"},
                      {"end_of_word_suffix", "</w>"},
                      {"unk_token", "<unk>"},
                      {"vocab", vocabulary_of({"<unk>", "h", "##e", "##l", "##o</w>", "he", "##llo</w>", "##lo</w>"})},
                      {"merges", {"h ##e", "##l ##o</w>"}}};
  affixes["decoder"] = {{"type", "BPEDecoder"}, {"suffix", "</w>"}};
  affixes["pre_tokenizer"] = {{"type", "Sequence"},
                              {"pretokenizers",
                               {{{"type", "WhitespaceSplit"}},
                                {{"type", "Split"}, {"pattern", {{"Regex", "[0-9]+?"}}}, {"behavior", "Isolated"}, {"invert", false}},
                                {{"type", "FixedLength"}, {"length", 7}}}}};
  files.push_back({"affixes", affixes.dump()});

  nlohmann::json unigram = pieces;
  nlohmann::json scored = nlohmann::json::array();
  for (const std::string& piece : list) scored.push_back({piece, -0.5 * static_cast<double>(scored.size())});
  unigram["model"] = {{"type", "Unigram"}, {"unk_id", 0}, {"byte_fallback", true}, {"vocab", scored}};
  unigram["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<unk>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", {{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}}},
      {"special_tokens", {{"<unk>", {{"id", "<unk>"}, {"ids", {0}}, {"tokens", {"<unk>"}}}}}}};
  files.push_back({"unigram", unigram.dump()});

  nlohmann::json word_piece = pieces;
  word_piece["normalizer"] = {{"type", "BertNormalizer"}, {"clean_text", true}, {"handle_chinese_chars", true},
                              {"strip_accents", nullptr},  {"lowercase", true}};
  word_piece["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  word_piece["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  word_piece["model"] = {{"type", "WordPiece"},
                         {"unk_token", "<unk>"},
                         {"continuing_subword_prefix", "##"},
                         {"max_input_chars_per_word", 100},
                         {"vocab", vocabulary_of({"<unk>", "hello", "he", "##llo", "##l", "##o", "world", "a"})}};
  files.push_back({"word_piece", word_piece.dump()});

  nlohmann::json word_level = word_piece;
  word_level["model"] = {{"type", "WordLevel"}, {"unk_token", "<unk>"}, {"vocab", vocabulary_of({"<unk>", "hello", "world"})}};
  word_level["decoder"] = nullptr;
  files.push_back({"word_level", word_level.dump()});
  return files;
}

constexpr std::string_view kTexts[] = {
    "",
    "hello",
    "hello hello<|end|> h\u00E9llo  hell",
    "xyz \u4E2D\u6587 12345 \u00E9e\u0301 \U0001F600",
    "lololo ohellohehello    \n\t hello.",
    std::string_view("a\0b\xFF\xC3", 5),
};

// All that can be seen of a tokenizer.
std::string everything(const Tokenizer& tokenizer) {
  std::string out = std::to_string(tokenizer.vocab_size());
  for (const std::string_view text : kTexts) {
    for (const auto specials : {Specials::kAsText, Specials::kAsTokens}) {
      for (const bool as_file_says : {false, true}) {
        const Encoding encoding =
            tokenizer.encode(text, specials, EncodeOptions{.fields = ~0u, .as_file_says = as_file_says});
        for (std::size_t i = 0; i < encoding.size; ++i) {
          out += ' ' + std::to_string(encoding.ids[i]) + ':' + std::to_string(encoding.offsets[i].begin) + '-' +
                 std::to_string(encoding.offsets[i].end) + '/' + std::to_string(encoding.words[i]);
        }
        out += '\n';
      }
      const std::vector<Token> ids = tokenizer.encode(text, specials);
      for (const Token id : ids) out += std::to_string(id) + ' ';
      out += tokenizer.decode(ids, specials) + '\n';
    }
  }
  for (Token id = 0; id < static_cast<Token>(tokenizer.vocab_size()); ++id) {
    const std::string piece = tokenizer.piece(id);
    out += piece + std::to_string(tokenizer.find(piece).value_or(-1)) + (tokenizer.is_special(id) ? "!" : "");
  }
  return out;
}

class EveryCompiled : public ::testing::TestWithParam<Source> {
 protected:
  std::string compiled_ = compile_tokenizer(*parse_tokenizer(GetParam().file, "source.json"));
};

TEST_P(EveryCompiled, IsTheTokenizerThatItWasMadeOf) {
  const auto source = parse_tokenizer(GetParam().file, "source.json");
  const auto again = parse_tokenizer(compiled_, "tokenizer.weft");
  EXPECT_EQ(everything(*again), everything(*source));
  EXPECT_EQ(compile_tokenizer(*again), compiled_);
}

TEST_P(EveryCompiled, CutShortIsAnErrorAtEveryPlace) {
  for (std::size_t size = 0; size < compiled_.size(); ++size) {
    EXPECT_THROW((void)parse_tokenizer(std::string_view(compiled_).substr(0, size), "tokenizer.weft"), Error) << size;
  }
  EXPECT_THROW((void)parse_tokenizer(compiled_ + '\0', "tokenizer.weft"), Error);
}

TEST_P(EveryCompiled, WithAnyFlippedBitIsAnError) {
  std::mt19937 random(7);
  const auto expect_error = [&](std::size_t at, int bit) {
    std::string damaged = compiled_;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << bit);
    EXPECT_THROW((void)parse_tokenizer(damaged, "tokenizer.weft"), Error) << at;
  };
  for (std::size_t at = 0; at < kHeader; ++at) {
    for (int bit = 0; bit < 8; ++bit) expect_error(at, bit);
  }
  for (int i = 0; i < 1000; ++i) expect_error(random() % compiled_.size(), static_cast<int>(random() % 8));
}

// What someone wrote who knows the checksum: the tables contradict each other, and nothing may come of it but wrong ids.
TEST_P(EveryCompiled, ForgedIsAnErrorOrATokenizer) {
  std::mt19937 random(11);
  const std::string content = compiled_.substr(kHeader);
  for (int i = 0; i < 3000; ++i) {
    std::string forged = content;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % forged.size();
      if (i % 2 == 0) {
        forged[at] = static_cast<char>(random());
      } else {
        const std::uint64_t number = random() % 3 == 0 ? ~std::uint64_t{0} : random() % 600;
        std::memcpy(forged.data() + at / 8 * 8, &number, std::min<std::size_t>(sizeof number, forged.size() - at / 8 * 8));
      }
    }
    try {
      const auto tokenizer = parse_tokenizer(tokenizer::seal_compiled(std::move(forged)), "tokenizer.weft");
      (void)everything(*tokenizer);
    } catch (const Error&) {
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Every, EveryCompiled, ::testing::ValuesIn(sources()),
                         [](const auto& each) { return each.param.name; });

TEST(CompiledForm, OfAnotherVersionSaysSo) {
  std::string bytes = compile_tokenizer(*parse(tiny_file()));
  ++bytes[8];
  try {
    (void)parse_tokenizer(bytes, "tokenizer.weft");
    FAIL() << "it was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("version 6; this build reads version 5"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.fix()).find("export the model again"), std::string::npos) << error.fix();
  }
}

TEST(CompiledForm, IsUsedWhereItIsMapped) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "mapped_tokenizer.weft";
  save_tokenizer(*parse(tiny_file()), path);
  const auto maps = [] {
    std::ifstream file("/proc/self/maps");
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  if (maps().empty()) GTEST_SKIP() << "needs /proc";
  {
    const auto tokenizer = load_tokenizer(path);
    EXPECT_NE(maps().find(path.string()), std::string::npos);
    EXPECT_EQ(tokenizer->encode("hello", Specials::kAsText), std::vector<Token>{kHello});
  }
  EXPECT_EQ(maps().find(path.string()), std::string::npos);
  std::filesystem::remove(path);
}

TEST(CompiledForm, IsReplacedWhileItIsMapped) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "replaced_tokenizer.weft";
  save_tokenizer(*parse(tiny_file()), path);
  const auto old = load_tokenizer(path);
  save_tokenizer(*parse_tokenizer(sources().back().file, "words.json"), path);
  EXPECT_EQ(old->encode("hello", Specials::kAsText), std::vector<Token>{kHello});
  EXPECT_EQ(load_tokenizer(path)->vocab_size(), 3u);
  std::filesystem::remove(path);
}

TEST(CompiledForm, ThatCannotBeWrittenIsAnError) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "no_such_folder" / "tokenizer.weft";
  try {
    save_tokenizer(*parse(tiny_file()), path);
    FAIL() << "it was written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_EQ(error.where(), path.string());
  }
}

TEST(CompiledForm, KeepsTheOwnerOfItsBytes) {
  const std::string bytes = compile_tokenizer(*parse(tiny_file()));
  auto owner = std::make_shared<std::vector<std::uint64_t>>(bytes.size() / 8 + 2);
  std::weak_ptr<const void> watched = owner;
  for (const std::size_t shift : {0, 1}) {  // also at a place where tables can't lie
    char* const begin = reinterpret_cast<char*>(owner->data()) + shift;
    std::memcpy(begin, bytes.data(), bytes.size());
    const auto tokenizer = parse_tokenizer(owner, std::string_view(begin, bytes.size()), "tokenizer.weft");
    EXPECT_EQ(owner.use_count(), shift == 0 ? 2 : 1);
    EXPECT_EQ(tokenizer->encode("hello", Specials::kAsText), std::vector<Token>{kHello});
  }
}

TEST(CompiledForm, IsNotForClassesOfOnesOwn) {
  class Own : public Tokenizer {
   public:
    [[nodiscard]] std::vector<Token> encode(std::span<const TextPart>) const override { return {}; }
    [[nodiscard]] std::string decode(std::span<const Token>, Specials) const override { return {}; }
    [[nodiscard]] std::size_t vocab_size() const noexcept override { return 0; }
    [[nodiscard]] std::string piece(Token) const override { return {}; }
    [[nodiscard]] std::optional<Token> find(std::string_view) const override { return std::nullopt; }
    [[nodiscard]] bool is_special(Token) const override { return false; }
  };
  try {
    (void)compile_tokenizer(Own());
    FAIL() << "it was compiled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace weft::testing
