// Against what Pillow and Transformers give; make_goldens.py makes goldens.json.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/processor/resize.h"
#include "weft/processor.h"

namespace {

using weft::processor_detail::Filter;
using weft::processor_detail::Size;

const nlohmann::json& goldens() {
  static const auto json = nlohmann::json::parse(std::ifstream(WEFT_SOURCE_DIR "/tests/processor/goldens.json"));
  return json;
}

Size size_of(const nlohmann::json& pair) { return {pair[0].get<std::size_t>(), pair[1].get<std::size_t>()}; }

// The twin of make_image() in make_goldens.py.
std::vector<std::uint8_t> make_image(Size size) {
  std::vector<std::uint8_t> rgb(size.width * size.height * 3);
  auto state = static_cast<std::uint32_t>(size.width * 65537 + size.height);
  for (auto& value : rgb) {
    state = state * 1664525 + 1013904223;
    const std::uint32_t byte = state >> 24;
    value = static_cast<std::uint8_t>(byte < 64 ? 0 : byte >= 192 ? 255 : byte);
  }
  return rgb;
}

std::string to_hex(const std::vector<std::uint8_t>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const auto byte : bytes) hex += {kDigits[byte >> 4], kDigits[byte & 15]};
  return hex;
}

TEST(Resize, GivesPillowsBytesForEveryFilterUpAndDown) {
  for (const auto& golden : goldens()["resizes"]) {
    const Size from = size_of(golden["from"]);
    const auto filter = static_cast<Filter>(golden["filter"].get<int>());
    const auto rgb = weft::processor_detail::resize(make_image(from), from, size_of(golden["to"]), filter);
    EXPECT_EQ(to_hex(rgb), golden["rgb"].get_ref<const std::string&>())
        << "from " << golden["from"] << " to " << golden["to"] << " by filter " << golden["filter"];
  }
}

TEST(ImageProcessor, GivesTransformersPixelValuesForEveryFamily) {
  for (const auto& golden : goldens()["images"]) {
    const std::string config = golden["config"].dump();
    const Size from = size_of(golden["from"]);
    const auto rgb = make_image(from);
    const auto inputs = weft::parse_image_processor(config, "test")->process({rgb, from.width, from.height});
    EXPECT_EQ(golden["shape"], nlohmann::json({3, inputs.height, inputs.width})) << config;
    const auto expected = golden["values"].get<std::vector<float>>();
    ASSERT_EQ(inputs.pixel_values.size(), expected.size()) << config;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(inputs.pixel_values[i], expected[i], 1e-6 * std::max(1.0F, std::abs(expected[i])))
          << "value " << i << " with " << config;
    }
  }
}

}  // namespace
