// Image bytes to model inputs, as the model's own preprocessor_config.json says.
//
//   auto processor = weft::load_image_processor("preprocessor_config.json");
//   weft::ImageInputs inputs = processor->process({pixels, 640, 480});
//
// A loaded Processor never changes: any number of threads may share one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace weft {

/// Decoded pixels, lent: u8 [height, width, 3], RGB, row-major, no padding.
struct ImageView {
  std::span<const std::uint8_t> rgb;
  std::size_t width;
  std::size_t height;
};

/// f32 [channels = 3, height, width], row-major: what a vision encoder takes as one image.
struct ImageInputs {
  std::vector<float> pixel_values;
  std::size_t width = 0;
  std::size_t height = 0;
};

class Processor {
 public:
  virtual ~Processor() = default;
  /// @throws Error{kInvalidArgument}  no pixels, or rgb.size() isn't width * height * 3.
  [[nodiscard]] virtual ImageInputs process(const ImageView& image) const = 0;
};

/// Resize (nearest, bilinear, bicubic as Pillow computes them), centre crop, rescale, normalise.
/// @throws Error{kNotFound, kIo, kCorrupt, kUnsupported} naming the key.
[[nodiscard]] std::unique_ptr<const Processor> load_image_processor(const std::filesystem::path& path);
[[nodiscard]] std::unique_ptr<const Processor> parse_image_processor(std::string_view json, std::string_view name);

}  // namespace weft
