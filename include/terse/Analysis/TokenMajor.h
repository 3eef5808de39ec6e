//===- TokenMajor.h - tensors as rows of tokens -----------------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_TOKENMAJOR_H
#define TERSE_ANALYSIS_TOKENMAJOR_H

#include "terse/Analysis/Access.h"

namespace terse {

/// A tensor of the coordinates of `access` in their order, cut out of its base, where
/// each coordinate moves one dimension of the base. `sizes` are the coordinates'
/// extents; one that moves nothing gets size 1. Null if it is not of that form.
mlir::Value buildSlice(mlir::OpBuilder &builder, mlir::Location loc, const Access &access,
                       llvm::ArrayRef<mlir::OpFoldResult> sizes);

/// [B, S, H * D] where `access` tells the elements of (b, h, s, d); null if the base
/// is not laid out so that slices, a transpose and a reshape give it. `batch` and `tokens` are the
/// sizes of b and s. The factor of the access is not applied.
mlir::Value buildTokenMajor(mlir::OpBuilder &builder, mlir::Location loc, const Access &access,
                            mlir::OpFoldResult batch, mlir::OpFoldResult tokens, int64_t heads, int64_t size);

/// [B, S, H * D] of a tensor [B, H, S, D] (`headAxis` 1) or [B, S, H, D] (2).
mlir::Value mergeHeads(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, int64_t headAxis);
/// The reverse.
mlir::Value splitHeads(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, int64_t heads,
                       int64_t headAxis);

/// `linalg.transpose`.
mlir::Value buildTranspose(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                           llvm::ArrayRef<int64_t> permutation);

/// A float tensor in another float type, itself if it has it already.
mlir::Value castElements(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, mlir::Type type);

/// A float tensor times a number.
mlir::Value scaleElements(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, double factor);

/// i1, true where an integer, bool or float tensor is not zero.
mlir::Value buildNonZeros(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value);

} // namespace terse

#endif // TERSE_ANALYSIS_TOKENMAJOR_H
