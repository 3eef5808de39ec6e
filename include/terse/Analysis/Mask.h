//===- Mask.h - which keys a query may read ---------------------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_MASK_H
#define TERSE_ANALYSIS_MASK_H

#include "terse/Analysis/ElementEvaluator.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace terse {

/// What is added to a masked score is below this: the oldest exporters add -10000.
constexpr double kMasked = -9999;

/// A mask as a function of batch b, query i of S and key j of T, where query i is at
/// position T - S + i.
struct MaskFunction {
  /// Keys after the query's position are masked.
  bool causal = false;
  /// Only the last `window` keys up to the query's position are read (if causal).
  std::optional<int64_t> window;
  /// An argument [B, T] of the function; where it is 0, key j of batch b is masked.
  mlir::Value padding;
  /// For each head, what is added to the score for each position that the key is further on, up to
  /// an addend that is the same for all keys (which softmax does not see). Empty if nothing is added.
  std::vector<double> slopes;
};

/// What is added to the score of (b, h, i, j), as an element: 0 (or slope times distance)
/// where the key is read, a very low number where it is masked.
using MaskElement = std::function<Element(ElementEvaluator &, llvm::ArrayRef<int64_t>)>;

using ShapeFunction = std::function<std::optional<Index>(ElementEvaluator &)>;

/// Finds out by evaluation at many points and sizes which function of (b, h, i, j) a
/// mask is. `shape` yields [B, H, S, T]; `sources` are the tensors that the mask is
/// computed from (their integer constants tell where to look). None if it is no such
/// function; then the mask is a tensor like any other.
std::optional<MaskFunction> classifyMask(mlir::func::FuncOp function, const Environment &environment,
                                         const ShapeFunction &shape, llvm::ArrayRef<mlir::Value> sources,
                                         const MaskElement &element);

} // namespace terse

#endif // TERSE_ANALYSIS_MASK_H
