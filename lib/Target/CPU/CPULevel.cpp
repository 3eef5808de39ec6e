//===- CPULevel.cpp - instruction sets that code is made for --------------===//
#include "terse/Target/CPULevel.h"

using namespace terse;

// The features that the runtime tests for before it takes a level; a feature
// more here would be an illegal instruction there.
static constexpr CPULevel levels[] = {
    {"baseline", "", "generic", 128},
    {"avx2", "+avx2,+fma,+f16c,+bmi2", "haswell", 256},
    {"avx512vnni",
     "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd,+avx512vnni,"
     "+avx2,+fma,+f16c,+bmi2",
     "icelake-server", 512},
};

llvm::ArrayRef<CPULevel> terse::getCPULevels() { return levels; }

const CPULevel *terse::findCPULevel(llvm::StringRef name) {
  for (const CPULevel &level : levels)
    if (level.name == name)
      return &level;
  return nullptr;
}
