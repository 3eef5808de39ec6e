//===- Rates.cpp - instructions that do the work of layers ------*- C++ -*-===//
#include "Floors.h"

#include <immintrin.h>

namespace terse::bench {

using rt::CpuLevel;

namespace {
// Enough chains to hide the latency of each instruction, few enough for the
// registers. The empty asm keeps sums in registers and the loop as it is.
#define TERSE_KEEP(value) asm volatile("" : "+v"(value))

__attribute__((target("avx512f,avx512bw,avx512vnni"))) void
dotVnni(uint64_t iterations) {
  __m512i sums[12] = {}, weights = _mm512_set1_epi8(3),
          values = _mm512_set1_epi8(5);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma clang loop unroll(full)
    for (int j = 0; j < 12; ++j) {
      sums[j] = _mm512_dpbusd_epi32(sums[j], weights, values);
      TERSE_KEEP(sums[j]);
    }
}

// Four products in 16 bits, as codes of 4 bits allow, then one widening: what a
// group of 32 takes.
__attribute__((target("avx2"))) void dotAvx2(uint64_t iterations) {
  __m256i weights = _mm256_set1_epi8(3), values = _mm256_set1_epi8(5),
          ones = _mm256_set1_epi16(1), sums[6] = {};
  for (uint64_t i = 0; i < iterations; ++i)
#pragma clang loop unroll(full)
    for (int j = 0; j < 6; ++j) {
      __m256i narrow = _mm256_setzero_si256();
#pragma clang loop unroll(full)
      for (int step = 0; step < 8; ++step) {
        TERSE_KEEP(values);
        narrow =
            _mm256_add_epi16(narrow, _mm256_maddubs_epi16(weights, values));
      }
      sums[j] = _mm256_add_epi32(sums[j], _mm256_madd_epi16(narrow, ones));
      TERSE_KEEP(sums[j]);
    }
}

void dotBaseline(uint64_t iterations) {
  __m128i weights = _mm_set1_epi16(3), values = _mm_set1_epi16(5), sums[8] = {};
  for (uint64_t i = 0; i < iterations; ++i)
#pragma clang loop unroll(full)
    for (int j = 0; j < 8; ++j) {
      asm volatile("" : "+x"(values));
      sums[j] = _mm_add_epi32(sums[j], _mm_madd_epi16(weights, values));
      asm volatile("" : "+x"(sums[j]));
    }
}

__attribute__((target("avx512f"))) void fma512(uint64_t iterations) {
  __m512 sums[12] = {}, a = _mm512_set1_ps(1), b = _mm512_set1_ps(0.5f);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma clang loop unroll(full)
    for (int j = 0; j < 12; ++j) {
      sums[j] = _mm512_fmadd_ps(a, b, sums[j]);
      TERSE_KEEP(sums[j]);
    }
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) void
dotBf16(uint64_t iterations) {
  __m512 sums[12] = {};
  __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f80), b = a; // ones
  for (uint64_t i = 0; i < iterations; ++i)
#pragma clang loop unroll(full)
    for (int j = 0; j < 12; ++j) {
      sums[j] = _mm512_dpbf16_ps(sums[j], a, b);
      TERSE_KEEP(sums[j]);
    }
}

__attribute__((target("avx512f,avx512bw,avx512fp16"))) void
fmaF16(uint64_t iterations) {
  __m512h sums[12] = {}, a = _mm512_set1_ph(1), b = _mm512_set1_ph(0.5f);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma clang loop unroll(full)
    for (int j = 0; j < 12; ++j) {
      sums[j] = _mm512_fmadd_ph(a, b, sums[j]);
      TERSE_KEEP(sums[j]);
    }
}

__attribute__((target("avx2,fma"))) void fma256(uint64_t iterations) {
  __m256 sums[12] = {}, a = _mm256_set1_ps(1), b = _mm256_set1_ps(0.5f);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma clang loop unroll(full)
    for (int j = 0; j < 12; ++j) {
      sums[j] = _mm256_fmadd_ps(a, b, sums[j]);
      TERSE_KEEP(sums[j]);
    }
}

void multiplyAdd128(uint64_t iterations) {
  __m128 sums[8] = {}, a = _mm_set1_ps(1), b = _mm_set1_ps(0.5f);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma clang loop unroll(full)
    for (int j = 0; j < 8; ++j) {
      asm volatile("" : "+x"(a));
      sums[j] = _mm_add_ps(sums[j], _mm_mul_ps(a, b));
      asm volatile("" : "+x"(sums[j]));
    }
}
} // namespace

RateLoop integerDotLoop(CpuLevel level) {
  switch (level) {
  case CpuLevel::Avx512Bf16:
  case CpuLevel::Avx512Vnni:
    return {"vpdpbusd zmm", 12 * 128, dotVnni};
  case CpuLevel::Avx2:
    return {"8 vpmaddubsw and vpaddw, vpmaddwd, vpaddd ymm", 6 * 8 * 64,
            dotAvx2};
  case CpuLevel::Baseline:
    break;
  }
  return {"pmaddwd and paddd xmm", 8 * 16, dotBaseline};
}

RateLoop multiplyAddLoop(CpuLevel level) {
  switch (level) {
  case CpuLevel::Avx512Bf16:
  case CpuLevel::Avx512Vnni:
    return {"vfmadd zmm", 12 * 32, fma512};
  case CpuLevel::Avx2:
    return {"vfmadd ymm", 12 * 16, fma256};
  case CpuLevel::Baseline:
    break;
  }
  return {"mulps and addps xmm", 8 * 8, multiplyAdd128};
}

RateLoop bf16DotLoop() {
  return {"vdpbf16ps zmm", 12 * 64, dotBf16, "bf16 dot"};
}

std::vector<RateLoop> narrowFloatLoops(CpuLevel level) {
  std::vector<RateLoop> loops;
  if (level < CpuLevel::Avx512Vnni)
    return loops;
  if (__builtin_cpu_supports("avx512fp16"))
    loops.push_back({"vfmadd ph zmm", 12 * 64, fmaF16, "f16 multiply-add"});
  if (level >= CpuLevel::Avx512Bf16)
    loops.push_back(bf16DotLoop());
  return loops;
}

} // namespace terse::bench
