// The plug-in that weft::load_backend("aoti") opens.

#include <cstring>

#include "weft/aoti.h"

extern "C" __attribute__((visibility("default"))) const weft::Backend* weft_backend(const char* abi) {
  return std::strcmp(abi, weft::kBackendAbi) == 0 ? &weft::aoti_backend() : nullptr;
}
