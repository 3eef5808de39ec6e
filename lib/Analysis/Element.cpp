//===- Element.cpp - what one element of a tensor is ----------------------===//
#include "terse/Analysis/Element.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace terse;

/// Longer sums and products are not worth following.
static constexpr size_t kMaxTerms = 8;
static constexpr size_t kMaxTokens = 4;

Element Element::integer(int64_t value) {
  Element element(Kind::Integer);
  element.integerValue = value;
  return element;
}

Element Element::real(double value) {
  Element element(Kind::Real);
  element.constant = value;
  return element;
}

Element Element::token(unsigned number) {
  Element element(Kind::Real);
  element.terms.push_back({{number}, 1.0});
  return element;
}

std::optional<int64_t> Element::getInteger() const {
  return kind == Kind::Integer ? std::optional<int64_t>(integerValue) : std::nullopt;
}

const Element::Term *Element::getSingleTerm() const {
  return kind == Kind::Real && constant == 0 && terms.size() == 1 ? &terms.front() : nullptr;
}

bool Element::operator==(const Element &other) const {
  if (kind == Kind::Unknown || kind == Kind::Invalid || other.kind == Kind::Unknown || other.kind == Kind::Invalid)
    return false;
  return getConstant() == other.getConstant() && terms == other.terms;
}

/// Unknown and invalid spread: neither has a value to compute with.
static std::optional<Element> firstWithoutValue(const Element &a, const Element &b) {
  if (a.isInvalid() || b.isInvalid())
    return Element::invalid();
  if (a.isUnknown() || b.isUnknown())
    return Element::unknown();
  return std::nullopt;
}

Element terse::add(const Element &a, const Element &b, double factorOfB) {
  if (auto element = firstWithoutValue(a, b))
    return *element;
  Element result = Element::real(a.getConstant() + factorOfB * b.getConstant());
  result.terms.assign(a.terms.begin(), a.terms.end());
  for (const Element::Term &term : b.terms) {
    auto it = llvm::find_if(result.terms, [&](const Element::Term &t) { return t.tokens == term.tokens; });
    if (it == result.terms.end())
      result.terms.push_back({term.tokens, factorOfB * term.factor});
    else
      it->factor += factorOfB * term.factor;
  }
  llvm::erase_if(result.terms, [](const Element::Term &term) { return term.factor == 0; });
  llvm::sort(result.terms,
             [](const Element::Term &x, const Element::Term &y) { return x.tokens < y.tokens; });
  return result.terms.size() > kMaxTerms ? Element::unknown() : result;
}

Element terse::multiply(const Element &a, const Element &b) {
  if (auto element = firstWithoutValue(a, b))
    return *element;
  // Zero times an opaque element is zero: it is a mask or a padding at work.
  bool zero = (a.isConcrete() && a.getConstant() == 0 && !b.isConcrete()) ||
              (b.isConcrete() && b.getConstant() == 0 && !a.isConcrete());
  if (zero)
    return Element::real(0);
  Element result = Element::real(a.getConstant() * b.getConstant());
  auto accumulate = [&](ArrayRef<unsigned> x, ArrayRef<unsigned> y, double factor) {
    Element part = Element::real(0);
    SmallVector<unsigned, 2> tokens(x);
    tokens.append(y.begin(), y.end());
    llvm::sort(tokens);
    if (tokens.size() > kMaxTokens)
      return Element::unknown();
    part.terms.push_back({tokens, factor});
    return add(result, part);
  };
  for (const Element::Term &x : a.terms) {
    if (b.getConstant() != 0)
      result = accumulate(x.tokens, {}, x.factor * b.getConstant());
    for (const Element::Term &y : b.terms)
      result = accumulate(x.tokens, y.tokens, x.factor * y.factor);
  }
  if (a.getConstant() != 0)
    for (const Element::Term &y : b.terms)
      result = accumulate({}, y.tokens, y.factor * a.getConstant());
  return result;
}

/// Rounds a number to the values of a float type; opaque parts stay as they are.
static Element roundTo(Type type, const Element &element) {
  Type scalar = getElementTypeOrSelf(type);
  if (!element.isConcrete() || isa<Float64Type>(scalar))
    return element;
  if (isa<Float32Type>(scalar))
    return Element::real(float(element.getConstant()));
  auto floatType = dyn_cast<FloatType>(scalar);
  if (!floatType)
    return element;
  llvm::APFloat value(element.getConstant());
  bool losesInfo;
  value.convert(floatType.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return Element::real(value.convertToDouble());
}

static std::optional<double> applyUnary(Operation *op, double x) {
  return llvm::TypeSwitch<Operation *, std::optional<double>>(op)
      .Case<arith::NegFOp>([&](auto) { return -x; })
      .Case<math::AbsFOp>([&](auto) { return std::fabs(x); })
      .Case<math::ExpOp>([&](auto) { return std::exp(x); })
      .Case<math::Exp2Op>([&](auto) { return std::exp2(x); })
      .Case<math::ExpM1Op>([&](auto) { return std::expm1(x); })
      .Case<math::LogOp>([&](auto) { return std::log(x); })
      .Case<math::Log2Op>([&](auto) { return std::log2(x); })
      .Case<math::SqrtOp>([&](auto) { return std::sqrt(x); })
      .Case<math::RsqrtOp>([&](auto) { return 1 / std::sqrt(x); })
      .Case<math::SinOp>([&](auto) { return std::sin(x); })
      .Case<math::CosOp>([&](auto) { return std::cos(x); })
      .Case<math::TanhOp>([&](auto) { return std::tanh(x); })
      .Case<math::ErfOp>([&](auto) { return std::erf(x); })
      .Case<math::FloorOp>([&](auto) { return std::floor(x); })
      .Case<math::CeilOp>([&](auto) { return std::ceil(x); })
      .Case<math::RoundEvenOp>([&](auto) { return std::nearbyint(x); })
      .Case<math::TruncOp>([&](auto) { return std::trunc(x); })
      .Default([](auto) { return std::nullopt; });
}

static std::optional<double> applyBinary(Operation *op, double x, double y) {
  return llvm::TypeSwitch<Operation *, std::optional<double>>(op)
      .Case<arith::DivFOp>([&](auto) { return x / y; })
      .Case<arith::RemFOp>([&](auto) { return std::fmod(x, y); })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>([&](auto) { return std::fmax(x, y); })
      .Case<arith::MinimumFOp, arith::MinNumFOp>([&](auto) { return std::fmin(x, y); })
      .Case<math::PowFOp, math::FPowIOp>([&](auto) { return std::pow(x, y); })
      .Case<math::Atan2Op>([&](auto) { return std::atan2(x, y); })
      .Default([](auto) { return std::nullopt; });
}

static bool compareFloats(arith::CmpFPredicate predicate, double x, double y) {
  bool unordered = std::isnan(x) || std::isnan(y);
  using P = arith::CmpFPredicate;
  switch (predicate) {
  case P::AlwaysFalse: return false;
  case P::AlwaysTrue: return true;
  case P::OEQ: return x == y;
  case P::OGT: return x > y;
  case P::OGE: return x >= y;
  case P::OLT: return x < y;
  case P::OLE: return x <= y;
  case P::ONE: return !unordered && x != y;
  case P::ORD: return !unordered;
  case P::UEQ: return unordered || x == y;
  case P::UGT: return unordered || x > y;
  case P::UGE: return unordered || x >= y;
  case P::ULT: return unordered || x < y;
  case P::ULE: return unordered || x <= y;
  case P::UNE: return unordered || x != y;
  case P::UNO: return unordered;
  }
  return false;
}

/// Integers of `width` bits, as they are kept in an int64: sign-extended, except
/// bool, which is 0 or 1.
static int64_t wrap(Type type, int64_t value) {
  auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(type));
  if (!integer || integer.getWidth() >= 64)
    return value;
  if (integer.getWidth() == 1)
    return value & 1;
  return llvm::SignExtend64(uint64_t(value), integer.getWidth());
}

static uint64_t zeroExtended(Type type, int64_t value) {
  auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(type));
  if (!integer || integer.getWidth() >= 64)
    return uint64_t(value);
  return uint64_t(value) & llvm::maskTrailingOnes<uint64_t>(integer.getWidth());
}

static bool compareIntegers(arith::CmpIPredicate predicate, Type type, int64_t x, int64_t y) {
  // A bool is signed for the signed predicates.
  bool isBool = getElementTypeOrSelf(type).isInteger(1);
  int64_t sx = isBool ? -x : x, sy = isBool ? -y : y;
  uint64_t ux = zeroExtended(type, x), uy = zeroExtended(type, y);
  using P = arith::CmpIPredicate;
  switch (predicate) {
  case P::eq: return x == y;
  case P::ne: return x != y;
  case P::slt: return sx < sy;
  case P::sle: return sx <= sy;
  case P::sgt: return sx > sy;
  case P::sge: return sx >= sy;
  case P::ult: return ux < uy;
  case P::ule: return ux <= uy;
  case P::ugt: return ux > uy;
  case P::uge: return ux >= uy;
  }
  return false;
}

static std::optional<int64_t> applyInteger(Operation *op, int64_t x, int64_t y) {
  Type type = op->getResult(0).getType();
  uint64_t ux = zeroExtended(type, x), uy = zeroExtended(type, y);
  bool divides = y != 0 && !(x == std::numeric_limits<int64_t>::min() && y == -1);
  return llvm::TypeSwitch<Operation *, std::optional<int64_t>>(op)
      .Case<arith::AddIOp>([&](auto) { return int64_t(uint64_t(x) + uint64_t(y)); })
      .Case<arith::SubIOp>([&](auto) { return int64_t(uint64_t(x) - uint64_t(y)); })
      .Case<arith::MulIOp>([&](auto) { return int64_t(uint64_t(x) * uint64_t(y)); })
      .Case<arith::MaxSIOp>([&](auto) { return std::max(x, y); })
      .Case<arith::MinSIOp>([&](auto) { return std::min(x, y); })
      .Case<arith::MaxUIOp>([&](auto) { return int64_t(std::max(ux, uy)); })
      .Case<arith::MinUIOp>([&](auto) { return int64_t(std::min(ux, uy)); })
      .Case<arith::AndIOp>([&](auto) { return x & y; })
      .Case<arith::OrIOp>([&](auto) { return x | y; })
      .Case<arith::XOrIOp>([&](auto) { return x ^ y; })
      .Case<arith::ShLIOp>([&](auto) { return y < 0 || y > 63 ? int64_t(0) : int64_t(uint64_t(x) << y); })
      .Case<arith::ShRSIOp>([&](auto) { return x >> std::min<uint64_t>(uint64_t(y), 63); })
      .Case<arith::ShRUIOp>([&](auto) { return y < 0 || y > 63 ? int64_t(0) : int64_t(ux >> y); })
      .Case<arith::DivSIOp>([&](auto) { return divides ? std::optional<int64_t>(x / y) : std::nullopt; })
      .Case<arith::RemSIOp>([&](auto) { return divides ? std::optional<int64_t>(x % y) : std::nullopt; })
      .Case<arith::FloorDivSIOp>(
          [&](auto) { return divides ? std::optional<int64_t>(llvm::divideFloorSigned(x, y)) : std::nullopt; })
      .Case<arith::CeilDivSIOp>(
          [&](auto) { return divides ? std::optional<int64_t>(llvm::divideCeilSigned(x, y)) : std::nullopt; })
      .Case<arith::DivUIOp>([&](auto) { return uy ? std::optional<int64_t>(ux / uy) : std::nullopt; })
      .Case<arith::RemUIOp>([&](auto) { return uy ? std::optional<int64_t>(ux % uy) : std::nullopt; })
      .Case<arith::CeilDivUIOp>([&](auto) { return uy ? std::optional<int64_t>((ux + uy - 1) / uy) : std::nullopt; })
      .Default([](auto) { return std::nullopt; });
}

static bool isTruth(Operation *op, int64_t value) {
  return getElementTypeOrSelf(op->getResult(0).getType()).isInteger(1) && value != 0;
}

static Element evaluateConversion(Operation *op, const Element &x) {
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  if (x.isUnknown() || x.isInvalid())
    return x;
  // The number of an opaque element does not change where the type can hold it.
  if (!x.isConcrete())
    return isa<arith::FPToSIOp, arith::FPToUIOp, arith::TruncIOp>(op) ? Element::unknown() : x;
  std::optional<int64_t> integer = x.getInteger();
  if (isa<arith::FPToSIOp, arith::FPToUIOp>(op)) {
    double value = std::trunc(x.getConstant());
    if (!(std::fabs(value) < 9.2e18))
      return Element::unknown();
    return Element::integer(wrap(to, int64_t(value)));
  }
  if (!integer)
    return roundTo(to, x);
  if (isa<arith::ExtUIOp, arith::IndexCastUIOp>(op))
    return Element::integer(int64_t(zeroExtended(from, *integer)));
  bool isBool = getElementTypeOrSelf(from).isInteger(1);
  if (isa<arith::UIToFPOp>(op))
    return roundTo(to, Element::real(double(zeroExtended(from, *integer))));
  if (isa<arith::SIToFPOp>(op))
    return roundTo(to, Element::real(double(isBool ? -*integer : *integer)));
  return Element::integer(wrap(to, isBool && isa<arith::ExtSIOp>(op) ? -*integer : *integer));
}

bool terse::isScalarOp(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumRegions() != 0 || isa<arith::ConstantOp>(op))
    return false;
  return isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) && op->getNumOperands() > 0;
}

static Element evaluateComparison(Operation *op, llvm::function_ref<Element(unsigned)> operand, bool assumeNoNaN) {
  Element x = operand(0), y = operand(1);
  if (x.isInvalid() || y.isInvalid())
    return Element::invalid();
  if (auto cmp = dyn_cast<arith::CmpFOp>(op)) {
    if (x.isConcrete() && y.isConcrete())
      return Element::integer(compareFloats(cmp.getPredicate(), x.getConstant(), y.getConstant()));
    if (assumeNoNaN && op->getOperand(0) == op->getOperand(1))
      return Element::integer(compareFloats(cmp.getPredicate(), 0, 0));
    return Element::unknown();
  }
  auto cmp = cast<arith::CmpIOp>(op);
  if (x.getInteger() && y.getInteger())
    return Element::integer(
        compareIntegers(cmp.getPredicate(), op->getOperand(0).getType(), *x.getInteger(), *y.getInteger()));
  return Element::unknown();
}

static Element evaluateFloatOp(Operation *op, llvm::function_ref<Element(unsigned)> operand) {
  Type type = op->getResult(0).getType();
  Element x = operand(0);
  if (op->getNumOperands() == 1) {
    if (isa<arith::NegFOp>(op))
      return multiply(x, Element::real(-1));
    if (!x.isConcrete())
      return x.isInvalid() ? x : Element::unknown();
    std::optional<double> value = applyUnary(op, x.getConstant());
    return value ? roundTo(type, Element::real(*value)) : Element::unknown();
  }
  if (op->getNumOperands() != 2)
    return Element::unknown();
  Element y = operand(1);
  if (isa<arith::AddFOp>(op))
    return roundTo(type, add(x, y));
  if (isa<arith::SubFOp>(op))
    return roundTo(type, add(x, y, -1));
  if (isa<arith::MulFOp>(op))
    return roundTo(type, multiply(x, y));
  if (x.isInvalid() || y.isInvalid())
    return Element::invalid();
  if (isa<arith::DivFOp>(op) && y.isConcrete() && !x.isConcrete() && y.getConstant() != 0)
    return multiply(x, Element::real(1 / y.getConstant()));
  // Scores are kept above the lowest number of their type by some models.
  if (isa<arith::MaximumFOp, arith::MaxNumFOp>(op) && y.isConcrete() && !x.isConcrete() && y.getConstant() <= -3e38)
    return x;
  if (!x.isConcrete() || !y.isConcrete())
    return Element::unknown();
  std::optional<double> value = applyBinary(op, x.getConstant(), y.getConstant());
  return value ? roundTo(type, Element::real(*value)) : Element::unknown();
}

Element terse::evaluateScalarOp(Operation *op, llvm::function_ref<Element(unsigned)> operand, bool assumeNoNaN) {
  if (isa<arith::SelectOp>(op)) {
    Element condition = operand(0);
    if (std::optional<int64_t> value = condition.getInteger())
      return operand(*value ? 1 : 2);
    return condition.isInvalid() ? condition : Element::unknown();
  }
  if (isa<arith::CmpFOp, arith::CmpIOp>(op))
    return evaluateComparison(op, operand, assumeNoNaN);
  if (isa<math::IsNaNOp, math::IsInfOp, math::IsFiniteOp>(op)) {
    Element x = operand(0);
    if (!x.isConcrete())
      return x.isInvalid() ? x : assumeNoNaN && isa<math::IsNaNOp>(op) ? Element::integer(0) : Element::unknown();
    double value = x.getConstant();
    return Element::integer(isa<math::IsNaNOp>(op)   ? std::isnan(value)
                            : isa<math::IsInfOp>(op) ? std::isinf(value)
                                                     : std::isfinite(value));
  }
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp, arith::IndexCastOp,
          arith::IndexCastUIOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp, arith::FPToUIOp>(op))
    return evaluateConversion(op, operand(0));
  Type type = getElementTypeOrSelf(op->getResult(0).getType());
  if (isa<FloatType>(type))
    return evaluateFloatOp(op, operand);

  Element x = operand(0);
  if (op->getNumOperands() != 2)
    return x.isInvalid() ? x : Element::unknown();
  // One side may decide alone.
  if (std::optional<int64_t> value = x.getInteger()) {
    if (isa<arith::AndIOp>(op) && *value == 0)
      return x;
    if (isa<arith::OrIOp>(op) && isTruth(op, *value))
      return x;
  }
  Element y = operand(1);
  if (x.isInvalid() || y.isInvalid())
    return Element::invalid();
  if (std::optional<int64_t> value = y.getInteger()) {
    if (isa<arith::AndIOp>(op) && *value == 0)
      return y;
    if (isa<arith::OrIOp>(op) && isTruth(op, *value))
      return y;
  }
  if (!x.getInteger() || !y.getInteger())
    return Element::unknown();
  std::optional<int64_t> value = applyInteger(op, *x.getInteger(), *y.getInteger());
  return value ? Element::integer(wrap(op->getResult(0).getType(), *value)) : Element::unknown();
}
