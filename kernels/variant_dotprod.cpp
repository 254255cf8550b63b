#define WEFT_VARIANT dotprod
#include "kernels/variant.h"
