// All inner loops of one instruction set: kernels/variant_<set>.cpp defines WEFT_VARIANT, its name, and includes this.
#pragma once

#include "kernels/variants.h"

namespace weft::kernels::WEFT_VARIANT {

#define WEFT_DECLARE(function, arguments) void function arguments;
WEFT_VARIANT_FUNCTIONS(WEFT_DECLARE)
#undef WEFT_DECLARE

}  // namespace weft::kernels::WEFT_VARIANT

#include "kernels/attention_rows.h"
#include "kernels/fused_rows.h"
#include "kernels/int8_rows.h"
#include "kernels/linear_rows.h"
#include "kernels/quantized_rows.h"

#define WEFT_TEXT_OF(name) #name
#define WEFT_TEXT(name) WEFT_TEXT_OF(name)

namespace weft::kernels::WEFT_VARIANT {

#define WEFT_MEMBER(function, arguments) function,
extern const Variant variant;
const Variant variant = {WEFT_TEXT(WEFT_VARIANT), kMultipliesBFloat16, kPanelRows, WEFT_VARIANT_FUNCTIONS(WEFT_MEMBER)};
#undef WEFT_MEMBER

}  // namespace weft::kernels::WEFT_VARIANT
