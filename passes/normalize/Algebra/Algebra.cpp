//===- Algebra.cpp - elementwise formulas by what they compute ------------===//
#include "normalize/Algebra/Algebra.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace terse;

// Formulas in models are small; a limit on depth keeps a chain of thousands of
// operations from being read once for each of them.
static constexpr unsigned kMaxFactors = 32, kMaxDepth = 32;

static std::optional<double> getNumber(Attribute attr) {
  if (auto number = dyn_cast_or_null<FloatAttr>(attr))
    return number.getValueAsDouble();
  if (auto number = dyn_cast_or_null<IntegerAttr>(attr))
    return static_cast<double>(number.getValue().getSExtValue());
  return std::nullopt;
}

std::optional<double> terse::getSplat(Value value) {
  for (unsigned depth = 0; depth < kMaxDepth; ++depth) {
    Operation *op = value.getDefiningOp();
    if (!op)
      return std::nullopt;
    Attribute constant;
    if (matchPattern(value, m_Constant(&constant))) {
      if (auto elements = dyn_cast<DenseElementsAttr>(constant))
        return elements.isSplat() ? getNumber(elements.getSplatValue<Attribute>()) : std::nullopt;
      return getNumber(constant);
    }
    Value source = llvm::TypeSwitch<Operation *, Value>(op)
                       .Case([](tensor::SplatOp splat) { return splat.getInput(); })
                       .Case([](linalg::FillOp fill) { return fill.getInputs().front(); })
                       .Case([](linalg::BroadcastOp broadcast) { return broadcast.getInput(); })
                       .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>([](auto reshape) { return reshape.getSrc(); })
                       .Case<arith::ExtFOp, arith::TruncFOp, arith::SIToFPOp>([](auto cast) { return cast.getIn(); })
                       .Default([](Operation *) { return Value(); });
    if (!source)
      return std::nullopt;
    value = source;
  }
  return std::nullopt;
}

Value terse::stripCasts(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

bool terse::nearlyEqual(double a, double b) { return std::abs(a - b) <= 1e-4 * std::max(std::abs(a), std::abs(b)); }

//===----------------------------------------------------------------------===//
// View
//===----------------------------------------------------------------------===//

View View::ofFrame(Value value) {
  View view{value, {}};
  for (int64_t i = 0, rank = cast<ShapedType>(value.getType()).getRank(); i < rank; ++i)
    view.dims.push_back(i);
  return view;
}

/// Dimensions of the other side of a reshape that keeps all sizes but ones; none for another reshape.
/// `dims` are those of `from`; `fromGroups[i]` became `toGroups[i]`.
static std::optional<SmallVector<int64_t>> mapUnitReshape(ArrayRef<int64_t> dims, RankedTensorType from, RankedTensorType to,
                                                          ArrayRef<ReassociationIndices> groups, bool toIsLarger) {
  SmallVector<int64_t> result(to.getRank(), -1);
  RankedTensorType larger = toIsLarger ? to : from;
  for (auto [index, group] : llvm::enumerate(groups)) {
    int64_t sized = -1;
    for (int64_t dim : group) {
      if (larger.getDimSize(dim) == 1)
        continue;
      if (sized >= 0)
        return std::nullopt;
      sized = dim;
    }
    if (sized >= 0)
      result[toIsLarger ? sized : index] = dims[toIsLarger ? index : sized];
  }
  return result;
}

std::optional<View> View::peelOnce() const {
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<arith::ExtFOp, arith::TruncFOp>(op))
    return View{op->getOperand(0), dims};
  if (auto broadcast = dyn_cast_or_null<linalg::BroadcastOp>(op)) {
    SmallVector<int64_t> kept;
    for (auto [i, dim] : llvm::enumerate(dims))
      if (!llvm::is_contained(broadcast.getDimensions(), static_cast<int64_t>(i)))
        kept.push_back(dim);
    return View{broadcast.getInput(), std::move(kept)};
  }
  std::optional<SmallVector<int64_t>> mapped;
  Value source;
  if (auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(op)) {
    source = expand.getSrc();
    mapped = mapUnitReshape(dims, expand.getResultType(), expand.getSrcType(), expand.getReassociationIndices(),
                            /*toIsLarger=*/false);
  } else if (auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(op)) {
    source = collapse.getSrc();
    mapped = mapUnitReshape(dims, collapse.getResultType(), collapse.getSrcType(), collapse.getReassociationIndices(),
                            /*toIsLarger=*/true);
  }
  if (!mapped)
    return std::nullopt;
  return View{source, std::move(*mapped)};
}

View View::peel() const {
  View view = *this;
  while (std::optional<View> next = view.peelOnce())
    view = std::move(*next);
  return view;
}

bool View::variesAlong(ArrayRef<int64_t> frameDims) const {
  SmallVector<int64_t> sized;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  for (auto [i, dim] : llvm::enumerate(dims))
    if (dim >= 0 && !(type && type.getDimSize(i) == 1 && !llvm::is_contained(frameDims, dim)))
      sized.push_back(dim);
  return ArrayRef<int64_t>(sized) == frameDims;
}

bool View::isWhole(int64_t rank) const {
  if (static_cast<int64_t>(dims.size()) != rank)
    return false;
  for (auto [i, dim] : llvm::enumerate(dims))
    if (dim != static_cast<int64_t>(i) && !(dim < 0 && cast<RankedTensorType>(value.getType()).getDimSize(i) == 1))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Product and sum
//===----------------------------------------------------------------------===//

void Product::multiply(const View &from, double exponent, ArrayRef<Value> atoms) {
  // Peeled one step at a time so that an atom is seen wherever it stands.
  View view = from;
  std::optional<View> next = view;
  for (; next; next = view.peelOnce()) {
    view = std::move(*next);
    if (llvm::is_contained(atoms, view.value) || factors.size() >= kMaxFactors)
      return addFactor(view, exponent);
  }
  if (std::optional<double> number = getSplat(view.value)) {
    if (*number > 0 || exponent == 1 || (exponent == -1 && *number != 0)) {
      coefficient *= std::pow(*number, exponent);
      return;
    }
  }
  Operation *op = view.value.getDefiningOp();
  // A product under a root may have factors that are negative: sqrt(x * x) is
  // not x. Only numbers above zero are taken out of it.
  bool whole = exponent == std::floor(exponent);
  auto recurse = [&](Value operand, double power) { multiply({operand, view.dims}, power, atoms); };
  if (auto mul = dyn_cast_or_null<arith::MulFOp>(op)) {
    std::optional<double> lhs = getSplat(mul.getLhs()), rhs = getSplat(mul.getRhs());
    if (whole || (lhs && *lhs > 0) || (rhs && *rhs > 0)) {
      recurse(mul.getLhs(), exponent);
      recurse(mul.getRhs(), exponent);
      return;
    }
  } else if (auto div = dyn_cast_or_null<arith::DivFOp>(op)) {
    std::optional<double> lhs = getSplat(div.getLhs()), rhs = getSplat(div.getRhs());
    if (whole || (lhs && *lhs > 0) || (rhs && *rhs > 0)) {
      recurse(div.getLhs(), exponent);
      recurse(div.getRhs(), -exponent);
      return;
    }
  } else if (auto negate = dyn_cast_or_null<arith::NegFOp>(op)) {
    if (whole) {
      coefficient *= std::pow(-1.0, exponent);
      recurse(negate.getOperand(), exponent);
      return;
    }
  } else if (auto sqrt = dyn_cast_or_null<math::SqrtOp>(op)) {
    recurse(sqrt.getOperand(), exponent * 0.5);
    return;
  } else if (auto rsqrt = dyn_cast_or_null<math::RsqrtOp>(op)) {
    recurse(rsqrt.getOperand(), exponent * -0.5);
    return;
  } else if (auto pow = dyn_cast_or_null<math::PowFOp>(op)) {
    std::optional<double> power = getSplat(pow.getRhs());
    if (power && *power != 0 && (whole || *power != std::floor(*power))) {
      recurse(pow.getLhs(), exponent * *power);
      return;
    }
  }
  addFactor(view, exponent);
}

void Product::addFactor(const View &view, double exponent) {
  // x^0.5 * x^0.5 is x only for x >= 0: whole powers alone are joined.
  for (Factor &factor : factors)
    if (factor.view.value == view.value && factor.view.dims == view.dims && exponent == std::floor(exponent) &&
        factor.exponent == std::floor(factor.exponent)) {
      factor.exponent += exponent;
      return;
    }
  factors.push_back({view, exponent});
}

void Sum::add(const View &from, double coefficient) {
  View view = from.peel();
  if (std::optional<double> number = getSplat(view.value)) {
    constant += coefficient * *number;
    return;
  }
  Operation *op = view.value.getDefiningOp();
  auto recurse = [&](Value operand, double factor) { add({operand, view.dims}, factor); };
  if (isa_and_nonnull<arith::AddFOp, arith::SubFOp>(op) && terms.size() < kMaxFactors) {
    recurse(op->getOperand(0), coefficient);
    recurse(op->getOperand(1), isa<arith::SubFOp>(op) ? -coefficient : coefficient);
    return;
  }
  if (auto mul = dyn_cast_or_null<arith::MulFOp>(op)) {
    if (std::optional<double> lhs = getSplat(mul.getLhs()))
      return recurse(mul.getRhs(), coefficient * *lhs);
    if (std::optional<double> rhs = getSplat(mul.getRhs()))
      return recurse(mul.getLhs(), coefficient * *rhs);
  } else if (auto div = dyn_cast_or_null<arith::DivFOp>(op)) {
    if (std::optional<double> rhs = getSplat(div.getRhs()); rhs && *rhs != 0)
      return recurse(div.getLhs(), coefficient / *rhs);
  } else if (auto negate = dyn_cast_or_null<arith::NegFOp>(op)) {
    return recurse(negate.getOperand(), -coefficient);
  }
  terms.push_back({view, coefficient});
}

//===----------------------------------------------------------------------===//
// Polynomial
//===----------------------------------------------------------------------===//

static std::optional<SmallVector<double>> readPolynomial(Value value, Value x, unsigned depth) {
  constexpr unsigned kTerms = 4;
  using Coefficients = SmallVector<double>;
  value = stripCasts(value);
  if (value == x)
    return Coefficients{0, 1, 0, 0};
  if (std::optional<double> number = getSplat(value))
    return Coefficients{*number, 0, 0, 0};
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return std::nullopt;
  auto read = [&](unsigned i) { return readPolynomial(op->getOperand(i), x, depth - 1); };
  auto multiply = [](const Coefficients &a, const Coefficients &b) -> std::optional<Coefficients> {
    Coefficients result(kTerms, 0.0);
    for (unsigned i = 0; i < kTerms; ++i)
      for (unsigned j = 0; j < kTerms; ++j) {
        double product = a[i] * b[j];
        if (product == 0)
          continue;
        if (i + j >= kTerms)
          return std::nullopt;
        result[i + j] += product;
      }
    return result;
  };
  if (isa<arith::AddFOp, arith::SubFOp>(op)) {
    auto a = read(0), b = read(1);
    if (!a || !b)
      return std::nullopt;
    for (unsigned i = 0; i < kTerms; ++i)
      (*a)[i] += isa<arith::SubFOp>(op) ? -(*b)[i] : (*b)[i];
    return a;
  }
  if (isa<arith::MulFOp>(op)) {
    auto a = read(0), b = read(1);
    return a && b ? multiply(*a, *b) : std::nullopt;
  }
  if (isa<arith::DivFOp>(op)) {
    auto a = read(0);
    std::optional<double> b = getSplat(op->getOperand(1));
    if (!a || !b || *b == 0)
      return std::nullopt;
    for (double &coefficient : *a)
      coefficient /= *b;
    return a;
  }
  if (isa<arith::NegFOp>(op)) {
    auto a = read(0);
    if (a)
      for (double &coefficient : *a)
        coefficient = -coefficient;
    return a;
  }
  if (isa<math::PowFOp>(op)) {
    auto a = read(0);
    std::optional<double> power = getSplat(op->getOperand(1));
    if (!a || !power || (*power != 1 && *power != 2 && *power != 3))
      return std::nullopt;
    std::optional<Coefficients> result = a;
    for (int i = 1; result && i < *power; ++i)
      result = multiply(*result, *a);
    return result;
  }
  return std::nullopt;
}

std::optional<SmallVector<double>> terse::getPolynomial(Value value, Value x) {
  return readPolynomial(value, stripCasts(x), /*depth=*/12);
}

Value terse::getChannelVector(OpBuilder &builder, View view, int64_t frameRank) {
  view = view.peel();
  auto type = dyn_cast<RankedTensorType>(view.value.getType());
  if (!type || !type.hasStaticShape() || !view.variesAlong({frameRank - 1}))
    return {};
  if (type.getRank() == 1)
    return view.value;
  SmallVector<ReassociationIndices> all(1);
  for (int64_t i = 0; i < type.getRank(); ++i)
    all[0].push_back(i);
  return tensor::CollapseShapeOp::create(builder, view.value.getLoc(), view.value, all);
}

Value terse::castElements(OpBuilder &builder, Value value, Type type) {
  auto from = cast<RankedTensorType>(value.getType());
  if (from.getElementType() == type)
    return value;
  auto to = RankedTensorType::get(from.getShape(), type);
  if (from.getElementTypeBitWidth() == type.getIntOrFloatBitWidth()) {
    auto wide = RankedTensorType::get(from.getShape(), builder.getF32Type());
    value = arith::ExtFOp::create(builder, value.getLoc(), wide, value);
    return arith::TruncFOp::create(builder, value.getLoc(), to, value);
  }
  if (from.getElementTypeBitWidth() < type.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(builder, value.getLoc(), to, value);
  return arith::TruncFOp::create(builder, value.getLoc(), to, value);
}

Value terse::getSummedOverLast(Value value) {
  auto reduce = value.getDefiningOp<linalg::ReduceOp>();
  if (!reduce || reduce.getInputs().size() != 1)
    return {};
  Value input = reduce.getInputs().front();
  int64_t rank = cast<ShapedType>(input.getType()).getRank();
  if (reduce.getDimensions() != ArrayRef<int64_t>(rank - 1) || getSplat(reduce.getInits().front()) != 0.0)
    return {};
  Block &body = reduce.getCombiner().front();
  auto add = dyn_cast<arith::AddFOp>(body.front());
  if (!add || body.getOperations().size() != 2 || body.getTerminator()->getOperand(0) != add.getResult())
    return {};
  Value first = body.getArgument(0), second = body.getArgument(1);
  bool addsBoth = (add.getLhs() == first && add.getRhs() == second) || (add.getLhs() == second && add.getRhs() == first);
  return addsBoth ? input : Value();
}

void terse::eraseDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

void terse::visitBackwards(ModuleOp module, llvm::function_ref<void(Operation *)> visit) {
  IRRewriter rewriter(module.getContext());
  DominanceInfo dominance(module);
  eliminateCommonSubExpressions(rewriter, dominance, module);
  module.walk([&](func::FuncOp function) {
    for (Block &block : function.getBody()) {
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
        if (isOpTriviallyDead(&op))
          op.erase();
        else
          visit(&op);
      }
      eraseDead(block);
    }
  });
}
