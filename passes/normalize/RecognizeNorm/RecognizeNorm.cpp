//===- RecognizeNorm.cpp - finds normalization in elementwise operations --===//
#include "Terse/TerseDialect.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace terse {
#define GEN_PASS_DEF_RECOGNIZENORM
#include "normalize/RecognizeNorm/RecognizeNorm.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
/// sum over the last dimension of `factor` * `input`^2.
struct SumOfSquares {
  Value input;
  double factor;
};

/// A normalization as read from the operations: result = scalar * input (or input - mean) / sqrt(mean square + epsilon) *
/// product of scales.
struct Match {
  Value input;
  NormKind kind = NormKind::RMS;
  double scalar = 1, epsilon = 0;
  SmallVector<View> scales;
};
} // namespace

static int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

/// `value`, a sum over the last dimension, as a sum of squares.
static std::optional<SumOfSquares> matchSumOfSquares(Value value) {
  Value square = getSummedOverLast(value);
  if (!square)
    return std::nullopt;
  double factor = 1;
  for (;;) {
    square = stripCasts(square);
    if (auto mul = square.getDefiningOp<arith::MulFOp>()) {
      if (stripCasts(mul.getLhs()) == stripCasts(mul.getRhs()))
        return SumOfSquares{stripCasts(mul.getLhs()), factor};
      if (std::optional<double> number = getSplat(mul.getRhs())) {
        factor *= *number;
        square = mul.getLhs();
        continue;
      }
    } else if (auto pow = square.getDefiningOp<math::PowFOp>()) {
      if (getSplat(pow.getRhs()) == 2.0)
        return SumOfSquares{stripCasts(pow.getLhs()), factor};
    }
    return std::nullopt;
  }
}

/// z when `value` is z - mean(z) over the last dimension.
static Value matchCentered(Value value) {
  auto sub = value.getDefiningOp<arith::SubFOp>();
  if (!sub)
    return {};
  int64_t rank = rankOf(value);
  Product mean;
  mean.multiply(View::ofFrame(sub.getRhs()), 1);
  if (mean.factors.size() != 1 || mean.factors[0].exponent != 1 || !mean.factors[0].view.isWhole(rank - 1))
    return {};
  Value summed = getSummedOverLast(mean.factors[0].view.value);
  if (!summed || stripCasts(summed) != stripCasts(sub.getLhs()))
    return {};
  int64_t channels = cast<RankedTensorType>(summed.getType()).getShape().back();
  if (!nearlyEqual(mean.coefficient * channels, 1))
    return {};
  return stripCasts(sub.getLhs());
}

/// s * (mean of squares + epsilon) over the last dimension of `input`, or, `moments`, of input - mean(input):
/// s * (mean(x^2) - mean(x)^2 + epsilon).
struct Variance {
  Value input;
  double factor; // s
  bool moments;
};
static std::optional<Variance> matchVariance(const Sum &sum, int64_t rank, int64_t channels) {
  if (sum.terms.empty() || sum.terms.size() > 2 || sum.constant < 0)
    return std::nullopt;
  for (unsigned i = 0; i < sum.terms.size(); ++i) {
    const Sum::Term &term = sum.terms[i];
    std::optional<SumOfSquares> squares =
        term.view.isWhole(rank - 1) ? matchSumOfSquares(term.view.value) : std::nullopt;
    if (!squares)
      continue;
    double factor = term.coefficient * squares->factor * channels;
    if (!(factor > 0))
      return std::nullopt;
    if (sum.terms.size() == 1)
      return Variance{squares->input, factor, false};
    // The other term is the square of a mean.
    const Sum::Term &other = sum.terms[1 - i];
    Product mean;
    mean.multiply(other.view, 1);
    if (mean.factors.size() != 1 || mean.factors[0].exponent != 2 || !mean.factors[0].view.isWhole(rank - 1))
      continue;
    Value summed = getSummedOverLast(mean.factors[0].view.value);
    if (summed && stripCasts(summed) == squares->input &&
        nearlyEqual(-other.coefficient * mean.coefficient * channels * channels, factor))
      return Variance{squares->input, factor, true};
  }
  return std::nullopt;
}

/// The shortest decimal number that is `number` in f32: 1e-5, not 9.9999997e-6.
static double tidy(double number) {
  char text[32];
  snprintf(text, sizeof(text), "%.7g", number);
  double decimal = strtod(text, nullptr);
  return static_cast<float>(decimal) == static_cast<float>(number) ? decimal : number;
}

static std::optional<Match> match(Operation *root) {
  Value result = root->getResult(0);
  int64_t rank = rankOf(result), channels = cast<RankedTensorType>(result.getType()).getShape().back();
  if (ShapedType::isDynamic(channels) || channels == 0)
    return std::nullopt;
  // What is under the root tells what x is; then the product is read again
  // without looking into x, which may be a product itself.
  Product all;
  all.multiply(View::ofFrame(result), 1);
  for (const Product::Factor &factor : all.factors) {
    if (factor.exponent != -0.5 || !factor.view.isConstantAlong(rank - 1))
      continue;
    Sum sum;
    sum.add(factor.view, 1);
    std::optional<Variance> variance = matchVariance(sum, rank, channels);
    if (!variance)
      continue;
    // What is scaled: x, or x - mean(x), which only the numerator has where the variance is of moments.
    Value numerator = variance->input;
    if (variance->moments) {
      numerator = {};
      for (const Product::Factor &each : all.factors)
        if (each.exponent == 1 && each.view.isWhole(rank) && matchCentered(each.view.value) == variance->input)
          numerator = each.view.value;
      if (!numerator)
        continue;
    }

    Match match;
    Product product;
    product.multiply(View::ofFrame(result), 1, {numerator});
    unsigned numInputs = 0, numRoots = 0;
    bool other = false;
    for (const Product::Factor &each : product.factors) {
      if (each.view.value == numerator && each.exponent == 1 && each.view.isWhole(rank))
        ++numInputs;
      else if (each.view.value == factor.view.value && each.exponent == -0.5 && each.view.dims == factor.view.dims)
        ++numRoots;
      else if (each.exponent == 1 && each.view.variesAlong({rank - 1}))
        match.scales.push_back(each.view);
      else
        other = true;
    }
    if (numInputs != 1 || numRoots != 1 || other)
      continue;
    match.input = numerator;
    match.scalar = product.coefficient / std::sqrt(variance->factor);
    match.epsilon = tidy(sum.constant / variance->factor);
    if (Value centered = matchCentered(match.input)) {
      match.input = centered;
      match.kind = NormKind::Layer;
    }
    return match;
  }
  return std::nullopt;
}

/// The operations from `root` to the addition of a vector that is its only use (casts may stand between), or `root`
/// alone; `bias` is the vector.
static SmallVector<Operation *> findBias(OpBuilder &builder, Operation *root, Value &bias) {
  SmallVector<Operation *> chain{root};
  while (chain.back()->getResult(0).hasOneUse()) {
    Value value = chain.back()->getResult(0);
    Operation *user = *value.user_begin();
    chain.push_back(user);
    if (isa<arith::ExtFOp, arith::TruncFOp>(user))
      continue;
    auto add = dyn_cast<arith::AddFOp>(user);
    if (!add)
      break;
    Value other = add.getLhs() == value ? add.getRhs() : add.getLhs();
    builder.setInsertionPoint(add);
    bias = getChannelVector(builder, View::ofFrame(other), rankOf(other));
    if (bias)
      return chain;
    break;
  }
  return {root};
}

/// ```mlir
/// %square = arith.mulf %x, %x
/// %sum = linalg.reduce { arith.addf } ins(%square) dimensions = [2]
/// ... rsqrt(%sum / C + %epsilon), broadcast, times %x, times broadcast(%scale)
/// ```
/// becomes `terse.norm rms %x, %scale`.
static void rewrite(OpBuilder &builder, Operation *root, const Match &match) {
  builder.setInsertionPoint(root);
  Location loc = root->getLoc();
  auto inputType = cast<RankedTensorType>(match.input.getType());
  Value bias;
  SmallVector<Operation *> replaced{root};
  if (match.kind == NormKind::Layer)
    replaced = findBias(builder, root, bias);
  Operation *last = replaced.back();
  builder.setInsertionPoint(last);
  auto resultType = cast<RankedTensorType>(last->getResult(0).getType());
  // In the wider of the two types, so that no rounding is added.
  Type element = inputType.getElementTypeBitWidth() > resultType.getElementTypeBitWidth() ? inputType.getElementType()
                                                                                          : resultType.getElementType();
  auto vectorType = RankedTensorType::get(inputType.getShape().back(), element);
  auto splat = [&](double number) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     DenseElementsAttr::get(vectorType, builder.getFloatAttr(element, number)));
  };
  Value scale;
  for (const View &view : match.scales) {
    Value factor = castElements(builder, getChannelVector(builder, view, inputType.getRank()), element);
    scale = scale ? Value(arith::MulFOp::create(builder, loc, scale, factor)) : factor;
  }
  if (!nearlyEqual(match.scalar, 1)) {
    Value factor = splat(match.scalar);
    scale = scale ? Value(arith::MulFOp::create(builder, loc, scale, factor)) : factor;
  }
  if (!scale)
    scale = splat(1);
  if (bias)
    bias = castElements(builder, bias, element);
  Value input = castElements(builder, match.input, element);
  Value norm = NormOp::create(builder, loc, input.getType(), input, scale, bias, match.kind,
                              llvm::APFloat(match.epsilon));
  last->getResult(0).replaceAllUsesWith(castElements(builder, norm, resultType.getElementType()));
  for (Operation *op : llvm::reverse(replaced))
    op->erase();
}

namespace {
struct RecognizeNorm : terse::impl::RecognizeNormBase<RecognizeNorm> {
  using RecognizeNormBase::RecognizeNormBase;

  void runOnOperation() override {
    OpBuilder builder(&getContext());
    int64_t numRms = 0, numLayer = 0;
    visitBackwards(getOperation(), [&](Operation *op) {
      if (!isa<arith::MulFOp, arith::DivFOp>(op) || !isa<RankedTensorType>(op->getResult(0).getType()) ||
          rankOf(op->getResult(0)) < 1)
        return;
      std::optional<Match> found = match(op);
      if (!found)
        return;
      rewrite(builder, op, *found);
      ++(found->kind == NormKind::RMS ? numRms : numLayer);
    });
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "norms-recognized", numRms + numLayer);
    report.add(getArgument(), "rms-norms", numRms);
    report.add(getArgument(), "layer-norms", numLayer);
  }
};
} // namespace
