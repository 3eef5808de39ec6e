//===- CPULevel.h - instruction sets that code is made for ------*- C++ -*-===//
#ifndef TERSE_TARGET_CPULEVEL_H
#define TERSE_TARGET_CPULEVEL_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

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
};

/// All levels, worst first.
llvm::ArrayRef<CPULevel> getCPULevels();

/// The level called `name`, or null.
const CPULevel *findCPULevel(llvm::StringRef name);

/// The best level that this machine has.
const CPULevel &getHostLevel();

} // namespace terse

#endif // TERSE_TARGET_CPULEVEL_H
