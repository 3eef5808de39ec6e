//===- Embedding.cpp - rows of tables and rotary embedding ----------------===//
#include "Lowering.h"

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

namespace {

/// y[..., c] = table[row(ids[...]), c], where row counts negative ids from the
/// end and keeps within the table. `read` reads the table.
Value embed(Emitter &b, EmbeddingOp op, llvm::function_ref<Value(Emitter &, Value row, Value column)> read) {
  Value ids = op.getIds(), table = op.getTable();
  int64_t lead = b.rank(ids);
  Type element = op.getType().getElementType();
  Emitter::Sizes sizes = b.sizes(ids);
  sizes.push_back(b.size(table, 1));
  Value rows = arith::IndexCastOp::create(b, b.getI64Type(), b.asIndex(b.size(table, 0)));
  Value zero = b.constant(b.getI64Type(), 0), one = b.constant(b.getI64Type(), 1);
  Value lastRow = arith::SubIOp::create(b, rows, one);
  SmallVector<int64_t> leading = llvm::to_vector(llvm::seq<int64_t>(lead));
  Value y = b.generic(std::string(lead + 1, 'p'), ids, b.empty(sizes, element),
                      {b.dims(lead + 1, leading), b.identity(lead + 1)}, [&](Emitter &b, ValueRange args) {
                        Value id = args[0];
                        if (id.getType() != b.getI64Type())
                          id = arith::ExtSIOp::create(b, b.getI64Type(), id);
                        Value isNegative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, id, zero);
                        Value fromEnd = arith::AddIOp::create(b, id, rows);
                        id = arith::SelectOp::create(b, isNegative, fromEnd, id);
                        id = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, id, lastRow), zero);
                        Value row = arith::IndexCastOp::create(b, b.getIndexType(), id);
                        return b.convert(read(b, row, linalg::IndexOp::create(b, lead)), element);
                      });
  if (y.getType() != op.getType())
    y = tensor::CastOp::create(b, op.getType(), y);
  return y;
}

struct LowerEmbedding : OpRewritePattern<EmbeddingOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(EmbeddingOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    rewriter.replaceOp(op, embed(b, op, [&](Emitter &b, Value row, Value column) -> Value {
                         return tensor::ExtractOp::create(b, op.getTable(), ValueRange{row, column});
                       }));
    return success();
  }
};

/// embedding of dequantize   reads codes of its rows only, instead of the values of
/// the whole table.
struct LowerEmbeddingOfCodes : OpRewritePattern<EmbeddingOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(EmbeddingOp op, PatternRewriter &rewriter) const override {
    auto codes = op.getTable().getDefiningOp<DequantizeOp>();
    if (!codes)
      return failure();
    Emitter b(rewriter, op);
    rewriter.replaceOp(op, embed(b, op, [&](Emitter &b, Value row, Value column) {
                         return dequantizeElement(b, codes, row, column);
                       }));
    return success();
  }
};

/// The halves a and b of the rotated part of every head, as slices, become
/// a cos - b sin and b cos + a sin; the rest of a head is copied.
struct LowerRope : OpRewritePattern<RopeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RopeOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Value cos = op.getCos(), sin = op.getSin();
    Type element = op.getType().getElementType(), acc = accumulatorType(element);
    OpFoldResult heads = b.index(op.getNumHeads()), batch = b.size(op.getInput(), 0), tokens = b.size(op.getInput(), 1);
    OpFoldResult headSize = b.div(b.size(op.getInput(), 2), heads), half = b.size(cos, 2);
    OpFoldResult zero = b.index(0), one = b.index(1), two = b.index(2);
    Emitter::Sizes shape{batch, tokens, heads, headSize};
    SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3}};

    int64_t staticHeadSize = getConstantIntValue(headSize).value_or(ShapedType::kDynamic);
    auto inputType = cast<RankedTensorType>(op.getInput().getType());
    auto headType = RankedTensorType::get(
        {inputType.getDimSize(0), inputType.getDimSize(1), static_cast<int64_t>(op.getNumHeads()), staticHeadSize},
        element);
    Value x = tensor::ExpandShapeOp::create(b, headType, op.getInput(), groups, shape);
    // Slices of the last dimension: offset, size, stride.
    auto slice = [&](OpFoldResult offset, OpFoldResult size, OpFoldResult stride) -> Value {
      return tensor::ExtractSliceOp::create(b, x, Emitter::Sizes{zero, zero, zero, offset},
                                            Emitter::Sizes{batch, tokens, heads, size},
                                            Emitter::Sizes{one, one, one, stride});
    };
    auto insert = [&](Value part, Value into, OpFoldResult offset, OpFoldResult size, OpFoldResult stride) -> Value {
      return tensor::InsertSliceOp::create(b, part, into, Emitter::Sizes{zero, zero, zero, offset},
                                           Emitter::Sizes{batch, tokens, heads, size},
                                           Emitter::Sizes{one, one, one, stride});
    };
    OpFoldResult stride = op.getInterleaved() ? two : one, second = op.getInterleaved() ? one : half;
    Value parts[] = {slice(zero, half, stride), slice(second, half, stride)};
    Emitter::Sizes partShape{batch, tokens, heads, half};

    bool sharedAngles = cast<RankedTensorType>(cos.getType()).getDimSize(0) == 1;
    AffineExpr batchExpr = sharedAngles ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(0);
    AffineMap angles = AffineMap::get(4, 0, {batchExpr, b.getAffineDimExpr(1), b.getAffineDimExpr(3)}, b.getContext());
    AffineMap all = b.identity(4);
    auto rotate = [&](Value own, Value other, bool isFirst) {
      return b.generic("pppp", {own, other, cos, sin}, b.empty(partShape, element), {all, all, angles, angles, all},
                       [&](Emitter &b, ValueRange args) {
                         Value u = arith::MulFOp::create(b, b.convert(args[0], acc), b.convert(args[2], acc));
                         Value v = arith::MulFOp::create(b, b.convert(args[1], acc), b.convert(args[3], acc));
                         Value sum = isFirst ? arith::SubFOp::create(b, u, v).getResult()
                                             : arith::AddFOp::create(b, u, v).getResult();
                         return b.convert(sum, element);
                       });
    };
    Value y = b.empty(shape, element);
    y = insert(rotate(parts[0], parts[1], true), y, zero, half, stride);
    y = insert(rotate(parts[1], parts[0], false), y, second, half, stride);
    OpFoldResult rotated = b.mul(half, two), rest = b.sub(headSize, rotated);
    if (getConstantIntValue(rest) != 0)
      y = insert(slice(rotated, rest, one), y, rotated, rest, one);
    if (y.getType() != headType)
      y = tensor::CastOp::create(b, headType, y);
    rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(op, op.getType(), y, groups);
    return success();
  }
};

} // namespace

void lowering::populateEmbedding(RewritePatternSet &patterns) {
  patterns.add<LowerEmbedding, LowerRope>(patterns.getContext());
}

void lowering::populateCombined(RewritePatternSet &patterns) {
  patterns.add<LowerEmbeddingOfCodes>(patterns.getContext());
}
