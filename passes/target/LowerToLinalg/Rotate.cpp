//===- Rotate.cpp - products with Hadamard matrices -------------------------===//
#include "Lowering.h"

#include "terse/Numerics/Hadamard.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

/// The last dimension of `x` as dimensions of these sizes.
static Value split(Emitter &b, Value x, ArrayRef<int64_t> sizes) {
  RankedTensorType type = b.type(x);
  int64_t last = type.getRank() - 1;
  SmallVector<int64_t> shape(type.getShape().drop_back());
  Emitter::Sizes mixed = b.sizes(x);
  mixed.pop_back();
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < last; ++i)
    groups.push_back({i});
  ReassociationIndices inner;
  for (int64_t size : sizes) {
    inner.push_back(shape.size());
    shape.push_back(size);
    mixed.push_back(b.index(size));
  }
  groups.push_back(inner);
  return tensor::ExpandShapeOp::create(b, RankedTensorType::get(shape, type.getElementType()), x, groups, mixed);
}

/// The reverse: all dimensions from `last` on as one.
static Value merge(Emitter &b, Value x, int64_t last) {
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < last; ++i)
    groups.push_back({i});
  groups.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(last, b.rank(x))));
  return tensor::CollapseShapeOp::create(b, x, groups);
}

static Value constants(Emitter &b, ArrayRef<int64_t> shape, Type element, ArrayRef<double> values) {
  SmallVector<Attribute> attributes;
  for (double value : values)
    attributes.push_back(b.getFloatAttr(element, value));
  return arith::ConstantOp::create(b, DenseElementsAttr::get(RankedTensorType::get(shape, element), attributes));
}

namespace {
/// By the fast Walsh-Hadamard transform: with the channels as [n / m, m], a product with the factor, [m, m], along the last dimension, then
/// (a, b) becomes (a + b, a - b) for channels m apart, 2 m, 4 m and so on.
struct LowerRotate : OpRewritePattern<RotateOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RotateOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value x = op.getInput();
    const int64_t size = op.getRotatedSize(), channels = b.type(x).getShape().back();
    Type element = b.element(x), acc = accumulatorType(element);
    HadamardRotation rotation = HadamardRotation::make(size);
    const int64_t m = rotation.getFactorSize();
    Value y = multiply(b, b.convertTensor(x, acc), rotation, 1 / std::sqrt(double(size / m)));
    for (int64_t half = m; half < size; half *= 2)
      y = addAndSubtract(b, y, channels / (2 * half), half);
    rewriter.replaceOp(op, b.convertTensor(y, element));
    return success();
  }

  /// Runs of m channels times the factor, and all times `scale`.
  static Value multiply(Emitter &b, Value x, const HadamardRotation &rotation, double scale) {
    const int64_t last = b.rank(x) - 1, m = rotation.getFactorSize();
    Type element = b.element(x);
    SmallVector<double> values(rotation.getFactor());
    for (double &value : values)
      value *= scale;
    Value factor = constants(b, {m, m}, element, values), runs = split(b, x, {b.type(x).getShape().back() / m, m});
    // Loops: leading dimensions, run, channel before, channel after.
    const int64_t loops = last + 3;
    SmallVector<int64_t> before = llvm::to_vector(llvm::seq<int64_t>(last + 2)), after = before;
    after.back() = last + 2;
    Value y = b.generic(std::string(last + 1, 'p') + "rp", {runs, factor}, b.filled(b.sizes(runs), element, 0),
                        {b.dims(loops, before), b.dims(loops, {last + 1, last + 2}), b.dims(loops, after)}, [](Emitter &b, ValueRange args) {
                          return b.addReassociable(args[2], arith::MulFOp::create(b, args[0], args[1], arith::FastMathFlags::contract));
                        });
    return merge(b, y, last);
  }

  /// Channels as [pairs, 2, half]: the sum and the difference of both halves.
  static Value addAndSubtract(Emitter &b, Value x, int64_t pairs, int64_t half) {
    const int64_t last = b.rank(x) - 1, loops = last + 3;
    Type element = b.element(x);
    Value halves = split(b, x, {pairs, 2, half}), signs = constants(b, {2}, element, {1, -1});
    auto readHalf = [&](int64_t which) {
      SmallVector<AffineExpr> place;
      for (int64_t i = 0; i < loops; ++i)
        place.push_back(i == last + 1 ? b.getAffineConstantExpr(which) : b.getAffineDimExpr(i));
      return AffineMap::get(loops, 0, place, b.getContext());
    };
    Value y = b.generic(std::string(loops, 'p'), {halves, halves, signs}, b.empty(b.sizes(halves), element),
                        {readHalf(0), readHalf(1), b.dims(loops, {last + 1}), b.identity(loops)}, [](Emitter &b, ValueRange args) -> Value {
                          Value signedHalf = arith::MulFOp::create(b, args[1], args[2], arith::FastMathFlags::contract);
                          return arith::AddFOp::create(b, args[0], signedHalf, arith::FastMathFlags::contract);
                        });
    return merge(b, y, last);
  }
};
} // namespace

void lowering::populateRotate(RewritePatternSet &patterns) { patterns.add<LowerRotate>(patterns.getContext()); }
