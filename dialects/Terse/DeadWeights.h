//===- DeadWeights.h - space of weights that nothing reads ------*- C++ -*-===//
#ifndef TERSE_DEADWEIGHTS_H
#define TERSE_DEADWEIGHTS_H

#include "Terse/TerseDialect.h"

namespace terse {

/// Erases weights that nothing reads any more and gives back their space in the
/// store, while a pass makes new ones of them: together they then take little
/// more than either.
class DeadWeights {
public:
  explicit DeadWeights(mlir::Operation *root);

  /// Erases `op` and then those of its operands that are weights which nothing
  /// else reads.
  void eraseWithWeights(mlir::Operation *op);

private:
  WeightStore &store;
  /// Weights that have the same data.
  llvm::DenseMap<mlir::Attribute, unsigned> sharing;
};

} // namespace terse

#endif // TERSE_DEADWEIGHTS_H
