//===- Bandwidth.cpp - ways to read memory ----------------------*- C++ -*-===//
#include "Floors.h"

#include <immintrin.h>

namespace terse::bench {

using rt::CpuLevel;

namespace {
#define TERSE_TARGET(features) __attribute__((target(features)))

// `streams` places are read in turn, each a part of the whole: memory
// controllers like a few open pages, prefetchers only so many streams. One
// function for each width of registers.
#define TERSE_READER(NAME, FEATURES, REGISTER, OR)                             \
  template <int streams, int ahead>                                           \
  TERSE_TARGET(FEATURES)                                                       \
  uint64_t NAME(const char *data, uint64_t bytes) {                            \
    REGISTER sums[4] = {};                                                     \
    uint64_t part = bytes / streams;                                           \
    for (uint64_t i = 0; i < part; i += 256)                                   \
      for (int s = 0; s < streams; ++s) {                                      \
        const char *at = data + s * part + i;                                  \
        if (ahead)                                                             \
          for (int line = 0; line < 256; line += 64)                           \
            __builtin_prefetch(at + ahead + line, 0, 0);                       \
        for (unsigned j = 0; j < 256 / sizeof(REGISTER); ++j)                  \
          sums[j % 4] =                                                        \
              OR(sums[j % 4], reinterpret_cast<const REGISTER *>(at)[j]);      \
      }                                                                        \
    REGISTER all = OR(OR(sums[0], sums[1]), OR(sums[2], sums[3]));             \
    uint64_t result;                                                           \
    __builtin_memcpy(&result, &all, sizeof result);                            \
    return result;                                                             \
  }
TERSE_READER(read128, "sse2", __m128i, _mm_or_si128)
TERSE_READER(read256, "avx2", __m256i, _mm256_or_si256)
TERSE_READER(read512, "avx512f", __m512i, _mm512_or_si512)
#undef TERSE_READER
} // namespace

std::vector<ReadPattern> readPatterns(CpuLevel level) {
  switch (level) {
  case CpuLevel::Avx512Bf16:
  case CpuLevel::Avx512Vnni:
    return {{"512-bit loads", read512<1, 0>},
            {"512-bit loads, prefetch", read512<1, 2048>},
            {"512-bit loads, 4 streams", read512<4, 0>},
            {"512-bit loads, 4 streams, prefetch", read512<4, 1024>},
            {"256-bit loads", read256<1, 0>}};
  case CpuLevel::Avx2:
    return {{"256-bit loads", read256<1, 0>},
            {"256-bit loads, prefetch", read256<1, 2048>},
            {"256-bit loads, 4 streams", read256<4, 0>},
            {"256-bit loads, 4 streams, prefetch", read256<4, 1024>}};
  case CpuLevel::Baseline:
    break;
  }
  return {{"128-bit loads", read128<1, 0>},
          {"128-bit loads, prefetch", read128<1, 2048>},
          {"128-bit loads, 4 streams", read128<4, 0>}};
}

} // namespace terse::bench
