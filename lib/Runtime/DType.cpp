//===- DType.cpp - element types of tensors ---------------------*- C++ -*-===//
#include "terse/Runtime/DType.h"

#include <cstring>

namespace terse::rt {

namespace {
struct Info {
  const char *name;
  size_t size;
};
constexpr Info infos[] = {
    {"f32", 4}, {"f16", 2}, {"bf16", 2}, {"f64", 8}, {"i8", 1},
    {"u8", 1},  {"i16", 2}, {"u16", 2},  {"i32", 4}, {"u32", 4},
    {"i64", 8}, {"u64", 8}, {"bool", 1},
};

template <typename T> void store(void *array, size_t index, T value) {
  std::memcpy(static_cast<char *>(array) + index * sizeof(T), &value,
              sizeof(T));
}

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// Round to nearest even; only used to fill masks and positions.
uint16_t floatToHalf(float value) {
  uint32_t bits = bitsOf(value), sign = (bits >> 16) & 0x8000;
  float magnitude;
  uint32_t abs = bits & 0x7fffffff;
  std::memcpy(&magnitude, &abs, sizeof magnitude);
  if (abs > 0x7f800000)
    return sign | 0x7e00;
  if (magnitude >= 65520.0f)
    return sign | 0x7c00;
  if (magnitude < 6.103515625e-05f) // subnormal: a multiple of 2^-24
    return sign | uint16_t(__builtin_rintf(magnitude * 16777216.0f));
  abs += 0xfff + ((abs >> 13) & 1);
  return sign | uint16_t((abs >> 13) - (112 << 10));
}
} // namespace

size_t sizeOf(DType type) { return infos[int(type)].size; }
const char *nameOf(DType type) { return infos[int(type)].name; }

bool parseDType(std::string_view name, DType &type) {
  for (size_t i = 0; i < sizeof infos / sizeof *infos; ++i)
    if (name == infos[i].name) {
      type = DType(i);
      return true;
    }
  return false;
}

float halfToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 31, mantissa = half & 0x3ff, bits;
  if (exponent == 31) {
    bits = sign | 0x7f800000 | (mantissa << 13);
  } else if (exponent != 0) {
    bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else {
    float value = float(mantissa) * 5.9604644775390625e-08f; // 2^-24
    return sign ? -value : value;
  }
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

bool toFloat(DType type, const void *from, size_t count, float *to) {
  switch (type) {
  case DType::F32:
    std::memcpy(to, from, count * sizeof(float));
    return true;
  case DType::F16:
    for (size_t i = 0; i < count; ++i)
      to[i] = halfToFloat(static_cast<const uint16_t *>(from)[i]);
    return true;
  case DType::BF16:
    for (size_t i = 0; i < count; ++i)
      to[i] = bfloatToFloat(static_cast<const uint16_t *>(from)[i]);
    return true;
  case DType::F64:
    for (size_t i = 0; i < count; ++i)
      to[i] = float(static_cast<const double *>(from)[i]);
    return true;
  default:
    return false;
  }
}

void storeInteger(DType type, void *array, size_t index, int64_t value) {
  switch (type) {
  case DType::F32:
    return store(array, index, float(value));
  case DType::F16:
    return store(array, index, floatToHalf(float(value)));
  case DType::BF16: {
    uint32_t bits = bitsOf(float(value));
    bits += 0x7fff + ((bits >> 16) & 1);
    return store(array, index, uint16_t(bits >> 16));
  }
  case DType::F64:
    return store(array, index, double(value));
  case DType::I8:
  case DType::U8:
    return store(array, index, uint8_t(value));
  case DType::I16:
  case DType::U16:
    return store(array, index, uint16_t(value));
  case DType::I32:
  case DType::U32:
    return store(array, index, uint32_t(value));
  case DType::I64:
  case DType::U64:
    return store(array, index, uint64_t(value));
  case DType::Bool:
    return store(array, index, uint8_t(value != 0));
  }
}

} // namespace terse::rt
