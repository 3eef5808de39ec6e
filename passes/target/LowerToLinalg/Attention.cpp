//===- Attention.cpp - attention and its cache ----------------------------===//
#include "Lowering.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::lowering;

namespace {

/// Element `at` of a tensor in a generic's body; a dimension of size 1 is read
/// at 0 whatever `at` says, whether its size is known or not.
Value readBroadcast(Emitter &b, Value tensor, ArrayRef<Value> at, ValueRange lastIndices) {
  SmallVector<Value> indices;
  for (auto [i, index] : llvm::enumerate(at)) {
    bool isOne = Emitter::type(tensor).getDimSize(i) == 1;
    indices.push_back(isOne ? b.constantIndex(0) : arith::MinUIOp::create(b, index, lastIndices[i]).getResult());
  }
  return tensor::ExtractOp::create(b, tensor, indices);
}

/// Size minus one of every dimension.
SmallVector<Value> lastIndices(Emitter &b, Value tensor) {
  SmallVector<Value> indices;
  for (OpFoldResult size : b.sizes(tensor))
    indices.push_back(b.asIndex(b.sub(size, b.index(1))));
  return indices;
}

/// Where sequence `batch` begins, as an index, in a generic's body.
Value startOf(Emitter &b, Value starts, Value batch) {
  return arith::IndexCastOp::create(b, b.getIndexType(), tensor::ExtractOp::create(b, starts, ValueRange{batch}));
}

/// Attention by its definition. Heads are (kv, g): KV head and query within its
/// group. The scores of all queries are materialised:
///   scores[b, kv, g, s, t] = scale * sum_d q[b, s, kv, g, d] k[b, kv, t, d]
/// then capped, biased and masked in place; their exponentials weigh the values
/// and the sum of exponentials divides at the end.
struct LowerAttention : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    Type element = op.getType().getElementType(), acc = accumulatorType(element);
    auto queryType = cast<RankedTensorType>(op.getQuery().getType());
    auto keyType = cast<RankedTensorType>(op.getKey().getType());
    int64_t kvHeads = keyType.getDimSize(1), group = op.getNumHeads() / kvHeads;
    int64_t headSize = keyType.getDimSize(3), valueSize = cast<RankedTensorType>(op.getValue().getType()).getDimSize(3);
    OpFoldResult batch = b.size(op.getQuery(), 0), tokens = b.size(op.getQuery(), 1), length = op.getLength();
    if (auto known = getConstantIntValue(length))
      length = b.index(*known);
    OpFoldResult zero = b.index(0), one = b.index(1), kv = b.index(kvHeads), g = b.index(group);
    SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3, 4}};

    auto headsType = RankedTensorType::get({queryType.getDimSize(0), queryType.getDimSize(1), kvHeads, group, headSize},
                                           queryType.getElementType());
    Value query = op.getQuery();
    if (queryType.isDynamicDim(2))
      query = tensor::CastOp::create(b,
                                     RankedTensorType::get({queryType.getDimSize(0), queryType.getDimSize(1),
                                                            static_cast<int64_t>(op.getNumHeads()) * headSize},
                                                           queryType.getElementType()),
                                     query);
    query = tensor::ExpandShapeOp::create(b, headsType, query, groups,
                                          Emitter::Sizes{batch, tokens, kv, g, b.index(headSize)});
    auto readable = [&](Value cache, int64_t size) -> Value {
      return tensor::ExtractSliceOp::create(b, cache, Emitter::Sizes(4, zero),
                                            Emitter::Sizes{b.size(cache, 0), kv, length, b.index(size)},
                                            Emitter::Sizes(4, one));
    };
    Value key = readable(op.getKey(), headSize), value = readable(op.getValue(), valueSize);

    // Loops b, kv, g, s, t, d.
    Value scores = b.generic("pppppr", {query, key}, b.filled({batch, kv, g, tokens, length}, acc, 0),
                             {b.dims(6, {0, 3, 1, 2, 5}), b.dims(6, {0, 1, 4, 5}), b.dims(6, {0, 1, 2, 3, 4})},
                             [&](Emitter &b, ValueRange args) {
                               Value product = arith::MulFOp::create(
                                   b, b.convert(args[0], acc), b.convert(args[1], acc), arith::FastMathFlags::contract);
                               return b.addReassociable(args[2], product);
                             });
    scores = mask(b, op, scores, b.asIndex(length), b.asIndex(tokens), group);

    AffineMap all = b.identity(5), row = b.dims(5, {0, 1, 2, 3});
    Value max = b.reduce(scores, 4, acc, -INFINITY, [](Emitter &b, ValueRange args) -> Value {
      return arith::MaximumFOp::create(b, args[1], args[0]);
    });
    // A row that reads nothing has maximum -inf, and exp(-inf - 0) = 0 is right.
    Value sinks = op.getSinks();
    auto sink = [&](Emitter &b) {
      return b.convert(tensor::ExtractOp::create(b, sinks, ValueRange{queryHead(b, group)}), acc);
    };
    max = b.elementwise({}, max, [&](Emitter &b, ValueRange args) -> Value {
      if (sinks)
        return arith::MaximumFOp::create(b, args[0], sink(b));
      Value isEmpty = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, args[0], b.constant(acc, -INFINITY));
      return arith::SelectOp::create(b, isEmpty, b.constant(acc, 0), args[0]);
    });
    Value weights = b.generic("ppppp", max, scores, {row, all}, [&](Emitter &b, ValueRange args) -> Value {
      return math::ExpOp::create(b, arith::SubFOp::create(b, args[1], args[0]));
    });
    Value total =
        b.reduce(weights, 4, acc, 0, [](Emitter &b, ValueRange args) { return b.addReassociable(args[1], args[0]); });
    if (sinks)
      total = b.elementwise({max}, total, [&](Emitter &b, ValueRange args) -> Value {
        return arith::AddFOp::create(b, args[1], math::ExpOp::create(b, arith::SubFOp::create(b, sink(b), args[0])));
      });

    // Loops b, s, kv, g, t, dv: rows of the values are read in order.
    Emitter::Sizes shape{batch, tokens, kv, g, b.index(valueSize)};
    Value sums = b.generic("pppprp", {weights, value}, b.filled(shape, acc, 0),
                           {b.dims(6, {0, 2, 3, 1, 4}), b.dims(6, {0, 2, 4, 5}), b.dims(6, {0, 1, 2, 3, 5})},
                           [&](Emitter &b, ValueRange args) {
                             Value product = arith::MulFOp::create(b, args[0], b.convert(args[1], acc),
                                                                   arith::FastMathFlags::contract);
                             return b.addReassociable(args[2], product);
                           });
    Value y = b.generic("ppppp", {sums, total}, b.empty(shape, element), {all, b.dims(5, {0, 2, 3, 1}), all},
                        [&](Emitter &b, ValueRange args) {
                          Value isEmpty =
                              arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, args[1], b.constant(acc, 0));
                          Value quotient = arith::DivFOp::create(b, args[0], args[1]);
                          return b.convert(arith::SelectOp::create(b, isEmpty, b.constant(acc, 0), quotient), element);
                        });
    auto flatType = RankedTensorType::get({Emitter::type(y).getDimSize(0), Emitter::type(y).getDimSize(1),
                                           static_cast<int64_t>(op.getNumHeads()) * valueSize},
                                          element);
    y = tensor::CollapseShapeOp::create(b, flatType, y, groups);
    if (y.getType() != op.getType())
      y = tensor::CastOp::create(b, op.getType(), y);
    rewriter.replaceOp(op, y);
    return success();
  }

  /// The query head of loops b, kv, g, ...
  static Value queryHead(Emitter &b, int64_t group) {
    Value first = arith::MulIOp::create(b, linalg::IndexOp::create(b, 1), b.constantIndex(group));
    return arith::AddIOp::create(b, first, linalg::IndexOp::create(b, 2));
  }

  /// Scales, caps, biases and masks (with -inf) all scores in place.
  Value mask(Emitter &b, AttentionOp op, Value scores, Value length, Value tokens, int64_t group) const {
    Type acc = Emitter::element(scores);
    Value padding = op.getPadding(), bias = op.getBias();
    SmallVector<Value> paddingLast = padding ? lastIndices(b, padding) : SmallVector<Value>();
    SmallVector<Value> biasLast = bias ? lastIndices(b, bias) : SmallVector<Value>();
    Value past = arith::SubIOp::create(b, length, tokens);
    return b.elementwise({}, scores, [&](Emitter &b, ValueRange args) {
      Value score = arith::MulFOp::create(b, args[0], b.constant(acc, op.getScale().convertToDouble()));
      if (op.getSoftcap()) {
        Value cap = b.constant(acc, op.getSoftcap()->convertToDouble());
        score = arith::MulFOp::create(b, cap, math::TanhOp::create(b, arith::DivFOp::create(b, score, cap)));
      }
      Value batch = linalg::IndexOp::create(b, 0), query = linalg::IndexOp::create(b, 3),
            key = linalg::IndexOp::create(b, 4);
      Value head = queryHead(b, group);
      if (bias)
        score = arith::AddFOp::create(b, score,
                                      b.convert(readBroadcast(b, bias, {batch, head, query, key}, biasLast), acc));
      Value start = op.getStarts() ? startOf(b, op.getStarts(), batch) : past;
      Value position = arith::AddIOp::create(b, start, query);
      if (op.getSlopes()) {
        Value slope = b.convert(tensor::ExtractOp::create(b, op.getSlopes(), ValueRange{head}), acc);
        Value distance = arith::IndexCastOp::create(b, b.getI64Type(), arith::SubIOp::create(b, key, position));
        score = arith::AddFOp::create(b, score,
                                      arith::MulFOp::create(b, slope, arith::SIToFPOp::create(b, acc, distance)));
      }
      Value allowed;
      auto require = [&](Value condition) {
        allowed = allowed ? arith::AndIOp::create(b, allowed, condition).getResult() : condition;
      };
      if (op.getCausal()) {
        require(arith::CmpIOp::create(b, arith::CmpIPredicate::sle, key, position));
        if (op.getWindow()) {
          Value distance = arith::SubIOp::create(b, position, key);
          require(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, distance, b.constantIndex(*op.getWindow())));
        }
      }
      if (padding)
        require(readBroadcast(b, padding, {batch, key}, paddingLast));
      if (!allowed)
        return score;
      return arith::SelectOp::create(b, allowed, score, b.constant(acc, -INFINITY)).getResult();
    });
  }
};

/// %r = terse.cache_update %cache, %new at %p   writes the new rows,
/// transposed, into a slice of the cache.
struct LowerCacheUpdate : OpRewritePattern<CacheUpdateOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CacheUpdateOp op, PatternRewriter &rewriter) const override {
    Emitter b(rewriter, op);
    auto cacheType = cast<RankedTensorType>(op.getCache().getType());
    auto updateType = cast<RankedTensorType>(op.getUpdate().getType());
    int64_t heads = cacheType.getDimSize(1), size = cacheType.getDimSize(3);
    OpFoldResult batch = b.size(op.getUpdate(), 0), tokens = b.size(op.getUpdate(), 1), zero = b.index(0);
    Type element = cacheType.getElementType();
    Value update = op.getUpdate();
    if (updateType.isDynamicDim(2))
      update = tensor::CastOp::create(
          b,
          RankedTensorType::get({updateType.getDimSize(0), updateType.getDimSize(1), heads * size},
                                updateType.getElementType()),
          update);
    auto headsType = RankedTensorType::get({updateType.getDimSize(0), updateType.getDimSize(1), heads, size},
                                           updateType.getElementType());
    Value rows =
        tensor::ExpandShapeOp::create(b, headsType, update, SmallVector<ReassociationIndices>{{0}, {1}, {2, 3}},
                                      Emitter::Sizes{batch, tokens, b.index(heads), b.index(size)});
    if (Value starts = op.getStarts()) {
      rewriter.replaceOp(op, updateFrom(b, op.getCache(), rows, starts));
      return success();
    }
    Emitter::Sizes offsets{zero, zero, op.getPosition(), zero}, shape{batch, b.index(heads), tokens, b.index(size)},
        strides(4, b.index(1));
    Value slice = tensor::ExtractSliceOp::create(b, op.getCache(), offsets, shape, strides);
    Value written = b.generic("pppp", rows, slice, {b.dims(4, {0, 2, 1, 3}), b.identity(4)},
                              [&](Emitter &b, ValueRange args) { return b.convert(args[0], element); });
    rewriter.replaceOpWithNewOp<tensor::InsertSliceOp>(op, written, op.getCache(), offsets, shape, strides);
    return success();
  }

  /// Rows begin where each sequence does: every element of the cache is either new or as it was.
  static Value updateFrom(Emitter &b, Value cache, Value rows, Value starts) {
    Value tokens = b.asIndex(b.size(rows, 1));
    Value lastToken = arith::SubIOp::create(b, tokens, b.constantIndex(1));
    Value limit = arith::SubIOp::create(b, b.asIndex(b.size(cache, 2)), tokens);
    return b.elementwise({}, cache, [&](Emitter &b, ValueRange args) -> Value {
      Value batch = linalg::IndexOp::create(b, 0), head = linalg::IndexOp::create(b, 1),
            row = linalg::IndexOp::create(b, 2), element = linalg::IndexOp::create(b, 3);
      Value start = arith::MinSIOp::create(b, startOf(b, starts, batch), limit);
      start = arith::MaxSIOp::create(b, start, b.constantIndex(0));
      Value token = arith::SubIOp::create(b, row, start);
      Value isNew = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, token, tokens);
      Value at = arith::MaxSIOp::create(b, arith::MinUIOp::create(b, token, lastToken), b.constantIndex(0));
      Value fresh = tensor::ExtractOp::create(b, rows, ValueRange{batch, at, head, element});
      return arith::SelectOp::create(b, isNew, b.convert(fresh, args[0].getType()), args[0]);
    });
  }
};

} // namespace

void lowering::populateAttention(RewritePatternSet &patterns) {
  patterns.add<LowerAttention, LowerCacheUpdate>(patterns.getContext());
}
