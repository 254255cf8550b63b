// The exponential function of a vector. Included by kernels/*_rows.h inside of a variant.
#pragma once

#include "kernels/vector.h"

namespace weft::kernels::WEFT_VARIANT {
namespace {

// exp for x <= 0, as in Cephes (Moshier): 2^n times a polynomial of degree 6 on [-ln2/2, ln2/2]; within 2 ulp.
// Below -87.3 the result is 0: what softmax would lose in rounding anyway.
WEFT_INLINE Vector exp_nonpositive(Vector x) {
  const Integers underflow = x < -87.3f;
  x = select(underflow, broadcast(0.0f), x);
  // Adding and taking away 1.5 * 2^23 rounds to the nearest integer; its low bits are that integer.
  const Vector shifted = multiply_add(x, 1.44269504f, broadcast(12582912.0f));
  const Vector n = shifted - 12582912.0f;
  const Vector r = multiply_add(n, 2.12194440e-4f, multiply_add(n, -0.693359375f, x));
  Vector p = broadcast(1.9875691500e-4f);
  for (const float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) {
    p = multiply_add(p, r, broadcast(c));
  }
  p = multiply_add(p * r, r, r) + 1.0f;
  const Vector power = bits_as_float((bits_of(shifted) + 127) << 23);  // the shift drops the bits of 1.5 * 2^23
  return select(underflow, broadcast(0.0f), p * power);
}

// exp for x <= 0 to within 2^-13, for what is rounded to bfloat16 next: 2^n times the best polynomial of degree 3 on [-1/2, 1/2] (Remez).
// Below -88 the result is 0.
WEFT_INLINE Vector exp_nonpositive_roughly(Vector x) {
  x = larger(x, broadcast(-88.03f));  // whose n is -127, for which the bits of 2^n are those of 0
  const Vector shifted = multiply_add(x, 1.44269504f, broadcast(12582912.0f));
  const Vector r = multiply_add(x, 1.44269504f, -(shifted - 12582912.0f));
  Vector p = broadcast(5.5171490e-2f);
  for (const float c : {2.4261094e-1f, 6.9326099e-1f, 9.9992808e-1f}) p = multiply_add(p, r, broadcast(c));
  return p * bits_as_float((bits_of(shifted) + 127) << 23);
}

}  // namespace
}  // namespace weft::kernels::WEFT_VARIANT
