// What preprocessor_config.json may say, and the error where it may not.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "weft/error.h"
#include "weft/processor.h"

namespace {

using weft::ErrorCode;

struct BadConfig {
  std::string json;
  ErrorCode code;
  std::string message;
};

void expect_error(const BadConfig& bad) {
  try {
    (void)weft::parse_image_processor(bad.json, "preprocessor_config.json");
    ADD_FAILURE() << "accepted: " << bad.json.substr(0, 200);
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), bad.code) << error.what();
    EXPECT_EQ(error.message(), bad.message);
    EXPECT_EQ(error.where(), "preprocessor_config.json");
    EXPECT_FALSE(error.fix().empty());
  }
}

// A configuration of CLIP's family with these keys on top.
std::string clip(const std::string& keys) { return R"({"image_processor_type": "CLIPImageProcessor", )" + keys + "}"; }

weft::ImageInputs process(const std::string& config, std::size_t width, std::size_t height) {
  const std::vector<std::uint8_t> rgb(width * height * 3, 200);
  return weft::parse_image_processor(config, "test")->process({rgb, width, height});
}

TEST(ImageProcessor, RefusesStepsThatItDoesNotKnow) {
  expect_error({clip(R"("do_pad": true)"), ErrorCode::kUnsupported, "do_pad: is not supported"});
  expect_error(
      {clip(R"("do_image_splitting": true)"), ErrorCode::kUnsupported, "do_image_splitting: is not supported"});
  expect_error({clip(R"("do_\n": 1)"), ErrorCode::kUnsupported, R"("do_\n": is not supported)"});
  expect_error({clip(R"("use_square_size": true)"), ErrorCode::kUnsupported, "use_square_size: is not supported"});
  EXPECT_NO_THROW((void)process(clip(R"("do_pad": false, "do_flip": null, "do_convert_rgb": true)"), 2, 2));
}

TEST(ImageProcessor, RefusesFamiliesThatItDoesNotKnow) {
  expect_error({R"({"image_processor_type": "Qwen2VLImageProcessor"})", ErrorCode::kUnsupported,
                R"(image_processor_type: "Qwen2VLImageProcessor" is not supported)"});
  expect_error({R"({"image_processor_type": "Siglip2ImageProcessorFast"})", ErrorCode::kUnsupported,
                R"(image_processor_type: "Siglip2ImageProcessorFast" is not supported)"});
  expect_error({R"({"feature_extractor_type": "LevitFeatureExtractor"})", ErrorCode::kUnsupported,
                R"(image_processor_type: "LevitFeatureExtractor" is not supported)"});
}

TEST(ImageProcessor, RefusesFormsThatItDoesNotKnow) {
  const std::vector<BadConfig> cases = {
      {clip(R"("size": {"shortest_edge": 8, "longest_edge": 9})"), ErrorCode::kUnsupported,
       "size: this form is not supported"},
      {clip(R"("size": {"longest_edge": 9})"), ErrorCode::kUnsupported, "size: this form is not supported"},
      {clip(R"("size": [8, 8])"), ErrorCode::kUnsupported, "size: this form is not supported"},
      {clip(R"("crop_size": {"shortest_edge": 8})"), ErrorCode::kUnsupported, "crop_size: this form is not supported"},
      {clip(R"("resample": 5)"), ErrorCode::kUnsupported, "resample: the filter 5 is not supported"},
      {clip(R"("data_format": "channels_last")"), ErrorCode::kUnsupported,
       R"(data_format: "channels_last" is not supported)"},
  };
  for (const auto& bad : cases) expect_error(bad);
}

TEST(ImageProcessor, NamesTheKeyOfABadValue) {
  const std::vector<BadConfig> cases = {
      {clip(R"("do_resize": 1)"), ErrorCode::kCorrupt, "do_resize: is 1 where true or false was expected"},
      {clip(R"("resample": 6)"), ErrorCode::kCorrupt, "resample: is 6 where 0 to 5 was expected"},
      {clip(R"("resample": "bicubic")"), ErrorCode::kCorrupt, R"(resample: is "bicubic" where 0 to 5 was expected)"},
      {clip(R"("size": 0)"), ErrorCode::kCorrupt, "size: is 0 where a whole number above 0 was expected"},
      {clip(R"("size": {"shortest_edge": -3})"), ErrorCode::kCorrupt,
       "size.shortest_edge: is -3 where a whole number above 0 was expected"},
      {clip(R"("size": {"height": 2.5, "width": 2})"), ErrorCode::kCorrupt,
       "size.height: is 2.5 where a whole number above 0 was expected"},
      {clip(R"("crop_size": {"height": 3, "width": {}})"), ErrorCode::kCorrupt,
       "crop_size.width: is an object where a whole number above 0 was expected"},
      {clip(R"("size": 16385)"), ErrorCode::kTooLarge, "size: is 16385; at most 16384 is allowed"},
      {clip(R"("crop_size": 18446744073709551615)"), ErrorCode::kTooLarge,
       "crop_size: is 18446744073709551615; at most 16384 is allowed"},
      {clip(R"("rescale_factor": "x")"), ErrorCode::kCorrupt,
       R"(rescale_factor: is "x" where a number within f32 was expected)"},
      {clip(R"("rescale_factor": 1e300)"), ErrorCode::kCorrupt,
       "rescale_factor: is 1e+300 where a number within f32 was expected"},
      {clip(R"("rescale_factor": 1e38, "do_normalize": false)"), ErrorCode::kCorrupt,
       "rescale_factor: gives values beyond f32"},
      {clip(R"("image_mean": [0.5, 0.5])"), ErrorCode::kCorrupt,
       "image_mean: is a list where a list of 3 numbers was expected"},
      {clip(R"("image_mean": [0, 0, true])"), ErrorCode::kCorrupt,
       "image_mean[2]: is true where a number within f32 was expected"},
      {clip(R"("image_std": [1, 1, 0])"), ErrorCode::kCorrupt, "image_std: holds 0, by which nothing can be divided"},
      {clip(R"("image_std": [1, 1, 1e-320])"), ErrorCode::kCorrupt,
       "image_std: holds 0, by which nothing can be divided"},
      {clip(R"("image_std": [1e-40, 1, 1])"), ErrorCode::kCorrupt, "image_std: gives values beyond f32"},
      {clip(R"("do_resize": ")" + std::string(500, 'x') + "\""), ErrorCode::kCorrupt,
       "do_resize: is \"" + std::string(59, 'x') + "... where true or false was expected"},
  };
  for (const auto& bad : cases) expect_error(bad);
}

TEST(ImageProcessor, RefusesWhatIsNoObjectOfBoundedSizeAndDepth) {
  expect_error({"[]", ErrorCode::kCorrupt, "holds a list where an object was expected"});
  expect_error({R"({"a": )" + std::string(100000, '['), ErrorCode::kCorrupt, "is nested deeper than 16 levels"});
  expect_error({std::string((1 << 20) + 1, ' '), ErrorCode::kTooLarge, "has more than 1048576 bytes"});
  for (const std::string json : {"", "{\"size\": 2", "{\"size\": \"\xff\"}", "{\"size\": 1e999}", "{\"size\": NaN}"}) {
    try {
      (void)weft::parse_image_processor(json, "test");
      ADD_FAILURE() << "accepted: " << json;
    } catch (const weft::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
      EXPECT_TRUE(error.message().starts_with("is no JSON: ")) << error.what();
    }
  }
}

TEST(ImageProcessor, TakesWhatTheFileLeavesOutFromItsFamily) {
  const auto is_square = [](const weft::ImageInputs& inputs, std::size_t side) {
    return inputs.width == side && inputs.height == side;
  };
  EXPECT_TRUE(is_square(process(clip(R"("size": null)"), 30, 20), 224));
  EXPECT_TRUE(is_square(process(R"({"feature_extractor_type": "ViTFeatureExtractor", "size": 32})", 30, 20), 32));
  const auto siglip = process(R"({"image_processor_type": "SiglipImageProcessorFast", "size": 32})", 30, 20);
  EXPECT_EQ(siglip.width, 48U);
  EXPECT_EQ(siglip.height, 32U);
}

TEST(ImageProcessor, WithoutItsFamilyNeedsEveryKey) {
  expect_error({R"({"size": 224})", ErrorCode::kCorrupt, "do_resize: is missing"});
  expect_error(
      {R"({"do_resize": true, "resample": 2, "size": 224})", ErrorCode::kCorrupt, "default_to_square: is missing"});
  const std::string enough = R"({"do_resize": true, "resample": 2, "size": {"height": 4, "width": 5},
    "do_center_crop": false, "do_rescale": false, "do_normalize": false})";
  EXPECT_EQ(process(enough, 2, 2).width, 5U);
}

class ConfigFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  ErrorCode load_error(const std::filesystem::path& path) const {
    try {
      (void)weft::load_image_processor(path);
    } catch (const weft::Error& error) {
      EXPECT_EQ(error.where(), path.string());
      return error.code();
    }
    return ErrorCode::kInternal;
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(ConfigFile, IsLoaded) {
  std::ofstream(folder_ / "preprocessor_config.json") << clip(R"("crop_size": 3)");
  const std::vector<std::uint8_t> rgb(2 * 2 * 3);
  EXPECT_EQ(weft::load_image_processor(folder_ / "preprocessor_config.json")->process({rgb, 2, 2}).width, 3U);
}

TEST_F(ConfigFile, IsNamedInEveryError) {
  EXPECT_EQ(load_error(folder_ / "absent.json"), ErrorCode::kNotFound);
  EXPECT_EQ(load_error(folder_), ErrorCode::kIo);
  std::ofstream(folder_ / "cut.json") << "{";
  EXPECT_EQ(load_error(folder_ / "cut.json"), ErrorCode::kCorrupt);
  std::ofstream(folder_ / "large.json") << std::string(2 << 20, ' ');
  EXPECT_EQ(load_error(folder_ / "large.json"), ErrorCode::kTooLarge);
}

TEST_F(ConfigFile, ThatFailsWhileItIsReadIsAnIoError) {
  const std::filesystem::path unreadable = "/proc/self/mem";  // Linux: opens, and reading its first page fails.
  if (!std::filesystem::exists(unreadable)) GTEST_SKIP() << "this system has no " << unreadable;
  EXPECT_EQ(load_error(unreadable), ErrorCode::kIo);
}

TEST_F(ConfigFile, ThatIsNoRegularFileIsNeverWaitedFor) { EXPECT_EQ(load_error("/dev/zero"), ErrorCode::kIo); }

}  // namespace
