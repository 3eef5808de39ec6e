//===- Rowwise.cpp - norms, softmax and activations -----------------------===//
#include "Lowering.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

namespace {

Value sum(Emitter &b, Value x, int64_t axis, Type element) {
  return b.reduce(x, axis, element, 0, [](Emitter &b, ValueRange args) { return b.addReassociable(args[1], args[0]); });
}

/// rms: y = x * (1 / sqrt(mean(x^2) + epsilon)) * scale
/// layer: the same of x - mean(x), + bias
struct LowerNorm : OpRewritePattern<NormOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(NormOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value x = op.getInput();
    int64_t rank = b.rank(x), last = rank - 1;
    Type element = op.getType().getElementType(), acc = accumulatorType(element);
    bool isLayer = op.getKind() == NormKind::Layer;
    std::string parallel(rank, 'p');
    SmallVector<int64_t> lead = llvm::to_vector(llvm::seq<int64_t>(last));
    AffineMap all = b.identity(rank), row = b.dims(rank, lead), channel = b.dims(rank, {last});
    Value count =
        arith::UIToFPOp::create(b, acc, arith::IndexCastOp::create(b, b.getI64Type(), b.asIndex(b.size(x, last))));

    Value centred = x;
    if (isLayer) {
      Value total = sum(b, x, last, acc);
      centred = b.generic(parallel, {x, total}, b.empty(b.sizes(x), acc), {all, row, all},
                          [&](Emitter &b, ValueRange args) -> Value {
                            Value mean = arith::DivFOp::create(b, args[1], count);
                            return arith::SubFOp::create(b, b.convert(args[0], acc), mean);
                          });
    }
    Value squares = b.reduce(centred, last, acc, 0, [&](Emitter &b, ValueRange args) {
      return b.addReassociable(args[1], arith::MulFOp::create(b, args[0], args[0], arith::FastMathFlags::contract));
    });
    Value inverse = b.elementwise({}, squares, [&](Emitter &b, ValueRange args) -> Value {
      Value mean = arith::DivFOp::create(b, args[0], count);
      Value shifted = arith::AddFOp::create(b, mean, b.constant(acc, op.getEpsilon().convertToDouble()));
      return arith::DivFOp::create(b, b.constant(acc, 1), math::SqrtOp::create(b, shifted));
    });
    SmallVector<Value> inputs{centred, inverse, op.getScale()};
    SmallVector<AffineMap> maps{all, row, channel};
    if (op.getBias()) {
      inputs.push_back(op.getBias());
      maps.push_back(channel);
    }
    maps.push_back(all);
    Value y = b.generic(parallel, inputs, b.empty(b.sizes(x), element), maps, [&](Emitter &b, ValueRange args) {
      Value normalized = arith::MulFOp::create(b, b.convert(args[0], acc), args[1]);
      Value scaled = arith::MulFOp::create(b, normalized, b.convert(args[2], acc));
      if (op.getBias())
        scaled = arith::AddFOp::create(b, scaled, b.convert(args[3], acc));
      return b.convert(scaled, element);
    });
    rewriter.replaceOp(op, y);
    return success();
  }
};

/// y = x * scale, with a scale for each index of `axis`
struct LowerScaleChannels : OpRewritePattern<ScaleChannelsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ScaleChannelsOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value x = op.getInput();
    int64_t rank = b.rank(x);
    Type element = b.element(x), acc = accumulatorType(element);
    rewriter.replaceOp(op, b.generic(std::string(rank, 'p'), {x, op.getScale()}, b.empty(b.sizes(x), element),
                                     {b.identity(rank), b.dims(rank, {int64_t(op.getAxis())}), b.identity(rank)},
                                     [&](Emitter &b, ValueRange args) {
                                       Value product = arith::MulFOp::create(b, b.convert(args[0], acc), b.convert(args[1], acc));
                                       return b.convert(product, element);
                                     }));
    return success();
  }
};

/// exp(x - max) / sum(exp(x - max))
struct LowerSoftmax : OpRewritePattern<SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SoftmaxOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value x = op.getInput();
    int64_t rank = b.rank(x), axis = op.getAxis();
    Type element = op.getType().getElementType(), acc = accumulatorType(element);
    std::string parallel(rank, 'p');
    SmallVector<int64_t> kept;
    for (int64_t i = 0; i < rank; ++i)
      if (i != axis)
        kept.push_back(i);
    AffineMap all = b.identity(rank), row = b.dims(rank, kept);

    Value max = b.reduce(x, axis, acc, -INFINITY, [](Emitter &b, ValueRange args) -> Value {
      return arith::MaximumFOp::create(b, args[1], args[0]);
    });
    Value exps = b.generic(parallel, {x, max}, b.empty(b.sizes(x), acc), {all, row, all},
                           [&](Emitter &b, ValueRange args) -> Value {
                             return math::ExpOp::create(b, arith::SubFOp::create(b, b.convert(args[0], acc), args[1]));
                           });
    Value total = sum(b, exps, axis, acc);
    Value y = b.generic(
        parallel, {exps, total}, b.empty(b.sizes(x), element), {all, row, all},
        [&](Emitter &b, ValueRange args) { return b.convert(arith::DivFOp::create(b, args[0], args[1]), element); });
    rewriter.replaceOp(op, y);
    return success();
  }
};

Value sigmoid(Emitter &b, Value x) {
  Value one = b.constant(x.getType(), 1);
  Value e = math::ExpOp::create(b, arith::NegFOp::create(b, x));
  return arith::DivFOp::create(b, one, arith::AddFOp::create(b, one, e));
}

Value activate(Emitter &b, ActivationKind kind, Value x) {
  Type type = x.getType();
  auto mul = [&](Value l, Value r) -> Value { return arith::MulFOp::create(b, l, r); };
  auto add = [&](Value l, Value r) -> Value { return arith::AddFOp::create(b, l, r); };
  switch (kind) {
  case ActivationKind::Relu:
    return arith::MaximumFOp::create(b, x, b.constant(type, 0));
  case ActivationKind::Silu:
    return mul(x, sigmoid(b, x));
  case ActivationKind::Gelu: {
    Value erf = math::ErfOp::create(b, mul(x, b.constant(type, M_SQRT1_2)));
    return mul(mul(x, b.constant(type, 0.5)), add(b.constant(type, 1), erf));
  }
  case ActivationKind::GeluTanh: {
    Value cubic = mul(b.constant(type, 0.044715), mul(x, mul(x, x)));
    Value tanh = math::TanhOp::create(b, mul(b.constant(type, std::sqrt(2 / M_PI)), add(x, cubic)));
    return mul(mul(x, b.constant(type, 0.5)), add(b.constant(type, 1), tanh));
  }
  case ActivationKind::QuickGelu:
    return mul(x, sigmoid(b, mul(b.constant(type, 1.702), x)));
  case ActivationKind::Sigmoid:
    return sigmoid(b, x);
  }
  return x;
}

struct LowerActivation : OpRewritePattern<ActivationOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ActivationOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Type element = op.getType().getElementType(), acc = accumulatorType(element);
    Value x = op.getInput();
    rewriter.replaceOp(op, b.elementwise(x, b.empty(b.sizes(x), element), [&](Emitter &b, ValueRange args) {
      return b.convert(activate(b, op.getKind(), b.convert(args[0], acc)), element);
    }));
    return success();
  }
};

} // namespace

void lowering::populateRowwise(RewritePatternSet &patterns) {
  patterns.add<LowerNorm, LowerScaleChannels, LowerSoftmax, LowerActivation>(patterns.getContext());
}
