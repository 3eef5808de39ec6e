//===- CpuLevel.h - which code this processor can run -----------*- C++ -*-===//
#ifndef TERSE_RUNTIME_CPULEVEL_H
#define TERSE_RUNTIME_CPULEVEL_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terse::rt {

/// Sets of x86-64 instructions, each a superset of the one before.
enum class CpuLevel : int {
  Baseline = 0,   ///< x86-64
  Avx2 = 1,       ///< AVX2, FMA, F16C, BMI2
  Avx512Vnni = 2, ///< AVX-512 F, BW, DQ, VL, VNNI too
  Avx512Bf16 = 3, ///< AVX-512 BF16 too
};
constexpr int cpuLevelCount = 4;

const char *nameOf(CpuLevel level);
/// All names, worst first.
std::vector<std::string> cpuLevelNames();
/// The names for a message: "baseline, avx2, ... or avx512bf16".
std::string listCpuLevels();
bool parseCpuLevel(std::string_view name, CpuLevel &level);

/// What CPUID and XGETBV answer; a value so that the choice can be tested.
struct CpuId {
  uint32_t leaf1ecx = 0, leaf7ebx = 0, leaf7ecx = 0,
           leaf7sub1eax = 0;
  uint64_t xcr0 = 0; ///< 0 where the system does not use XSAVE
};
CpuId readCpuId();

/// The best level whose instructions exist and whose registers the operating
/// system saves.
CpuLevel bestLevel(const CpuId &id);
inline CpuLevel bestLevel() { return bestLevel(readCpuId()); }

} // namespace terse::rt

#endif // TERSE_RUNTIME_CPULEVEL_H
