//===- QuantizeHeads.cpp - rounding of what enters a KV cache -------------===//
#include "Lowering.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

namespace {
/// Of each token's head: low = f16(min x), scale = f16((max x - low) / levels), y = low + clamp(round((x - low) / scale), 0, levels) * scale.
struct LowerQuantizeHeads : OpRewritePattern<QuantizeHeadsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeHeadsOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    auto type = op.getType();
    Type element = type.getElementType(), f32 = b.getF32Type();
    int64_t heads = op.getNumHeads(), size = type.getDimSize(2) / heads;
    SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3}};
    auto headsType = RankedTensorType::get({type.getDimSize(0), type.getDimSize(1), heads, size}, element);
    Value x = tensor::ExpandShapeOp::create(b, headsType, op.getInput(), groups,
                                            Emitter::Sizes{b.size(op.getInput(), 0), b.size(op.getInput(), 1), b.index(heads), b.index(size)});
    Value least = b.reduce(x, 3, f32, INFINITY, [](Emitter &b, ValueRange args) -> Value {
      return arith::MinimumFOp::create(b, args[1], args[0]);
    });
    Value most = b.reduce(x, 3, f32, -INFINITY, [](Emitter &b, ValueRange args) -> Value {
      return arith::MaximumFOp::create(b, args[1], args[0]);
    });
    double levels = (1 << op.getBits()) - 1;
    AffineMap head = b.dims(4, {0, 1, 2});
    Value y = b.generic("pppp", {x, least, most}, b.empty(b.sizes(x), element), {b.identity(4), head, head, b.identity(4)},
                        [&](Emitter &b, ValueRange args) {
                          Value none = b.constant(f32, 0), all = b.constant(f32, levels);
                          Value within = arith::MinimumFOp::create(b, args[1], b.constant(f32, kLargest));
                          Value low = toHalf(b, arith::MaximumFOp::create(b, within, b.constant(f32, -kLargest)));
                          Value exact = arith::DivFOp::create(b, arith::SubFOp::create(b, args[2], low), all);
                          Value scale = toHalf(b, arith::MinimumFOp::create(b, exact, b.constant(f32, kLargest)));
                          Value above = arith::SubFOp::create(b, b.convert(args[0], f32), low);
                          Value unit = arith::DivFOp::create(b, above, scale);
                          unit = arith::MinNumFOp::create(b, arith::MaxNumFOp::create(b, unit, none), all);
                          Value step = arith::MulFOp::create(b, math::RoundEvenOp::create(b, unit), scale);
                          return b.convert(arith::AddFOp::create(b, low, step), element);
                        });
    rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(op, type, y, groups);
    return success();
  }

private:
  static constexpr double kLargest = 65504; ///< of f16

  /// A number of f32 as f16 has it.
  static Value toHalf(Emitter &b, Value value) { return b.convert(b.convert(value, b.getF16Type()), b.getF32Type()); }
};
} // namespace

void lowering::populateQuantizeHeads(RewritePatternSet &patterns) { patterns.add<LowerQuantizeHeads>(patterns.getContext()); }
