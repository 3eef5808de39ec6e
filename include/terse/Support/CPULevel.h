//===- CPULevel.h - instruction sets that code is made for ------*- C++ -*-===//
#ifndef TERSE_SUPPORT_CPULEVEL_H
#define TERSE_SUPPORT_CPULEVEL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace terse {

/// An instruction set of x86-64 processors. An artifact holds code for several
/// levels; the runtime takes the best one that the machine has.
struct CPULevel {
  llvm::StringLiteral name;
  /// LLVM's feature string, relative to plain x86-64.
  llvm::StringLiteral features;
  /// The processor whose latencies the scheduler assumes.
  llvm::StringLiteral tuneCPU;
  /// Bits of the vectors that loops are vectorized to.
  unsigned vectorWidth;
  /// Whether machine code keeps the order that kernels are written in. Where
  /// registers are few, LLVM's scheduler and combiner, for parallelism that
  /// the processor finds itself, have more values at once than fit and spill.
  bool keepsOrder;
  /// Element type of float weights whose kernels alone differ from those of the
  /// level before: only models with layers of such weights have code for the
  /// level unless it is asked for. Empty: any kernel may.
  llvm::StringLiteral onlyFor;
};

/// All levels, worst first.
llvm::ArrayRef<CPULevel> getCPULevels();

/// The level called `name`, or null.
const CPULevel *findCPULevel(llvm::StringRef name);

/// The names, for messages: "baseline, avx2, ... or avx512bf16".
std::string listCPULevels();

/// The level whose kernels `level` has for weights of `format`, an element type
/// or the name of codes.
const CPULevel &getKernelLevel(const CPULevel &level, llvm::StringRef format);

/// The levels to make code for: those asked for by name; where none are, all that
/// differ for a model. `hasWeights`: whether a model has layers with float weights
/// of this element type.
std::vector<const CPULevel *>
selectCPULevels(llvm::ArrayRef<std::string> asked,
                llvm::function_ref<bool(llvm::StringRef element)> hasWeights);

/// The best level that this machine has.
const CPULevel &getHostLevel();

} // namespace terse

#endif // TERSE_SUPPORT_CPULEVEL_H
