//===- Mask.cpp - which keys a query may read -----------------------------===//
#include "terse/Analysis/Mask.h"

#include "terse/Analysis/Access.h"
#include "terse/Analysis/DimExpression.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "llvm/ADT/SetVector.h"

#include <cmath>

using namespace mlir;
using namespace terse;

/// The same among slopes, which fall that low at great distances.
static constexpr double kMaskedSloped = -1e6;
/// Fewer sizes than this do not show what a mask is.
static constexpr unsigned kMinSizes = 2;

namespace {

enum class Role { Mask, Position };

/// How an argument is supposed to be filled.
struct Hypothesis {
  BlockArgument argument;
  Role role;
};

/// One choice of sizes of the symbols.
using Sizes = llvm::StringMap<int64_t>;

class Classifier {
public:
  Classifier(func::FuncOp function, const Environment &environment, const ShapeFunction &getShape,
             ArrayRef<Value> sources, const MaskElement &element)
      : function(function), environment(environment), getShape(getShape), element(element) {
    collectConstants(sources);
    chooseSizes();
  }

  std::optional<MaskFunction> classify();

private:
  /// What the mask says at a point.
  enum class Answer { Read, Masked, OutOfBounds, Neither };

  void collectConstants(ArrayRef<Value> sources);
  void chooseSizes();
  std::set<unsigned> findArguments();
  std::optional<MaskFunction> test(ArrayRef<Hypothesis> hypotheses);
  std::unique_ptr<ElementEvaluator> makeEvaluator(const Sizes &sizes, ArrayRef<Hypothesis> hypotheses,
                                                  BlockArgument holes);
  Answer ask(ElementEvaluator &evaluator, ArrayRef<int64_t> point);
  std::vector<Index> points(ArrayRef<int64_t> shape, std::optional<int64_t> window);
  std::optional<int64_t> findWindow(ElementEvaluator &evaluator, ArrayRef<int64_t> shape);
  std::vector<double> findSlopes(ElementEvaluator &evaluator, ArrayRef<int64_t> shape);
  /// Whether the key of `point`, which is read, has what the slopes say beside the query's own.
  bool isOnSlope(ElementEvaluator &evaluator, ArrayRef<int64_t> point, int64_t distance, ArrayRef<double> slopes);
  /// Whether the mask is `mask` at these sizes; none if it cannot be said (a size
  /// that the model has no room for).
  std::optional<bool> verify(const Sizes &sizes, ArrayRef<Hypothesis> hypotheses, const MaskFunction &mask,
                             bool withHoles);

  func::FuncOp function;
  const Environment &environment;
  const ShapeFunction &getShape;
  const MaskElement &element;
  std::set<int64_t> constants;
  std::vector<Sizes> allSizes;
  /// What is added where a key is read need not be 0.
  bool sloped = false;
};

} // namespace

/// 0 at pseudo-random places, but never where j is 0, 1 or a multiple of 5.
static bool isHole(int64_t b, int64_t j) {
  uint64_t hash = (uint64_t(b) * 0x9e3779b97f4a7c15u) ^ (uint64_t(j) * 0xbf58476d1ce4e5b9u);
  hash ^= hash >> 29;
  hash *= 0x94d049bb133111ebu;
  return j > 1 && j % 5 != 0 && (hash >> 33) % 3 == 0;
}

void Classifier::collectConstants(ArrayRef<Value> sources) {
  llvm::SetVector<Operation *> slice;
  BackwardSliceOptions options;
  options.omitBlockArguments = true;
  options.inclusive = true;
  options.filter = [&](Operation *op) { return !(environment.isBarrier && environment.isBarrier(op)); };
  for (Value source : sources)
    (void)getBackwardSlice(source, &slice, options);
  auto note = [&](double value) {
    if (std::fabs(value) >= 2 && std::fabs(value) < 1e9 && value == std::floor(value))
      constants.insert(int64_t(std::fabs(value)));
  };
  auto noteConstant = [&](Operation *op) {
    auto constant = dyn_cast<arith::ConstantOp>(op);
    if (!constant)
      return;
    Attribute value = constant.getValue();
    if (auto dense = dyn_cast<SplatElementsAttr>(value))
      value = dense.getSplatValue<Attribute>();
    if (auto integer = dyn_cast<IntegerAttr>(value))
      note(double(integer.getValue().getSExtValue()));
    if (auto real = dyn_cast<FloatAttr>(value))
      note(real.getValueAsDouble());
  };
  for (Operation *op : slice)
    op->walk(noteConstant);
}

void Classifier::chooseSizes() {
  int64_t largest = 4099;
  for (int64_t constant : constants)
    if (constant < 1 << 22)
      largest = std::max(largest, constant * 5 / 2 + 3);
  // Small ones, so that models with tables of few positions are seen too; then
  // ones that show a window of any constant in the graph.
  const int64_t scales[][3] = {{1, 0, 0}, {0, 1, 0}, {12, 7, 0}, {61, 30, 1}, {0, 0, 1}, {0, 0, 3}};
  const int64_t primes[] = {5, 7, 11, 13, 17, 19, 23, 29};
  std::set<std::string> symbols = getDimSymbols(function);
  for (const auto &scale : scales) {
    Sizes sizes;
    unsigned next = 0;
    for (const std::string &symbol : symbols) {
      int64_t prime = primes[next % 8] + 24 * int64_t(next / 8), other = primes[(next + 3) % 8] + 17 * int64_t(next / 8);
      sizes[symbol] = scale[0] * prime + scale[1] * other + scale[2] * (largest + 2 * prime);
      ++next;
    }
    allSizes.push_back(std::move(sizes));
  }
}

std::unique_ptr<ElementEvaluator> Classifier::makeEvaluator(const Sizes &sizes, ArrayRef<Hypothesis> hypotheses,
                                                            BlockArgument holes) {
  Environment chosen = environment;
  for (const auto &entry : sizes)
    chosen.symbols[entry.getKey()] = entry.getValue();
  ElementEvaluator sizer(chosen);
  std::optional<Index> shape = getShape(sizer);
  for (const Hypothesis &hypothesis : hypotheses) {
    std::optional<int64_t> columns = sizer.getSize(hypothesis.argument, 1);
    if (!shape || !columns)
      return nullptr;
    int64_t first = *columns == (*shape)[2] ? (*shape)[3] - (*shape)[2] : 0;
    bool isFloat = isa<FloatType>(getElementTypeOrSelf(hypothesis.argument.getType()));
    bool withHoles = hypothesis.argument == holes;
    bool isPosition = hypothesis.role == Role::Position;
    chosen.inputs[hypothesis.argument] = [=](ArrayRef<int64_t> index) {
      int64_t value = isPosition ? first + index[1] : !(withHoles && isHole(index[0], index[1]));
      return isFloat ? Element::real(double(value)) : Element::integer(value);
    };
  }
  return std::make_unique<ElementEvaluator>(std::move(chosen));
}

Classifier::Answer Classifier::ask(ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
  Element e = element(evaluator, point);
  if (e.isInvalid())
    return Answer::OutOfBounds;
  if (e.isUnknown() || std::isnan(e.getConstant()))
    return Answer::Neither;
  if (!e.isConcrete())
    return Answer::Neither;
  if (e.getConstant() <= (sloped ? kMaskedSloped : kMasked))
    return Answer::Masked;
  return sloped || e.getConstant() == 0 ? Answer::Read : Answer::Neither;
}

std::vector<Index> Classifier::points(ArrayRef<int64_t> shape, std::optional<int64_t> window) {
  std::set<int64_t> distances = {-2, -1, 0, 1, 2};
  for (int64_t constant : constants)
    distances.insert({constant - 1, constant, constant + 1, -constant});
  if (window)
    distances.insert({*window - 1, *window, *window + 1});
  std::vector<Index> result = samplePoints(shape, 60);
  for (int64_t b : {int64_t(0), shape[0] - 1})
    for (int64_t h : {int64_t(0), shape[1] - 1})
      for (int64_t i : {int64_t(0), int64_t(1), shape[2] / 2, shape[2] - 1}) {
        if (i >= shape[2])
          continue;
        for (int64_t distance : distances) {
          int64_t j = shape[3] - shape[2] + i - distance;
          if (j >= 0 && j < shape[3])
            result.push_back({b, h, i, j});
        }
        for (int64_t j : {int64_t(0), int64_t(1), shape[3] - 2, shape[3] - 1})
          if (j >= 0 && j < shape[3])
            result.push_back({b, h, i, j});
      }
  return result;
}

/// How many keys the last query reads, when it does not read the first.
std::optional<int64_t> Classifier::findWindow(ElementEvaluator &evaluator, ArrayRef<int64_t> shape) {
  int64_t last = shape[3] - 1, masked = 0, read = last;
  while (read - masked > 1) {
    int64_t middle = masked + (read - masked) / 2;
    (ask(evaluator, {0, 0, shape[2] - 1, middle}) == Answer::Read ? read : masked) = middle;
  }
  return last - masked;
}

/// The slope of each head, between two of the last keys that the last query reads.
std::vector<double> Classifier::findSlopes(ElementEvaluator &evaluator, ArrayRef<int64_t> shape) {
  std::vector<double> slopes;
  int64_t last = shape[3] - 1, before = std::max<int64_t>(last - 4, 0);
  while (before < last && ask(evaluator, {0, 0, shape[2] - 1, before}) != Answer::Read)
    ++before;
  for (int64_t h = 0; before < last && h < shape[1]; ++h) {
    Element a = element(evaluator, {0, h, shape[2] - 1, before}), b = element(evaluator, {0, h, shape[2] - 1, last});
    if (!a.isConcrete() || !b.isConcrete())
      return {};
    slopes.push_back((b.getConstant() - a.getConstant()) / double(last - before));
  }
  return slopes;
}

bool Classifier::isOnSlope(ElementEvaluator &evaluator, ArrayRef<int64_t> point, int64_t distance,
                           ArrayRef<double> slopes) {
  Index own(point);
  own[3] += distance;
  Element here = element(evaluator, point), there = element(evaluator, own);
  if (!there.isConcrete() || there.getConstant() <= kMaskedSloped)
    return there.isConcrete(); // a padded query
  double slope = slopes[point[1]], rise = here.getConstant() - there.getConstant();
  return std::fabs(rise + slope * distance) <= 1e-5 * std::fabs(slope * distance) + 1e-6 * std::fabs(there.getConstant());
}

std::optional<bool> Classifier::verify(const Sizes &sizes, ArrayRef<Hypothesis> hypotheses, const MaskFunction &mask,
                                       bool withHoles) {
  BlockArgument padding = dyn_cast_or_null<BlockArgument>(mask.padding);
  auto evaluator = makeEvaluator(sizes, hypotheses, withHoles ? padding : BlockArgument());
  std::optional<Index> shape = evaluator ? getShape(*evaluator) : std::nullopt;
  // Keys of another sequence may be fewer than queries; a query has no position among them.
  if (!shape || ((*shape)[3] < (*shape)[2] && (mask.causal || sloped)))
    return std::nullopt;
  if (padding && evaluator->getSize(padding, 1) != (*shape)[3])
    return false;
  for (const Index &point : points(*shape, mask.window)) {
    int64_t distance = (*shape)[3] - (*shape)[2] + point[2] - point[3];
    bool masked = (mask.causal && distance < 0) || (mask.window && distance >= *mask.window) ||
                  (withHoles && isHole(point[0], point[3]));
    Answer answer = ask(*evaluator, point);
    if (answer == Answer::OutOfBounds)
      return std::nullopt;
    if (answer != (masked ? Answer::Masked : Answer::Read))
      return false;
    if (sloped && !masked && !isOnSlope(*evaluator, point, distance, mask.slopes))
      return false;
  }
  return true;
}

std::optional<MaskFunction> Classifier::test(ArrayRef<Hypothesis> hypotheses) {
  MaskFunction mask;
  for (const Hypothesis &hypothesis : hypotheses)
    if (hypothesis.role == Role::Mask) {
      if (mask.padding)
        return std::nullopt;
      mask.padding = hypothesis.argument;
    }
  // A causal mask hides the last key from the first query; a window the first
  // key from the last query.
  std::optional<bool> causal;
  for (const Sizes &sizes : allSizes) {
    auto evaluator = makeEvaluator(sizes, hypotheses, {});
    std::optional<Index> shape = evaluator ? getShape(*evaluator) : std::nullopt;
    if (!shape || (*shape)[2] < 2)
      continue;
    Answer corner = ask(*evaluator, {0, 0, 0, (*shape)[3] - 1}), first = ask(*evaluator, {0, 0, (*shape)[2] - 1, 0});
    if (corner == Answer::OutOfBounds || first == Answer::OutOfBounds)
      continue;
    if ((*shape)[3] < (*shape)[2]) {
      if (!causal && corner == Answer::Read && first == Answer::Read)
        causal = false;
      continue;
    }
    causal = corner == Answer::Masked;
    if (*causal && first == Answer::Masked)
      mask.window = findWindow(*evaluator, *shape);
    if (sloped)
      mask.slopes = findSlopes(*evaluator, *shape);
  }
  if (!causal || (sloped && llvm::all_of(mask.slopes, [](double slope) { return slope == 0; })))
    return std::nullopt;
  mask.causal = *causal;
  unsigned confirmed = 0;
  for (const Sizes &sizes : allSizes) {
    std::optional<bool> holds = verify(sizes, hypotheses, mask, false);
    std::optional<bool> holdsWithHoles = mask.padding ? verify(sizes, hypotheses, mask, true) : holds;
    if ((holds && !*holds) || (holdsWithHoles && !*holdsWithHoles))
      return std::nullopt;
    confirmed += holds && holdsWithHoles;
  }
  return confirmed >= kMinSizes ? std::optional<MaskFunction>(mask) : std::nullopt;
}

/// Arguments whose elements the mask depends on.
std::set<unsigned> Classifier::findArguments() {
  std::set<unsigned> read;
  for (const Sizes &sizes : allSizes) {
    Environment chosen = environment;
    for (const auto &entry : sizes)
      chosen.symbols[entry.getKey()] = entry.getValue();
    for (BlockArgument argument : function.getArguments()) {
      auto type = dyn_cast<RankedTensorType>(argument.getType());
      if (!type || type.getRank() != 2)
        continue;
      bool isFloat = isa<FloatType>(type.getElementType());
      chosen.inputs[argument] = [&read, argument, isFloat](ArrayRef<int64_t>) {
        read.insert(argument.getArgNumber());
        return isFloat ? Element::real(1) : Element::integer(1);
      };
    }
    ElementEvaluator evaluator(std::move(chosen));
    std::optional<Index> shape = getShape(evaluator);
    if (!shape)
      continue;
    for (const Index &point : samplePoints(*shape, 20))
      ask(evaluator, point);
  }
  return read;
}

std::optional<MaskFunction> Classifier::classify() {
  std::set<unsigned> arguments = findArguments();
  if (arguments.size() > 3)
    return std::nullopt;
  for (bool slopes : {false, true}) {
    sloped = slopes;
    for (unsigned roles = 0; roles < 1u << arguments.size(); ++roles) {
      SmallVector<Hypothesis> hypotheses;
      for (auto [i, argument] : llvm::enumerate(arguments))
        hypotheses.push_back({function.getArgument(argument), roles >> i & 1 ? Role::Position : Role::Mask});
      if (std::optional<MaskFunction> mask = test(hypotheses))
        return mask;
    }
  }
  return std::nullopt;
}

std::optional<MaskFunction> terse::classifyMask(func::FuncOp function, const Environment &environment,
                                                const ShapeFunction &shape, ArrayRef<Value> sources,
                                                const MaskElement &element) {
  return Classifier(function, environment, shape, sources, element).classify();
}
