//===- AttentionPattern.cpp - what surrounds a softmax --------------------===//
#include "AttentionPattern.h"

#include "terse/Analysis/TokenMajor.h"

#include <cmath>

using namespace mlir;
using namespace terse;

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

namespace {
/// What an element may be beside a factor times another.
enum class Beside {
  Mask,        // anything added, or masked instead
  Nothing,     // no more
  NothingNoNaN // no more, where comparisons see no NaN
};
} // namespace

/// If the elements of `value` are a factor times those of `source` at the same index: the factor.
static std::optional<double> findFactor(func::FuncOp function, Value value, Value source, Beside beside) {
  Environment environment;
  environment.assumeNoNaN = beside == Beside::NothingNoNaN;
  environment.barriers.insert(source);
  Probes probes(function, environment);
  std::optional<double> factor;
  bool holds = probes.forAll(
      [&](ElementEvaluator &evaluator) { return evaluator.getShape(value); },
      [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
        Element element = evaluator.evaluate(value, point);
        if (beside != Beside::Mask && !element.getSingleTerm())
          return false;
        if (element.isConcrete())
          return element.getConstant() <= kMasked;
        bool found = false;
        for (const Element::Term &term : element.getTerms()) {
          bool isSource = term.tokens.size() == 1 && evaluator.getToken(term.tokens[0]).base == source;
          if (!isSource)
            continue; // a part of the mask
          if (!llvm::equal(evaluator.getToken(term.tokens[0]).index, point) || (factor && *factor != term.factor))
            return false;
          factor = term.factor;
          found = true;
        }
        return found;
      });
  return holds ? factor : std::nullopt;
}

/// What is added to the scores at a point: the element less its term of `source`.
static MaskElement maskElement(Value value, Value source) {
  return [=](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
    Element element = evaluator.evaluate(value, point);
    if (element.isInvalid())
      return element;
    if (element.isConcrete())
      return element.getConstant() <= kMasked ? element : Element::unknown();
    if (element.getTerms().size() != 1)
      return Element::unknown();
    return Element::real(element.getConstant());
  };
}

/// Walks from the softmax's input to its scaled scores, past additions and selects that mask. The factor that
/// `source` has there; none if there is anything else between.
static std::optional<double> splitScores(func::FuncOp function, Value value, Value source, const ShapeFunction &shape, Scores &scores) {
  auto reaches = [&](Value operand) { return llvm::is_contained(collectSources(operand, Environment()), source); };
  for (;;) {
    if (std::optional<double> factor = findFactor(function, value, source, Beside::Nothing))
      return factor;
    Operation *op = value.getDefiningOp();
    if (!op)
      return std::nullopt;
    if (isa<arith::ExtFOp, arith::TruncFOp, tensor::CastOp>(op)) {
      value = op->getOperand(0);
    } else if (isa<arith::AddFOp>(op)) {
      bool left = reaches(op->getOperand(0));
      if (left == reaches(op->getOperand(1)))
        return std::nullopt;
      splitBias(function, op->getOperand(left ? 1 : 0), shape, scores);
      value = op->getOperand(left ? 0 : 1);
    } else if (auto select = dyn_cast<arith::SelectOp>(op)) {
      bool whenTrue = reaches(select.getTrueValue());
      Value inner = whenTrue ? select.getTrueValue() : select.getFalseValue();
      Environment environment;
      environment.barriers.insert(inner);
      std::optional<MaskFunction> mask =
          classifyMask(function, environment, shape, collectSources(value, environment), maskElement(value, inner));
      if (mask)
        scores.masks.push_back(*mask);
      else if (Value bias = buildSelectedBias(function, select, whenTrue))
        scores.biases.push_back(bias);
      else
        return std::nullopt;
      value = inner;
    } else {
      return std::nullopt;
    }
  }
}

std::optional<Scores> terse::matchScores(func::FuncOp function, SoftmaxOp softmax, std::string &reason) {
  auto type = softmax.getType();
  reason = "its scores are no product of queries and keys";
  if (type.getRank() != 4 || softmax.getAxis() != 3 || type.isDynamicDim(1))
    return std::nullopt;
  Value input = softmax.getInput();
  std::vector<Value> sources = collectSources(input, Environment());
  Scores scores{};
  math::TanhOp tanh;
  for (Value source : sources) {
    Operation *op = source.getDefiningOp();
    if (auto product = dyn_cast_or_null<MatmulOp>(op); product && !scores.product && product.getType().getRank() == 4)
      scores.product = product;
    if (auto candidate = dyn_cast_or_null<math::TanhOp>(op); candidate && !tanh)
      tanh = candidate;
  }
  if (!scores.product)
    return std::nullopt;
  Value product = scores.product;
  Value capped = product;
  scores.scale = 1;
  if (tanh) {
    std::optional<double> inner = findFactor(function, tanh.getOperand(), product, Beside::Nothing);
    if (!inner)
      return std::nullopt;
    scores.scale = *inner;
    capped = tanh;
  }
  Environment environment;
  environment.barriers.insert(capped);
  ShapeFunction shape = [=](ElementEvaluator &evaluator) { return evaluator.getShape(input); };
  std::optional<double> factor = findFactor(function, input, capped, Beside::Mask);
  std::optional<MaskFunction> mask;
  if (factor)
    mask = classifyMask(function, environment, shape, sources, maskElement(input, capped));
  if (mask)
    scores.masks.push_back(*mask);
  else if (!(factor = splitScores(function, input, capped, shape, scores))) {
    reason = "what is added to its scores cannot be separated from them";
    return std::nullopt;
  }
  if (tanh)
    scores.softcap = *factor;
  scores.scale *= *factor;
  return scores;
}

MatmulOp terse::findWeightedSum(func::FuncOp function, SoftmaxOp softmax) {
  // Forwards through what may lie between: casts, guards, reshapes.
  SmallVector<Operation *> open(softmax->getUsers().begin(), softmax->getUsers().end());
  llvm::SmallPtrSet<Operation *, 8> seen;
  MatmulOp found;
  while (!open.empty() && seen.size() < 32) {
    Operation *op = open.pop_back_val();
    if (!seen.insert(op).second)
      continue;
    if (auto product = dyn_cast<MatmulOp>(op)) {
      if (found && found != product)
        return {};
      found = product;
      continue;
    }
    if (isScalarOp(op) || isa<tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      open.append(op->getUsers().begin(), op->getUsers().end());
  }
  if (!found || found.getType().getRank() != 4)
    return {};
  // A softmax is not a number where all is masked; attention yields 0 there, as the guards do.
  std::optional<double> factor = findFactor(function, found.getLhs(), softmax.getResult(), Beside::NothingNoNaN);
  return factor == 1.0 ? found : MatmulOp();
}

//===----------------------------------------------------------------------===//
// Keys and values
//===----------------------------------------------------------------------===//

std::optional<CacheSource> terse::findCacheSource(func::FuncOp function, Value value, bool transposed) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t heads = type.getDimSize(1), size = type.getDimSize(transposed ? 2 : 3);
  if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(size))
    return std::nullopt;
  std::optional<CacheSource> best;
  for (Value candidate : collectSources(value, Environment())) {
    auto candidateType = cast<RankedTensorType>(candidate.getType());
    if (candidateType.getRank() != 4 || candidateType.getDimSize(3) != size || candidateType.isDynamicDim(1) ||
        candidateType.getDimSize(1) < 1 || heads % candidateType.getDimSize(1))
      continue;
    int64_t group = heads / candidateType.getDimSize(1);
    Environment environment;
    environment.barriers.insert(candidate);
    Probes probes(function, environment);
    std::optional<double> factor;
    bool holds = probes.forAll(
        [&](ElementEvaluator &evaluator) -> std::optional<Index> {
          std::optional<Index> shape = evaluator.getShape(value), source = evaluator.getShape(candidate);
          if (!shape || !source)
            return std::nullopt;
          if (transposed)
            std::swap((*shape)[2], (*shape)[3]);
          bool same = (*shape)[0] == (*source)[0] && (*shape)[2] == (*source)[2];
          return same ? shape : std::nullopt;
        },
        [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
          Index index(point);
          if (transposed)
            std::swap(index[2], index[3]);
          Element element = evaluator.evaluate(value, index);
          const Element::Term *term = element.getSingleTerm();
          if (!term || term->tokens.size() != 1 || (factor && *factor != term->factor))
            return false;
          factor = term->factor;
          const auto &token = evaluator.getToken(term->tokens[0]);
          return token.base == candidate && token.index == Index{point[0], point[1] / group, point[2], point[3]};
        });
    if (holds)
      best = CacheSource{candidate, *factor};
  }
  return best;
}

Value terse::shareHeads(OpBuilder &builder, Location loc, func::FuncOp function, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t heads = type.getDimSize(1), size = type.getDimSize(3);
  Probes probes(function, Environment());
  for (int64_t group = heads; group > 1; --group) {
    if (heads % group)
      continue;
    bool repeats = probes.forAll([&](ElementEvaluator &evaluator) { return evaluator.getShape(value); },
                                 [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
                                   Index first(point);
                                   first[1] -= first[1] % group;
                                   return evaluator.evaluate(value, point) == evaluator.evaluate(value, first);
                                 });
    if (!repeats)
      continue;
    std::optional<Access> access = fitAccess(
        probes,
        [&](ElementEvaluator &evaluator) {
          std::optional<Index> shape = evaluator.getShape(value);
          if (shape)
            (*shape)[1] /= group;
          return shape;
        },
        [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
          return evaluator.evaluate(value, {point[0], point[1] * group, point[2], point[3]});
        });
    if (!access || access->factor != 1)
      return {};
    Value rows = buildTokenMajor(builder, loc, *access, buildDim(builder, loc, value, 0),
                                 buildDim(builder, loc, value, 2), heads / group, size);
    return rows ? splitHeads(builder, loc, castElements(builder, loc, rows, type.getElementType()), heads / group, 1)
                : Value();
  }
  return {};
}
