//===- EvaluateSizes.cpp - dimensions of tensors --------------------------===//
#include "terse/Analysis/ElementEvaluator.h"

#include "Terse/TerseDialect.h"
#include "terse/Analysis/DimExpression.h"

using namespace mlir;
using namespace terse;

std::optional<Index> ElementEvaluator::getShape(Value tensor) {
  Index shape;
  for (int64_t i = 0, e = cast<RankedTensorType>(tensor.getType()).getRank(); i < e; ++i) {
    std::optional<int64_t> size = getSize(tensor, i);
    if (!size)
      return std::nullopt;
    shape.push_back(*size);
  }
  return shape;
}

std::optional<int64_t> ElementEvaluator::getSize(Value tensor, int64_t dim) {
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  if (!type || dim < 0 || dim >= type.getRank())
    return std::nullopt;
  if (!type.isDynamicDim(dim))
    return type.getDimSize(dim);
  if (auto it = sizes.find({tensor, dim}); it != sizes.end())
    return it->second;
  std::optional<int64_t> size = computeSize(tensor, dim);
  sizes[{tensor, dim}] = size;
  return size;
}

std::optional<int64_t> ElementEvaluator::computeSize(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    if (!function)
      return std::nullopt;
    return evaluateDim(getArgDim(function, argument.getArgNumber(), dim), environment.symbols);
  }
  Operation *op = tensor.getDefiningOp();
  auto dynamicOperand = [&](ValueRange dynamicSizes) { return offset(dynamicSizes[type.getDynamicDimIndex(dim)]); };

  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return dynamicOperand(empty.getDynamicSizes());
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return dynamicOperand(splat.getDynamicSizes());
  if (auto generate = dyn_cast<tensor::GenerateOp>(op))
    return dynamicOperand(generate.getDynamicExtents());
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    return getSize(destination.getDpsInits()[cast<OpResult>(tensor).getResultNumber()], dim);
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    int64_t next = 0;
    for (auto [i, size] : llvm::enumerate(slice.getMixedSizes()))
      if (!dropped.test(i) && next++ == dim)
        return offset(size);
    return std::nullopt;
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    if (int64_t(concat.getDim()) != dim)
      return getSize(concat.getInputs().front(), dim);
    int64_t sum = 0;
    for (Value input : concat.getInputs()) {
      std::optional<int64_t> size = getSize(input, dim);
      if (!size || llvm::AddOverflow(sum, *size, sum))
        return std::nullopt;
    }
    return sum;
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return offset(expand.getMixedOutputShape()[dim]);
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    int64_t product = 1;
    ReassociationIndices sources = collapse.getReassociationIndices()[dim];
    for (int64_t source : sources) {
      std::optional<int64_t> size = getSize(collapse.getSrc(), source);
      if (!size || llvm::MulOverflow(product, *size, product))
        return std::nullopt;
    }
    return product;
  }
  if (auto pad = dyn_cast<tensor::PadOp>(op)) {
    std::optional<int64_t> size = getSize(pad.getSource(), dim), low = offset(pad.getMixedLowPad()[dim]),
                           high = offset(pad.getMixedHighPad()[dim]);
    return size && low && high ? std::optional<int64_t>(*size + *low + *high) : std::nullopt;
  }
  if (auto matmul = dyn_cast<MatmulOp>(op))
    return dim == type.getRank() - 1 ? getSize(matmul.getRhs(), dim) : getSize(matmul.getLhs(), dim);
  if (auto attention = dyn_cast<AttentionOp>(op))
    return dim < 2 ? getSize(attention.getQuery(), dim) : std::nullopt;
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return getSize(select.getTrueValue(), dim);
  // Everything else of these dialects keeps its first operand's leading dimensions
  // (linear and embedding add a last one, which is static) or its shape.
  if (isa<TerseDialect, arith::ArithDialect, math::MathDialect>(op->getDialect()) || isa<tensor::CastOp>(op))
    if (op->getNumOperands() > 0 && isa<RankedTensorType>(op->getOperand(0).getType()))
      return getSize(op->getOperand(0), dim);
  return std::nullopt;
}
