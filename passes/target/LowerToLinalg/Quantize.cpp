//===- Quantize.cpp - codes to values, and rounding of activations --------===//
#include "Lowering.h"

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

/// With n all indices but the last:
/// value[n, k] = (code[n, k] - zero[n, k / group]) * scale[n, k / group], where
/// the code is bits k*b .. k*b + b of row n's bytes.
Value lowering::dequantizeElement(Emitter &b, DequantizeOp op, ValueRange row, Value column) {
  SchemeAttr scheme = op.getScheme();
  int64_t columns = op.getType().getShape().back(), bits = scheme.getBits(), rowBytes = scheme.getRowBytes(columns);
  Type element = op.getType().getElementType(), acc = accumulatorType(element), i32 = b.getI32Type();
  auto indices = [&](Value last) {
    SmallVector<Value> all(row);
    all.push_back(last);
    return all;
  };
  auto byteAt = [&](Value at) -> Value {
    return arith::ExtUIOp::create(b, i32, tensor::ExtractOp::create(b, op.getCodes(), indices(at)));
  };
  Value code;
  if (bits == 8) {
    code = byteAt(column);
  } else {
    Value bit = arith::MulIOp::create(b, column, b.constantIndex(bits));
    Value first = arith::DivUIOp::create(b, bit, b.constantIndex(8));
    Value shift = arith::IndexCastOp::create(b, i32, arith::RemUIOp::create(b, bit, b.constantIndex(8)));
    code = byteAt(first);
    if (8 % bits) { // A code may continue in the next byte, except in the last one.
      Value next = arith::AddIOp::create(b, first, b.constantIndex(1));
      next = arith::MinUIOp::create(b, next, b.constantIndex(rowBytes - 1));
      code = arith::OrIOp::create(b, code, arith::ShLIOp::create(b, byteAt(next), b.constant(i32, 8)));
    }
    code = arith::ShRUIOp::create(b, code, shift);
    code = arith::AndIOp::create(b, code, b.constant(i32, (1 << bits) - 1));
  }
  Value group = arith::DivUIOp::create(b, column, b.constantIndex(scheme.getGroupSize(columns)));
  Value zero = b.constant(i32, 1 << (bits - 1));
  if (Value zeros = op.getZeroPoints())
    zero = arith::ExtUIOp::create(b, i32, tensor::ExtractOp::create(b, zeros, indices(group)));
  Value centred = arith::SIToFPOp::create(b, acc, arith::SubIOp::create(b, code, zero));
  Value scale = b.convert(tensor::ExtractOp::create(b, op.getScales(), indices(group)), acc);
  return b.convert(arith::MulFOp::create(b, centred, scale), element);
}

namespace {

struct LowerDequantize : OpRewritePattern<DequantizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DequantizeOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Type element = op.getType().getElementType();
    int64_t rank = op.getType().getRank();
    // Sizes of codes: unlike the result they are no work of this operation.
    SmallVector<OpFoldResult> sizes = b.sizes(op.getCodes());
    sizes.back() = b.index(op.getType().getShape().back());
    rewriter.replaceOp(op, b.generic(std::string(rank, 'p'), {}, b.empty(sizes, element), b.identity(rank),
                                     [&](Emitter &b, ValueRange) {
                                       SmallVector<Value> row;
                                       for (int64_t i = 0; i + 1 < rank; ++i)
                                         row.push_back(linalg::IndexOp::create(b, i));
                                       return dequantizeElement(b, op, row, linalg::IndexOp::create(b, rank - 1));
                                     }));
    return success();
  }
};

/// y = round(x / scale) * scale with scale = max|row| / (2^(bits-1) - 1)
struct LowerQuantizeDynamic : OpRewritePattern<QuantizeDynamicOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeDynamicOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value x = op.getInput();
    int64_t rank = b.rank(x);
    Type element = op.getType().getElementType(), acc = accumulatorType(element);
    Value max = b.reduce(x, rank - 1, acc, 0, [](Emitter &b, ValueRange args) -> Value {
      return arith::MaximumFOp::create(b, args[1], math::AbsFOp::create(b, args[0]));
    });
    SmallVector<int64_t> lead = llvm::to_vector(llvm::seq<int64_t>(rank - 1));
    double levels = (1 << (op.getBits() - 1)) - 1;
    Value y = b.generic(std::string(rank, 'p'), {x, max}, b.empty(b.sizes(x), element),
                        {b.identity(rank), b.dims(rank, lead), b.identity(rank)}, [&](Emitter &b, ValueRange args) {
                          Value value = b.convert(args[0], acc);
                          Value scale = arith::DivFOp::create(b, args[1], b.constant(acc, levels));
                          Value code = math::RoundEvenOp::create(b, arith::DivFOp::create(b, value, scale));
                          Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, scale, b.constant(acc, 0));
                          Value rounded = arith::MulFOp::create(b, code, scale);
                          return b.convert(arith::SelectOp::create(b, isZero, b.constant(acc, 0), rounded), element);
                        });
    rewriter.replaceOp(op, y);
    return success();
  }
};

} // namespace

void lowering::populateQuantize(RewritePatternSet &patterns) {
  patterns.add<LowerDequantize, LowerQuantizeDynamic>(patterns.getContext());
}
