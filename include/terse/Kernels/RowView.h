//===- RowView.h - columns of a wider tensor --------------------*- C++ -*-===//
#ifndef TERSE_KERNELS_ROWVIEW_H
#define TERSE_KERNELS_ROWVIEW_H

#include "mlir/IR/Value.h"

namespace terse {

/// A tensor whose rows are columns offset .. offset + width of the rows of
/// `source`: kernels read parts of a wider tensor (merged QKV) where they lie.
struct RowView {
  mlir::Value source;
  int64_t offset = 0;
  int64_t sourceWidth = 0;

  /// Looks through a `tensor.extract_slice` along the last dimension.
  static RowView of(mlir::Value tensor);
};

} // namespace terse

#endif // TERSE_KERNELS_ROWVIEW_H
