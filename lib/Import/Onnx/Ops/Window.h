//===- Window.h - windows that slide over space -----------------*- C++ -*-===//
#ifndef TERSE_IMPORT_ONNX_OPS_WINDOW_H
#define TERSE_IMPORT_ONNX_OPS_WINDOW_H

#include "Helpers.h"

namespace terse::importer {

/// How a kernel slides over the dimensions 2, 3, ... of [batch, channels, space...].
struct Window {
  llvm::SmallVector<int64_t> kernel, strides, dilations;
  Dims before, after; // padding
  Dims outputs;       // sizes of the result

  int64_t rank() const { return kernel.size(); }
  /// Number of positions of the kernel.
  int64_t count() const;
  int64_t extent(int64_t d) const { return (kernel[d] - 1) * dilations[d] + 1; }
};

/// The window that a node's attributes describe over the input; an error if they
/// are not of its rank or not positive.
std::optional<Window> windowOf(Importer &im, Node &n, Tensor *t, llvm::ArrayRef<int64_t> kernel);
/// Attributes of a window alone: pads as given, no sizes of results.
std::optional<Window> windowAttributes(Importer &im, Node &n, Tensor *t, llvm::ArrayRef<int64_t> kernel);

/// In a loop over results: coordinates in the input of position `k` of the kernel
/// (one value for each dimension) for the result at `at`, and whether all are inside.
struct WindowAccess {
  llvm::SmallVector<mlir::Value> coordinates; // kept inside
  mlir::Value inside;
};
WindowAccess accessWindow(Importer &im, mlir::OpBuilder &b, const Window &window, llvm::ArrayRef<mlir::Value> before,
                          llvm::ArrayRef<mlir::Value> sizes, mlir::ValueRange at, mlir::ValueRange k);
/// `i` as coordinates in `sizes`, row-major.
llvm::SmallVector<mlir::Value> unravel(Importer &im, mlir::OpBuilder &b, mlir::Value i, llvm::ArrayRef<int64_t> sizes);

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_OPS_WINDOW_H
