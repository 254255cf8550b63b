#include "weft/kernels/quantized_linear.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/upcoming.h"
#include "kernels/variants.h"
#include "weft/kernels/attention.h"
#include "weft/kernels/call_timer.h"

namespace weft::kernels {
namespace {

float half_to_float(const std::uint8_t* bytes) {
  std::uint16_t half;
  std::memcpy(&half, bytes, sizeof half);
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                        : std::ldexp(static_cast<float>(mantissa | 1024), exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

// Rows [begin, end): each one's sums over the groups of 32, which the minima multiply: [m, columns / 32].
void sum_groups(const float* input, std::size_t begin, std::size_t end, std::size_t columns, float* sums) {
  const std::size_t groups = columns / kGroup;
  for (std::size_t g = begin * groups; g < end * groups; ++g) {
    float total = 0;
    for (std::size_t i = 0; i < kGroup; ++i) total += input[g * kGroup + i];
    sums[g] = total;
  }
}

// [n] numbers rounded to bfloat16, as f32 or as QuantizedRows::pairs.
void round_to_bfloat16(const float* input, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = std::bit_cast<float>(bfloat16_bits(input[i]) << 16);
}
void round_to_bfloat16(const float* input, std::size_t n, std::uint32_t* pairs) {
  variant().pair_numbers({input, n, pairs});
}

// Panels [begin, end) of [m, columns] as QuantizedRows wants them; rows behind the last are zeros.
template <class Number>
void make_panels(const Number* input, std::size_t m, std::size_t begin, std::size_t end, std::size_t columns, Number* panels) {
  const std::size_t panel_rows = variant().panel_rows;
  for (std::size_t panel = begin; panel < end; ++panel) {
    const Number* rows = input + panel * panel_rows * columns;
    const std::size_t n = std::min(panel_rows, m - panel * panel_rows);
    Number* out = panels + panel * panel_rows * columns;
    for (std::size_t i = 0; i < columns; ++i, out += panel_rows) {
      for (std::size_t r = 0; r < n; ++r) out[r] = rows[r * columns + i];
      std::fill(out + n, out + panel_rows, Number{});
    }
  }
}

// Calls body for ranges of [0, rows), on the threads only where there is work for them.
void for_rows(std::size_t rows, std::size_t columns, const ParallelFor& parallel_for, RangeBody body) {
  constexpr std::size_t kWorth = 16384;  // values: about 5 microseconds
  if (rows * columns < kWorth) return body(0, rows);
  parallel_for(rows, body);
}

// All rows rounded to bfloat16, as f32 [rows, columns] or as pairs [rows, columns / 2].
template <class Number>
const Number* rounded_rows(const float* input, std::size_t rows, std::size_t columns, const ParallelFor& parallel_for, std::vector<Number>& kept) {
  const std::size_t row_numbers = std::is_same_v<Number, float> ? columns : columns / 2;
  kept.resize(rows * row_numbers);
  Number* const out = kept.data();
  for_rows(rows, columns, parallel_for, [=](std::size_t begin, std::size_t end) {
    round_to_bfloat16(input + begin * columns, (end - begin) * columns, out + begin * row_numbers);
  });
  return out;
}

template <class Number>
const Number* panels_of(const Number* input, std::size_t rows, std::size_t columns, const ParallelFor& parallel_for, std::vector<Number>& kept) {
  const std::size_t panel_rows = variant().panel_rows, panels = (rows + panel_rows - 1) / panel_rows;
  kept.resize(panels * panel_rows * columns);
  Number* const out = kept.data();
  for_rows(panels, panel_rows * columns, parallel_for,
           [=](std::size_t begin, std::size_t end) { make_panels(input, rows, begin, end, columns, out); });
  return out;
}

// The input as the inner loops read it. Kept by each thread between the calls of a token loop.
struct Prepared {
  std::vector<float> normed, rounded, panels, scales, sums;
  std::vector<std::int8_t> codes;
  std::vector<std::int32_t> starts;
  std::vector<std::uint32_t> pairs, pair_panels;
};

std::string describe(const QuantizedLinearArguments& a) {
  return std::to_string(a.rows) + " x " + std::to_string(a.weight.columns) + " -> " + std::to_string(a.weight.rows) + ", " +
         std::to_string(a.weight.bits) + " bit" + (a.weight.has_minimum ? " with minima" : "") +
         ", " + name_of(a.activations) + (a.norm_weight != nullptr ? ", norm" : "") +
         (a.gate != Gate::kNone ? ", gate" : "") + (a.residual != nullptr ? ", residual" : "");
}

}  // namespace

Activations chosen_activations(std::int64_t bits) noexcept {
  if (ForwardScope::current_float_activations()) return Activations::kFloat32;
  return bits == 8 ? Activations::kInt8 : bits == 16 ? Activations::kBFloat16 : Activations::kFloat32;
}

const char* quantized_linear(const QuantizedLinearArguments& a, const ParallelFor& parallel_for) {
  const std::size_t columns = a.weight.columns, groups = columns / kGroup;
  const bool gated = a.gate != Gate::kNone;
  if (a.weight.bytes() == 0) return "weft::quantized_linear: the layout has no matrix of this shape";
  if (a.activations == Activations::kInt8 && a.weight.bits >= 16) return "weft::quantized_linear: weights of 16 and 32 bits take no activations of 8 bits";
  if (a.activations == Activations::kBFloat16 && a.weight.bits != 16) return "weft::quantized_linear: only weights of 16 bits take bfloat16 activations";
  if (gated && a.weight.rows % (2 * kTileRows) != 0) return "weft::quantized_linear: a gate's features are no multiple of 16";
  if (gated && a.residual != nullptr) return "weft::quantized_linear: a gate leaves no room for a residual";
  const CallTimer timer("quantized_linear", a.weight.bytes(), [&] { return describe(a); });

  thread_local Prepared prepared;
  const float* input = a.input;
  if (a.norm_weight != nullptr) {
    prepared.normed.resize(a.rows * columns);
    const NormRows norm{a.input, a.norm_weight, a.norm_epsilon, columns, prepared.normed.data()};
    for_rows(a.rows, columns, parallel_for, [&](std::size_t begin, std::size_t end) { variant().norm_rows(norm, begin, end); });
    input = prepared.normed.data();
  }
  const std::size_t features = gated ? a.weight.rows / 2 : a.weight.rows;
  const QuantizedOutput output{a.weight, a.bias, a.residual, a.out, features, 0, a.rows};
  QuantizedRows exact{output, input, nullptr, nullptr, nullptr, nullptr};
  Int8Rows rounded{output, nullptr, nullptr, nullptr, nullptr};
  const bool int8 = a.activations == Activations::kInt8;
  if (int8) {
    const std::size_t room = Int8Panels{a.rows, groups}.room();
    prepared.codes.resize(room * kGroup);
    prepared.scales.resize(room);
    prepared.sums.resize(room);
    prepared.starts.resize(room);
    const RoundedRows rounding{input, a.rows, columns, sum_factor(a.weight), prepared.codes.data(), prepared.scales.data(),
                               prepared.sums.data(), prepared.starts.data()};
    for_rows(a.rows, columns, parallel_for, [&](std::size_t begin, std::size_t end) { variant().round_rows(rounding, begin, end); });
    rounded.codes = prepared.codes.data();
    rounded.scales = prepared.scales.data();
    rounded.sums = prepared.sums.data();
    rounded.starts = prepared.starts.data();
  } else {
    if (a.weight.has_minimum) {
      prepared.sums.resize(a.rows * groups);
      float* const sums = prepared.sums.data();  // within the loop, `prepared` is the worker's own
      for_rows(a.rows, columns, parallel_for, [=](std::size_t begin, std::size_t end) { sum_groups(input, begin, end, columns, sums); });
      exact.group_sums = sums;
    }
    const bool pairs = a.activations == Activations::kBFloat16 && variant().multiplies_bfloat16;
    if (pairs) {
      exact.pairs = rounded_rows(input, a.rows, columns, parallel_for, prepared.pairs);
      if (a.rows > 1) exact.pair_panels = panels_of(exact.pairs, a.rows, columns / 2, parallel_for, prepared.pair_panels);
    } else {
      if (a.activations == Activations::kBFloat16) exact.input = rounded_rows(input, a.rows, columns, parallel_for, prepared.rounded);
      if (a.rows > 1) exact.panels = panels_of(exact.input, a.rows, columns, parallel_for, prepared.panels);
    }
  }
  const auto multiply = [&](std::size_t begin, std::size_t end, float* out, std::size_t stride, std::size_t first) {
    const auto run = [&](auto rows, auto* inner_loop) {
      rows.out = out;
      rows.out_stride = stride;
      rows.out_first = first;
      inner_loop(rows, begin, end);
    };
    if (int8) run(rounded, variant().int8_rows);
    else run(exact, variant().quantized_rows);
  };

  const std::size_t tiles = (features + kTileRows - 1) / kTileRows;
  const auto body = [&](std::size_t begin, std::size_t end) {
    if (!gated) return multiply(begin, end, a.out, features, 0);
    const std::size_t at_once = a.rows == 1 ? 4 : 12;  // tiles, of each half: a multiple of what any inner loop takes
    thread_local std::vector<float> up;
    up.resize(a.rows * at_once * kTileRows);
    for (std::size_t at = begin; at < end; at += at_once) {
      const std::size_t to = std::min(end, at + at_once), first = at * kTileRows;
      multiply(at, to, a.out, features, 0);
      multiply(at + tiles, to + tiles, up.data(), at_once * kTileRows, features + first);
      variant().gate_rows({a.out + first, up.data(), features, at_once * kTileRows, a.rows, (to - at) * kTileRows, a.gate});
    }
  };
  thread_local UpcomingOrder order;
  const Upcoming next = order.follow({a.weight.data, tiles, a.weight.tile_bytes(), gated ? std::size_t{2} : 1});
  parallel_for(tiles, RangeBody(body).then_read(next));
  return nullptr;
}

bool quantized_embedding(std::span<const std::int64_t> ids, const QuantizedMatrix& weight, float* out) {
  for (const std::int64_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= weight.rows) return false;
  }
  const CallTimer timer("quantized_embedding", 0, [&] { return std::to_string(ids.size()) + " rows, " + std::to_string(weight.bits) + " bit"; });
  const std::size_t in_word = 32 / static_cast<std::size_t>(weight.bits);
  for (const std::int64_t id : ids) {
    const std::size_t lane = static_cast<std::size_t>(id) % kTileRows;
    const std::uint8_t* group = weight.data + static_cast<std::size_t>(id) / kTileRows * weight.tile_bytes();
    for (std::size_t g = 0; g < weight.columns / kGroup; ++g, group += weight.group_bytes()) {
      if (weight.bits == 32) {
        for (std::size_t i = 0; i < kGroup; ++i) std::memcpy(out++, group + (i * kTileRows + lane) * 4, sizeof(float));
        continue;
      }
      if (weight.bits == 16) {
        for (std::size_t i = 0; i < kGroup; ++i) {
          std::uint16_t upper;
          std::memcpy(&upper, group + (i / 2 * kTileRows + lane) * 4 + i % 2 * 2, sizeof upper);
          *out++ = std::bit_cast<float>(std::uint32_t{upper} << 16);
        }
        continue;
      }
      const float scale = half_to_float(group + 2 * lane);
      const float minimum = weight.has_minimum ? half_to_float(group + 2 * (kTileRows + lane)) : 0.0f;
      const std::uint8_t* words = group + weight.head_bytes();
      for (std::size_t i = 0; i < kGroup; ++i) {
        const std::uint8_t byte = words[(i / in_word * kTileRows + lane) * 4 + i % 4];
        int q = static_cast<std::int8_t>(byte);
        if (weight.bits == 4) q = (i % in_word < 4 ? byte & 15 : byte >> 4) - (weight.has_minimum ? 0 : 8);
        *out++ = scale * static_cast<float>(q) + minimum;
      }
    }
  }
  return true;
}

}  // namespace weft::kernels
