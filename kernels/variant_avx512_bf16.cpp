#define WEFT_VARIANT avx512_bf16
#include "kernels/variant.h"
