#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/model/test_files.h"
#include "weft/error.h"
#include "weft/model.h"

namespace weft {
namespace {

using test::error_of;
using test::Folder;
using test::make_aoti_package;
using test::make_zip;
using test::ZipEnd;

std::string kind_of(std::string_view bytes) { return detect_backend(Folder().write("file", bytes)); }

TEST(DetectBackend, KnowsExecuTorchByItsFlatbufferIdentifier) {
  EXPECT_EQ(kind_of(std::string("\x20\0\0\0ET12eh00", 12)), "executorch");
  EXPECT_EQ(kind_of(std::string("\x20\0\0\0ET13", 8)), "executorch");
}

TEST(DetectBackend, KnowsAotiPackageByItsEntries) {
  EXPECT_EQ(kind_of(make_aoti_package()), "aoti");
  EXPECT_EQ(kind_of(make_zip({"m/archive_format", "m/data/aotinductor/model/x.so"}, ZipEnd::kPlain)), "aoti");
  EXPECT_EQ(kind_of(make_zip({"m/archive_format", "m/data/aotinductor/model/x.so"}, ZipEnd::kPlain, "PK\x05\x06 note")),
            "aoti");
}

TEST(DetectBackend, GoesByContentNotByName) {
  const Folder folder;
  EXPECT_EQ(detect_backend(folder.write("model.pte", make_aoti_package())), "aoti");
  EXPECT_EQ(detect_backend(folder.write("model.pt2", "no model")), "");
}

TEST(DetectBackend, TakesNoOtherZipForAPackage) {
  EXPECT_EQ(kind_of(make_zip({"m/data.pkl", "m/byteorder", "m/version"})), "");
  EXPECT_EQ(kind_of(make_zip({"m/archive_format", "m/models/model.json"})), "");
  EXPECT_EQ(kind_of(make_zip({"m/data/aotinductor/model/x.so"})), "");
  EXPECT_EQ(kind_of(make_zip({})), "");
}

TEST(DetectBackend, TakesNothingElseForAModel) {
  EXPECT_EQ(kind_of(""), "");
  EXPECT_EQ(kind_of("ET12"), "");
  EXPECT_EQ(kind_of("xxxxETzz"), "");
  EXPECT_EQ(kind_of("GGUF\x03"), "");
  EXPECT_EQ(kind_of("PK\x03\x04"), "");
}

TEST(DetectBackend, SurvivesEveryTruncationOfAPackage) {
  const Folder folder;
  const std::string whole = make_aoti_package();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(detect_backend(folder.write("cut.pt2", whole.substr(0, n))), "") << n << " bytes";
  }
}

TEST(DetectBackend, SurvivesEveryChangedByteOfAPackage) {
  const Folder folder;
  const std::string whole = make_aoti_package();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char byte : {'\x00', '\x7F', '\xFF'}) {
      std::string changed = whole;
      changed[i] = byte;
      const std::string kind = detect_backend(folder.write("changed.pt2", changed));
      EXPECT_TRUE(kind.empty() || kind == "aoti") << "byte " << i;
    }
  }
}

TEST(DetectBackend, SaysWhichFileIsMissing) {
  const Folder folder;
  const Error error = error_of([&] { (void)detect_backend(folder.path() / "none.pte"); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.where(), (folder.path() / "none.pte").string());
  EXPECT_NE(error.message().find("No such file"), std::string::npos) << error.what();
}

TEST(DetectBackend, DoesNotWaitForAPipe) {
  const Folder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { (void)detect_backend(pipe); }).code(), ErrorCode::kInvalidArgument);
}

TEST(FindModelFile, FindsTheOneModelOfAFolder) {
  const Folder folder;
  folder.write("README.md", "words");
  folder.write("tokenizer.json", "{}");
  const auto model = folder.write("some.name", make_aoti_package());
  EXPECT_EQ(find_model_file(folder.path()), model);
  EXPECT_EQ(find_model_file(model), model);
}

TEST(FindModelFile, NamesTwoOfSeveralModels) {
  const Folder folder;
  folder.write("a.pt2", make_aoti_package());
  folder.write("b.pte", std::string("\x20\0\0\0ET12eh00", 12));
  const Error error = error_of([&] { (void)find_model_file(folder.path()); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(error.message().find("a.pt2"), std::string::npos) << error.what();
  EXPECT_NE(error.message().find("b.pte"), std::string::npos) << error.what();
}

TEST(FindModelFile, TellsToExportACheckpointFolder) {
  const Folder folder;
  folder.write("config.json", "{}");
  const Error error = error_of([&] { (void)find_model_file(folder.path()); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_NE(error.fix().find("weft export"), std::string::npos) << error.what();
}

struct NoModel {
  const char* name;
  std::string bytes;
  ErrorCode code;
  const char* words;
};

class FindModelFileRefuses : public ::testing::TestWithParam<NoModel> {};

TEST_P(FindModelFileRefuses, AndSaysWhatTheFileIs) {
  const Folder folder;
  const auto path = folder.write("file", GetParam().bytes);
  const Error error = error_of([&] { (void)find_model_file(path); });
  EXPECT_EQ(error.code(), GetParam().code) << error.what();
  EXPECT_EQ(error.where(), path.string());
  EXPECT_NE(error.message().find(GetParam().words), std::string::npos) << error.what();
  EXPECT_FALSE(error.fix().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FindModelFileRefuses,
    ::testing::Values(
        NoModel{"empty", "", ErrorCode::kCorrupt, "is empty"},
        NoModel{"cut_zip", make_aoti_package().substr(0, 100), ErrorCode::kCorrupt, "directory is missing"},
        NoModel{"export", make_zip({"m/archive_format", "m/models/model.json"}), ErrorCode::kUnsupported, "isn't compiled"},
        NoModel{"torch", make_zip({"m/data.pkl"}), ErrorCode::kUnsupported, "a PyTorch checkpoint"},
        NoModel{"zip", make_zip({"a.txt"}), ErrorCode::kUnsupported, "neither"},
        NoModel{"gguf", "GGUF\x03", ErrorCode::kUnsupported, "a GGUF checkpoint"},
        NoModel{"safetensors", test::little_endian(2, 8) + "{}", ErrorCode::kUnsupported, "a safetensors checkpoint"},
        NoModel{"text", "Hello, world", ErrorCode::kUnsupported, "neither"}),
    [](const auto& chosen) { return std::string(chosen.param.name); });

}  // namespace
}  // namespace weft
