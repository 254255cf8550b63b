#include "weft/kernels/linear.h"

#include <algorithm>
#include <string>

#include "kernels/variants.h"
#include "weft/kernels/call_timer.h"

namespace weft::kernels {

void linear(const LinearArguments& a, const ParallelFor& parallel_for) {
  const CallTimer timer("linear", a.out_features * a.in_features * sizeof(float), [&] {
    return std::to_string(a.rows) + " x " + std::to_string(a.in_features) + " -> " + std::to_string(a.out_features) + ", f32";
  });
  const LinearRows rows{a.input, a.weight, a.bias, a.out, a.rows, a.out_features, a.in_features};
  // Pieces small enough to share evenly, large enough to read ahead.
  constexpr std::size_t kPiece = 64;
  const std::size_t pieces = (a.out_features + kPiece - 1) / kPiece;
  parallel_for(pieces, [&](std::size_t begin, std::size_t end) {
    variant().linear_rows(rows, begin * kPiece, std::min(end * kPiece, a.out_features));
  });
}

}  // namespace weft::kernels
