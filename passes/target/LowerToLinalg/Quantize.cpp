//===- Quantize.cpp - codes to values, and rounding of activations --------===//
#include "Lowering.h"

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

/// Byte `code` of a table of 16, an i8; `code` is an i32.
static Value lookUp(Emitter &b, ArrayRef<int8_t> table, Value code) {
  uint64_t words[2] = {};
  for (auto [i, byte] : llvm::enumerate(table))
    words[i / 8] |= uint64_t(uint8_t(byte)) << (8 * (i % 8));
  Value isHigh = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, code, b.constant(b.getI32Type(), 8));
  auto half = [&](uint64_t word) -> Value { return arith::ConstantOp::create(b, b.getI64IntegerAttr(word)); };
  Value word = arith::SelectOp::create(b, isHigh, half(words[1]), half(words[0]));
  Value shift = arith::ShLIOp::create(b, arith::AndIOp::create(b, code, b.constant(b.getI32Type(), 7)), b.constant(b.getI32Type(), 3));
  word = arith::ShRUIOp::create(b, word, arith::ExtUIOp::create(b, b.getI64Type(), shift));
  return arith::TruncIOp::create(b, b.getI8Type(), word);
}

/// With n all indices but the last:
/// value[n, k] = (code[n, k] - zero[n, k / group]) * scale[n, k / group], where
/// the code is bits k*b .. k*b + b of row n's bytes; table[code[n, k]] * scale[n, k / group] where the scheme has a table.
/// Scales of i8 are multiples of the row's.
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
  Value scale = tensor::ExtractOp::create(b, op.getScales(), indices(group));
  if (scheme.hasRowScales()) {
    Value ofRow = tensor::ExtractOp::create(b, op.getRowScales(), indices(b.constantIndex(0)));
    scale = arith::MulFOp::create(b, arith::SIToFPOp::create(b, acc, scale), b.convert(ofRow, acc));
  } else {
    scale = b.convert(scale, acc);
  }
  if (scheme.hasTable()) {
    Value level = arith::SIToFPOp::create(b, acc, lookUp(b, scheme.getTable(), code));
    return b.convert(arith::MulFOp::create(b, level, scale), element);
  }
  if (scheme.getZero() == ZeroPoint::Float) {
    Value zero = b.convert(tensor::ExtractOp::create(b, op.getZeroPoints(), indices(group)), acc);
    Value centred = arith::SubFOp::create(b, arith::SIToFPOp::create(b, acc, code), zero);
    return b.convert(arith::MulFOp::create(b, centred, scale), element);
  }
  Value zero = b.constant(i32, 1 << (bits - 1));
  if (Value zeros = op.getZeroPoints())
    zero = arith::ExtUIOp::create(b, i32, tensor::ExtractOp::create(b, zeros, indices(group)));
  Value centred = arith::SIToFPOp::create(b, acc, arith::SubIOp::create(b, code, zero));
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
    if (op.getPerTensor())
      return failure();
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

/// clamp(round(x / scale) + zero, low, high), still a float; scale and zero are scalars of its type.
static Value encode(Emitter &b, Value x, Value scale, Value zero, double low, double high) {
  Type type = x.getType();
  Value code = arith::AddFOp::create(b, math::RoundEvenOp::create(b, arith::DivFOp::create(b, x, scale)), zero);
  code = arith::MaximumFOp::create(b, code, b.constant(type, low));
  return arith::MinimumFOp::create(b, code, b.constant(type, high));
}

/// Scale and zero point, tensors of rank 0 in f32, of the 8-bit grid over all of x.
static std::pair<Value, Value> getTensorGrid(Emitter &b, Value x) {
  int64_t rank = b.rank(x);
  Type f32 = b.getF32Type();
  auto reduce = [&](auto combine) {
    return b.generic(std::string(rank, 'r'), {x}, b.filled({}, f32, 0), {b.identity(rank), b.dims(rank, {})},
                     [&](Emitter &b, ValueRange args) { return combine(b, args[1], b.convert(args[0], f32)); });
  };
  Value low = reduce([](Emitter &b, Value l, Value r) -> Value { return arith::MinimumFOp::create(b, l, r); });
  Value high = reduce([](Emitter &b, Value l, Value r) -> Value { return arith::MaximumFOp::create(b, l, r); });
  AffineMap scalar = b.identity(0);
  Value scale = b.generic("", {low, high}, b.empty({}, f32), {scalar, scalar, scalar}, [&](Emitter &b, ValueRange args) -> Value {
    Value span = arith::DivFOp::create(b, arith::SubFOp::create(b, args[1], args[0]), b.constant(f32, 255));
    Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, span, b.constant(f32, 0));
    return arith::SelectOp::create(b, none, b.constant(f32, 1), span);
  });
  Value zero = b.generic("", {low, scale}, b.empty({}, f32), {scalar, scalar, scalar}, [&](Emitter &b, ValueRange args) -> Value {
    Value nothing = b.constant(f32, 0);
    return encode(b, arith::SubFOp::create(b, nothing, args[0]), args[1], nothing, 0, 255);
  });
  return {scale, zero};
}

struct LowerQuantizePerTensor : OpRewritePattern<QuantizeDynamicOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeDynamicOp op, PatternRewriter &rewriter) const override {
    if (!op.getPerTensor())
      return failure();
    Emitter b(rewriter, op);
    Value x = op.getInput();
    int64_t rank = b.rank(x);
    Type element = op.getType().getElementType(), f32 = b.getF32Type();
    auto [scale, zero] = getTensorGrid(b, x);
    AffineMap scalar = b.dims(rank, {});
    rewriter.replaceOp(op, b.generic(std::string(rank, 'p'), {x, scale, zero}, b.empty(b.sizes(x), element),
                                     {b.identity(rank), scalar, scalar, b.identity(rank)}, [&](Emitter &b, ValueRange args) {
                                       Value code = encode(b, b.convert(args[0], f32), args[1], args[2], 0, 255);
                                       Value centred = arith::SubFOp::create(b, code, args[2]);
                                       return b.convert(arith::MulFOp::create(b, centred, args[1]), element);
                                     }));
    return success();
  }
};

struct LowerQuantizeTensor : OpRewritePattern<QuantizeTensorOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeTensorOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value x = op.getInput();
    int64_t rank = b.rank(x);
    Type f32 = b.getF32Type(), i8 = b.getI8Type();
    auto [scale, zero] = getTensorGrid(b, x);
    auto toByte = [&](Emitter &b, Value code) -> Value {
      return arith::TruncIOp::create(b, i8, arith::FPToSIOp::create(b, b.getI32Type(), code));
    };
    AffineMap scalar = b.dims(rank, {});
    Value codes = b.generic(std::string(rank, 'p'), {x, scale, zero}, b.empty(b.sizes(x), i8),
                            {b.identity(rank), scalar, scalar, b.identity(rank)}, [&](Emitter &b, ValueRange args) {
                              return toByte(b, encode(b, b.convert(args[0], f32), args[1], args[2], 0, 255));
                            });
    Value zeroCode = b.generic("", {zero}, b.empty({}, i8), {b.identity(0), b.identity(0)},
                               [&](Emitter &b, ValueRange args) { return toByte(b, args[0]); });
    rewriter.replaceOp(op, {codes, scale, zeroCode});
    return success();
  }
};

struct LowerQuantizeStatic : OpRewritePattern<QuantizeStaticOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeStaticOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value x = op.getInput();
    Type element = op.getType().getElementType(), f32 = b.getF32Type();
    rewriter.replaceOp(op, b.elementwise({x}, b.empty(b.sizes(x), element), [&](Emitter &b, ValueRange args) {
      int64_t low = op.getLow(), high = op.getHigh(), zeroPoint = op.getZero(); // unsigned as attributes give them
      Value scale = b.constant(f32, op.getScale().convertToDouble()), zero = b.constant(f32, zeroPoint);
      Value code = encode(b, b.convert(args[0], f32), scale, zero, low, high);
      return b.convert(arith::MulFOp::create(b, arith::SubFOp::create(b, code, zero), scale), element);
    }));
    return success();
  }
};

} // namespace

void lowering::populateQuantize(RewritePatternSet &patterns) {
  patterns.add<LowerDequantize, LowerQuantizeDynamic, LowerQuantizePerTensor, LowerQuantizeTensor, LowerQuantizeStatic>(
      patterns.getContext());
}
