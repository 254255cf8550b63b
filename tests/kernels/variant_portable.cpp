// AVX-512 VNNI's integer loops with the instructions written out in plain C++, for processors without them.
#define WEFT_VARIANT portable
#define WEFT_PORTABLE_INT8
#include "kernels/variant.h"
