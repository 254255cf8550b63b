#define WEFT_VARIANT baseline
#include "kernels/attention_rows.h"
