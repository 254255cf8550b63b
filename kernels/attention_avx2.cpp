#define WEFT_VARIANT avx2
#include "kernels/attention_rows.h"
