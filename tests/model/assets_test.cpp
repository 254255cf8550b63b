#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/model/test_files.h"
#include "weft/error.h"
#include "weft/model.h"

namespace weft {
namespace {

using test::error_of;
using test::FileOfAssets;
using test::Folder;
using test::small_tokenizer;
using Assets = std::map<std::string, std::string>;

constexpr const char* kGeneration = "generation_config.json";
constexpr const char* kConfig = "tokenizer_config.json";

// The path of a model in a folder where nothing lies beside it.
const std::filesystem::path kAlone = "/nowhere/model.pte";

GenerationDefaults defaults_of(Assets assets) {
  assets["tokenizer.json"] = small_tokenizer();
  const FileOfAssets file(std::move(assets));
  return read_generation_defaults(file, kAlone, *read_tokenizer(file, kAlone));
}

// A file on disk, since read_info() looks at which kind it is.
ModelInfo info_of(const std::string& weft_json) {
  const Folder folder;
  const auto path = folder.write("some-model.pte", "xxxxET12");
  return read_info(FileOfAssets(Assets{{"weft.json", weft_json}}), path);
}

TEST(Assets, BesideTheModelWinOverThoseInside) {
  const Folder folder;
  const auto path = folder.path() / "model.pte";
  const FileOfAssets file(Assets{{"chat_template.jinja", "inside"}});
  const auto inside = find_asset(file, path, "chat_template.jinja");
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->bytes, "inside");
  EXPECT_FALSE(inside->beside);
  EXPECT_EQ(inside->where, path.string() + ": chat_template.jinja");

  const auto beside_path = folder.write("chat_template.jinja", "beside");
  const auto beside = find_asset(file, path, "chat_template.jinja");
  ASSERT_TRUE(beside);
  EXPECT_EQ(beside->bytes, "beside");
  EXPECT_TRUE(beside->beside);
  EXPECT_EQ(beside->where, beside_path.string());
}

TEST(Assets, ThatAreNowhereAreNothing) {
  EXPECT_FALSE(find_asset(FileOfAssets(Assets{}), kAlone, "chat_template.jinja"));
}

TEST(Assets, DescribingTheProgramAreNeverTakenFromBeside) {
  const Folder folder;
  folder.write("weft.json", R"({"format": 1, "name": "another"})");
  EXPECT_FALSE(find_asset(FileOfAssets(Assets{}), folder.path() / "model.pte", "weft.json"));
}

TEST(Assets, ThatAreNoFilesAreErrors) {
  const Folder folder;
  std::filesystem::create_directory(folder.path() / "tokenizer.json");
  const Error error = error_of([&] { (void)read_tokenizer(FileOfAssets(Assets{}), folder.path() / "model.pte"); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.where(), (folder.path() / "tokenizer.json").string());
}

TEST(Assets, OverTheBoundAreTooLarge) {
  const Folder folder;
  const auto path = folder.write("generation_config.json", "{");
  std::filesystem::resize_file(path, std::uint64_t{17} << 20);
  const FileOfAssets file(Assets{{"tokenizer.json", small_tokenizer()}});
  const auto tokenizer = read_tokenizer(file, kAlone);
  const Error error =
      error_of([&] { (void)read_generation_defaults(file, folder.path() / "model.pte", *tokenizer); });
  EXPECT_EQ(error.code(), ErrorCode::kTooLarge);
  EXPECT_EQ(error.where(), path.string());
}

TEST(ReadTokenizer, SaysWhereAMissingOneWasLookedFor) {
  const Folder folder;
  const Error error = error_of([&] { (void)read_tokenizer(FileOfAssets(Assets{}), folder.path() / "model.pte"); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.where(), (folder.path() / "model.pte").string());
  EXPECT_NE(error.message().find((folder.path() / "tokenizer.json").string()), std::string::npos) << error.what();
  EXPECT_NE(error.message().find("inside the model file"), std::string::npos) << error.what();
  EXPECT_NE(error.fix().find("put the model's tokenizer.json beside it"), std::string::npos) << error.what();
}

TEST(ReadTokenizer, NamesTheModelFileOfABrokenOne) {
  const Error error = error_of([] { (void)read_tokenizer(FileOfAssets(Assets{{"tokenizer.json", "{"}}), kAlone); });
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_NE(error.where().find("/nowhere/model.pte: tokenizer.json"), std::string::npos) << error.what();
}

// With a vocabulary that tells it from small_tokenizer().
std::string compiled_tokenizer() {
  return compile_tokenizer(*parse_tokenizer(
      R"({"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "one": 1}}})",
      "words.json"));
}

TEST(ReadTokenizer, UsesTheCompiledOneInside) {
  const FileOfAssets file(Assets{{"tokenizer.json", small_tokenizer()}, {"tokenizer.weft", compiled_tokenizer()}});
  EXPECT_EQ(read_tokenizer(file, kAlone)->find("one"), 1);
}

TEST(ReadTokenizer, TakesTheSourceOfACompiledOneThatIsOfAnotherVersion) {
  std::string newer = compiled_tokenizer();
  ++newer[8];
  const FileOfAssets both(Assets{{"tokenizer.json", small_tokenizer()}, {"tokenizer.weft", newer}});
  EXPECT_EQ(read_tokenizer(both, kAlone)->find("ab"), 2);
  const Error error = error_of([&] { (void)read_tokenizer(FileOfAssets(Assets{{"tokenizer.weft", newer}}), kAlone); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_NE(error.where().find("/nowhere/model.pte: tokenizer.weft"), std::string::npos) << error.what();
}

TEST(ReadTokenizer, RefusesADamagedCompiledOne) {
  std::string damaged = compiled_tokenizer();
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  const FileOfAssets file(Assets{{"tokenizer.json", small_tokenizer()}, {"tokenizer.weft", damaged}});
  const Error error = error_of([&] { (void)read_tokenizer(file, kAlone); });
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
}

TEST(ReadTokenizer, PrefersWhatLiesBesideTheModel) {
  const Folder folder;
  const auto model = folder.path() / "model.pte";
  folder.write("tokenizer.weft", compiled_tokenizer());
  const FileOfAssets file(Assets{{"tokenizer.json", small_tokenizer()}});
  EXPECT_EQ(read_tokenizer(file, model)->find("one"), 1);
  folder.write("tokenizer.json", small_tokenizer());
  EXPECT_EQ(read_tokenizer(FileOfAssets(Assets{{"tokenizer.weft", compiled_tokenizer()}}), model)->find("ab"), 2);
}

TEST(ReadInfo, ReadsWhatTheExportWrote) {
  const ModelInfo info = info_of(R"({"format": 1, "name": "Smol", "architecture": "LlamaForCausalLM", "dtype": "float32",
    "quantization": "none", "exporter": "weft 0.1.0", "parameters": 134515008, "vocab_size": 49152, "max_context": 2048,
    "contract": "ragged", "a key of a later version": {"x": [1]}})");
  EXPECT_EQ(info.name, "Smol");
  EXPECT_EQ(info.architecture, "LlamaForCausalLM");
  EXPECT_EQ(info.dtype, "float32");
  EXPECT_EQ(info.quantization, "none");
  EXPECT_EQ(info.exporter, "weft 0.1.0");
  EXPECT_EQ(info.parameters, 134515008u);
  EXPECT_EQ(info.vocab_size, 49152u);
  EXPECT_EQ(info.max_context, 2048u);
  EXPECT_EQ(info.backend, "executorch");
}

TEST(ReadInfo, NamesAFileWithoutMetadataAfterItself) {
  const Folder folder;
  const ModelInfo info = read_info(FileOfAssets(Assets{}), folder.write("others.pte", "xxxxET12"));
  EXPECT_EQ(info.name, "others");
  EXPECT_EQ(info.max_context, 0u);
}

TEST(ReadInfo, RefusesAFormatOfTheFuture) {
  const Error error = error_of([] { (void)info_of(R"({"format": 2})"); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_NE(error.message().find("format 2 is newer"), std::string::npos) << error.what();
}

struct Wrong {
  const char* asset;
  const char* text;
  const char* words;
};
std::ostream& operator<<(std::ostream& out, const Wrong& wrong) { return out << wrong.asset << " " << wrong.text; }

class WrongAsset : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongAsset, IsToldWithFileAndKey) {
  const Wrong& wrong = GetParam();
  const std::string name = wrong.asset;
  const Error error = error_of([&] {
    if (name == "weft.json") (void)info_of(wrong.text);
    else (void)defaults_of({{name, wrong.text}});
  });
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << error.what();
  EXPECT_NE(error.where().find(name), std::string::npos) << error.what();
  EXPECT_NE(error.message().find(wrong.words), std::string::npos) << error.what();
  EXPECT_FALSE(error.fix().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongAsset,
    ::testing::Values(
        Wrong{"weft.json", "", "is no JSON"}, Wrong{"weft.json", "{\"a\": ", "is no JSON"},
        Wrong{"weft.json", "[1]", "holds a list where an object was expected"},
        Wrong{"weft.json", "{}", "format is missing"},
        Wrong{"weft.json", R"({"format": "1"})", R"(format: is "1" where a whole number)"},
        Wrong{"weft.json", R"({"format": 0})", "format: is 0"},
        Wrong{"weft.json", R"({"format": 1, "name": 5})", "name: is 5 where a text"},
        Wrong{"weft.json", R"({"format": 1, "dtype": ["float32"]})", "dtype: is a list where a text"},
        Wrong{"weft.json", R"({"format": 1, "max_context": -1})", "max_context: is -1 where a whole number from 1"},
        Wrong{"weft.json", R"({"format": 1, "max_context": 2048.5})", "max_context: is 2048.5"},
        Wrong{"weft.json", R"({"format": 1, "max_context": 99999999999999999999})", "max_context: is 1e+20"},
        Wrong{"weft.json", R"({"format": 1, "vocab_size": 0})", "vocab_size: is 0"},
        Wrong{"weft.json", R"({"format": 1, "parameters": true})", "parameters: is true"},
        Wrong{kGeneration, "{\"eos_token_id\": \"2\"}", R"(eos_token_id: is "2" where a whole number)"},
        Wrong{kGeneration, "{\"eos_token_id\": [2, -1]}", "eos_token_id: is -1"},
        Wrong{kGeneration, "{\"eos_token_id\": [2, [3]]}", "eos_token_id: is a list"},
        Wrong{kGeneration, "{\"eos_token_id\": 4294967296}", "eos_token_id: is 4294967296"},
        Wrong{kGeneration, "{\"bos_token_id\": {}}", "bos_token_id: is an object"},
        Wrong{kGeneration, "{\"do_sample\": 1}", "do_sample: is 1 where true or false"},
        Wrong{kGeneration, "{\"do_sample\": true, \"temperature\": -0.5}", "temperature: is -0.5 where a number of at least 0"},
        Wrong{kGeneration, "{\"temperature\": \"hot\"}", R"(temperature: is "hot" where a number)"},
        Wrong{kGeneration, "{\"temperature\": 1e300}", "temperature: is 1e+300"},
        Wrong{kGeneration, "{\"temperature\": 1e999}", "is no JSON"},
        Wrong{kGeneration, "{\"top_k\": -1}", "top_k: is -1"}, Wrong{kGeneration, "{\"top_k\": 1.5}", "top_k: is 1.5"},
        Wrong{kGeneration, "{\"top_p\": 0}", "top_p: is 0 where a number above 0, at most 1"},
        Wrong{kGeneration, "{\"top_p\": 1.1}", "top_p: is 1.1"}, Wrong{kGeneration, "{\"min_p\": 1}", "min_p: is 1 where"},
        Wrong{kGeneration, "{\"repetition_penalty\": 0}", "repetition_penalty: is 0"},
        Wrong{kGeneration, "{\"a\": \"\xFF\"}", "is no JSON"},
        Wrong{kConfig, "{\"eos_token\": 2}", "eos_token: is 2 where a text, or an object"},
        Wrong{kConfig, "{\"bos_token\": {\"text\": \"x\"}}", "bos_token: is an object where a text, or an object"},
        Wrong{kConfig, "{\"add_bos_token\": \"yes\"}", R"(add_bos_token: is "yes")"}));

TEST(Assets, NestedTooDeepAreCorrupt) {
  const std::string deep = "{\"a\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  const Error error = error_of([&] { (void)defaults_of({{kGeneration, deep}}); });
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_NE(error.message().find("nested deeper than 64"), std::string::npos) << error.what();
}

TEST(GenerationDefaults, AreGreedyUnlessTheFileSamples) {
  EXPECT_EQ(defaults_of({}).sampling.temperature, 0.0f);
  const auto greedy = defaults_of({{kGeneration, R"({"temperature": 0.6, "top_p": 0.9})"}}).sampling;
  EXPECT_EQ(greedy.temperature, 0.0f);
  EXPECT_EQ(greedy.top_p, 1.0f);
  EXPECT_EQ(greedy.top_k, 0);
}

TEST(GenerationDefaults, SampleAsTheFileSays) {
  const auto sampling = defaults_of({{kGeneration, R"({"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.9,
    "min_p": 0.05, "repetition_penalty": 1.1})"}}).sampling;
  EXPECT_FLOAT_EQ(sampling.temperature, 0.6f);
  EXPECT_EQ(sampling.top_k, 20);
  EXPECT_FLOAT_EQ(sampling.top_p, 0.9f);
  EXPECT_FLOAT_EQ(sampling.min_p, 0.05f);
  EXPECT_FLOAT_EQ(sampling.repetition_penalty, 1.1f);
}

TEST(GenerationDefaults, LeaveOutWhatTransformersLeavesOut) {
  const auto sampling = defaults_of({{kGeneration, R"({"do_sample": true, "top_p": null})"}}).sampling;
  EXPECT_EQ(sampling.temperature, 1.0f);
  EXPECT_EQ(sampling.top_k, 50);
  EXPECT_EQ(sampling.top_p, 1.0f);
}

TEST(GenerationDefaults, PenaliseRepetitionWhenGreedyToo) {
  EXPECT_FLOAT_EQ(defaults_of({{kGeneration, R"({"repetition_penalty": 1.3})"}}).sampling.repetition_penalty, 1.3f);
}

TEST(GenerationDefaults, StopAtEveryEndTokenOnce) {
  using Tokens = std::vector<Token>;
  EXPECT_EQ(defaults_of({}).stop_tokens, Tokens{});
  EXPECT_EQ(defaults_of({{kGeneration, R"({"eos_token_id": 1})"}}).stop_tokens, Tokens{1});
  EXPECT_EQ(defaults_of({{kGeneration, R"({"eos_token_id": [1, 2]})"}, {kConfig, R"({"eos_token": "<|end|>"})"}}).stop_tokens,
            (Tokens{1, 2, 4}));
  EXPECT_EQ(defaults_of({{kGeneration, R"({"eos_token_id": 4})"}, {kConfig, R"({"eos_token": {"content": "<|end|>"}})"}})
                .stop_tokens,
            Tokens{4});
}

TEST(GenerationDefaults, IgnoreTokensThatAreInNoVocabulary) {
  const auto defaults = defaults_of({{kConfig, R"({"eos_token": "</s>", "bos_token": "<s>", "add_bos_token": true})"}});
  EXPECT_TRUE(defaults.stop_tokens.empty());
  EXPECT_FALSE(defaults.bos_token);
  EXPECT_FALSE(defaults.add_bos);
}

TEST(GenerationDefaults, BeginWithBosWhereTheTokenizerAddsIt) {
  const auto added = defaults_of({{kConfig, R"({"bos_token": "<|begin|>", "add_bos_token": true})"}});
  EXPECT_EQ(added.bos_token, 3);
  EXPECT_TRUE(added.add_bos);
  const auto known = defaults_of({{kGeneration, R"({"bos_token_id": 3})"}});
  EXPECT_EQ(known.bos_token, 3);
  EXPECT_FALSE(known.add_bos);
}

TEST(ReadChatTemplate, GivesTheTemplateItsSpecialTokens) {
  const FileOfAssets file(Assets{{"chat_template.jinja", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"},
                           {kConfig, R"({"bos_token": "<|begin|>", "eos_token": {"content": "<|end|>"}})"}});
  const auto chat_template = read_chat_template(file, kAlone);
  ASSERT_TRUE(chat_template);
  std::string text;
  for (const TextPart& part : chat_template->render({{"user", "Hi"}})) text += part.text;
  EXPECT_EQ(text, "<|begin|>Hi<|end|>");
}

TEST(ReadChatTemplate, FindsOlderTemplatesInTheTokenizerConfig) {
  const auto one = read_chat_template(FileOfAssets(Assets{{kConfig, R"({"chat_template": "one"})"}}), kAlone);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->source(), "one");
  const auto named = read_chat_template(
      FileOfAssets(Assets{{kConfig, R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})"}}),
      kAlone);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->source(), "d");
  EXPECT_FALSE(read_chat_template(FileOfAssets(Assets{{kConfig, R"({"chat_template": [5, {"name": "tool_use"}]})"}}), kAlone));
  EXPECT_FALSE(read_chat_template(FileOfAssets(Assets{}), kAlone));
}

TEST(ReadChatTemplate, NamesTheFileOfABrokenOne) {
  const Error inside = error_of([] { (void)read_chat_template(FileOfAssets(Assets{{"chat_template.jinja", "{% if %}"}}), kAlone); });
  EXPECT_EQ(inside.code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(inside.where().starts_with("/nowhere/model.pte: chat_template.jinja")) << inside.what();
  EXPECT_FALSE(inside.fix().empty());
  const Error config = error_of([] { (void)read_chat_template(FileOfAssets(Assets{{kConfig, R"({"chat_template": 5})"}}), kAlone); });
  EXPECT_NE(config.message().find("chat_template: is 5"), std::string::npos) << config.what();
}

}  // namespace
}  // namespace weft
