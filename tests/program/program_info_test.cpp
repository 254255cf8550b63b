#include <gtest/gtest.h>

#include "weft/error.h"
#include "weft/program.h"

namespace weft {
namespace {

constexpr const char* kGood =
    R"({"format":1,"contract":"ragged","vocab_size":100,"max_context":64,"max_tokens":32,"max_rows":8,"layers":[[2,16,16],[1,8,24]]})";

TEST(ProgramInfo, ReadsWhatTheExportWrites) {
  const ProgramInfo info = parse_program_info(kGood, "m.pte");
  EXPECT_EQ(info.contract, Contract::kRagged);
  EXPECT_EQ(info.vocab_size, 100u);
  EXPECT_EQ(info.max_context, 64u);
  EXPECT_EQ(info.max_tokens, 32u);
  EXPECT_EQ(info.max_rows, 8u);
  ASSERT_EQ(info.layers.size(), 2u);
  EXPECT_EQ(info.layers[1], (kernels::KvLayerShape{1, 8, 24}));
}

TEST(ProgramInfo, KnowsAStateThatCannotGoBack) {
  const std::string text = R"({"format":1,"contract":"in_graph","vocab_size":100,"max_context":64,"max_tokens":1,"recurrent":true})";
  EXPECT_TRUE(parse_program_info(text, "m.pte").recurrent);
  EXPECT_THROW((void)parse_program_info(std::string(text).replace(text.find("true"), 4, "1"), "m.pte"), Error);
}

TEST(ProgramInfo, ReadsHowTheCacheIsKept) {
  EXPECT_EQ(parse_program_info(kGood, "m.pte").cache_type, CacheType::kFloat32);
  const auto with = [](const std::string& value) { return std::string(kGood).insert(1, "\"cache_type\":" + value + ","); };
  EXPECT_EQ(parse_program_info(with("\"float32\""), "m.pte").cache_type, CacheType::kFloat32);
  EXPECT_EQ(parse_program_info(with("\"float16\""), "m.pte").cache_type, CacheType::kFloat16);
  EXPECT_EQ(parse_program_info(with("\"bfloat16\""), "m.pte").cache_type, CacheType::kBFloat16);
  EXPECT_EQ(parse_program_info(with("\"int8\""), "m.pte").cache_type, CacheType::kInt8);
  for (const char* wrong : {"\"int4\"", "16", "null"}) EXPECT_THROW((void)parse_program_info(with(wrong), "m.pte"), Error) << wrong;
}

TEST(ProgramInfo, TellsModelsApart) {
  std::string other = kGood;
  other.replace(other.find("100"), 3, "101");
  EXPECT_NE(parse_program_info(kGood, "").fingerprint, parse_program_info(other, "").fingerprint);
}

TEST(ProgramInfo, NamesTheKeyThatIsWrong) {
  const std::pair<std::string, std::string> cases[] = {
      {R"("vocab_size":100)", R"("vocab_size":-1)"},
      {R"("vocab_size":100)", R"("vocab_size":"many")"},
      {R"("max_context":64)", R"("max_context":0)"},
      {R"("max_context":64)", R"("max_context":99999999999)"},
      {R"("max_tokens":32)", R"("max_tokens":1.5)"},
      {R"("max_rows":8)", R"("max_rows":null)"},
      {R"("layers":[[2,16,16],[1,8,24]])", R"("layers":[])"},
      {R"("layers":[[2,16,16],[1,8,24]])", R"("layers":[[2,16]])"},
      {R"("layers":[[2,16,16],[1,8,24]])", R"("layers":[[2,16,4000000000]])"},
  };
  for (const auto& [from, to] : cases) {
    std::string text = kGood;
    text.replace(text.find(from), from.size(), to);
    try {
      (void)parse_program_info(text, "m.pte");
      ADD_FAILURE() << "took " << to;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
      const std::string key = to.substr(1, to.find('"', 1) - 1);
      EXPECT_NE(error.message().find(key), std::string::npos) << error.what();
      EXPECT_EQ(error.where(), "m.pte: weft.json");
    }
  }
}

TEST(ProgramInfo, RefusesWhatIsNoObjectOrOfANewerFormat) {
  for (const char* text : {"", "[", "[]", "3", "{}", "{\"format\":1}"}) {
    EXPECT_THROW((void)parse_program_info(text, "m.pte"), Error) << text;
  }
  std::string newer = kGood;
  newer.replace(newer.find("\"format\":1"), 10, "\"format\":2");
  try {
    (void)parse_program_info(newer, "m.pte");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace weft
