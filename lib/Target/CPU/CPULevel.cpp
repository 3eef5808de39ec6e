//===- CPULevel.cpp - instruction sets that code is made for --------------===//
#include "terse/Target/CPULevel.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace terse;

// The features that the runtime tests for before it takes a level; a feature
// more here would be an illegal instruction there.
static constexpr CPULevel levels[] = {
    {"baseline", "", "generic", 128, true},
    {"avx2", "+avx2,+fma,+f16c,+bmi2", "haswell", 256, true},
    {"avx512vnni",
     "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd,+avx512vnni,"
     "+avx2,+fma,+f16c,+bmi2",
     "icelake-server", 512, false},
};

llvm::ArrayRef<CPULevel> terse::getCPULevels() { return levels; }

const CPULevel *terse::findCPULevel(llvm::StringRef name) {
  for (const CPULevel &level : levels)
    if (level.name == name)
      return &level;
  return nullptr;
}

const CPULevel &terse::getHostLevel() {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  const CPULevel *best = &levels[0];
  for (const CPULevel &level : levels) {
    llvm::SmallVector<llvm::StringRef> needed;
    llvm::StringRef(level.features).split(needed, ",+", -1, /*KeepEmpty=*/false);
    if (llvm::all_of(needed, [&](llvm::StringRef feature) {
          feature.consume_front("+");
          return features.lookup(feature);
        }))
      best = &level;
  }
  return *best;
}
