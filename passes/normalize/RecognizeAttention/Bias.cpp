//===- Bias.cpp - what is added to scores, by its parts -------------------===//
#include "AttentionPattern.h"

#include "terse/Analysis/TokenMajor.h"

using namespace mlir;
using namespace terse;

/// The bias's element for (b, h, i, j), where sizes of 1 are broadcast.
static MaskElement biasElement(Value bias) {
  return [=](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
    auto type = cast<RankedTensorType>(bias.getType());
    Index index(point);
    for (int64_t i = 0; i < 4; ++i)
      if (type.getDimSize(i) == 1)
        index[i] = 0;
    Element element = evaluator.evaluate(bias, index);
    return element.isConcrete() || element.isInvalid() ? element : Element::unknown();
  };
}

/// The tensor that `bias` repeats, with sizes of 1 where it does.
static Value stripBroadcast(OpBuilder &builder, Value bias) {
  auto broadcast = bias.getDefiningOp<linalg::BroadcastOp>();
  ArrayRef<int64_t> repeated = broadcast ? broadcast.getDimensions() : ArrayRef<int64_t>();
  // The last dimension of a bias is whole.
  if (!broadcast || llvm::is_contained(repeated, 3) || broadcast.getInput().getType().getRank() == 0)
    return bias;
  auto type = cast<RankedTensorType>(broadcast.getInput().getType());
  SmallVector<OpFoldResult> sizes = buildShape(builder, bias.getLoc(), broadcast.getInput()), wide;
  SmallVector<ReassociationIndices> groups;
  ReassociationIndices group;
  SmallVector<int64_t> shape;
  int64_t own = 0;
  for (int64_t i = 0; i < 4; ++i) {
    group.push_back(i);
    bool repeats = llvm::is_contained(repeated, i);
    wide.push_back(repeats ? OpFoldResult(builder.getIndexAttr(1)) : sizes[own]);
    shape.push_back(repeats ? 1 : type.getDimSize(own));
    if (repeats)
      continue;
    ++own;
    groups.push_back(group);
    group.clear();
  }
  return tensor::ExpandShapeOp::create(builder, bias.getLoc(), RankedTensorType::get(shape, type.getElementType()),
                                       broadcast.getInput(), groups, wide);
}

void terse::splitBias(func::FuncOp function, Value bias, const ShapeFunction &shape, Scores &scores) {
  std::optional<MaskFunction> mask =
      classifyMask(function, Environment(), shape, collectSources(bias, Environment()), biasElement(bias));
  if (mask) {
    scores.masks.push_back(*mask);
    return;
  }
  Operation *op = bias.getDefiningOp();
  if (isa_and_nonnull<arith::AddFOp>(op)) {
    splitBias(function, op->getOperand(0), shape, scores);
    splitBias(function, op->getOperand(1), shape, scores);
    return;
  }
  // A sum of few parts that was repeated afterwards.
  if (auto broadcast = dyn_cast_or_null<linalg::BroadcastOp>(op))
    if (isa_and_nonnull<arith::AddFOp>(broadcast.getInput().getDefiningOp())) {
      OpBuilder builder(broadcast);
      Operation *sum = broadcast.getInput().getDefiningOp();
      for (Value part : sum->getOperands()) {
        Value repeated = linalg::BroadcastOp::create(builder, broadcast.getLoc(), part, broadcast.getInit(),
                                                     broadcast.getDimensions())
                             ->getResult(0);
        splitBias(function, repeated, shape, scores);
      }
      return;
    }
  scores.biases.push_back(bias);
}

Value terse::buildSelectedBias(func::FuncOp function, arith::SelectOp select, bool whenTrue) {
  auto type = dyn_cast<RankedTensorType>(select.getType());
  Value condition = select.getCondition(), low = whenTrue ? select.getFalseValue() : select.getTrueValue();
  if (!type || !isa<RankedTensorType>(condition.getType()))
    return {};
  std::optional<double> number;
  Probes probes(function, Environment());
  bool holds = probes.forAll([&](ElementEvaluator &evaluator) { return evaluator.getShape(low); },
                             [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
                               Element element = evaluator.evaluate(low, point);
                               if (!element.isConcrete() || (number && *number != element.getConstant()))
                                 return false;
                               number = element.getConstant();
                               return *number <= kMasked;
                             });
  if (!holds || !number)
    return {};
  OpBuilder builder(select);
  Location loc = select.getLoc();
  // Of a condition that is repeated, before it is.
  auto broadcast = condition.getDefiningOp<linalg::BroadcastOp>();
  if (broadcast && broadcast.getInput().getType().getRank() > 0)
    condition = broadcast.getInput();
  else
    broadcast = {};
  auto small = cast<RankedTensorType>(condition.getType()).clone(type.getElementType());
  SmallVector<Value> sizes;
  for (OpFoldResult size : buildShape(builder, loc, condition))
    if (auto dynamicSize = dyn_cast<Value>(size))
      sizes.push_back(dynamicSize);
  auto splat = [&](double value) -> Value {
    Value scalar = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(type.getElementType(), value));
    return tensor::SplatOp::create(builder, loc, small, scalar, sizes);
  };
  Value zero = splat(0), masked = splat(*number);
  Value bias = arith::SelectOp::create(builder, loc, condition, whenTrue ? zero : masked, whenTrue ? masked : zero);
  if (!broadcast)
    return bias;
  Value init = tensor::EmptyOp::create(builder, loc, buildShape(builder, loc, select.getResult()), type.getElementType());
  return linalg::BroadcastOp::create(builder, loc, bias, init, broadcast.getDimensions())->getResult(0);
}

void terse::applyMasks(AttentionOp attention, const Scores &scores) {
  OpBuilder builder(attention);
  Location loc = attention.getLoc();
  SmallVector<float> slopes;
  for (const MaskFunction &mask : scores.masks) {
    if (mask.causal)
      attention.setCausal(true);
    if (mask.window)
      attention.setWindow(std::min<int64_t>(*mask.window, attention.getWindow().value_or(*mask.window)));
    if (mask.padding) {
      Value padding = buildNonZeros(builder, loc, mask.padding);
      if (Value other = attention.getPadding(); other && other != padding) {
        if (padding.getType() != other.getType())
          padding = tensor::CastOp::create(builder, loc, other.getType(), padding);
        padding = arith::AndIOp::create(builder, loc, other, padding);
      }
      attention.getPaddingMutable().assign(padding);
    }
    slopes.resize(mask.slopes.empty() ? slopes.size() : mask.slopes.size());
    for (auto [total, slope] : llvm::zip(slopes, mask.slopes))
      total += slope;
  }
  if (!slopes.empty()) {
    auto type = RankedTensorType::get({int64_t(slopes.size())}, builder.getF32Type());
    attention.getSlopesMutable().assign(
        arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, ArrayRef<float>(slopes))));
  }
  Value sum;
  for (Value bias : scores.biases) {
    if (!sum) {
      sum = scores.biases.size() == 1 ? stripBroadcast(builder, bias) : bias;
      continue;
    }
    sum = arith::AddFOp::create(builder, loc, sum, castElements(builder, loc, bias, getElementTypeOrSelf(sum)));
  }
  if (sum)
    attention.getBiasMutable().assign(sum);
}
