//===- EvaluateLinalg.cpp - elements of linalg and matmul operations ------===//
#include "terse/Analysis/ElementEvaluator.h"
#include "Frame.h"

#include "Terse/TerseDialect.h"

using namespace mlir;
using namespace terse;

/// Sums over more numbers are not worked out.
static constexpr int64_t kMaxReduction = 4096;

static bool isParallel(utils::IteratorType type) { return type == utils::IteratorType::parallel; }

static Index applyMap(AffineMap map, ArrayRef<int64_t> ivs) {
  Index result;
  for (AffineExpr expr : map.getResults()) {
    // Dimension and constant expressions are nearly all there is.
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      result.push_back(ivs[dim.getPosition()]);
      continue;
    }
    SmallVector<AffineExpr> constants;
    for (int64_t iv : ivs)
      constants.push_back(getAffineConstantExpr(iv, map.getContext()));
    auto constant = dyn_cast<AffineConstantExpr>(expr.replaceDims(constants));
    result.push_back(constant ? constant.getValue() : -1);
  }
  return result;
}

Element ElementEvaluator::computeLinalg(linalg::LinalgOp op, Value value, ArrayRef<int64_t> index) {
  unsigned resultNumber = cast<OpResult>(value).getResultNumber();
  AffineMap outMap = op.getMatchingIndexingMap(op.getDpsInitOperand(resultNumber));
  Index ivs(op.getNumLoops(), -1);
  for (auto [expr, position] : llvm::zip_equal(outMap.getResults(), index)) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim || ivs[dim.getPosition()] >= 0)
      return Element::unknown();
    ivs[dim.getPosition()] = position;
  }
  Block *body = op.getBlock();
  Value yielded = body->getTerminator()->getOperand(resultNumber);
  auto iterators = op.getIteratorTypesArray();

  auto evaluateAt = [&](ArrayRef<int64_t> point, std::optional<Element> accumulator) {
    Frame frame;
    frame.ivs = Index(point);
    frame.body = body;
    frame.argument = [&](BlockArgument argument) {
      OpOperand *operand = op.getMatchingOpOperand(argument);
      if (accumulator && op.isDpsInit(operand))
        return *accumulator;
      if (!isa<RankedTensorType>(operand->get().getType()))
        return scalar(operand->get(), nullptr);
      return evaluate(operand->get(), applyMap(op.getMatchingIndexingMap(operand), frame.ivs));
    };
    return scalar(yielded, &frame);
  };
  if (llvm::all_of(iterators, isParallel)) {
    if (llvm::is_contained(ivs, -1))
      return Element::unknown();
    return evaluateAt(ivs, std::nullopt);
  }

  // Reductions: one loop, of numbers, and short.
  std::optional<unsigned> loop;
  for (auto [i, iterator] : llvm::enumerate(iterators)) {
    if (isParallel(iterator) != (ivs[i] >= 0) || (ivs[i] < 0 && loop))
      return Element::unknown();
    if (ivs[i] < 0)
      loop = i;
  }
  std::optional<int64_t> size;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [i, expr] : llvm::enumerate(map.getResults()))
      if (auto dim = dyn_cast<AffineDimExpr>(expr); dim && loop && dim.getPosition() == *loop)
        size = getSize(operand.get(), i);
  }
  if (!loop || !size || *size > kMaxReduction)
    return Element::unknown();
  Element accumulator = evaluate(op.getDpsInits()[resultNumber], index);
  for (int64_t i = 0; i < *size; ++i) {
    if (!accumulator.isConcrete())
      return accumulator.isInvalid() ? accumulator : Element::unknown();
    ivs[*loop] = i;
    accumulator = evaluateAt(ivs, accumulator);
  }
  return accumulator.isConcrete() || accumulator.isInvalid() ? accumulator : Element::unknown();
}

Element ElementEvaluator::computeMatmul(Operation *op, ArrayRef<int64_t> index) {
  Value lhs = op->getOperand(0), rhs = op->getOperand(1);
  std::optional<int64_t> size = getSize(lhs, index.size() - 1);
  if (!size || *size > kMaxReduction)
    return Element::unknown();
  Index left(index), right(index);
  Element sum = Element::real(0);
  for (int64_t k = 0; k < *size; ++k) {
    left.back() = k;
    right[index.size() - 2] = k;
    Element product = evaluate(lhs, left);
    if (product.isConcrete() || *size == 1)
      product = multiply(product, evaluate(rhs, right));
    if (product.isInvalid())
      return product;
    // A product of outer form is worth following, sums only of numbers.
    if (*size == 1)
      return product;
    if (!product.isConcrete())
      return Element::unknown();
    sum = add(sum, product);
  }
  return sum;
}
