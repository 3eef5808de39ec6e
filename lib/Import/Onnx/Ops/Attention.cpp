//===- Attention.cpp - attention and rotary embedding ---------------------===//
#include "Transformer.h"

#include <limits>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// A mask as an additive bias of rank 4: a boolean one is 0 where true and -inf
/// where false.
static Tensor *toBias(Importer &im, Tensor *mask, DType dtype) {
  if (!mask)
    return nullptr;
  if (isBool(mask->dtype))
    mask = im.elementwise(dtype, {mask, im.scalar(dtype, 0.0), im.scalar(dtype, -std::numeric_limits<double>::infinity())},
                          [&](OpBuilder &b, ValueRange v) -> Value { return arith::SelectOp::create(b, im.loc, v[0], v[1], v[2]); });
  else
    mask = im.cast(mask, dtype);
  if (!mask)
    return nullptr;
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < 4 - mask->rank(); ++i)
    axes.push_back(i);
  return axes.empty() ? mask : im.unsqueeze(mask, axes);
}

/// 0 where key j <= query i + past, else -inf: [1, 1, S, T].
static Tensor *causalBias(Importer &im, DType dtype, const Dim &queries, const Dim &keys, const Dim &past) {
  Value offset = im.index(past);
  if (!offset)
    return nullptr;
  return im.generate(dtype, {Dim(1), Dim(1), queries, keys}, [&](OpBuilder &b, ValueRange at) -> Value {
    Value last = arith::AddIOp::create(b, im.loc, at[2], offset);
    Value seen = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sle, at[3], last);
    return arith::SelectOp::create(b, im.loc, seen, im.literal(b, dtype, 0.0),
                                   im.literal(b, dtype, -std::numeric_limits<double>::infinity()));
  });
}

TERSE_ONNX_OP("", Attention, 23, 3, 7) {
  Tensor *query = n.input(0), *key = n.input(1), *value = n.input(2);
  if (!query || !key || !value)
    return failure();
  if (n.input(6))
    return n.yield({im.error("nonpad_kv_seqlen is not supported")});
  if (n.wantsOutput(3))
    return n.yield({im.error("qk_matmul_output is not supported")});
  if ((query->rank() != 3 && query->rank() != 4) || key->rank() != query->rank() || value->rank() != query->rank())
    return n.yield({im.error("expected query, key and value of rank 3 or of rank 4")});
  bool byHeads = query->rank() == 4;
  AttentionOptions options;
  if (byHeads) {
    auto heads = query->dims[1].constant(), kvHeads = key->dims[1].constant();
    if (!heads || !kvHeads)
      return n.yield({im.error("expected static numbers of heads")});
    options.heads = *heads;
    options.kvHeads = *kvHeads;
    query = toTokenMajor(im, query);
    key = toTokenMajor(im, key);
    value = toTokenMajor(im, value);
    if (!query || !key || !value)
      return failure();
  } else {
    options.heads = n.integer("q_num_heads", 0);
    options.kvHeads = n.integer("kv_num_heads", 0);
  }
  if (options.heads < 1 || options.kvHeads < 1 || options.heads % options.kvHeads)
    return n.yield({im.error("expected the number of query heads to be a multiple of that of key heads; got " +
                             Twine(options.heads) + " and " + Twine(options.kvHeads))});
  options.scale = n.real("scale", 0);
  options.softcap = n.real("softcap", 0);

  Tensor *pastKey = n.input(4), *pastValue = n.input(5);
  Dim past = pastKey ? pastKey->dims[2] : Dim(0);
  Dim total = past + key->dims[1];
  bool causal = n.integer("is_causal", 0);
  if (Tensor *mask = n.input(3))
    options.bias = toBias(im, mask, query->dtype);
  if (n.input(3) && !options.bias)
    return failure();
  // Our causal attention is aligned to the last key, ONNX's to the first past one.
  if (causal && im.symbols.equal(total - query->dims[1], past) == true) {
    options.causal = true;
  } else if (causal) {
    Tensor *bias = causalBias(im, query->dtype, query->dims[1], total, past);
    options.bias = options.bias ? im.binary<arith::AddFOp>(options.bias, bias) : bias;
    if (!options.bias)
      return failure();
  }
  Attended result = attend(im, query, key, value, pastKey, pastValue, options);
  Tensor *output = byHeads ? toHeads(im, result.output, options.heads) : result.output;
  return n.yield({output, result.presentKey, result.presentValue});
}

/// Shared by the standard's and ONNX Runtime's operator, which differ in the
/// order of their inputs.
static LogicalResult importRotary(Importer &im, Node &n, Tensor *input, Tensor *cos, Tensor *sin, Tensor *positions) {
  if (!input || !cos || !sin)
    return failure();
  bool byHeads = input->rank() == 4;
  int64_t heads = n.integer("num_heads", 0);
  if (byHeads) {
    auto count = input->dims[1].constant();
    if (!count)
      return n.yield({im.error("expected a static number of heads")});
    heads = *count;
    input = toTokenMajor(im, input);
  } else if (input->rank() != 3) {
    return n.yield({im.error("expected an input of rank 3 or 4; got rank " + Twine(input->rank()))});
  }
  if (!input)
    return failure();
  if (heads < 1) { // ONNX Runtime: the table tells the head size
    auto size = cos->dims.back().constant();
    auto count = size && *size > 0 ? input->dims[2].divideExactly(Dim(2 * *size)) : std::nullopt;
    if (!count || !count->constant() || n.integer("rotary_embedding_dim", 0))
      return n.yield({im.error("expected num_heads")});
    heads = *count->constant();
  }
  if (positions && positions->rank() == 1) // one offset for all of the batch
    return n.yield({im.error("expected position_ids of rank 2; got rank 1")});
  if (positions) {
    cos = angles(im, cos, positions, 0, 0);
    sin = angles(im, sin, positions, 0, 0);
  }
  Tensor *result = rotate(im, input, im.cast(cos, input->dtype), im.cast(sin, input->dtype), heads, n.integer("interleaved", 0));
  return n.yield({byHeads ? toHeads(im, result, heads) : result});
}

TERSE_ONNX_OP("", RotaryEmbedding, 23, 3, 4) { return importRotary(im, n, n.input(0), n.input(1), n.input(2), n.input(3)); }

TERSE_ONNX_OP("com.microsoft", RotaryEmbedding, 1, 4, 4) {
  return importRotary(im, n, n.input(0), n.input(2), n.input(3), n.input(1));
}

// ONNX Runtime's GroupQueryAttention. seqlens_k and total_sequence_length follow
// from the sizes of the tensors when no sequence of the batch is padded, which
// the operator demands of its callers while decoding.
TERSE_ONNX_OP("com.microsoft", GroupQueryAttention, 1, 7, 14) {
  Tensor *query = n.input(0), *key = n.input(1), *value = n.input(2), *pastKey = n.input(3), *pastValue = n.input(4);
  if (!query)
    return failure();
  for (int i = 9; i < n.numInputs(); ++i)
    if (n.input(i) && i != 9)
      return n.yield({im.error("attention_bias, head_sink and quantized caches are not supported")});
  AttentionOptions options;
  options.heads = n.integer("num_heads", 0);
  options.kvHeads = n.integer("kv_num_heads", 0);
  options.scale = n.real("scale", 0);
  options.softcap = n.real("softcap", 0);
  options.window = std::max<int64_t>(n.integer("local_window_size", -1), 0);
  options.causal = true;
  if (options.heads < 1 || options.kvHeads < 1 || options.heads % options.kvHeads || query->rank() != 3)
    return n.yield({im.error("expected a query of rank 3 and num_heads to be a multiple of kv_num_heads")});
  if (!key != !value)
    return n.yield({im.error("expected both key and value, or neither")});
  Dim batch = query->dims[0], sequence = query->dims[1];
  if (!key) { // query, key and value side by side
    auto size = query->dims[2].divideExactly(Dim(options.heads + 2 * options.kvHeads));
    if (!size)
      return n.yield({im.error("expected packed channels of num_heads + 2 kv_num_heads heads")});
    Dim queries = *size * Dim(options.heads), keys = *size * Dim(options.kvHeads);
    Tensor *packed = query;
    auto part = [&](const Dim &offset, const Dim &width) {
      return im.slice(packed, {Dim(0), Dim(0), offset}, {batch, sequence, width}, {1, 1, 1});
    };
    query = part(0, queries);
    key = part(queries, keys);
    value = part(queries + keys, keys);
  }
  if (!query || !key || !value)
    return failure();
  Dim past = pastKey ? pastKey->dims[2] : Dim(0);
  if (pastKey) {
    auto size = key->dims[2].divideExactly(Dim(options.kvHeads));
    for (Tensor *t : {pastKey, pastValue})
      if (!t || t->rank() != 4 || !size || !im.unify(t->dims[0], batch, "batch of past and query") ||
          !im.unify(t->dims[1], Dim(options.kvHeads), "heads of past") || !im.unify(t->dims[2], past, "rows of past") ||
          !im.unify(t->dims[3], *size, "head size of past"))
        return failure();
  }
  if (Tensor *total = n.input(6))
    if (total->ints && total->ints->size() == 1 && !im.unify(total->ints->front(), past + sequence, "total_sequence_length"))
      return failure();
  if (n.integer("do_rotary", 0)) {
    Tensor *cos = n.input(7), *sin = n.input(8), *positions = n.input(9);
    if (!cos || !sin)
      return n.yield({im.error("expected cos_cache and sin_cache with do_rotary")});
    cos = im.cast(angles(im, cos, positions, past, sequence), query->dtype);
    sin = im.cast(angles(im, sin, positions, past, sequence), query->dtype);
    bool interleaved = n.integer("rotary_interleaved", 0);
    query = rotate(im, query, cos, sin, options.heads, interleaved);
    key = rotate(im, key, cos, sin, options.kvHeads, interleaved);
  }
  Attended result = attend(im, query, key, value, pastKey, pastValue, options);
  return n.yield({result.output, result.presentKey, result.presentValue});
}
