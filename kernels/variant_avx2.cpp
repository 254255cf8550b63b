#define WEFT_VARIANT avx2
#include "kernels/variant.h"
