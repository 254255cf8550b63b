#define WEFT_VARIANT amx
#include "kernels/variant.h"
