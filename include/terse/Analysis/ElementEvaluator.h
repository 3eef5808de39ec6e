//===- ElementEvaluator.h - single elements of tensors ----------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_ELEMENTEVALUATOR_H
#define TERSE_ANALYSIS_ELEMENTEVALUATOR_H

#include "terse/Analysis/Element.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

namespace terse {

using Index = llvm::SmallVector<int64_t, 5>;

/// What an evaluation takes as given.
struct Environment {
  /// Sizes of the symbols that `terse.dims` names ("sequence"). Sizes may be huge:
  /// no tensor is ever built.
  llvm::StringMap<int64_t> symbols;
  /// Values of chosen tensors' elements.
  llvm::DenseMap<mlir::Value, std::function<Element(llvm::ArrayRef<int64_t>)>> inputs;
  /// Tensors that are not looked through: their elements are tokens.
  llvm::DenseSet<mlir::Value> barriers;
  /// Operations whose results are not looked through.
  std::function<bool(mlir::Operation *)> isBarrier;
  /// p == p holds, so guards against NaN vanish.
  bool assumeNoNaN = false;
};

/// Tells which number, or which element of which tensor, a tensor's element is, by
/// pulling on that element alone through movement (slices, transposes, reshapes,
/// concatenation, broadcasts, gathers) and arithmetic. A graph is recognised by
/// what its elements are, not by the operations that an exporter chose.
///
/// Results are remembered, so the IR must not change during an evaluator's life.
class ElementEvaluator {
public:
  explicit ElementEvaluator(Environment environment);
  ~ElementEvaluator();

  /// The element of tensor `value` at `index`. Never unknown: what cannot be looked
  /// through is a token of its own. Invalid when out of bounds.
  Element evaluate(mlir::Value value, llvm::ArrayRef<int64_t> index);
  /// An index, integer or float outside of any region.
  Element evaluateScalar(mlir::Value value);
  /// Size of a dimension; none if it depends on data.
  std::optional<int64_t> getSize(mlir::Value tensor, int64_t dim);
  /// Number of elements along all dimensions.
  std::optional<Index> getShape(mlir::Value tensor);

  /// What a token stands for: an element of a tensor.
  struct Token {
    mlir::Value base;
    Index index;
    bool operator==(const Token &other) const { return base == other.base && index == other.index; }
  };
  const Token &getToken(unsigned number) const { return tokens[number]; }
  const Environment &getEnvironment() const { return environment; }

  /// True if two elements are equal, where tokens are compared by what they
  /// are computed from (cos at two places of one angle, rows of a table).
  bool areEqual(const Element &a, const Element &b);

private:
  struct Frame;
  struct KeyHash {
    size_t operator()(const Token &token) const;
  };

  Element compute(mlir::Value value, llvm::ArrayRef<int64_t> index);
  Element computeTensorOp(mlir::Operation *op, mlir::Value value, llvm::ArrayRef<int64_t> index);
  Element computeLinalg(mlir::linalg::LinalgOp op, mlir::Value value, llvm::ArrayRef<int64_t> index);
  Element computeReduction(mlir::Operation *op, mlir::Value value, llvm::ArrayRef<int64_t> index);
  Element computeMatmul(mlir::Operation *op, llvm::ArrayRef<int64_t> index);
  Element scalar(mlir::Value value, Frame *frame);
  Element scalarOp(mlir::Operation *op, mlir::Value value, Frame *frame);
  std::optional<int64_t> offset(mlir::OpFoldResult value);
  std::optional<int64_t> computeSize(mlir::Value tensor, int64_t dim);
  unsigned number(mlir::Value value, llvm::ArrayRef<int64_t> index);
  bool areTokensEqual(unsigned a, unsigned b, int depth);
  bool areEqual(const Element &a, const Element &b, int depth);

  Environment environment;
  std::unordered_map<Token, Element, KeyHash> memo;
  std::unordered_map<Token, unsigned, KeyHash> tokenNumbers;
  std::vector<Token> tokens;
  llvm::DenseMap<mlir::Value, std::optional<int64_t>> scalars;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, std::optional<int64_t>> sizes;
  int depth = 0;
};

} // namespace terse

#endif // TERSE_ANALYSIS_ELEMENTEVALUATOR_H
