//===- NarrowFloats.cpp - f16 and bf16 from and to f32 --------------------===//
#include "compress/Rounding/NarrowFloats.h"
#include "compress/Rounding/Vectorized.h"

#include <cstring>
#include <immintrin.h>

using namespace terse;

static uint32_t bitsOf(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static float fromBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

float terse::halfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, rest = half & 0x7fff;
  if (rest >= 0x7c00) // infinity, NaN
    return fromBits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  // The exponents' biases differ by 112; the multiplication also makes
  // subnormal numbers normal.
  return fromBits(sign | bitsOf(fromBits(rest << 13) * 0x1p112f));
}

TERSE_AVX2 static void widenAvx2(const uint16_t *halves, size_t count, float *values) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(values + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(halves + i))));
  for (; i < count; ++i)
    values[i] = halfToFloat(halves[i]);
}

TERSE_AVX2 static float roundToHalfAvx2(float value) {
  return _cvtsh_ss(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT));
}

float terse::roundToHalf(float value) { return hasAvx2() ? roundToHalfAvx2(value) : halfToFloat(floatToHalf(value)); }

void terse::halvesToFloats(const uint16_t *halves, size_t count, float *values) {
  if (hasAvx2())
    return widenAvx2(halves, count, values);
  for (size_t i = 0; i < count; ++i)
    values[i] = halfToFloat(halves[i]);
}

uint16_t terse::floatToHalf(float value) {
  uint32_t bits = bitsOf(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000)
    return sign | 0x7e00;
  if (rest >= 0x477ff000) // rounds to 2^16 or more
    return sign | 0x7c00;
  if (rest < 0x38800000) // subnormal: let an addition round at the last place
    return sign | static_cast<uint16_t>(bitsOf(fromBits(rest) + 0.5f) - bitsOf(0.5f));
  rest += 0xfff + (rest >> 13 & 1);
  return sign | static_cast<uint16_t>((rest - 0x38000000) >> 13);
}

uint16_t terse::floatToBfloat(float value) {
  uint32_t bits = bitsOf(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
