//===- RecognizeActivation.cpp - finds activation functions ---------------===//
#include "Terse/TerseDialect.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <map>

namespace terse {
#define GEN_PASS_DEF_RECOGNIZEACTIVATION
#include "normalize/RecognizeActivation/RecognizeActivation.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct Match {
  Value input;
  ActivationKind kind;
};

/// An S-shaped function of `argument` that is a factor of a gate: `shape` says which.
struct Gate {
  enum Shape { Sigmoid, OnePlusErf, OnePlusTanh } shape;
  Value argument;
  double sign; // of the argument
};
} // namespace

/// Reads one factor, value ^ exponent, as a gate.
static std::optional<Gate> matchGate(Value value, double exponent) {
  if (auto activation = value.getDefiningOp<ActivationOp>()) {
    if (activation.getKind() == ActivationKind::Sigmoid && exponent == 1)
      return Gate{Gate::Sigmoid, activation.getInput(), 1};
    return std::nullopt;
  }
  Sum sum;
  sum.add(View::ofFrame(value), 1);
  if (sum.terms.size() != 1 || sum.terms[0].view.dims.size() != View::ofFrame(value).dims.size() ||
      std::abs(sum.terms[0].coefficient) != 1 || !nearlyEqual(sum.constant, 1))
    return std::nullopt;
  Operation *op = sum.terms[0].view.value.getDefiningOp();
  double sign = sum.terms[0].coefficient;
  if (isa_and_nonnull<math::ExpOp>(op) && exponent == -1 && sign == 1) // 1 / (1 + exp(-x))
    return Gate{Gate::Sigmoid, op->getOperand(0), -1};
  if (isa_and_nonnull<math::ErfOp>(op) && exponent == 1)
    return Gate{Gate::OnePlusErf, op->getOperand(0), sign};
  if (isa_and_nonnull<math::TanhOp>(op) && exponent == 1)
    return Gate{Gate::OnePlusTanh, op->getOperand(0), sign};
  return std::nullopt;
}

/// The kind of `coefficient` * x * gate, where `argument` is the gate's argument as a polynomial of x.
static std::optional<ActivationKind> classify(Gate::Shape shape, ArrayRef<double> argument, double coefficient) {
  auto is = [&](double linear, double cubic) {
    return argument[0] == 0 && argument[2] == 0 && nearlyEqual(argument[1], linear) &&
           std::abs(argument[3] - cubic) <= 1e-3 * cubic;
  };
  constexpr double kSqrt2OverPi = 0.7978845608028654;
  switch (shape) {
  case Gate::Sigmoid:
    if (!nearlyEqual(coefficient, 1))
      return std::nullopt;
    if (is(1, 0))
      return ActivationKind::Silu;
    if (is(1.702, 0))
      return ActivationKind::QuickGelu;
    return std::nullopt;
  case Gate::OnePlusErf:
    if (nearlyEqual(coefficient, 0.5) && is(0.7071067811865476, 0))
      return ActivationKind::Gelu;
    return std::nullopt;
  case Gate::OnePlusTanh:
    if (!nearlyEqual(coefficient, 0.5))
      return std::nullopt;
    if (is(kSqrt2OverPi, kSqrt2OverPi * 0.044715))
      return ActivationKind::GeluTanh;
    if (is(0.5, 0)) // sigmoid(x) = (1 + tanh(x / 2)) / 2
      return ActivationKind::Silu;
    return std::nullopt;
  }
  return std::nullopt;
}

/// Values in the tree of products under `value`: one of them is x.
static void collectCandidates(Value value, unsigned depth, SmallVectorImpl<Value> &candidates) {
  value = stripCasts(value);
  if (candidates.size() >= 16 || llvm::is_contained(candidates, value))
    return;
  candidates.push_back(value);
  Operation *op = value.getDefiningOp();
  if (depth && isa_and_nonnull<arith::MulFOp, arith::DivFOp>(op))
    for (Value operand : op->getOperands())
      collectCandidates(operand, depth - 1, candidates);
}

/// x * gate(x), in any order.
static std::optional<Match> matchGated(Operation *root) {
  Value result = root->getResult(0);
  int64_t rank = cast<RankedTensorType>(result.getType()).getRank();
  SmallVector<Value> candidates;
  for (Value operand : root->getOperands())
    collectCandidates(operand, 4, candidates);
  for (Value x : candidates) {
    if (getSplat(x))
      continue;
    Product product;
    product.multiply(View::ofFrame(result), 1, {x});
    if (product.factors.size() != 2)
      continue;
    for (unsigned i : {0u, 1u}) {
      const Product::Factor &self = product.factors[i], &other = product.factors[1 - i];
      if (self.view.value != x || self.exponent != 1 || !self.view.isWhole(rank) || !other.view.isWhole(rank))
        continue;
      std::optional<Gate> gate = matchGate(other.view.value, other.exponent);
      if (!gate)
        continue;
      std::optional<SmallVector<double>> argument = getPolynomial(gate->argument, x);
      if (!argument)
        continue;
      for (double &coefficient : *argument)
        coefficient *= gate->sign;
      if (std::optional<ActivationKind> kind = classify(gate->shape, *argument, product.coefficient))
        return Match{x, *kind};
    }
  }
  return std::nullopt;
}

/// 1 / (1 + exp(-x)) and 0.5 * (1 + tanh(x / 2)).
static std::optional<Match> matchSigmoid(Operation *root) {
  Value result = root->getResult(0);
  Product product;
  product.multiply(View::ofFrame(result), 1);
  if (product.factors.size() != 1 || !product.factors[0].view.isWhole(cast<RankedTensorType>(result.getType()).getRank()))
    return std::nullopt;
  std::optional<Gate> gate = matchGate(product.factors[0].view.value, product.factors[0].exponent);
  if (!gate || gate->argument.getType() != result.getType())
    return std::nullopt;
  if (gate->shape == Gate::Sigmoid && nearlyEqual(product.coefficient, 1)) {
    auto negate = gate->argument.getDefiningOp<arith::NegFOp>();
    if (gate->sign < 0 && negate)
      return Match{negate.getOperand(), ActivationKind::Sigmoid};
    return std::nullopt;
  }
  if (gate->shape == Gate::OnePlusTanh && gate->sign > 0 && nearlyEqual(product.coefficient, 0.5)) {
    Sum half;
    half.add(View::ofFrame(gate->argument), 1);
    if (half.terms.size() == 1 && half.constant == 0 && nearlyEqual(half.terms[0].coefficient, 0.5) &&
        half.terms[0].view.value.getType() == result.getType())
      return Match{half.terms[0].view.value, ActivationKind::Sigmoid};
  }
  return std::nullopt;
}

/// max(x, 0), or x > 0 ? x : 0.
static std::optional<Match> matchRelu(Operation *root) {
  if (isa<arith::MaximumFOp, arith::MaxNumFOp>(root)) {
    for (unsigned i : {0u, 1u})
      if (getSplat(root->getOperand(i)) == 0.0)
        return Match{root->getOperand(1 - i), ActivationKind::Relu};
    return std::nullopt;
  }
  auto select = dyn_cast<arith::SelectOp>(root);
  auto compare = select ? select.getCondition().getDefiningOp<arith::CmpFOp>() : nullptr;
  if (!compare || getSplat(compare.getRhs()) != 0.0 || getSplat(select.getFalseValue()) != 0.0 ||
      compare.getLhs() != select.getTrueValue())
    return std::nullopt;
  switch (compare.getPredicate()) {
  case arith::CmpFPredicate::OGT:
  case arith::CmpFPredicate::OGE:
    return Match{compare.getLhs(), ActivationKind::Relu};
  default:
    return std::nullopt;
  }
}

static std::optional<Match> match(Operation *op) {
  if (op->getNumResults() != 1)
    return std::nullopt;
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type || !isa<FloatType>(type.getElementType()))
    return std::nullopt;
  std::optional<Match> found;
  if (isa<arith::MulFOp, arith::DivFOp>(op)) {
    found = matchGated(op);
    if (!found)
      found = matchSigmoid(op);
  } else {
    found = matchRelu(op);
  }
  return found;
}

namespace {
struct RecognizeActivation : terse::impl::RecognizeActivationBase<RecognizeActivation> {
  using RecognizeActivationBase::RecognizeActivationBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    std::map<std::string, int64_t> counts;
    int64_t numRecognized = 0;
    // Gates are seen before the sigmoids in them.
    visitBackwards(getOperation(), [&](Operation *op) {
      std::optional<Match> found = match(op);
      if (!found)
        return;
      rewriter.setInsertionPoint(op);
      rewrite(rewriter, op, *found);
      ++numRecognized;
      ++counts[stringifyActivationKind(found->kind).str()];
    });
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "activations-recognized", numRecognized);
    for (auto &[kind, count] : counts)
      report.add(getArgument(), kind, count);
  }

  /// Replaces `op`; computes in the wider of the two types, so that no rounding is added.
  void rewrite(RewriterBase &rewriter, Operation *op, const Match &match) {
    Type from = getElementTypeOrSelf(match.input), to = getElementTypeOrSelf(op->getResult(0));
    Type element = from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth() ? from : to;
    Value input = castElements(rewriter, match.input, element);
    Value result = ActivationOp::create(rewriter, op->getLoc(), input.getType(), input, match.kind);
    rewriter.replaceOp(op, castElements(rewriter, result, to));
  }
};
} // namespace
