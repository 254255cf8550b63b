#define WEFT_VARIANT avx2
#include "kernels/attention_rows.h"
#include "kernels/linear_rows.h"
#include "kernels/quantized_rows.h"
