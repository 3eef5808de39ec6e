//===- NormSource.h - normalization of a row as kernel text -----*- C++ -*-===//
#ifndef TERSE_KERNELS_NORMSOURCE_H
#define TERSE_KERNELS_NORMSOURCE_H

#include "Terse/TerseDialect.h"
#include "terse/Kernels/KernelSource.h"

namespace terse {

/// The parts of a kernel that normalizes row %row of %input, [rows, C]: what
/// terse.norm computes. The kernel defines %c0, `%lanes` (16) and %zero.
class NormSource {
public:
  explicit NormSource(NormOp op);

  /// Whether sizes and element types are such that there is a kernel.
  static bool canWrite(NormOp op);

  /// Tells norms apart that need different kernels.
  std::string getName() const;
  /// Operands beside the input: scale and perhaps bias.
  llvm::SmallVector<mlir::Value> getParameters(NormOp op) const;
  /// Their declarations, each followed by a comma.
  std::string getArguments() const;

  /// Defines the row's %inverse (of its deviation) and, if it is needed, %mean.
  void addStatistics(KernelSource &source) const;
  /// Defines %name, the normalized `$n` columns from %c on, in f32.
  void addValue(KernelSource &source, llvm::StringRef name) const;
  /// The same, rounded to the norm's type.
  void addRoundedValue(KernelSource &source, llvm::StringRef name) const;

  int64_t channels;
  mlir::Type element;

private:
  void addLoad(KernelSource &source, llvm::StringRef name, llvm::StringRef from, llvm::StringRef at,
               llvm::StringRef memref, mlir::Type type) const;
  void addSum(KernelSource &source, llvm::StringRef total, llvm::StringRef body) const;

  mlir::Type parameter;
  bool layer, bias;
  double epsilon;
};

} // namespace terse

#endif // TERSE_KERNELS_NORMSOURCE_H
