// What process() refuses, and the bounds it keeps.

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "weft/error.h"
#include "weft/processor.h"

namespace {

using weft::ErrorCode;

void expect_error(const weft::ImageView& image, ErrorCode code, const std::string& message) {
  const auto processor = weft::parse_image_processor(R"({"image_processor_type": "CLIPImageProcessor"})", "test");
  try {
    (void)processor->process(image);
    ADD_FAILURE() << "accepted " << image.width << " x " << image.height;
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_EQ(error.message(), message);
    EXPECT_EQ(error.where(), "image");
    EXPECT_FALSE(error.fix().empty());
  }
}

TEST(ImageProcessor, RefusesAnImageWithoutPixels) {
  expect_error({{}, 0, 0}, ErrorCode::kInvalidArgument, "has no pixels");
  expect_error({{}, 5, 0}, ErrorCode::kInvalidArgument, "has no pixels");
}

TEST(ImageProcessor, RefusesPixelsThatDoNotFillTheImage) {
  const std::vector<std::uint8_t> rgb(11);
  expect_error({rgb, 2, 2}, ErrorCode::kInvalidArgument, "has 11 bytes, where 2 x 2 pixels of RGB have 12");
}

TEST(ImageProcessor, RefusesSidesWhoseProductWouldOverflow) {
  constexpr std::size_t kHuge = std::numeric_limits<std::size_t>::max();
  const std::string huge = std::to_string(kHuge);
  expect_error({{}, kHuge, kHuge}, ErrorCode::kTooLarge,
               "is " + huge + " x " + huge + " pixels; a side may have 16384 at most");
}

TEST(ImageProcessor, RefusesAStripThatItsShortestEdgeWouldStretchTooFar) {
  const std::vector<std::uint8_t> rgb(std::size_t{16384} * 3);
  expect_error({rgb, 16384, 1}, ErrorCode::kTooLarge,
               "resized becomes 3670016 x 224 pixels; a side may have 16384 at most");
}

}  // namespace
