//===- Lanes.h - vectors of 64 bytes for every processor --------*- C++ -*-===//
//
// Functions over these vectors are written once and inlined into one instance for each level of processor. Levels with fused
// multiply-adds give the same bits as each other; the plain one rounds twice.
//
//===----------------------------------------------------------------------===//
#ifndef TERSE_NUMERICS_LANES_H
#define TERSE_NUMERICS_LANES_H

#include <cstdint>

#define TERSE_LANES_INLINE static inline __attribute__((always_inline))
#define TERSE_LANES_AVX2 __attribute__((target("avx2,fma,f16c")))
#define TERSE_LANES_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))

namespace terse {

typedef float Floats __attribute__((vector_size(64), aligned(4)));
typedef int32_t Ints __attribute__((vector_size(64), aligned(4)));
typedef double Doubles __attribute__((vector_size(64), aligned(8)));

enum class VectorLevel { Plain, AVX2, AVX512 };

inline VectorLevel getVectorLevel() {
  static const VectorLevel level = [] {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      return VectorLevel::AVX512;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? VectorLevel::AVX2 : VectorLevel::Plain;
  }();
  return level;
}

} // namespace terse

#endif // TERSE_NUMERICS_LANES_H
