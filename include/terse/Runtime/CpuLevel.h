//===- CpuLevel.h - which code this processor can run -----------*- C++ -*-===//
#ifndef TERSE_RUNTIME_CPULEVEL_H
#define TERSE_RUNTIME_CPULEVEL_H

#include <cstdint>
#include <string_view>

namespace terse::rt {

/// Sets of x86-64 instructions, each a superset of the one before.
enum class CpuLevel : int {
  Baseline = 0,   ///< x86-64
  Avx2 = 1,       ///< AVX2, FMA, F16C, BMI2
  Avx512Vnni = 2, ///< AVX-512 F, BW, DQ, VL, VNNI too
};
constexpr int cpuLevelCount = 3;

const char *nameOf(CpuLevel level);
bool parseCpuLevel(std::string_view name, CpuLevel &level);

/// What CPUID and XGETBV answer; a value so that the choice can be tested.
struct CpuId {
  uint32_t leaf1ecx = 0, leaf7ebx = 0, leaf7ecx = 0;
  uint64_t xcr0 = 0; ///< 0 where the system does not use XSAVE
};
CpuId readCpuId();

/// The best level whose instructions exist and whose registers the operating
/// system saves.
CpuLevel bestLevel(const CpuId &id);
inline CpuLevel bestLevel() { return bestLevel(readCpuId()); }

} // namespace terse::rt

#endif // TERSE_RUNTIME_CPULEVEL_H
