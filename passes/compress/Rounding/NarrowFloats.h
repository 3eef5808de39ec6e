//===- NarrowFloats.h - f16 and bf16 from and to f32 ------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_NARROWFLOATS_H
#define TERSE_COMPRESS_NARROWFLOATS_H

#include <cstddef>
#include <cstdint>

namespace terse {

/// IEEE binary16 to and from binary32, round to nearest even.
float halfToFloat(uint16_t half);
uint16_t floatToHalf(float value);
/// The nearest number of binary16.
float roundToHalf(float value);
/// Widens `count` values.
void halvesToFloats(const uint16_t *halves, size_t count, float *values);
/// bfloat16, round to nearest even.
inline float bfloatToFloat(uint16_t value) {
  uint32_t bits = static_cast<uint32_t>(value) << 16;
  float result;
  __builtin_memcpy(&result, &bits, sizeof(result));
  return result;
}
uint16_t floatToBfloat(float value);

} // namespace terse

#endif // TERSE_COMPRESS_NARROWFLOATS_H
