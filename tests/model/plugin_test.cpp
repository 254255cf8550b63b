#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/model/test_files.h"
#include "weft/error.h"
#include "weft/model.h"

namespace weft {
namespace {

using test::error_of;
using test::Folder;

class Plugins : public ::testing::Test {
 protected:
  void TearDown() override { ::unsetenv("WEFT_PLUGIN_PATH"); }
  static void look_in(const std::string& folder) { ::setenv("WEFT_PLUGIN_PATH", folder.c_str(), 1); }
};

TEST_F(Plugins, AreFoundThroughTheEnvironment) {
  look_in(WEFT_TEST_PLUGINS);
  const Backend& backend = load_backend("executorch");
  EXPECT_EQ(backend.name(), "executorch");
  EXPECT_EQ(&load_backend("executorch"), &backend);
}

TEST_F(Plugins, ThrowErrorsThatTheirUserCatches) {
  look_in(WEFT_TEST_PLUGINS);
  const Folder folder;
  const auto path = folder.write("broken.pte", "xxxxET12 no json");
  const Error error = error_of([&] { (void)open_model(path); });
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_EQ(error.where(), path.string());
}

TEST_F(Plugins, ThatAreMissingAreToldWithFoldersAndBuildSwitch) {
  look_in("/no/such/folder");
  const Error error = error_of([] { (void)load_backend("missing"); });
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_NE(error.message().find("weft_missing"), std::string::npos) << error.what();
  EXPECT_NE(error.message().find("/no/such/folder, "), std::string::npos) << error.what();
  EXPECT_NE(error.message().find("lib/weft"), std::string::npos) << error.what();
  EXPECT_NE(error.fix().find("-DWEFT_MISSING=ON"), std::string::npos) << error.what();
  EXPECT_NE(error.fix().find("WEFT_PLUGIN_PATH"), std::string::npos) << error.what();
}

TEST_F(Plugins, OfAnotherVersionAreRefused) {
  look_in(WEFT_BROKEN_PLUGINS);
  const Error error = error_of([] { (void)load_backend("wrong_abi"); });
  EXPECT_EQ(error.code(), ErrorCode::kBackend);
  EXPECT_NE(error.message().find(kBackendAbi), std::string::npos) << error.what();
}

TEST_F(Plugins, WithoutEntryPointAreRefused) {
  look_in(WEFT_BROKEN_PLUGINS);
  const Error error = error_of([] { (void)load_backend("no_entry"); });
  EXPECT_EQ(error.code(), ErrorCode::kBackend);
  EXPECT_NE(error.message().find("weft_backend"), std::string::npos) << error.what();
}

TEST_F(Plugins, ThatDoNotLoadAreToldWithTheLoadersWords) {
  const Folder folder;
  look_in(folder.path().string());
  folder.write("weft_garbage.so", "no shared library");
  const Error error = error_of([] { (void)load_backend("garbage"); });
  EXPECT_EQ(error.code(), ErrorCode::kBackend);
  EXPECT_EQ(error.where(), (folder.path() / "weft_garbage.so").string());
  EXPECT_NE(error.message().find("doesn't load: "), std::string::npos) << error.what();
}

TEST_F(Plugins, AreNeverLookedForOutsideOfTheirFolders) {
  for (const char* name : {"", "../evil", "a/b", "A", "a.b"}) {
    EXPECT_EQ(error_of([&] { (void)load_backend(name); }).code(), ErrorCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace weft
