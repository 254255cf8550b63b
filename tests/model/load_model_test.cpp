#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/model/test_files.h"
#include "weft/error.h"
#include "weft/model.h"

namespace weft {
namespace {

using test::error_of;
using test::Folder;
using Json = nlohmann::json;

// Through tests/model/fake_backend.cpp, loaded as the plug-in that a real .pte would get.
class LoadModel : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("WEFT_PLUGIN_PATH", WEFT_TEST_PLUGINS, 1); }
  void TearDown() override { ::unsetenv("WEFT_PLUGIN_PATH"); }

  std::filesystem::path write(const Json& assets) const {
    const Json json = {{"assets", assets}, {"vocab_size", 5}, {"max_context", 16}};
    return folder_.write("model.pte", "xxxxET12" + json.dump());
  }

  Folder folder_;
};

TEST_F(LoadModel, GivesEveryPartOfOneFile) {
  const auto path = write({{"weft.json", R"({"format": 1, "name": "Fake", "vocab_size": 5, "max_context": 16})"},
                           {"tokenizer.json", test::small_tokenizer()},
                           {"chat_template.jinja", "{{ messages[0].content }}"},
                           {"generation_config.json", R"({"eos_token_id": 4})"}});
  const auto model = load_model(path);
  EXPECT_EQ(model->info.name, "Fake");
  EXPECT_EQ(model->info.backend, "executorch");
  EXPECT_EQ(model->runner->vocab_size(), 5u);
  EXPECT_EQ(model->tokenizer->encode("ab", Specials::kAsText), std::vector<Token>{2});
  EXPECT_TRUE(model->chat_template);
  EXPECT_EQ(model->defaults.stop_tokens, std::vector<Token>{4});
}

TEST_F(LoadModel, TakesAFolderWithOneModel) {
  write({{"tokenizer.json", test::small_tokenizer()}});
  EXPECT_EQ(load_model(folder_.path())->info.name, "model");
}

TEST_F(LoadModel, LearnsFromTheRunnerWhatTheFileDoesNotTell) {
  const auto model = load_model(write({{"tokenizer.json", test::small_tokenizer()}}));
  EXPECT_EQ(model->info.max_context, 16u);
  EXPECT_EQ(model->info.vocab_size, 5u);
  EXPECT_FALSE(model->chat_template);
}

TEST_F(LoadModel, WorksWithABackendThatWasLinkedIn) {
  const auto path = write({{"tokenizer.json", test::small_tokenizer()}});
  const Backend& backend = load_backend("executorch");
  EXPECT_EQ(load_model(path, backend)->info.backend, "executorch");
}

TEST_F(LoadModel, TellsAMissingTokenizer) {
  EXPECT_EQ(error_of([&] { (void)load_model(write(Json::object())); }).code(), ErrorCode::kNotFound);
}

TEST_F(LoadModel, TellsAMissingFile) {
  const Error error = error_of([&] { (void)load_model(folder_.path() / "none.pte"); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.where(), (folder_.path() / "none.pte").string());
}

}  // namespace
}  // namespace weft
