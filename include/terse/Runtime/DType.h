//===- DType.h - element types of tensors -----------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_DTYPE_H
#define TERSE_RUNTIME_DTYPE_H

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace terse::rt {

/// Element types; the values are those of terse_dtype in terse-c/terse.h.
enum class DType : int32_t {
  F32 = 0,
  F16,
  BF16,
  F64,
  I8,
  U8,
  I16,
  U16,
  I32,
  U32,
  I64,
  U64,
  Bool,
};

/// Bytes of one element.
size_t sizeOf(DType type);
/// The manifest's name: "f32", "i64", ...
const char *nameOf(DType type);
/// The inverse of nameOf; false if `name` is none.
bool parseDType(std::string_view name, DType &type);

/// IEEE binary16 to float, exact.
float halfToFloat(uint16_t bits);
/// bfloat16 to float, exact.
inline float bfloatToFloat(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, sizeof value);
  return value;
}

/// Converts `count` elements of a floating type (f32, f16, bf16, f64) to
/// float; false for other types.
bool toFloat(DType type, const void *from, size_t count, float *to);

/// Writes `value` as element `index` of an array of any type.
void storeInteger(DType type, void *array, size_t index, int64_t value);

} // namespace terse::rt

#endif // TERSE_RUNTIME_DTYPE_H
