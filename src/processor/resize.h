// Pillow's Image.resize() for RGB pixels, bit for bit with its versions up to 12.
//
// Pillow 13 takes the vertical pass first where the height shrinks and the width grows. Here the horizontal pass always
// comes first, as it did when the models were trained; only such images differ, by the rounding between the passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::processor_detail {

constexpr std::size_t kChannels = 3;
constexpr std::size_t kMaxSide = 16384;  ///< Of every image on the way: so none has more than 2^28 pixels.

/// The numbers are PIL.Image.Resampling's, which preprocessor_config.json holds.
enum class Filter { kNearest = 0, kLanczos = 1, kBilinear = 2, kBicubic = 3 };

struct Size {
  std::size_t width, height;
};

/// `rgb` is u8 [from.height, from.width, 3], and so is the result with `to`.
/// No side may exceed kMaxSide: then every count of bytes here stays below 2^30.
/// Costs about from.height * to.width * a + to.height * to.width * b multiplications of 3 channels, where a and b are
/// the filter's support (1 to 6 pixels), times the ratio where a side shrinks.
[[nodiscard]] std::vector<std::uint8_t> resize(std::span<const std::uint8_t> rgb, Size from, Size to, Filter filter);

}  // namespace weft::processor_detail
