#define WEFT_VARIANT baseline
#include "kernels/variant.h"
