//===- Rotation.cpp - a tensor that is a rotary embedding -----------------===//
#include "Rotation.h"

#include "Terse/TerseDialect.h"

using namespace mlir;
using namespace terse;

/// Tables are not looked into: they are computed from positions, or are
/// rows of a constant.
static bool isTable(Operation *op) {
  if (isa<math::CosOp, math::SinOp, WeightOp, EmbeddingOp>(op))
    return true;
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()))
      return !dense.isSplat();
  // Rows chosen by position, or from a position on.
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return !slice.getOffsets().empty();
  if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
    bool gathers = false;
    generic->walk([&](tensor::ExtractOp) { gathers = true; });
    return gathers;
  }
  return false;
}

namespace {

/// An element x * table.
struct Product {
  ElementEvaluator::Token x, table;
  unsigned tableNumber;
  double factor;
};

/// One element of a rotation: own element of the head times cos, the
/// partner's times sin.
struct RotatedElement {
  Product own, partner;
};

class RotationFinder {
public:
  RotationFinder(func::FuncOp function, Value value) : value(value), probes(function, environment()) {}

  std::optional<Rotation> find();

private:
  static Environment environment() {
    Environment environment;
    environment.isBarrier = isTable;
    return environment;
  }

  Element read(ElementEvaluator &evaluator, int64_t b, int64_t h, int64_t s, int64_t d) {
    return rotation.headAxis == 1 ? evaluator.evaluate(value, {b, h, s, d}) : evaluator.evaluate(value, {b, s, h, d});
  }
  bool findPairing();
  bool findTables(const Element &element);
  std::optional<RotatedElement> split(ElementEvaluator &evaluator, int64_t b, int64_t h, int64_t s, int64_t d);
  Element readInput(ElementEvaluator &evaluator, ArrayRef<int64_t> point);
  bool checkPairs();
  std::optional<Index> space(ElementEvaluator &evaluator);
  std::optional<Access> fitTable(bool cos);

  int64_t first(int64_t pair) const { return rotation.interleaved ? 2 * pair : pair; }
  int64_t second(int64_t pair) const { return rotation.interleaved ? 2 * pair + 1 : pair + rotation.pairs; }
  std::pair<int64_t, bool> pairOf(int64_t d) const {
    return rotation.interleaved ? std::make_pair(d / 2, d % 2 == 1)
                                : std::make_pair(d % rotation.pairs, d >= rotation.pairs);
  }

  Value value;
  Probes probes;
  Rotation rotation;
  /// The rotated tensor's base, and its dimension that elements of a head lie in.
  Value base;
  unsigned headDim = 0;
};

} // namespace

/// Finds the tensor that is rotated: the one that both terms have in common.
bool RotationFinder::findTables(const Element &element) {
  ElementEvaluator &evaluator = *probes.evaluators()[0];
  ArrayRef<Element::Term> terms = element.getTerms();
  if (!element.getConstant() && terms.size() == 2 && terms[0].tokens.size() == 2 && terms[1].tokens.size() == 2)
    for (unsigned a : terms[0].tokens)
      for (unsigned b : terms[1].tokens) {
        const auto &x = evaluator.getToken(a), &y = evaluator.getToken(b);
        Operation *op = x.base.getDefiningOp();
        if (x.base != y.base || x.index == y.index || (op && isTable(op)))
          continue;
        // They differ in one dimension: that of the elements of a head.
        SmallVector<unsigned> differing;
        for (unsigned k = 0; k < x.index.size(); ++k)
          if (x.index[k] != y.index[k])
            differing.push_back(k);
        if (differing.size() != 1)
          continue;
        base = x.base;
        headDim = differing[0];
        return true;
      }
  return false;
}

/// Works out which elements of a head are rotated with each other.
bool RotationFinder::findPairing() {
  ElementEvaluator &evaluator = *probes.evaluators()[0];
  Element origin = read(evaluator, 0, 0, 0, 0);
  if (!findTables(origin))
    return false;
  SmallVector<int64_t> positions;
  for (const Element::Term &term : origin.getTerms())
    for (unsigned token : term.tokens)
      if (evaluator.getToken(token).base == base)
        positions.push_back(evaluator.getToken(token).index[headDim]);
  if (positions.size() != 2)
    return false;
  int64_t distance = std::abs(positions[1] - positions[0]);
  // The rotated part ends where elements are passed on as they are.
  int64_t rotated = 0;
  while (rotated < rotation.size) {
    Element element = read(evaluator, 0, 0, 0, rotated);
    if (element.getTerms().size() != 2)
      break;
    ++rotated;
  }
  if (rotated % 2 || rotated == 0 || (distance != 1 && distance != rotated / 2))
    return false;
  rotation.pairs = rotated / 2;
  rotation.interleaved = distance == 1 && rotation.pairs != 1;
  return true;
}

std::optional<RotatedElement> RotationFinder::split(ElementEvaluator &evaluator, int64_t b, int64_t h, int64_t s,
                                                    int64_t d) {
  Element element = read(evaluator, b, h, s, d);
  if (element.getConstant() != 0 || element.getTerms().size() != 2)
    return std::nullopt;
  SmallVector<Product, 2> products;
  for (const Element::Term &term : element.getTerms()) {
    if (term.tokens.size() != 2)
      return std::nullopt;
    bool firstIsX = evaluator.getToken(term.tokens[0]).base == base;
    unsigned x = term.tokens[firstIsX ? 0 : 1], table = term.tokens[firstIsX ? 1 : 0];
    if (evaluator.getToken(x).base != base)
      return std::nullopt;
    products.push_back({evaluator.getToken(x), evaluator.getToken(table), table, term.factor});
  }
  // The first of a pair lies before the second.
  bool inOrder = products[0].x.index[headDim] < products[1].x.index[headDim];
  bool isSecond = pairOf(d).second;
  if (inOrder == isSecond)
    std::swap(products[0], products[1]);
  return RotatedElement{products[0], products[1]};
}

/// The rotated tensor's element at (b, h, s, d), one term.
Element RotationFinder::readInput(ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
  Element element = read(evaluator, point[0], point[1], point[2], point[3]);
  if (point[3] >= 2 * rotation.pairs)
    return element;
  std::optional<RotatedElement> parts = split(evaluator, point[0], point[1], point[2], point[3]);
  if (!parts)
    return Element::invalid();
  for (const Element::Term &term : element.getTerms())
    for (unsigned token : term.tokens)
      if (evaluator.getToken(token) == parts->own.x)
        return Element::token(token);
  return Element::invalid();
}

std::optional<Index> RotationFinder::space(ElementEvaluator &evaluator) {
  std::optional<Index> shape = evaluator.getShape(value);
  if (shape && rotation.headAxis == 2)
    std::swap((*shape)[1], (*shape)[2]);
  return shape;
}

/// Both elements of every pair are rotated by the same angle, whatever the head.
bool RotationFinder::checkPairs() {
  auto pairSpace = [&](ElementEvaluator &evaluator) {
    std::optional<Index> shape = space(evaluator);
    if (shape)
      (*shape)[3] = rotation.pairs;
    return shape;
  };
  return probes.forAll(pairSpace, [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
    auto x = split(evaluator, point[0], point[1], point[2], first(point[3]));
    auto y = split(evaluator, point[0], point[1], point[2], second(point[3]));
    auto head0 = split(evaluator, point[0], 0, point[2], first(point[3]));
    if (!x || !y || !head0)
      return false;
    if (!(x->own.x == y->partner.x) || !(x->partner.x == y->own.x) || x->own.factor != y->own.factor ||
        x->partner.factor != -y->partner.factor)
      return false;
    if (!(x->own.table == head0->own.table) || !(x->partner.table == head0->partner.table))
      return false;
    return evaluator.areEqual(Element::token(x->own.tableNumber), Element::token(y->own.tableNumber)) &&
           evaluator.areEqual(Element::token(x->partner.tableNumber), Element::token(y->partner.tableNumber));
  });
}

std::optional<Access> RotationFinder::fitTable(bool cos) {
  auto tableSpace = [&](ElementEvaluator &evaluator) -> std::optional<Index> {
    std::optional<Index> shape = space(evaluator);
    if (!shape)
      return std::nullopt;
    return Index{(*shape)[0], (*shape)[2], rotation.pairs};
  };
  return fitAccess(probes, tableSpace, [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
    auto element = split(evaluator, point[0], 0, point[1], first(point[2]));
    if (!element)
      return Element::invalid();
    const Product &product = cos ? element->own : element->partner;
    return multiply(Element::real(product.factor), Element::token(product.tableNumber));
  });
}

std::optional<Rotation> RotationFinder::find() {
  auto type = cast<RankedTensorType>(value.getType());
  rotation.size = type.getDimSize(3);
  for (int64_t axis : {1, 2}) {
    if (type.isDynamicDim(axis))
      continue;
    rotation.headAxis = axis;
    rotation.heads = type.getDimSize(axis);
    if (!findPairing())
      return std::nullopt;
    if (!checkPairs())
      continue;
    auto input = fitAccess(
        probes, [&](ElementEvaluator &evaluator) { return space(evaluator); },
        [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) { return readInput(evaluator, point); });
    if (!input || input->factor != 1)
      continue;
    std::optional<Access> cos = fitTable(true), sin = fitTable(false);
    if (!cos || !sin)
      continue;
    rotation.input = *input;
    rotation.cos = *cos;
    rotation.sin = *sin;
    return rotation;
  }
  return std::nullopt;
}

std::optional<Rotation> terse::findRotation(func::FuncOp function, Value value) {
  return RotationFinder(function, value).find();
}
