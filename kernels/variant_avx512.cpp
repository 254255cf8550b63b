#define WEFT_VARIANT avx512
#include "kernels/variant.h"
