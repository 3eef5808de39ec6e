//===- TokenAxes.cpp - which dimension of each tensor is the tokens -------===//
#include "TokenAxes.h"

#include "terse/Analysis/DimExpression.h"

using namespace mlir;
using namespace terse;

static int64_t getRank(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

/// Operations that results depend on by other ways than an attention's padding.
void TokenAxes::collectLive() {
  SmallVector<Operation *> open = {function.getBody().front().getTerminator()};
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (!live.insert(op))
      continue;
    auto attention = dyn_cast<AttentionOp>(op);
    auto visit = [&](Value value) {
      if (Operation *source = value.getDefiningOp())
        open.push_back(function.getBody().findAncestorOpInRegion(*source));
    };
    for (Value operand : op->getOperands())
      if (!attention || operand != attention.getPadding())
        visit(operand);
    op->walk([&](Operation *nested) {
      if (nested != op)
        llvm::for_each(nested->getOperands(), visit);
    });
  }
}

bool TokenAxes::isTokenSize(Value value, int64_t axis) {
  Probes probes(function, Environment());
  return llvm::all_of(probes.evaluators(), [&](auto &evaluator) {
    return evaluator->getSize(value, axis) == evaluateDim(symbol, evaluator->getEnvironment().symbols);
  });
}

std::optional<int64_t> TokenAxes::sameForAll(Operation *op, ArrayRef<OpOperand *> operands) {
  std::optional<int64_t> axis;
  for (OpOperand *operand : operands)
    if (std::optional<int64_t> own = getAxis(operand->get())) {
      if (axis && *axis != *own)
        return std::nullopt;
      axis = own;
    }
  if (!axis)
    return std::nullopt;
  for (OpOperand *operand : operands)
    if (!getAxis(operand->get()) && isa<RankedTensorType>(operand->get().getType()))
      positional.push_back({operand, *axis});
  return axis;
}

std::optional<int64_t> TokenAxes::axisOfReshape(Operation *op, ArrayRef<ReassociationIndices> groups, bool expands) {
  Value wide = expands ? op->getResult(0) : op->getOperand(0);
  if (!getAxis(op->getOperand(0)))
    return std::nullopt;
  int64_t axis = *getAxis(op->getOperand(0));
  for (auto [i, group] : llvm::enumerate(groups))
    for (int64_t dim : group) {
      if (dim != (expands ? dim : axis) || (expands && int64_t(i) != axis))
        continue;
      // The tokens keep a dimension of their own; beside it only ones of size 1.
      std::optional<int64_t> kept;
      for (int64_t other : group) {
        if (cast<RankedTensorType>(wide.getType()).getDimSize(other) == 1)
          continue;
        if (kept)
          return std::nullopt;
        kept = other;
      }
      if (!kept || (!expands && *kept != axis))
        return std::nullopt;
      return expands ? *kept : int64_t(i);
    }
  return std::nullopt;
}

std::optional<int64_t> TokenAxes::axisOfLinalg(linalg::LinalgOp op) {
  std::optional<unsigned> loop;
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<int64_t> axis = getAxis(operand.get());
    if (!axis)
      continue;
    auto dim = dyn_cast<AffineDimExpr>(op.getMatchingIndexingMap(&operand).getResult(*axis));
    if (!dim || (loop && *loop != dim.getPosition()))
      return std::nullopt;
    loop = dim.getPosition();
  }
  if (!loop || op.getIteratorTypesArray()[*loop] != utils::IteratorType::parallel || op->getNumResults() != 1)
    return std::nullopt;
  // A body that asks for its token's number, or reads elsewhere, is not row by row.
  bool positionless = true;
  op->walk([&](Operation *nested) {
    if (auto index = dyn_cast<linalg::IndexOp>(nested))
      positionless &= index.getDim() != *loop;
    positionless &= !isa<tensor::ExtractOp>(nested);
  });
  if (!positionless)
    return std::nullopt;
  std::optional<int64_t> result;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    for (auto [i, expr] : llvm::enumerate(op.getMatchingIndexingMap(&operand).getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim || dim.getPosition() != *loop)
        continue;
      if (op.isDpsInit(&operand))
        result = i;
      else if (!getAxis(operand.get()))
        positional.push_back({&operand, int64_t(i)});
    }
  }
  return result;
}

std::optional<int64_t> TokenAxes::axisOfResult(Operation *op) {
  SmallVector<OpOperand *> all = llvm::map_to_vector(op->getOpOperands(), [](OpOperand &o) { return &o; });
  if (isScalarOp(op))
    return sameForAll(op, all);
  // A grid of all tokens is one of those of a run: with a cache, of the new ones, as where the file has the cache itself.
  if (isa<tensor::CastOp, ActivationOp, TapOp, QuantizeDynamicOp, QuantizeStaticOp>(op))
    return getAxis(op->getOperand(0));
  if (isa<LinearOp, NormOp, EmbeddingOp, SoftmaxOp>(op)) {
    std::optional<int64_t> axis = getAxis(op->getOperand(0));
    for (OpOperand &operand : op->getOpOperands().drop_front())
      if (getAxis(operand.get()))
        return std::nullopt;
    int64_t reduced = isa<SoftmaxOp>(op) ? int64_t(cast<SoftmaxOp>(op).getAxis()) : getRank(op->getOperand(0)) - 1;
    return axis && (*axis != reduced || isa<EmbeddingOp>(op)) ? axis : std::nullopt;
  }
  if (isa<RopeOp>(op))
    return sameForAll(op, all) == 1 ? std::optional<int64_t>(1) : std::nullopt;
  if (auto attention = dyn_cast<AttentionOp>(op)) {
    bool self = getAxis(attention.getQuery()) == 1 && getAxis(attention.getKey()) == 2 &&
                getAxis(attention.getValue()) == 2 && attention.getCausal() && !attention.getBias() && !attention.getStarts();
    return self && isTokenSize(attention.getKey(), 2) ? std::optional<int64_t>(1) : std::nullopt;
  }
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return axisOfLinalg(linalgOp);
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return axisOfReshape(op, expand.getReassociationIndices(), true);
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op))
    return axisOfReshape(op, collapse.getReassociationIndices(), false);
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    std::optional<int64_t> axis = sameForAll(op, all);
    return axis && *axis != int64_t(concat.getDim()) ? axis : std::nullopt;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (!getAxis(slice.getSource()))
      return std::nullopt;
    int64_t axis = *getAxis(slice.getSource());
    bool dropsTokens = slice.getDroppedDims().test(axis);
    if (dropsTokens || !isConstantIntValue(slice.getMixedOffsets()[axis], 0) ||
        !isConstantIntValue(slice.getMixedStrides()[axis], 1))
      return std::nullopt;
    int64_t dropped = 0;
    for (int64_t i = 0; i < axis; ++i)
      dropped += slice.getDroppedDims().test(i);
    return isTokenSize(slice.getResult(), axis - dropped) ? std::optional<int64_t>(axis - dropped) : std::nullopt;
  }
  if (auto matmul = dyn_cast<MatmulOp>(op)) {
    // Rows of the left operand, if the right one is the same for all tokens.
    std::optional<int64_t> axis = getAxis(matmul.getLhs());
    return axis && !getAxis(matmul.getRhs()) && *axis == getRank(matmul.getLhs()) - 2 ? axis : std::nullopt;
  }
  return std::nullopt;
}

LogicalResult TokenAxes::run(std::string &reason) {
  collectLive();
  for (BlockArgument argument : function.getArguments())
    if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
      for (int64_t i = 0; i < type.getRank(); ++i)
        if (type.isDynamicDim(i) && getArgDim(function, argument.getArgNumber(), i) == symbol)
          axes.try_emplace(argument, i);
  auto depends = [&](Value value) { return axes.contains(value) || isa<BlockArgument>(value); };
  for (Operation &op : function.getBody().front()) {
    if (!live.contains(&op) || isa<func::ReturnOp, tensor::DimOp>(op))
      continue;
    auto attention = dyn_cast<AttentionOp>(op);
    bool dependent = llvm::any_of(op.getOperands(), [&](Value operand) {
      return isa<RankedTensorType>(operand.getType()) && depends(operand) &&
             !(attention && operand == attention.getPadding());
    });
    op.walk([&](tensor::ExtractOp extract) { dependent |= depends(extract.getTensor()); });
    if (!dependent)
      continue;
    std::optional<int64_t> axis = op.getNumResults() == 1 && isa<RankedTensorType>(op.getResult(0).getType())
                                      ? axisOfResult(&op)
                                      : std::nullopt;
    if (!axis) {
      auto name = op.getLoc()->findInstanceOf<NameLoc>();
      reason = (op.getName().getStringRef() + (name ? " at " + name.getName().getValue() : Twine()) +
                " may mix tokens")
                   .str();
      return failure();
    }
    axes[op.getResult(0)] = *axis;
  }
  return success();
}
