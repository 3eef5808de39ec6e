//===- Attention.cpp - attention and rotary embedding of ai.onnx ----------===//
#include "AttentionHelpers.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

namespace terse::importer {

Tensor *mergeHeads(Importer &im, Tensor *t) {
  if (!t)
    return nullptr;
  Tensor *tokens = im.transpose(t, {0, 2, 1, 3});
  return im.reshape(tokens, {t->dims[0], t->dims[2], t->dims[1] * t->dims[3]});
}

Tensor *splitHeads(Importer &im, Tensor *t, int64_t heads) {
  if (!t || !hasRank(im, t, 3, "an input"))
    return nullptr;
  auto size = im.symbols.resolve(t->dims[2]).divideExactly(Dim(heads));
  if (heads < 1 || !size)
    return im.error("expected channels to be a multiple of " + Twine(heads) + " heads; got " +
                    im.symbols.print(t->dims[2]));
  return im.transpose(im.reshape(t, {t->dims[0], t->dims[1], Dim(heads), *size}), {0, 2, 1, 3});
}

Tensor *gatherAngles(Importer &im, Tensor *table, ArrayRef<Dim> tokens, Position position) {
  if (!hasRank(im, table, 2, "a table of angles"))
    return nullptr;
  Value rows = im.index(table->dims[0]);
  if (!rows || !im.value(table))
    return nullptr;
  return im.generate(table->dtype, {tokens[0], tokens[1], table->dims[1]}, [&](OpBuilder &b, ValueRange at) -> Value {
    Value row = im.safeIndex(b, position(b, at[0], at[1]), rows);
    return im.element(b, table, {row, at[2]});
  });
}

Tensor *rope(Importer &im, Tensor *t, Tensor *cos, Tensor *sin, int64_t heads, bool interleaved) {
  if (!t || !cos || !sin || !sameType(im, {t, cos, sin}) || !hasRank(im, cos, 3, "angles") ||
      !hasRank(im, sin, 3, "angles"))
    return nullptr;
  auto channels = im.symbols.resolve(t->dims[2]).constant();
  if (!channels || heads < 1 || *channels % heads)
    return im.error("expected channels to be a multiple of " + Twine(heads) + " heads; got " +
                    im.symbols.print(t->dims[2]));
  for (int i : {0, 1, 2}) {
    if (!im.unify(cos->dims[i], sin->dims[i], "sizes of cosines and sines"))
      return nullptr;
    bool shared = i == 0 && im.symbols.resolve(cos->dims[i]).isConstant(1);
    if (i < 2 && !shared && !im.unify(cos->dims[i], t->dims[i], "tokens of input and angles"))
      return nullptr;
  }
  auto half = im.symbols.resolve(cos->dims[2]).constant();
  if (!half || 2 * *half > *channels / heads)
    return im.error("expected at most " + Twine(*channels / heads / 2) + " angles a head; got " +
                    im.symbols.print(cos->dims[2]));
  Value x = im.value(t), c = im.value(cos), s = im.value(sin);
  if (!x || !c || !s)
    return nullptr;
  auto flag = interleaved ? im.b.getUnitAttr() : UnitAttr();
  return im.make(t->dtype, t->dims,
                 RopeOp::create(im.b, im.loc, x.getType(), x, c, s, im.b.getI64IntegerAttr(heads), flag));
}

Tensor *attention(Importer &im, const AttentionParts &parts) {
  Tensor *query = parts.query, *key = parts.key, *value = parts.value;
  if (!query || !key || !value || !sameType(im, {query, key, value}) || !floatInput(im, query))
    return nullptr;
  if (!hasRank(im, query, 3, "queries") || !hasRank(im, key, 4, "keys") || !hasRank(im, value, 4, "values"))
    return nullptr;
  auto heads = im.symbols.resolve(key->dims[1]).constant(), size = im.symbols.resolve(key->dims[3]).constant(),
       valueSize = im.symbols.resolve(value->dims[3]).constant();
  if (!heads || !size || !valueSize)
    return im.error("expected constant numbers of heads and head sizes");
  if (parts.heads < 1 || *heads < 1 || parts.heads % *heads)
    return im.error("expected a number of query heads that is a multiple of " + Twine(*heads) + "; got " +
                    Twine(parts.heads));
  if (!im.unify(query->dims[2], Dim(parts.heads * *size), "query channels and heads times size") ||
      !im.unify(key->dims[1], value->dims[1], "heads of keys and values") ||
      !im.unify(key->dims[2], value->dims[2], "numbers of keys and values") ||
      !im.unify(key->dims[0], query->dims[0], "batch sizes") || !im.unify(key->dims[0], value->dims[0], "batch sizes"))
    return nullptr;
  Tensor *bias = parts.bias;
  if (bias) {
    Dims dims;
    for (int64_t i = bias->rank(); i < 4; ++i)
      dims.push_back(Dim(1));
    dims.append(bias->dims);
    if (dims.size() != 4)
      return im.error("expected a mask of rank 4 or less; got " + Twine(bias->rank()));
    Dims whole{query->dims[0], Dim(parts.heads), query->dims[1], key->dims[2]};
    for (int i = 0; i < 4; ++i)
      if (!im.symbols.resolve(dims[i]).isConstant(1) && !im.unify(dims[i], whole[i], "sizes of mask and scores"))
        return nullptr;
    bias = im.reshape(bias, dims);
    if (bias && im.symbols.resolve(dims[3]).isConstant(1) && !im.symbols.resolve(whole[3]).isConstant(1)) {
      dims[3] = whole[3]; // the last dimension is whole
      bias = im.broadcast(bias, dims);
    }
    if (!bias)
      return nullptr;
  }
  Value q = im.value(query), k = im.value(key), v = im.value(value), length = im.index(key->dims[2]);
  bool missing = false;
  auto optional = [&](Tensor *t) {
    Value given = t ? im.value(t) : Value();
    missing |= t && !given;
    return given;
  };
  Value starts = optional(parts.starts), padding = optional(parts.padding), mask = optional(bias),
        sinks = optional(parts.sinks);
  if (!q || !k || !v || !length || missing)
    return nullptr;
  double scale = parts.scale ? *parts.scale : 1 / std::sqrt(static_cast<double>(*size));
  Dims dims{query->dims[0], query->dims[1], Dim(parts.heads * *valueSize)};
  OpBuilder &b = im.b;
  return im.make(query->dtype, dims,
                 AttentionOp::create(b, im.loc, im.type(query->dtype, dims), q, k, v, length, starts, padding, mask,
                                     /*slopes=*/Value(), sinks, b.getI64IntegerAttr(parts.heads), b.getF64FloatAttr(scale),
                                     parts.causal ? b.getUnitAttr() : UnitAttr(),
                                     parts.window > 0 ? b.getI64IntegerAttr(parts.window) : IntegerAttr(),
                                     parts.softcap > 0 ? b.getF64FloatAttr(parts.softcap) : FloatAttr(),
                                     /*key_bits=*/IntegerAttr(), /*value_bits=*/IntegerAttr()));
}

} // namespace terse::importer

TERSE_ONNX_OP("", RotaryEmbedding, 23, 3, 4) {
  Tensor *t = n.input(0), *cos = n.input(1), *sin = n.input(2), *ids = n.input(3);
  bool byHead = t->rank() == 4;
  if (!byHead && !hasRank(im, t, 3, "an input"))
    return failure();
  int64_t heads = n.integer("num_heads", 0);
  if (byHead) {
    auto constant = im.symbols.resolve(t->dims[1]).constant();
    if (!constant)
      return im.error("expected a constant number of heads"), failure();
    heads = *constant;
  }
  if (heads < 1)
    return im.error("expected num_heads"), failure();
  Tensor *tokens = byHead ? mergeHeads(im, t) : t;
  if (!tokens)
    return failure();
  if (ids) {
    if (!hasRank(im, ids, 2, "position_ids") || !im.value(ids))
      return failure();
    for (int i : {0, 1})
      if (!im.unify(ids->dims[i], tokens->dims[i], "tokens and positions"))
        return failure();
    auto position = [&](OpBuilder &b, Value batch, Value token) -> Value {
      return arith::IndexCastOp::create(b, im.loc, b.getIndexType(), im.element(b, ids, {batch, token}));
    };
    // Queries and keys of all layers share the angles.
    for (Tensor **table : {&cos, &sin}) {
      Tensor *whole = *table;
      *table = im.shared({whole, ids}, {tokens->dims[0], tokens->dims[1]},
                         [&] { return gatherAngles(im, whole, tokens->dims, position); });
    }
  }
  int64_t rotated = n.integer("rotary_embedding_dim", 0);
  if (rotated && cos && !im.unify(cos->dims.back() * Dim(2), Dim(rotated), "rotary_embedding_dim and twice the angles"))
    return failure();
  Tensor *result = rope(im, tokens, cos, sin, heads, n.integer("interleaved", 0) != 0);
  return n.yield({byHead ? splitHeads(im, result, heads) : result});
}

/// A mask of scores with what the standard adds where it is shorter than the
/// keys: false, or minus infinity. Bools become 0 and minus infinity.
static Tensor *biasOfMask(Importer &im, Tensor *mask, DType dtype, const Dim &keys) {
  if (mask->rank() == 0)
    return im.error("expected a mask of rank 1 or more");
  Dim missing = im.symbols.resolve(keys - mask->dims.back());
  bool shorter = im.symbols.isPositive(missing) && !im.symbols.resolve(mask->dims.back()).isConstant(1);
  if (isBool(mask->dtype))
    mask = select(im, mask, im.scalar(dtype, 0), im.scalar(dtype, -INFINITY));
  else if (mask->dtype != dtype)
    return im.error("expected a mask of bool or " + getTypeName(dtype) + "; got " + getTypeName(mask->dtype));
  if (!mask || !shorter)
    return mask;
  Dims dims(mask->dims.begin(), mask->dims.end());
  dims.back() = missing;
  return im.concat({mask, im.fromFill(dtype, dims, -INFINITY)}, mask->rank() - 1);
}

TERSE_ONNX_OP("", Attention, 23, 3, 7) {
  Tensor *query = n.input(0), *key = n.input(1), *value = n.input(2), *pastKey = n.input(4), *pastValue = n.input(5);
  bool byHead = query->rank() == 4;
  AttentionParts parts;
  parts.heads = n.integer("q_num_heads", 0);
  if (byHead) {
    auto heads = im.symbols.resolve(query->dims[1]).constant();
    if (!heads)
      return im.error("expected a constant number of heads"), failure();
    parts.heads = *heads;
    parts.query = mergeHeads(im, query);
  } else {
    int64_t kvHeads = n.integer("kv_num_heads", 0);
    if (parts.heads < 1 || kvHeads < 1)
      return im.error("expected q_num_heads and kv_num_heads for inputs of rank 3"), failure();
    parts.query = query;
    key = splitHeads(im, key, kvHeads);
    value = splitHeads(im, value, kvHeads);
  }
  if (!key || !value || !parts.query || !hasRank(im, key, 4, "keys") || !hasRank(im, value, 4, "values"))
    return failure();
  if (!pastKey != !pastValue)
    return im.error("expected past_key and past_value together"), failure();
  if (pastKey) {
    if (!hasRank(im, pastKey, 4, "past keys") || !hasRank(im, pastValue, 4, "past values"))
      return failure();
    key = im.concat({pastKey, key}, 2);
    value = im.concat({pastValue, value}, 2);
    if (!key || !value)
      return failure();
  }
  parts.key = key;
  parts.value = value;
  if (n.has("scale"))
    parts.scale = n.real("scale", 0);
  parts.softcap = n.real("softcap", 0);
  Dim sequence = im.symbols.resolve(parts.query->dims[1]), keys = im.symbols.resolve(key->dims[2]);
  if (n.input(3) && !(parts.bias = biasOfMask(im, n.input(3), query->dtype, keys)))
    return failure();
  DType dtype = query->dtype;
  auto addBias = [&](Tensor *more) { parts.bias = parts.bias ? add(im, parts.bias, more) : more; };

  Tensor *valid = n.input(6); // nonpad_kv_seqlen: keys that each sequence has
  if (valid && (pastKey || !hasRank(im, valid, 1, "nonpad_kv_seqlen") || !im.value(valid)))
    return im.error("expected nonpad_kv_seqlen of rank 1 and no past"), failure();
  auto validKeys = [&](OpBuilder &b, Value batch) -> Value {
    return arith::IndexCastOp::create(b, im.loc, b.getIndexType(), im.element(b, valid, {batch}));
  };
  if (valid)
    parts.padding = im.generate(onnx::TensorProto::BOOL, {query->dims[0], keys}, [&](OpBuilder &b, ValueRange at) -> Value {
      return arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::slt, at[1], validKeys(b, at[0]));
    });
  if (n.integer("is_causal", 0)) {
    // With a past, or as many keys as queries, the last query reads all keys;
    // otherwise query i reads keys 0..i (or up to its place in what is valid).
    if (!valid && (pastKey || sequence == keys)) {
      parts.causal = true;
    } else {
      Value length = im.index(sequence);
      Dims dims{valid ? query->dims[0] : Dim(1), Dim(1), sequence, keys};
      if (!length)
        return failure();
      addBias(im.generate(dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
        Value own = at[2];
        if (valid) {
          Value offset = arith::SubIOp::create(b, im.loc, validKeys(b, at[0]), length);
          own = arith::AddIOp::create(b, im.loc, own, offset);
        }
        Value reads = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sle, at[3], own);
        return arith::SelectOp::create(b, im.loc, reads, im.literal(b, dtype, 0), im.literal(b, dtype, -INFINITY));
      }));
      if (!parts.bias)
        return failure();
    }
  }
  for (StringRef side : {"left_window_size", "right_window_size"})
    if (n.integer(side, -1) >= 0)
      return im.error(side + " is not supported"), failure();
  Tensor *result = attention(im, parts);
  if (byHead)
    result = splitHeads(im, result, parts.heads);
  return n.yield({result, key, value});
}
