#include <array>
#include <cstdio>

#include "weft/sampler.h"

int main() {
  const std::array<float, 3> logits = {0.5f, 2.0f, 1.0f};
  std::printf("%d\n", static_cast<int>(weft::make_sampler()->sample(logits)));
}
