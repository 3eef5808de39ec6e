//===- CpuLevel.cpp - which code this processor can run ---------*- C++ -*-===//
#include "terse/Runtime/CpuLevel.h"

#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace terse::rt {

namespace {
constexpr const char *names[cpuLevelCount] = {"baseline", "avx2", "avx512vnni",
                                                "avx512bf16"};
constexpr uint32_t bit(int n) { return uint32_t(1) << n; }
constexpr bool all(uint64_t value, uint64_t mask) {
  return (value & mask) == mask;
}
} // namespace

const char *nameOf(CpuLevel level) { return names[int(level)]; }

std::vector<std::string> cpuLevelNames() {
  return {std::begin(names), std::end(names)};
}

std::string listCpuLevels() {
  std::string text = names[0];
  for (int i = 1; i < cpuLevelCount; ++i)
    text += (i + 1 < cpuLevelCount ? ", " : " or ") + std::string(names[i]);
  return text;
}

bool parseCpuLevel(std::string_view name, CpuLevel &level) {
  for (int i = 0; i < cpuLevelCount; ++i)
    if (name == names[i]) {
      level = CpuLevel(i);
      return true;
    }
  return false;
}

CpuId readCpuId() {
  CpuId id;
#if defined(__x86_64__)
  uint32_t eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx))
    id.leaf1ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    id.leaf7ebx = ebx;
    id.leaf7ecx = ecx;
    // The processor says in EAX how many subleaves there are.
    if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx))
      id.leaf7sub1eax = eax;
  }
  if (id.leaf1ecx & bit(27)) { // OSXSAVE
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    id.xcr0 = uint64_t(edx) << 32 | eax;
  }
#endif
  return id;
}

CpuLevel bestLevel(const CpuId &id) {
  // FMA 12, OSXSAVE 27, AVX 28, F16C 29; BMI1 3, AVX2 5, BMI2 8.
  bool avx2 = all(id.leaf1ecx, bit(12) | bit(27) | bit(28) | bit(29)) &&
              all(id.leaf7ebx, bit(3) | bit(5) | bit(8)) && all(id.xcr0, 0x6);
  if (!avx2)
    return CpuLevel::Baseline;
  // AVX-512 F 16, DQ 17, BW 30, VL 31; VNNI 11. XCR0 5-7: mask registers and
  // both halves of the new vector state.
  bool vnni = all(id.leaf7ebx, bit(16) | bit(17) | bit(30) | bit(31)) &&
              all(id.leaf7ecx, bit(11)) && all(id.xcr0, 0xe6);
  if (!vnni)
    return CpuLevel::Avx2;
  bool bf16 = all(id.leaf7sub1eax, bit(5));
  return bf16 ? CpuLevel::Avx512Bf16 : CpuLevel::Avx512Vnni;
}

} // namespace terse::rt
