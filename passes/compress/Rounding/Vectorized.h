//===- Vectorized.h - inner loops of rounding --------------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_VECTORIZED_H
#define TERSE_COMPRESS_VECTORIZED_H

// Inner loops are compiled twice, for any processor and for AVX2, from one source without fused operations: results are
// the same on every machine.
#define TERSE_AVX2 __attribute__((target("avx2,f16c")))
#define TERSE_INLINE static inline __attribute__((always_inline))

namespace terse {

inline bool hasAvx2() {
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
  return has;
}

/// Round to nearest, ties to even, of |x| < 2^22; plain additions, so that the compiler vectorizes it for any CPU.
TERSE_INLINE float roundNearest(float x) {
  constexpr float kMagic = 0x1.8p23f;
  return (x + kMagic) - kMagic;
}

} // namespace terse

#endif // TERSE_COMPRESS_VECTORIZED_H
