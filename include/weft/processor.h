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
  /// @throws Error{kTooLarge}  a side is longer than 16384, here or once resized, or memory doesn't suffice.
  [[nodiscard]] virtual ImageInputs process(const ImageView& image) const = 0;
};

/// Resize (nearest, lanczos, bilinear, bicubic, as Pillow computes them), centre crop, rescale, normalise: the processors
/// of CLIP, SigLIP, ViT and LLaVA, with the pixel values that Transformers' PIL backend gives. What the file leaves out
/// has its family's default. A step beyond these is an error, never left out. At most 1 MiB, and sides up to 16384.
/// @throws Error{kNotFound, kIo, kCorrupt, kUnsupported, kTooLarge} naming the file and the key.
[[nodiscard]] std::unique_ptr<const Processor> load_image_processor(const std::filesystem::path& path);
[[nodiscard]] std::unique_ptr<const Processor> parse_image_processor(std::string_view json, std::string_view name);

}  // namespace weft
