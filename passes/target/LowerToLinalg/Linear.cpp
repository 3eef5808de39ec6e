//===- Linear.cpp - linear layers and products of activations -------------===//
#include "Lowering.h"

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

namespace {

/// %y = terse.linear %x, %w   becomes   sum over k of x[..., k] * w[n, k],
/// starting from the bias. The loop over the weight's last dimension is the
/// innermost, so that memory is read in order: (..., n, k) for a weight
/// [N, K], (..., k, n) for [K, N].
struct LowerLinear : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LinearOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value x = op.getInput(), w = op.getWeight();
    int64_t axis = op.getReductionAxis(), lead = b.rank(x) - 1;
    Type result = op.getType().getElementType();
    Type sum = accumulatorType(result);

    Emitter::Sizes sizes = b.sizes(x);
    sizes.back() = b.size(w, 1 - axis);
    Value init;
    if (Value bias = op.getBias())
      init = b.generic(std::string(lead + 1, 'p'), bias, b.empty(sizes, sum),
                       {b.dims(lead + 1, {lead}), b.identity(lead + 1)},
                       [&](Emitter &b, ValueRange args) { return b.convert(args[0], sum); });
    else
      init = b.filled(sizes, sum, 0);

    int64_t n = axis == 1 ? lead : lead + 1, k = axis == 1 ? lead + 1 : lead;
    SmallVector<int64_t> xDims = llvm::to_vector(llvm::seq<int64_t>(lead)), yDims = xDims, wDims(2);
    xDims.push_back(k);
    yDims.push_back(n);
    wDims[axis] = k;
    wDims[1 - axis] = n;
    std::string iterators(lead + 2, 'p');
    iterators[k] = 'r';
    Value y =
        b.generic(iterators, {x, w}, init, {b.dims(lead + 2, xDims), b.dims(lead + 2, wDims), b.dims(lead + 2, yDims)},
                  [&](Emitter &b, ValueRange args) {
                    Value product = arith::MulFOp::create(b, b.convert(args[0], sum), b.convert(args[1], sum),
                                                          arith::FastMathFlags::contract);
                    return b.addReassociable(args[2], product);
                  });
    y = b.convertTensor(y, result);
    if (y.getType() != op.getType())
      y = tensor::CastOp::create(b, op.getType(), y);
    rewriter.replaceOp(op, y);
    return success();
  }
};

/// %c = terse.matmul %a, %b   becomes   sum over k of a[..., m, k] * b[..., k, n]
/// with the loops in the order (..., m, k, n): rows of b and c are read in order.
struct LowerMatmul : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value lhs = op.getLhs(), rhs = op.getRhs();
    int64_t batch = b.rank(lhs) - 2, m = batch, k = batch + 1, n = batch + 2;
    Type result = op.getType().getElementType();
    bool isFloat = isa<FloatType>(result);
    Type sum = isFloat ? accumulatorType(result) : result;

    Emitter::Sizes sizes = b.sizes(lhs);
    sizes.back() = b.size(rhs, batch + 1);
    SmallVector<int64_t> lead = llvm::to_vector(llvm::seq<int64_t>(batch));
    auto map = [&](int64_t i, int64_t j) {
      SmallVector<int64_t> list = lead;
      list.append({i, j});
      return b.dims(batch + 3, list);
    };
    Value y = b.generic(
        std::string(batch, 'p') + "prp", {lhs, rhs}, b.filled(sizes, sum, 0), {map(m, k), map(k, n), map(m, n)},
        [&](Emitter &b, ValueRange args) -> Value {
          if (isFloat)
            return b.addReassociable(args[2], arith::MulFOp::create(b, b.convert(args[0], sum), b.convert(args[1], sum),
                                                                    arith::FastMathFlags::contract));
          auto widen = [&](Value value) -> Value {
            unsigned from = value.getType().getIntOrFloatBitWidth(), to = sum.getIntOrFloatBitWidth();
            if (from == to)
              return value;
            return from < to ? arith::ExtSIOp::create(b, sum, value).getResult()
                             : arith::TruncIOp::create(b, sum, value).getResult();
          };
          return arith::AddIOp::create(b, args[2], arith::MulIOp::create(b, widen(args[0]), widen(args[1])));
        });
    if (isFloat)
      y = b.convertTensor(y, result);
    if (y.getType() != op.getType())
      y = tensor::CastOp::create(b, op.getType(), y);
    rewriter.replaceOp(op, y);
    return success();
  }
};

/// terse.qlinear by its definition, in float.
struct LowerQLinear : OpRewritePattern<QLinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QLinearOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto input = cast<RankedTensorType>(op.getInput().getType());
    int64_t shape[] = {op.getType().getShape().back(), input.getShape().back()};
    Value rounded = op.getInput();
    GridAttr grid = op.getGridAttr();
    if (!grid || grid.getKind() == GridKind::Token)
      rounded = QuantizeDynamicOp::create(rewriter, loc, rounded);
    else if (grid.getKind() == GridKind::Tensor)
      rounded = QuantizeDynamicOp::create(rewriter, loc, rounded.getType(), rounded, 8, /*per_tensor=*/true);
    else if (grid.getKind() == GridKind::Fixed)
      rounded = QuantizeStaticOp::create(rewriter, loc, rounded.getType(), rounded, grid.getScale().getValue(), grid.getZero(),
                                         grid.getLow(), grid.getHigh());
    Value weight = DequantizeOp::create(rewriter, loc, RankedTensorType::get(shape, rewriter.getF32Type()),
                                        op.getCodes(), op.getScales(), op.getRowScales(), op.getZeroPoints(), op.getScheme());
    rewriter.replaceOpWithNewOp<LinearOp>(op, op.getType(), rounded, weight, op.getBias(), 1, op.getNameAttr());
    return success();
  }
};

} // namespace

void lowering::populateLinear(RewritePatternSet &patterns) {
  patterns.add<LowerLinear, LowerMatmul, LowerQLinear>(patterns.getContext());
}
