//===- Microsoft.cpp - operators of ONNX Runtime's own domain -------------===//
#include "AttentionHelpers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

static Value toIndex(Importer &im, OpBuilder &b, Value v) {
  return arith::IndexCastOp::create(b, im.loc, b.getIndexType(), v);
}

/// position_ids is [B, S], or [1] with the position of the first token. Rows of ragged batches
/// (is_packed_batching) are rotated like any others.
TERSE_ONNX_OP("com.microsoft", RotaryEmbedding, 1, 4, 4) {
  Tensor *t = n.input(0), *ids = n.input(1), *cos = n.input(2), *sin = n.input(3);
  bool byHead = t->rank() == 4;
  if ((!byHead && !hasRank(im, t, 3, "an input")) || !hasRank(im, cos, 2, "a table of angles"))
    return failure();
  Tensor *tokens = byHead ? mergeHeads(im, t) : t;
  auto channels = tokens ? im.symbols.resolve(tokens->dims[2]).constant() : std::nullopt;
  auto half = im.symbols.resolve(cos->dims[1]).constant();
  if (!channels || !half || *half < 1)
    return im.error("expected constant numbers of channels and angles"), failure();
  int64_t heads = n.integer("num_heads", 0);
  if (byHead)
    heads = im.symbols.resolve(t->dims[1]).constant().value_or(0);
  else if (heads == 0)
    heads = *channels / (2 * *half); // the whole head is rotated
  bool offset = ids->rank() == 1;
  if (!im.value(ids) || (!offset && !hasRank(im, ids, 2, "position_ids")))
    return failure();
  for (int i : {0, 1})
    if (!im.unify(ids->dims[offset ? 0 : i], offset ? Dim(1) : tokens->dims[i], "tokens and positions"))
      return failure();
  auto position = [&](OpBuilder &b, Value batch, Value token) -> Value {
    if (!offset)
      return toIndex(im, b, im.element(b, ids, {batch, token}));
    Value zero = arith::ConstantIndexOp::create(b, im.loc, 0);
    return arith::AddIOp::create(b, im.loc, toIndex(im, b, im.element(b, ids, {zero})), token);
  };
  auto angles = [&](Tensor *table) {
    return im.shared({table, ids}, {tokens->dims[0], tokens->dims[1]},
                     [&] { return gatherAngles(im, table, tokens->dims, position); });
  };
  Tensor *result = rope(im, tokens, angles(cos), angles(sin), heads, n.integer("interleaved", 0) != 0);
  return n.yield({byHead ? splitHeads(im, result, heads) : result});
}

/// Word, position and segment embeddings, summed and normalized; mask_index is the number of ones of each mask.
TERSE_ONNX_OP("com.microsoft", EmbedLayerNormalization, 1, 1, 9) {
  Tensor *ids = n.input(0), *segments = n.input(1), *mask = n.input(7), *positions = n.input(8);
  if (!hasRank(im, ids, 2, "input_ids"))
    return failure();
  if (!positions) {
    positions = im.generate(onnx::TensorProto::INT64, {Dim(1), ids->dims[1]}, [&](OpBuilder &b, ValueRange at) -> Value {
      return arith::IndexCastOp::create(b, im.loc, b.getI64Type(), at[1]);
    });
  }
  Tensor *sum = add(im, embed(im, ids, n.input(2)), embed(im, positions, n.input(3)));
  if (segments && n.input(4))
    sum = add(im, sum, embed(im, segments, n.input(4)));
  if (!sum)
    return failure();
  Tensor *normal = normalize(im, NormKind::Layer, sum, n.input(5), n.input(6), 2, n.real("epsilon", 1e-12f));
  Tensor *count = nullptr;
  if (n.wantsOutput(1)) {
    count = im.fromFill(onnx::TensorProto::INT32, {ids->dims[0]}, 0);
    if (mask) {
      if (!hasRank(im, mask, 2, "a mask"))
        return failure();
      Tensor *one = compare(im, arith::CmpIPredicate::eq, mask, im.scalar(mask->dtype, 1));
      count = one ? reduceSum(im, im.cast(one, onnx::TensorProto::INT32), {1}, /*keep=*/false) : nullptr;
    }
    if (!count)
      return failure();
  }
  return n.yield({normal, count, sum});
}

/// alpha A' B'. `transBatch` moves the first dimension behind the batch's, before the last two are swapped.
static Tensor *fusedMatmul(Importer &im, Node &n) {
  auto arrange = [&](Tensor *t, bool transBatch, bool trans) -> Tensor * {
    int64_t rank = t->rank();
    SmallVector<int64_t> order(rank);
    std::iota(order.begin(), order.end(), 0);
    if (transBatch && rank > 2)
      std::rotate(order.begin(), order.begin() + 1, order.end() - 1);
    if (trans && rank > 1)
      std::swap(order[rank - 2], order[rank - 1]);
    return im.transpose(t, order);
  };
  Tensor *product = im.matmul(arrange(n.input(0), n.integer("transBatchA", 0) != 0, n.integer("transA", 0) != 0),
                              arrange(n.input(1), n.integer("transBatchB", 0) != 0, n.integer("transB", 0) != 0));
  double alpha = n.real("alpha", 1);
  return product && alpha != 1 ? multiply(im, product, im.scalar(product->dtype, alpha)) : product;
}
TERSE_ONNX_OP("com.microsoft", FusedMatMul, 1, 2, 2) { return n.yield({fusedMatmul(im, n)}); }
TERSE_ONNX_OP("com.microsoft", TransposeMatMul, 1, 2, 2) { return n.yield({fusedMatmul(im, n)}); }

/// The bucket of a distance between key and query (Raffel et al., 2020): near ones have one each, far ones
/// share one logarithmically.
static Value bucket(Importer &im, OpBuilder &b, Value distance, int64_t buckets, int64_t maxDistance, bool bidirectional) {
  auto constant = [&](int64_t v) -> Value { return arith::ConstantIntOp::create(b, im.loc, b.getI64Type(), v); };
  auto real = [&](double v) -> Value { return arith::ConstantOp::create(b, im.loc, b.getF32FloatAttr(v)); };
  Value zero = constant(0), offset = zero, n = arith::SubIOp::create(b, im.loc, zero, distance);
  if (bidirectional) {
    buckets /= 2;
    Value after = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sgt, distance, zero);
    offset = arith::SelectOp::create(b, im.loc, after, constant(buckets), zero);
    n = math::AbsIOp::create(b, im.loc, n);
  } else {
    n = arith::MaxSIOp::create(b, im.loc, n, zero);
  }
  int64_t exact = buckets / 2;
  Value near = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::slt, n, constant(exact));
  Value ratio = arith::DivFOp::create(
      b, im.loc, arith::SIToFPOp::create(b, im.loc, b.getF32Type(), arith::MaxSIOp::create(b, im.loc, n, constant(1))), real(exact));
  Value scaled = arith::DivFOp::create(b, im.loc, math::LogOp::create(b, im.loc, ratio), real(std::log(double(maxDistance) / exact)));
  Value steps = arith::FPToSIOp::create(b, im.loc, b.getI64Type(),
                                        arith::MulFOp::create(b, im.loc, scaled, real(buckets - exact)));
  Value far = arith::AddIOp::create(b, im.loc, steps, constant(exact));
  far = arith::MinSIOp::create(b, im.loc, far, constant(buckets - 1));
  return arith::AddIOp::create(b, im.loc, offset, arith::SelectOp::create(b, im.loc, near, n, far));
}

TERSE_ONNX_OP("com.microsoft", RelativePositionBias, 1, 3, 3) {
  Tensor *table = n.input(0);
  auto queries = im.sizes(n.input(1), "query_length", true), keys = im.sizes(n.input(2), "key_length", true);
  int64_t maxDistance = n.integer("max_distance", 128);
  if (!queries || !keys || !hasRank(im, table, 2, "bias_table") || !im.value(table))
    return failure();
  auto buckets = im.symbols.resolve(table->dims[0]).constant();
  bool bidirectional = n.integer("is_bidirectional", 0) != 0;
  int64_t exact = buckets ? *buckets / (bidirectional ? 4 : 2) : 0;
  if (queries->size() != 1 || keys->size() != 1 || exact < 1 || maxDistance <= exact)
    return im.error("expected one length each, 4 buckets or more, and a max_distance above their half"), failure();
  Value rows = im.index(table->dims[0]);
  Dims dims{Dim(1), table->dims[1], queries->front(), keys->front()};
  return n.yield({im.generate(table->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value distance = arith::IndexCastOp::create(b, im.loc, b.getI64Type(), arith::SubIOp::create(b, im.loc, at[3], at[2]));
    Value row = toIndex(im, b, bucket(im, b, distance, *buckets, maxDistance, bidirectional));
    return im.element(b, table, {im.safeIndex(b, row, rows), at[1]});
  })});
}

/// A bias scaled by gates that are computed from the queries (WavLM).
TERSE_ONNX_OP("com.microsoft", GatedRelativePositionBias, 1, 6, 7) {
  Tensor *query = n.input(0), *bias = n.input(2), *weight = n.input(3);
  int64_t heads = n.integer("num_heads", 0);
  if (n.input(6) || heads < 1)
    return im.error("expected num_heads and no token_offset"), failure();
  if (!hasRank(im, query, 3, "query_layer") || !hasRank(im, weight, 2, "weight"))
    return failure();
  auto half = im.symbols.resolve(weight->dims[1]).divideExactly(Dim(2));
  Tensor *byHead = splitHeads(im, add(im, query, n.input(1)), heads);
  if (!half)
    return im.error("expected a weight of an even number of columns"), failure();
  Tensor *gates = byHead ? add(im, im.matmul(byHead, weight), n.input(4)) : nullptr;
  if (!gates || !hasRank(im, gates, 4, "gates"))
    return failure();
  Dims dims(gates->dims.begin(), gates->dims.end() - 1);
  Dims pairs = dims;
  pairs.append({Dim(2), *half});
  gates = reduceSum(im, im.reshape(gates, pairs), {4}, /*keep=*/false);
  gates = activation(im, gates, ActivationKind::Sigmoid);
  if (!gates)
    return failure();
  auto gate = [&](int64_t i) {
    Dims sizes = dims;
    sizes.push_back(Dim(1));
    return im.slice(gates, {Dim(0), Dim(0), Dim(0), Dim(i)}, sizes, {1, 1, 1, 1});
  };
  Tensor *inner = subtract(im, multiply(im, gate(1), n.input(5)), im.scalar(query->dtype, 1));
  Tensor *scale = add(im, multiply(im, gate(0), inner), im.scalar(query->dtype, 2));
  return n.yield({multiply(im, scale, bias)});
}
