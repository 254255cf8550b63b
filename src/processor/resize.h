// Pillow's Image.resize() for RGB pixels, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::processor_detail {

/// The numbers are PIL.Image.Resampling's, which preprocessor_config.json holds.
enum class Filter { kNearest = 0, kLanczos = 1, kBilinear = 2, kBicubic = 3 };

struct Size {
  std::size_t width, height;
  bool operator==(const Size&) const = default;
};

/// `rgb` is u8 [from.height, from.width, 3], and so is the result with `to`.
/// No side may exceed 16384: then every count of bytes here stays below 2^30.
/// Costs about from.height * to.width * a + to.height * to.width * b multiplications of 3 channels, where a and b are
/// the filter's support (1 to 6 pixels), times the ratio where a side shrinks.
[[nodiscard]] std::vector<std::uint8_t> resize(std::span<const std::uint8_t> rgb, Size from, Size to, Filter filter);

}  // namespace weft::processor_detail
