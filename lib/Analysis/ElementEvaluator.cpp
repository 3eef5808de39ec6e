//===- ElementEvaluator.cpp - single elements of tensors ------------------===//
//
// This file: memory, tokens, scalars. EvaluateTensor.cpp and EvaluateLinalg.cpp:
// what the operations mean. EvaluateSizes.cpp: dimensions.
#include "terse/Analysis/ElementEvaluator.h"
#include "Frame.h"

#include "Terse/TerseDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/Hashing.h"

using namespace mlir;
using namespace terse;

/// Operations nested deeper are not looked through: the stack is finite.
static constexpr int kMaxDepth = 1500;
/// Tokens are compared by what they are computed from this deep.
static constexpr int kMaxComparisonDepth = 12;
/// Memory of one evaluator.
static constexpr size_t kMaxMemo = 1 << 20;

size_t ElementEvaluator::KeyHash::operator()(const Token &token) const {
  return llvm::hash_combine(token.base.getAsOpaquePointer(),
                            llvm::hash_combine_range(token.index.begin(), token.index.end()));
}

ElementEvaluator::ElementEvaluator(Environment environment) : environment(std::move(environment)) {}
ElementEvaluator::~ElementEvaluator() = default;

unsigned ElementEvaluator::number(Value value, ArrayRef<int64_t> index) {
  Token token{value, Index(index)};
  auto [it, inserted] = tokenNumbers.try_emplace(token, tokens.size());
  if (inserted)
    tokens.push_back(std::move(token));
  return it->second;
}

Element ElementEvaluator::evaluate(Value value, ArrayRef<int64_t> index) {
  Token key{value, Index(index)};
  if (auto it = memo.find(key); it != memo.end())
    return it->second;
  ++depth;
  Element element = depth > kMaxDepth ? Element::unknown() : compute(value, index);
  --depth;
  if (element.isUnknown())
    element = Element::token(number(value, index));
  if (memo.size() > kMaxMemo)
    memo.clear();
  memo.try_emplace(std::move(key), element);
  return element;
}

Element ElementEvaluator::compute(Value value, ArrayRef<int64_t> index) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() != int64_t(index.size()))
    return Element::invalid();
  for (int64_t i = 0; i < type.getRank(); ++i) {
    std::optional<int64_t> size = getSize(value, i);
    if (index[i] < 0 || (size && index[i] >= *size))
      return Element::invalid();
  }
  if (environment.barriers.contains(value))
    return Element::unknown();
  if (auto it = environment.inputs.find(value); it != environment.inputs.end())
    return it->second(index);
  Operation *op = value.getDefiningOp();
  if (!op || (environment.isBarrier && environment.isBarrier(op)))
    return Element::unknown();
  return computeTensorOp(op, value, index);
}

Element ElementEvaluator::evaluateScalar(Value value) { return scalar(value, nullptr); }

std::optional<int64_t> ElementEvaluator::offset(OpFoldResult value) {
  if (auto attr = dyn_cast<Attribute>(value))
    return cast<IntegerAttr>(attr).getInt();
  Value v = cast<Value>(value);
  auto [it, inserted] = scalars.try_emplace(v);
  if (!inserted)
    return it->second;
  std::optional<int64_t> result = scalar(v, nullptr).getInteger();
  scalars[v] = result;
  return result;
}

Element ElementEvaluator::scalar(Value value, Frame *frame) {
  if (frame) {
    if (auto it = frame->values.find(value); it != frame->values.end())
      return it->second;
    if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == frame->body)
      return frame->argument(argument);
  }
  Operation *op = value.getDefiningOp();
  if (!op) {
    // An index argument of the entry is a symbol.
    auto argument = cast<BlockArgument>(value);
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    if (!function || !value.getType().isIndex())
      return Element::unknown();
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), TerseDialect::kSymbolAttr);
    auto it = name ? environment.symbols.find(name.getValue()) : environment.symbols.end();
    return it == environment.symbols.end() ? Element::unknown() : Element::integer(it->second);
  }
  ++depth;
  Element element = depth > kMaxDepth ? Element::unknown() : scalarOp(op, value, frame);
  --depth;
  if (frame)
    frame->values.try_emplace(value, element);
  return element;
}

Element ElementEvaluator::scalarOp(Operation *op, Value value, Frame *frame) {
  if (isScalarOp(op))
    return evaluateScalarOp(
        op, [&](unsigned i) { return scalar(op->getOperand(i), frame); }, environment.assumeNoNaN);
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
      return Element::integer(integer.getType().isInteger(1) ? integer.getValue().getZExtValue() : integer.getInt());
    if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
      return Element::real(real.getValueAsDouble());
    return Element::unknown();
  }
  if (auto index = dyn_cast<linalg::IndexOp>(op))
    return frame && index.getDim() < frame->ivs.size() ? Element::integer(frame->ivs[index.getDim()])
                                                       : Element::unknown();
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Index index;
    for (Value i : extract.getIndices()) {
      Element element = scalar(i, frame);
      if (element.isInvalid())
        return element;
      std::optional<int64_t> position = element.getInteger();
      if (!position)
        return Element::unknown();
      index.push_back(*position);
    }
    return evaluate(extract.getTensor(), index);
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> axis = scalar(dim.getIndex(), frame).getInteger();
    std::optional<int64_t> size = axis ? getSize(dim.getSource(), *axis) : std::nullopt;
    return size ? Element::integer(*size) : Element::unknown();
  }
  if (isa<affine::AffineApplyOp, affine::AffineMinOp, affine::AffineMaxOp>(op)) {
    AffineMap map = cast<AffineMapAttr>(op->getAttr("map")).getValue();
    SmallVector<Attribute> operands;
    for (Value operand : op->getOperands()) {
      std::optional<int64_t> number = scalar(operand, frame).getInteger();
      if (!number)
        return Element::unknown();
      operands.push_back(Builder(op->getContext()).getIndexAttr(*number));
    }
    SmallVector<Attribute> results;
    if (failed(map.constantFold(operands, results)))
      return Element::unknown();
    SmallVector<int64_t> numbers = llvm::map_to_vector(results, [](Attribute a) { return cast<IntegerAttr>(a).getInt(); });
    return Element::integer(isa<affine::AffineMaxOp>(op) ? *llvm::max_element(numbers) : *llvm::min_element(numbers));
  }
  if (auto conditional = dyn_cast<scf::IfOp>(op)) {
    std::optional<int64_t> condition = scalar(conditional.getCondition(), frame).getInteger();
    Region &region = condition && !*condition ? conditional.getElseRegion() : conditional.getThenRegion();
    if (!condition || region.empty())
      return Element::unknown();
    return scalar(region.front().getTerminator()->getOperand(cast<OpResult>(value).getResultNumber()), frame);
  }
  return Element::unknown();
}

//===----------------------------------------------------------------------===//
// Equality of what elements are computed from
//===----------------------------------------------------------------------===//

bool ElementEvaluator::areEqual(const Element &a, const Element &b) { return areEqual(a, b, 0); }

bool ElementEvaluator::areEqual(const Element &a, const Element &b, int level) {
  if (a == b)
    return true;
  if (a.isUnknown() || a.isInvalid() || b.isUnknown() || b.isInvalid() || level > kMaxComparisonDepth ||
      a.getConstant() != b.getConstant() || a.getTerms().size() != b.getTerms().size())
    return false;
  // Terms are sorted by token numbers, which need not correspond; so few
  // terms are compared with each other.
  SmallVector<bool> taken(b.getTerms().size());
  return llvm::all_of(a.getTerms(), [&](const Element::Term &x) {
    for (auto [i, y] : llvm::enumerate(b.getTerms())) {
      if (taken[i] || x.factor != y.factor || x.tokens.size() != y.tokens.size())
        continue;
      bool equal = llvm::all_of(llvm::zip_equal(x.tokens, y.tokens), [&](auto pair) {
        return areTokensEqual(std::get<0>(pair), std::get<1>(pair), level);
      });
      if (equal)
        return taken[i] = true;
    }
    return false;
  });
}

bool ElementEvaluator::areTokensEqual(unsigned a, unsigned b, int level) {
  if (a == b)
    return true;
  Token x = tokens[a], y = tokens[b];
  Operation *op = x.base.getDefiningOp(), *other = y.base.getDefiningOp();
  if (!op || !other || op->getName() != other->getName() || op->getNumOperands() != other->getNumOperands() ||
      op->getDiscardableAttrDictionary() != other->getDiscardableAttrDictionary())
    return false;
  if (isScalarOp(op) && op->getPropertiesAsAttribute() == other->getPropertiesAsAttribute()) {
    for (unsigned i = 0; i < op->getNumOperands(); ++i)
      if (!areEqual(evaluate(op->getOperand(i), x.index), evaluate(other->getOperand(i), y.index), level + 1))
        return false;
    return true;
  }
  // Constants and weights behind a barrier: their numbers.
  if (isa<arith::ConstantOp, WeightOp>(op)) {
    Element first = computeTensorOp(op, x.base, x.index), second = computeTensorOp(other, y.base, y.index);
    return first.isConcrete() && first == second;
  }
  // A table row, an outer product: one value per operand element.
  if (isa<EmbeddingOp>(op) && x.index.size() == y.index.size() && op->getOperand(1) == other->getOperand(1)) {
    auto ids = [&](const Token &token) {
      return evaluate(token.base.getDefiningOp()->getOperand(0), ArrayRef<int64_t>(token.index).drop_back());
    };
    int64_t c = x.index.back(), d = y.index.back();
    std::optional<int64_t> rows = getSize(op->getOperand(1), 0);
    // Equal rows of two columns: checked on the whole table's first, middle and last rows and a few between.
    if (!rows || !areEqual(ids(x), ids(y), level + 1))
      return false;
    for (int64_t i = 0; c != d && i < 64; ++i) {
      int64_t row = *rows <= 64 ? std::min(i, *rows - 1) : (*rows - 1) * i / 63;
      Element first = evaluate(op->getOperand(1), {row, c}), second = evaluate(op->getOperand(1), {row, d});
      if (!areEqual(first, second, level + 1))
        return false;
    }
    return true;
  }
  return false;
}
