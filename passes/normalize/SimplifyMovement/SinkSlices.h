//===- SinkSlices.h - slices before what they cut ---------------*- C++ -*-===//
#ifndef TERSE_NORMALIZE_SIMPLIFYMOVEMENT_SINKSLICES_H
#define TERSE_NORMALIZE_SIMPLIFYMOVEMENT_SINKSLICES_H

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"

namespace terse {

/// Patterns that cut operands instead of results. A slice that drops dimensions is
/// first split into one that does not and a reshape.
void populateSinkSlicePatterns(mlir::RewritePatternSet &patterns);

/// Patterns that cut the inputs of layers, norms, activations and roundings of rows instead of their results.
void populateSinkRowPatterns(mlir::RewritePatternSet &patterns);

/// Patterns that move reshapes from [batch, tokens, channels] to rows behind row-wise operations.
void populateUnflattenPatterns(mlir::RewritePatternSet &patterns);

/// What a slice without dropped dimensions cuts, if it is used by slices alone: then all
/// of its users compute less when they are moved. Null otherwise.
mlir::Operation *getSlicedOp(mlir::tensor::ExtractSliceOp slice);

/// A dimension is read from its start to its end.
bool isWholeDim(mlir::tensor::ExtractSliceOp slice, int64_t dim);

/// The slice of `value` where dimension i of it is dimension `dims[i]` of the sliced
/// tensor, -1 for all of it.
mlir::Value cutOperand(mlir::OpBuilder &builder, mlir::tensor::ExtractSliceOp slice, mlir::Value value,
                       llvm::ArrayRef<int64_t> dims);

mlir::LogicalResult replaceSlice(mlir::PatternRewriter &rewriter, mlir::tensor::ExtractSliceOp slice, mlir::Value value);

} // namespace terse

#endif // TERSE_NORMALIZE_SIMPLIFYMOVEMENT_SINKSLICES_H
