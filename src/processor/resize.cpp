#include "src/processor/resize.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

namespace weft::processor_detail {
namespace {

constexpr int kPrecisionBits = 22;  // PRECISION_BITS of Pillow's src/libImaging/Resample.c

double bilinear(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}

double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

double sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

struct Kernel {
  double (*weight)(double);
  double support;  // Beyond it, on either side, the weight is 0.
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::kBilinear: return {bilinear, 1};
    case Filter::kBicubic: return {bicubic, 2};
    default: return {lanczos, 3};
  }
}

// What one output pixel takes of a line: the pixels from `first` on, by fixed-point weights [begin, end) of Taps.
struct Window {
  std::size_t first, begin, end;
};

struct Taps {
  std::vector<Window> windows;
  std::vector<std::int32_t> weights;
};

// precompute_coeffs() and normalize_coeffs_8bpc() of Resample.c, in its order of operations.
Taps make_taps(std::size_t from, std::size_t to, const Kernel& kernel) {
  Taps taps;
  taps.windows.reserve(to);
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double filter_scale = std::max(scale, 1.0);  // Shrinking widens the filter: this is the antialiasing.
  const double support = kernel.support * filter_scale;
  const double inverse = 1.0 / filter_scale;
  std::vector<double> weights;
  for (std::size_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int last = std::min(static_cast<int>(center + support + 0.5), static_cast<int>(from));
    weights.clear();
    double sum = 0;
    for (int x = 0; x < last - first; ++x) {
      weights.push_back(kernel.weight((x + first - center + 0.5) * inverse));
      sum += weights.back();
    }
    const std::size_t begin = taps.weights.size();
    for (double weight : weights) {
      if (sum != 0) weight /= sum;
      weight *= 1 << kPrecisionBits;
      taps.weights.push_back(static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5));
    }
    taps.windows.push_back({static_cast<std::size_t>(first), begin, taps.weights.size()});
  }
  return taps;
}

// Pillow sums in 32 bits as well: normalised weights keep the sum below 2^31 for its filters.
std::uint8_t to_pixel(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255)); }

constexpr std::int32_t kHalf = 1 << (kPrecisionBits - 1);

std::vector<std::uint8_t> resize_rows(std::span<const std::uint8_t> rgb, Size from, const Taps& taps) {
  std::vector<std::uint8_t> out;
  out.reserve(from.height * taps.windows.size() * kChannels);
  for (std::size_t y = 0; y < from.height; ++y) {
    const std::uint8_t* row = rgb.data() + y * from.width * kChannels;
    for (const Window& window : taps.windows) {
      const std::uint8_t* pixel = row + window.first * kChannels;
      std::int32_t red = kHalf, green = kHalf, blue = kHalf;
      for (std::size_t i = window.begin; i < window.end; ++i, pixel += kChannels) {
        red += pixel[0] * taps.weights[i];
        green += pixel[1] * taps.weights[i];
        blue += pixel[2] * taps.weights[i];
      }
      out.insert(out.end(), {to_pixel(red), to_pixel(green), to_pixel(blue)});
    }
  }
  return out;
}

std::vector<std::uint8_t> resize_columns(std::span<const std::uint8_t> rgb, std::size_t width, const Taps& taps) {
  const std::size_t stride = width * kChannels;
  std::vector<std::uint8_t> out;
  out.reserve(taps.windows.size() * stride);
  std::vector<std::int32_t> sums;
  for (const Window& window : taps.windows) {
    sums.assign(stride, kHalf);
    const std::uint8_t* row = rgb.data() + window.first * stride;
    for (std::size_t i = window.begin; i < window.end; ++i, row += stride) {
      for (std::size_t x = 0; x < stride; ++x) sums[x] += row[x] * taps.weights[i];
    }
    std::transform(sums.begin(), sums.end(), std::back_inserter(out), to_pixel);
  }
  return out;
}

// ImagingScaleAffine() of Pillow's Geometry.c, which adds up the positions rather than multiplying.
std::vector<std::size_t> nearest_positions(std::size_t from, std::size_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<std::size_t> positions;
  double position = scale * 0.5;
  for (std::size_t i = 0; i < to; ++i, position += scale) positions.push_back(static_cast<std::size_t>(position));
  return positions;
}

std::vector<std::uint8_t> resize_nearest(std::span<const std::uint8_t> rgb, Size from, Size to) {
  const auto columns = nearest_positions(from.width, to.width);
  std::vector<std::uint8_t> out(to.width * to.height * kChannels);
  auto* next = out.data();
  for (const std::size_t y : nearest_positions(from.height, to.height)) {
    for (const std::size_t x : columns) {
      // Rounding can carry the last position past the edge, and Pillow leaves black there.
      if (y < from.height && x < from.width) std::copy_n(&rgb[(y * from.width + x) * kChannels], kChannels, next);
      next += kChannels;
    }
  }
  return out;
}

}  // namespace

std::vector<std::uint8_t> resize(std::span<const std::uint8_t> rgb, Size from, Size to, Filter filter) {
  if (filter == Filter::kNearest) return resize_nearest(rgb, from, to);
  const Kernel kernel = kernel_of(filter);
  std::vector<std::uint8_t> pixels(rgb.begin(), rgb.end());
  if (from.width != to.width) pixels = resize_rows(pixels, from, make_taps(from.width, to.width, kernel));
  if (from.height != to.height) pixels = resize_columns(pixels, to.width, make_taps(from.height, to.height, kernel));
  return pixels;
}

}  // namespace weft::processor_detail
