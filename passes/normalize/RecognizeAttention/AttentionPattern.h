//===- AttentionPattern.h - what surrounds a softmax ------------*- C++ -*-===//
#ifndef TERSE_NORMALIZE_RECOGNIZEATTENTION_ATTENTIONPATTERN_H
#define TERSE_NORMALIZE_RECOGNIZEATTENTION_ATTENTIONPATTERN_H

#include "Terse/TerseDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "terse/Analysis/Access.h"
#include "terse/Analysis/Mask.h"

namespace terse {

/// softmax(softcap(scale * lhs rhs) + mask) of a graph.
struct Scores {
  MatmulOp product;
  double scale = 1;
  std::optional<double> softcap;
  /// What is added and masked, by its parts.
  llvm::SmallVector<MaskFunction, 2> masks;
  /// Tensors [B, H, S, T] that are no such function, to be added.
  llvm::SmallVector<mlir::Value, 2> biases;
};

/// Splits what is added to scores [B, H, S, T] (their sizes as `shape` tells) into masks and
/// tensors that are none.
void splitBias(mlir::func::FuncOp function, mlir::Value bias, const ShapeFunction &shape, Scores &scores);

/// What to add to scores instead of the select, [B, H, S, T], that puts one very low number where they are masked:
/// 0 or that number. Null if that is not what the select does. `whenTrue`: scores are kept where the condition holds.
mlir::Value buildSelectedBias(mlir::func::FuncOp function, mlir::arith::SelectOp select, bool whenTrue);

/// Makes masks and biases of `scores` those of an attention, beside what it has.
void applyMasks(AttentionOp attention, const Scores &scores);

/// Describes the input of a softmax over the last of four dimensions, or says why not.
std::optional<Scores> matchScores(mlir::func::FuncOp function, SoftmaxOp softmax, std::string &reason);

/// The product of a softmax's probabilities with values, past casts and guards
/// against NaN; null if there is none or not only one.
MatmulOp findWeightedSum(mlir::func::FuncOp function, SoftmaxOp softmax);

/// Keys or values as [B, KV, T, D].
struct CacheSource {
  mlir::Value tensor;
  double factor = 1;
};

/// Finds the tensor [B, KV, T, D] nearest to the cache whose element (b, h / (heads / KV), t, d) is
/// the element of `value` (at `indexOf(b, h, t, d)`), up to a factor.
std::optional<CacheSource> findCacheSource(mlir::func::FuncOp function, mlir::Value value, bool transposed);

/// [B, KV, T, D] of a tensor [B, H, T, D] whose heads are those of fewer, each repeated; null if they are not, or
/// come from no place that they can be cut out of.
mlir::Value shareHeads(mlir::OpBuilder &builder, mlir::Location loc, mlir::func::FuncOp function, mlir::Value value);

/// Gives products and softmaxes over [batch * heads, ...] separate dimensions for both, where they are
/// merged from such.
void unfoldHeads(mlir::func::FuncOp function);

/// Replaces bias, keys and values of an attention by what they mean. True if anything changed.
bool simplifyAttention(mlir::func::FuncOp function, AttentionOp attention);

} // namespace terse

#endif // TERSE_NORMALIZE_RECOGNIZEATTENTION_ATTENTIONPATTERN_H
