//===- Lowering.h - parts of the plain lowering of terse --------*- C++ -*-===//
#ifndef TERSE_TARGET_LOWERTOLINALG_LOWERING_H
#define TERSE_TARGET_LOWERTOLINALG_LOWERING_H

#include "Terse/TerseDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"

namespace terse::lowering {

void populateLinear(mlir::RewritePatternSet &patterns);
void populateRowwise(mlir::RewritePatternSet &patterns);
void populateRotate(mlir::RewritePatternSet &patterns);
void populateEmbedding(mlir::RewritePatternSet &patterns);
void populateAttention(mlir::RewritePatternSet &patterns);
void populateQuantize(mlir::RewritePatternSet &patterns);
void populateQuantizeHeads(mlir::RewritePatternSet &patterns);

/// Patterns that must see operations of the terse dialect together, before the
/// others lower them.
void populateCombined(mlir::RewritePatternSet &patterns);

/// The type in which values of float type `type` are summed.
mlir::FloatType accumulatorType(mlir::Type type);

/// Builds the linalg of one operation; `Value`s are tensors unless said
/// otherwise.
struct Emitter : mlir::ImplicitLocOpBuilder {
  Emitter(mlir::PatternRewriter &rewriter, mlir::Operation *op) : ImplicitLocOpBuilder(op->getLoc(), rewriter) {}

  using Body = llvm::function_ref<mlir::Value(Emitter &, mlir::ValueRange)>;
  using Sizes = llvm::SmallVector<mlir::OpFoldResult>;

  static mlir::RankedTensorType type(mlir::Value tensor) {
    return llvm::cast<mlir::RankedTensorType>(tensor.getType());
  }
  static mlir::Type element(mlir::Value tensor) { return type(tensor).getElementType(); }
  static int64_t rank(mlir::Value tensor) { return type(tensor).getRank(); }

  mlir::OpFoldResult size(mlir::Value tensor, int64_t axis) {
    return mlir::tensor::getMixedSize(*this, getLoc(), tensor, axis);
  }
  Sizes sizes(mlir::Value tensor) { return mlir::tensor::getMixedSizes(*this, getLoc(), tensor); }
  mlir::Value asIndex(mlir::OpFoldResult value) {
    return mlir::getValueOrCreateConstantIndexOp(*this, getLoc(), value);
  }
  mlir::OpFoldResult index(int64_t value) { return getIndexAttr(value); }
  mlir::OpFoldResult mul(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult sub(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult div(mlir::OpFoldResult a, mlir::OpFoldResult b);

  /// Scalar constants.
  mlir::Value constant(mlir::Type type, double value);
  mlir::Value constantIndex(int64_t value);
  /// A scalar of a float type in another float type.
  mlir::Value convert(mlir::Value scalar, mlir::Type type);

  mlir::Value empty(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Type element);
  mlir::Value filled(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Type element, double value);

  /// An affine map of `rank` dimensions onto the listed ones.
  mlir::AffineMap dims(int64_t rank, llvm::ArrayRef<int64_t> list);
  mlir::AffineMap identity(int64_t rank) { return getMultiDimIdentityMap(rank); }

  /// `iterators` has one letter a loop: 'p'arallel or 'r'eduction. The body
  /// gets the scalars of inputs and output and returns the new one of the output.
  mlir::Value generic(llvm::StringRef iterators, mlir::ValueRange inputs, mlir::Value output,
                      llvm::ArrayRef<mlir::AffineMap> maps, Body body);
  /// Elementwise on tensors of one shape, into `output`.
  mlir::Value elementwise(mlir::ValueRange inputs, mlir::Value output, Body body);
  /// Reduces `axis` of `input`, starting with `initial`, in `element`. The body
  /// gets the input's scalar in that type and the accumulator.
  mlir::Value reduce(mlir::Value input, int64_t axis, mlir::Type element, double initial, Body body);
  /// The same values in another float type.
  mlir::Value convertTensor(mlir::Value tensor, mlir::Type element);

  /// Sums may be taken in any order: they are only as exact as their rounding.
  mlir::Value addReassociable(mlir::Value a, mlir::Value b);
};

/// Element [row..., column] of `op`'s result, in a generic's body, as a scalar of the
/// result's type.
mlir::Value dequantizeElement(Emitter &b, DequantizeOp op, mlir::ValueRange row, mlir::Value column);

} // namespace terse::lowering

#endif // TERSE_TARGET_LOWERTOLINALG_LOWERING_H
