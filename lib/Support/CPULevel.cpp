//===- CPULevel.cpp - instruction sets that code is made for --------------===//
#include "terse/Support/CPULevel.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace terse;

// The features that the runtime tests for before it takes a level; a feature
// more here would be an illegal instruction there. Schedulers are those that
// measured best on the processors at hand: with Zen 4's own 8 rows of bf16
// weights take a tenth longer.
static constexpr CPULevel levels[] = {
    {"baseline", "", "generic", 128, true, ""},
    {"avx2", "+avx2,+fma,+f16c,+bmi2", "haswell", 256, true, ""},
    {"avx512vnni",
     "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd,+avx512vnni,"
     "+avx2,+fma,+f16c,+bmi2",
     "icelake-server", 512, false, ""},
    {"avx512bf16",
     "+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd,+avx512vnni,+avx512bf16,"
     "+avx2,+fma,+f16c,+bmi2",
     "cooperlake", 512, false, "bf16"},
};

llvm::ArrayRef<CPULevel> terse::getCPULevels() { return levels; }

const CPULevel *terse::findCPULevel(llvm::StringRef name) {
  for (const CPULevel &level : levels)
    if (level.name == name)
      return &level;
  return nullptr;
}

std::string terse::listCPULevels() {
  std::string text(levels[0].name);
  for (const CPULevel &level : llvm::drop_begin(levels)) {
    text += &level == std::end(levels) - 1 ? " or " : ", ";
    text += level.name;
  }
  return text;
}

const CPULevel &terse::getKernelLevel(const CPULevel &level,
                                      llvm::StringRef format) {
  const CPULevel *found = &level;
  while (!found->onlyFor.empty() && found->onlyFor != format)
    --found;
  return *found;
}

std::vector<const CPULevel *> terse::selectCPULevels(
    llvm::ArrayRef<std::string> asked,
    llvm::function_ref<bool(llvm::StringRef element)> hasWeights) {
  std::vector<const CPULevel *> selected;
  for (const CPULevel &level : levels)
    if (asked.empty() ? level.onlyFor.empty() || hasWeights(level.onlyFor)
                      : llvm::is_contained(asked, level.name))
      selected.push_back(&level);
  return selected;
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
