#define WEFT_VARIANT avx512_vnni
#include "kernels/variant.h"
