// The plug-in that weft::load_backend("executorch") opens.

#include <cstring>

#include "weft/executorch.h"

extern "C" __attribute__((visibility("default"))) const weft::Backend* weft_backend(const char* abi) {
  return std::strcmp(abi, weft::kBackendAbi) == 0 ? &weft::executorch_backend() : nullptr;
}
