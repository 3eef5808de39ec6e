//===- LowerToLinalg.cpp - the plain meaning of every terse operation -----===//
#include "Lowering.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"

namespace terse {
#define GEN_PASS_DEF_LOWERTOLINALG
#include "target/LowerToLinalg/LowerToLinalg.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

//===----------------------------------------------------------------------===//
// Emitter
//===----------------------------------------------------------------------===//

FloatType lowering::accumulatorType(Type type) {
  return type.isF64() ? cast<FloatType>(type) : Float32Type::get(type.getContext());
}

OpFoldResult Emitter::mul(OpFoldResult a, OpFoldResult b) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(b);
  if (x && y)
    return index(*x * *y);
  return arith::MulIOp::create(*this, asIndex(a), asIndex(b)).getResult();
}

OpFoldResult Emitter::sub(OpFoldResult a, OpFoldResult b) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(b);
  if (x && y)
    return index(*x - *y);
  return arith::SubIOp::create(*this, asIndex(a), asIndex(b)).getResult();
}

OpFoldResult Emitter::div(OpFoldResult a, OpFoldResult b) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(b);
  if (x && y && *y)
    return index(*x / *y);
  return arith::DivUIOp::create(*this, asIndex(a), asIndex(b)).getResult();
}

Value Emitter::constant(Type type, double value) {
  if (isa<FloatType>(type))
    return arith::ConstantOp::create(*this, getFloatAttr(type, value));
  return arith::ConstantOp::create(*this, getIntegerAttr(type, static_cast<int64_t>(value)));
}

Value Emitter::constantIndex(int64_t value) { return arith::ConstantIndexOp::create(*this, value); }

Value Emitter::convert(Value scalar, Type type) {
  unsigned from = scalar.getType().getIntOrFloatBitWidth(), to = type.getIntOrFloatBitWidth();
  if (scalar.getType() == type)
    return scalar;
  if (from == to) // f16 and bf16 hold neither's values: go through f32.
    return convert(convert(scalar, getF32Type()), type);
  if (from < to)
    return arith::ExtFOp::create(*this, type, scalar);
  return arith::TruncFOp::create(*this, type, scalar);
}

Value Emitter::empty(ArrayRef<OpFoldResult> sizes, Type element) {
  return tensor::EmptyOp::create(*this, sizes, element);
}

Value Emitter::filled(ArrayRef<OpFoldResult> sizes, Type element, double value) {
  return linalg::FillOp::create(*this, constant(element, value), empty(sizes, element)).getResult(0);
}

AffineMap Emitter::dims(int64_t rank, ArrayRef<int64_t> list) {
  SmallVector<AffineExpr> exprs;
  for (int64_t dim : list)
    exprs.push_back(getAffineDimExpr(dim));
  return AffineMap::get(rank, 0, exprs, getContext());
}

Value Emitter::generic(StringRef iterators, ValueRange inputs, Value output, ArrayRef<AffineMap> maps, Body body) {
  SmallVector<utils::IteratorType> kinds;
  for (char letter : iterators)
    kinds.push_back(letter == 'r' ? utils::IteratorType::reduction : utils::IteratorType::parallel);
  auto op = linalg::GenericOp::create(*this, output.getType(), inputs, output, maps, kinds,
                                      [&](OpBuilder &nested, Location, ValueRange args) {
                                        OpBuilder::InsertionGuard guard(*this);
                                        setInsertionPoint(nested.getInsertionBlock(), nested.getInsertionPoint());
                                        linalg::YieldOp::create(*this, body(*this, args));
                                      });
  return op.getResult(0);
}

Value Emitter::elementwise(ValueRange inputs, Value output, Body body) {
  SmallVector<AffineMap> maps(inputs.size() + 1, identity(rank(output)));
  return generic(std::string(rank(output), 'p'), inputs, output, maps, body);
}

Value Emitter::reduce(Value input, int64_t axis, Type element, double initial, Body body) {
  int64_t n = rank(input);
  SmallVector<int64_t> kept;
  Sizes keptSizes, all = sizes(input);
  std::string iterators(n, 'p');
  iterators[axis] = 'r';
  for (int64_t i = 0; i < n; ++i)
    if (i != axis) {
      kept.push_back(i);
      keptSizes.push_back(all[i]);
    }
  return generic(iterators, input, filled(keptSizes, element, initial), {identity(n), dims(n, kept)},
                 [&](Emitter &b, ValueRange args) {
                   return body(b, {b.convert(args[0], element), args[1]});
                 });
}

Value Emitter::convertTensor(Value tensor, Type element) {
  if (Emitter::element(tensor) == element)
    return tensor;
  return elementwise(tensor, empty(sizes(tensor), element),
                     [&](Emitter &b, ValueRange args) { return b.convert(args[0], element); });
}

Value Emitter::addReassociable(Value a, Value b) {
  return arith::AddFOp::create(*this, a, b, arith::FastMathFlags::reassoc | arith::FastMathFlags::contract);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
/// terse.weight "w" = dense<...>   becomes   arith.constant dense<...>
struct WeightToConstant : OpRewritePattern<WeightOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(WeightOp op, PatternRewriter &rewriter) const override {
    auto elements = dyn_cast<ElementsAttr>(op.getData());
    if (!elements)
      return failure();
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(op, elements);
    return success();
  }
};

/// A tap is an identity.
struct DropTap : OpRewritePattern<TapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TapOp op, PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
};

struct LowerToLinalg : terse::impl::LowerToLinalgBase<LowerToLinalg> {
  using LowerToLinalgBase::LowerToLinalgBase;

  void runOnOperation() override {
    RewritePatternSet combined(&getContext());
    populateCombined(combined);
    if (failed(applyPatternsGreedily(getOperation(), std::move(combined))))
      return signalPassFailure();
    RewritePatternSet patterns(&getContext());
    patterns.add<WeightToConstant, DropTap>(&getContext());
    populateLinear(patterns);
    populateRowwise(patterns);
    populateRotate(patterns);
    populateEmbedding(patterns);
    populateAttention(patterns);
    populateQuantize(patterns);
    populateQuantizeHeads(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();

    bool left = false;
    getOperation()->walk([&](Operation *op) {
      if (!isa_and_present<TerseDialect>(op->getDialect()))
        return;
      left = true;
      if (isa<WeightOp>(op))
        op->emitOpError("expected weights in files to be placed in the artifact before");
      else
        op->emitOpError("has no plain lowering");
    });
    if (left)
      signalPassFailure();
  }
};
} // namespace
