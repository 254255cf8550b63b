#define WEFT_VARIANT i8mm
#include "kernels/variant.h"
