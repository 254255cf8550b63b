#include "kernels/variants.h"

#include "kernels/instruction_sets.h"

// WEFT_BUILT_SETS, from the build: X(<set>) for each variant that there is, the best one first.
namespace weft::kernels {

#define X(set)                  \
  namespace set {               \
  extern const Variant variant; \
  }
WEFT_BUILT_SETS
#undef X

std::vector<const Variant*> runnable_variants() {
  std::vector<const Variant*> found;
#define X(set) \
  if (runs::set()) found.push_back(&set::variant);
  WEFT_BUILT_SETS
#undef X
  return found;
}

const Variant& variant() noexcept {
  static const Variant& chosen = *runnable_variants().front();
  return chosen;
}

}  // namespace weft::kernels
