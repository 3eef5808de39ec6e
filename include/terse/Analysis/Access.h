//===- Access.h - where elements come from ----------------------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_ACCESS_H
#define TERSE_ANALYSIS_ACCESS_H

#include "terse/Analysis/ElementEvaluator.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace terse {

/// Evaluators of one function at several choices of its symbolic sizes. What
/// holds at all of them is taken to hold; sizes are distinct primes, so that no
/// two dimensions are mistaken for each other.
class Probes {
public:
  /// Each environment is `base` with sizes for the symbols of `function`.
  Probes(mlir::func::FuncOp function, const Environment &base);

  llvm::MutableArrayRef<std::unique_ptr<ElementEvaluator>> evaluators() { return all; }

  /// True if `holds` at sampled points of the space that `extents` gives for each
  /// evaluator (corners, and points between). False if the extents are unknown.
  bool forAll(llvm::function_ref<std::optional<Index>(ElementEvaluator &)> extents,
              llvm::function_ref<bool(ElementEvaluator &, llvm::ArrayRef<int64_t>)> holds);

private:
  llvm::SmallVector<std::unique_ptr<ElementEvaluator>, 2> all;
};

/// Points of a space: its corners and pseudo-random ones (always the same).
/// Empty if an extent is 0.
std::vector<Index> samplePoints(llvm::ArrayRef<int64_t> extents, unsigned count);

/// `factor` times the element of `base` at index offset[k] + sum over coordinates c of
/// strides[c][k] * x_c.
struct Access {
  mlir::Value base;
  double factor = 1;
  Index offset;
  llvm::SmallVector<Index, 4> strides;
  /// Whether the coordinates reach every index of a dimension of the base.
  llvm::SmallVector<bool, 5> whole;

  /// All of the base is read, each element once, if each coordinate moves one dimension.
  bool coversBase() const { return llvm::all_of(whole, [](bool w) { return w; }); }
  /// The dimension of the base that coordinate `c` moves; none if it moves several or none.
  std::optional<int64_t> getDimOf(unsigned c) const;
  bool operator==(const Access &other) const {
    return base == other.base && factor == other.factor && offset == other.offset && strides == other.strides &&
           whole == other.whole;
  }
};

/// Describes elements as an access with the same offsets and strides at all sizes,
/// if they are one. Coordinates of extent 1 get strides 0.
std::optional<Access> fitAccess(Probes &probes, llvm::function_ref<std::optional<Index>(ElementEvaluator &)> extents,
                                llvm::function_ref<Element(ElementEvaluator &, llvm::ArrayRef<int64_t>)> element);

/// The same for the elements of a tensor at its own index.
std::optional<Access> fitAccess(Probes &probes, mlir::Value tensor);

/// Tensors that `value` is computed from by operations that evaluations look
/// through, `value` first, nearest first; at most `limit`.
std::vector<mlir::Value> collectSources(mlir::Value value, const Environment &environment, size_t limit = 64);

/// The size of a dimension as an index value, computed from the dimensions of the
/// function's arguments where possible.
mlir::OpFoldResult buildDim(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value tensor, int64_t dim);
llvm::SmallVector<mlir::OpFoldResult> buildShape(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value tensor);
mlir::Value asValue(mlir::OpBuilder &builder, mlir::Location loc, mlir::OpFoldResult value);

} // namespace terse

#endif // TERSE_ANALYSIS_ACCESS_H
