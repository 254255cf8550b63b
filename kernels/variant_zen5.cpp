#define WEFT_VARIANT zen5
#define WEFT_FETCH_NEAR
#include "kernels/variant.h"
