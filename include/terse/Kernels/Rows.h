//===- Rows.h - tensors as rows ---------------------------------*- C++ -*-===//
#ifndef TERSE_KERNELS_ROWS_H
#define TERSE_KERNELS_ROWS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace terse {

/// [..., C] as [?, C], all leading dimensions in one: the form in which row-wise
/// kernels take their operands. C is static.
mlir::Value toRows(mlir::OpBuilder &builder, mlir::Value tensor);

/// [?, C] as `type`, [..., C], with the leading dimensions of `like`.
mlir::Value fromRows(mlir::OpBuilder &builder, mlir::Value rows, mlir::RankedTensorType type, mlir::Value like);

} // namespace terse

#endif // TERSE_KERNELS_ROWS_H
