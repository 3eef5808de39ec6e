//===- FloatConversions.cpp - f16 and bf16 in integer arithmetic ----------===//
#include "FloatConversions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace terse;

namespace {

/// Elementwise code on scalars or vectors of one shape.
struct Bits : ImplicitLocOpBuilder {
  Type like;
  Bits(Location loc, PatternRewriter &rewriter, Type like) : ImplicitLocOpBuilder(loc, rewriter), like(like) {}

  Type shaped(Type element) const {
    if (auto vector = dyn_cast<VectorType>(like))
      return vector.clone(element);
    return element;
  }
  Type i16() { return shaped(getI16Type()); }
  Type i32() { return shaped(getI32Type()); }
  Type f32() { return shaped(getF32Type()); }
  Value constant(Type type, Attribute value) {
    if (auto vector = dyn_cast<VectorType>(type))
      value = DenseElementsAttr::get(vector, value);
    return arith::ConstantOp::create(*this, type, cast<TypedAttr>(value));
  }
  Value integer(int64_t value) { return constant(i32(), getI32IntegerAttr(static_cast<int32_t>(value))); }
  Value real(double value) { return constant(f32(), getF32FloatAttr(value)); }
  Value asF32(Value v) { return arith::BitcastOp::create(*this, f32(), v); }
  Value asI32(Value v) { return arith::BitcastOp::create(*this, i32(), v); }
  Value band(Value a, Value b) { return arith::AndIOp::create(*this, a, b); }
  Value bor(Value a, Value b) { return arith::OrIOp::create(*this, a, b); }
  Value add(Value a, Value b) { return arith::AddIOp::create(*this, a, b); }
  Value sub(Value a, Value b) { return arith::SubIOp::create(*this, a, b); }
  Value shl(Value a, int64_t n) { return arith::ShLIOp::create(*this, a, integer(n)); }
  Value shr(Value a, int64_t n) { return arith::ShRUIOp::create(*this, a, integer(n)); }
  Value select(Value c, Value a, Value b) { return arith::SelectOp::create(*this, c, a, b); }
  Value compare(arith::CmpIPredicate p, Value a, Value b) { return arith::CmpIOp::create(*this, p, a, b); }
};

/// The exponent's field moves by a multiplication by 2^112, which normalizes
/// subnormal numbers too; infinities and NaNs get the largest exponent.
struct ExpandExtF16 : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getIn().getType()).isF16() || !getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    Bits b(op.getLoc(), rewriter, op.getType());
    Value h = arith::ExtUIOp::create(b, b.i32(), arith::BitcastOp::create(b, b.i16(), op.getIn()));
    Value sign = b.shl(b.band(h, b.integer(0x8000)), 16);
    Value magnitude = b.shl(b.band(h, b.integer(0x7fff)), 13);
    Value scaled = b.asI32(arith::MulFOp::create(b, b.asF32(magnitude), b.real(0x1p112)));
    Value isSpecial = b.compare(arith::CmpIPredicate::uge, magnitude, b.integer(0x7c00 << 13));
    Value special = b.bor(magnitude, b.integer(0x7f800000));
    rewriter.replaceOp(op, b.asF32(b.bor(sign, b.select(isSpecial, special, scaled))));
    return success();
  }
};

/// Normal numbers: rebias the exponent and add half of the last place, with
/// ties to even; a carry goes into the exponent as it should. Subnormal
/// results: adding 0.5 lets the addition do the rounding. NaNs stay quiet NaNs.
struct ExpandTruncF16 : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getIn().getType()).isF32() || !getElementTypeOrSelf(op.getType()).isF16())
      return failure();
    Bits b(op.getLoc(), rewriter, op.getType());
    Value bits = b.asI32(op.getIn());
    Value sign = b.band(b.shr(bits, 16), b.integer(0x8000));
    Value magnitude = b.band(bits, b.integer(0x7fffffff));

    Value isOdd = b.band(b.shr(magnitude, 13), b.integer(1));
    Value rebiased = b.sub(magnitude, b.integer(112 << 23));
    Value normal = b.shr(b.add(b.add(rebiased, b.integer(0xfff)), isOdd), 13);

    Value denormal = b.sub(b.asI32(arith::AddFOp::create(b, b.asF32(magnitude), b.real(0.5))), b.integer(0x3f000000));

    Value isSmall = b.compare(arith::CmpIPredicate::ult, magnitude, b.integer(113 << 23));
    Value isLarge = b.compare(arith::CmpIPredicate::uge, magnitude, b.integer(143 << 23));
    Value isNan = b.compare(arith::CmpIPredicate::ugt, magnitude, b.integer(0x7f800000));
    Value result = b.select(isSmall, denormal, normal);
    result = b.select(isLarge, b.integer(0x7c00), result);
    result = b.select(isNan, b.integer(0x7e00), result);
    Value half = arith::TruncIOp::create(b, b.i16(), b.bor(sign, result));
    rewriter.replaceOp(op, arith::BitcastOp::create(b, op.getType(), half));
    return success();
  }
};

/// As upstream, with the NaN chosen among integers: processors without bf16 have no choice between vectors of it, and LLVM calls a
/// function of a compiler's library for each element.
struct ExpandTruncBF16 : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getIn().getType()).isF32() || !getElementTypeOrSelf(op.getType()).isBF16() || op.getRoundingmodeAttr())
      return failure();
    Bits b(op.getLoc(), rewriter, op.getType());
    Value bits = b.asI32(op.getIn());
    Value isOdd = b.band(b.shr(bits, 16), b.integer(1));
    Value rounded = b.shr(b.add(b.add(bits, b.integer(0x7fff)), isOdd), 16);
    Value isNan = b.compare(arith::CmpIPredicate::ugt, b.band(bits, b.integer(0x7fffffff)), b.integer(0x7f800000));
    Value half = arith::TruncIOp::create(b, b.i16(), b.select(isNan, b.integer(0x7fc0), rounded));
    rewriter.replaceOp(op, arith::BitcastOp::create(b, op.getType(), half));
    return success();
  }
};

/// f64 -> f16 rounds once only through an f32 that is rounded to odd; the
/// double rounding here is at most half a unit of f16's last place off.
struct TruncF64InSteps : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    Type to = getElementTypeOrSelf(op.getType());
    if (!getElementTypeOrSelf(op.getIn().getType()).isF64() || to.getIntOrFloatBitWidth() != 16)
      return failure();
    Bits b(op.getLoc(), rewriter, op.getType());
    Value single = arith::TruncFOp::create(b, b.f32(), op.getIn());
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), single);
    return success();
  }
};

struct ExtF16ToF64InSteps : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op, PatternRewriter &rewriter) const override {
    Type from = getElementTypeOrSelf(op.getIn().getType());
    if (from.getIntOrFloatBitWidth() != 16 || !getElementTypeOrSelf(op.getType()).isF64())
      return failure();
    Bits b(op.getLoc(), rewriter, op.getType());
    Value single = arith::ExtFOp::create(b, b.f32(), op.getIn());
    rewriter.replaceOpWithNewOp<arith::ExtFOp>(op, op.getType(), single);
    return success();
  }
};

} // namespace

void terse::populateTruncBF16Pattern(RewritePatternSet &patterns) {
  patterns.add<ExpandTruncBF16>(patterns.getContext(), /*benefit=*/2);
}

void terse::populateExpandF16Patterns(RewritePatternSet &patterns) {
  patterns.add<ExpandExtF16, ExpandTruncF16, TruncF64InSteps, ExtF16ToF64InSteps>(patterns.getContext());
}
