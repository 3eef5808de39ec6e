//===- MicrosoftAttention.cpp - attention of ONNX Runtime's own domain ----===//
#include "AttentionHelpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

static Value toIndex(Importer &im, OpBuilder &b, Value v) {
  return arith::IndexCastOp::create(b, im.loc, b.getIndexType(), v);
}

/// Columns [from, from + count) of [B, S, C].
static Tensor *columns(Importer &im, Tensor *t, const Dim &from, const Dim &count) {
  return im.slice(t, {Dim(0), Dim(0), from}, {t->dims[0], t->dims[1], count}, {1, 1, 1});
}

/// Queries, keys and values [B, S, C] plus their parts of a bias of all three.
static bool addBias(Importer &im, Tensor *bias, Tensor *&query, Tensor *&key, Tensor *&value) {
  if (!bias)
    return true;
  if (!hasRank(im, bias, 1, "a bias"))
    return false;
  Dim from(0);
  for (Tensor **part : {&query, &key, &value}) {
    Dim size = (*part)->dims.back();
    if ((*part)->rank() == 3) // keys and values by head have theirs already
      *part = add(im, *part, im.slice(bias, {from}, {size}, {1}));
    else
      size = (*part)->dims[1] * size;
    from = from + size;
    if (!*part)
      return false;
  }
  return im.unify(bias->dims[0], from, "bias and channels of queries, keys and values");
}

//===----------------------------------------------------------------------===//
// Masks of many forms
//===----------------------------------------------------------------------===//

/// 0 where an integer mask is above 0, else the filter.
static Tensor *biasOfInts(Importer &im, Tensor *mask, DType dtype, double filter) {
  Tensor *read = compare(im, arith::CmpIPredicate::sgt, mask, im.scalar(mask->dtype, 0));
  return read ? select(im, read, im.scalar(dtype, 0), im.scalar(dtype, filter)) : nullptr;
}

/// [B] ends, or [2B] ends and then begins, of the keys of each sequence.
static Tensor *paddingOfEnds(Importer &im, Tensor *ends, const Dim &batch, const Dim &keys) {
  Dim size = im.symbols.resolve(ends->dims[0]), two = im.symbols.resolve(batch * Dim(2));
  bool begins = im.symbols.equal(size, two).value_or(false);
  if (!begins && im.symbols.equal(size, im.symbols.resolve(batch * Dim(3) + Dim(2))).value_or(false))
    return im.error("a mask of 3 * batch_size + 2 numbers is not supported");
  Value rows = im.index(batch);
  if ((!begins && !im.unify(size, batch, "mask and batch size")) || !rows || !im.value(ends))
    return nullptr;
  return im.generate(onnx::TensorProto::BOOL, {batch, keys}, [&](OpBuilder &b, ValueRange at) -> Value {
    Value end = toIndex(im, b, im.element(b, ends, {at[0]}));
    Value before = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::slt, at[1], end);
    if (!begins)
      return before;
    Value place = arith::AddIOp::create(b, im.loc, rows, at[0]);
    Value begin = toIndex(im, b, im.element(b, ends, {place}));
    Value after = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sge, at[1], begin);
    return arith::AndIOp::create(b, im.loc, before, after);
  });
}

/// Adds a mask of any of the forms that Attention and MultiHeadAttention take to padding and bias.
/// A sequence of which nothing may be read yields 0 here.
static bool addMask(Importer &im, Tensor *mask, const Dim &past, double filter, AttentionParts &parts) {
  if (!mask)
    return true;
  if (!isInteger(mask->dtype) && !isBool(mask->dtype))
    return im.error("expected a mask of integers; got " + getTypeName(mask->dtype)), false;
  if (isBool(mask->dtype) && !(mask = im.cast(mask, onnx::TensorProto::INT32)))
    return false;
  Dim batch = parts.query->dims[0], queries = parts.query->dims[1], keys = parts.key->dims[2];
  auto fits = [&](int64_t axis, const Dim &size) { return im.unify(mask->dims[axis], size, "sizes of mask and attention"); };
  Tensor *bias = nullptr;
  switch (mask->rank()) {
  case 1:
    return (parts.padding = paddingOfEnds(im, mask, batch, keys)) != nullptr;
  case 2:
    if (!fits(0, batch) || !fits(1, keys))
      return false;
    parts.padding = compare(im, arith::CmpIPredicate::sgt, mask, im.scalar(mask->dtype, 0));
    return parts.padding != nullptr;
  case 3:
    if (!fits(0, batch) || !fits(1, queries) || !fits(2, keys))
      return false;
    bias = im.unsqueeze(biasOfInts(im, mask, parts.query->dtype, filter), {1});
    break;
  case 4: // of as many positions as there may be; those of this call are cut out
    if (!fits(0, batch) || !fits(1, Dim(1)) ||
        !im.unify(im.symbols.min(past + queries, mask->dims[2]), past + queries, "positions and rows of the mask") ||
        !im.unify(im.symbols.min(keys, mask->dims[3]), keys, "keys and columns of the mask"))
      return false;
    mask = im.slice(mask, {Dim(0), Dim(0), past, Dim(0)}, {batch, Dim(1), queries, keys}, {1, 1, 1, 1});
    bias = mask ? biasOfInts(im, mask, parts.query->dtype, filter) : nullptr;
    break;
  default:
    return im.error("expected a mask of rank 1 to 4; got " + Twine(mask->rank())), false;
  }
  parts.bias = bias && parts.bias ? add(im, parts.bias, bias) : bias;
  return parts.bias != nullptr;
}

/// Appends new keys (or values) [B, H, S, D] to a past of the same form.
static Tensor *append(Importer &im, Tensor *past, Tensor *rows) {
  if (!past || !rows)
    return rows;
  return hasRank(im, past, 4, "past keys and values") ? im.concat({past, rows}, 2) : nullptr;
}

//===----------------------------------------------------------------------===//
// Attention and MultiHeadAttention
//===----------------------------------------------------------------------===//

/// Half `i` of [2, B, H, P, D].
static Tensor *halfOfPast(Importer &im, Tensor *past, int64_t i) {
  if (!past || !hasRank(im, past, 5, "past keys and values") || !im.unify(past->dims[0], Dim(2), "keys and values of the past"))
    return nullptr;
  Dims offsets(5, Dim(0)), sizes(past->dims);
  offsets[0] = Dim(i);
  sizes[0] = Dim(1);
  return im.reshape(im.slice(past, offsets, sizes, {1, 1, 1, 1, 1}), ArrayRef<Dim>(sizes).drop_front());
}

/// The projection to queries, keys and values, and attention of them.
TERSE_ONNX_OP("com.microsoft", Attention, 1, 2, 7) {
  Tensor *bias = n.input(2), *past = n.input(4);
  AttentionParts parts;
  parts.heads = n.integer("num_heads", 0);
  if (parts.heads < 1 || n.integer("do_rotary", 0) || n.input(6) || n.integer("past_present_share_buffer", 0))
    return im.error("expected num_heads, and neither do_rotary nor a shared buffer of past and present"), failure();
  Tensor *all = hasRank(im, n.input(0), 3, "an input") ? im.matmul(n.input(0), n.input(1)) : nullptr;
  if (all && bias)
    all = add(im, all, bias);
  if (!all || !hasRank(im, all, 3, "the projection"))
    return failure();
  SmallVector<Dim> widths;
  for (int64_t width : n.integers("qkv_hidden_sizes"))
    widths.push_back(Dim(width));
  if (widths.empty()) {
    auto third = im.symbols.resolve(all->dims[2]).divideExactly(Dim(3));
    if (!third)
      return im.error("expected qkv_hidden_sizes or a third of the channels each; got " + im.symbols.print(all->dims[2])),
             failure();
    widths.assign(3, *third);
  }
  if (widths.size() != 3 || !im.unify(widths[0] + widths[1] + widths[2], all->dims[2], "qkv_hidden_sizes and channels"))
    return im.error("expected three qkv_hidden_sizes"), failure();
  parts.query = columns(im, all, Dim(0), widths[0]);
  Tensor *key = splitHeads(im, columns(im, all, widths[0], widths[1]), parts.heads);
  Tensor *value = splitHeads(im, columns(im, all, widths[0] + widths[1], widths[2]), parts.heads);
  Tensor *pastKey = halfOfPast(im, past, 0), *pastValue = halfOfPast(im, past, 1);
  if (past && (!pastKey || !pastValue))
    return failure();
  parts.key = append(im, pastKey, key);
  parts.value = append(im, pastValue, value);
  if (!parts.query || !parts.key || !parts.value)
    return failure();
  parts.causal = n.integer("unidirectional", 0) != 0;
  parts.bias = n.input(5);
  if (n.has("scale") && n.real("scale", 0) != 0)
    parts.scale = n.real("scale", 0);
  if (!addMask(im, n.input(3), past ? pastKey->dims[2] : Dim(0), n.real("mask_filter_value", -10000), parts))
    return failure();
  Tensor *present = nullptr;
  if (n.wantsOutput(1) && !(present = im.concat({im.unsqueeze(parts.key, {0}), im.unsqueeze(parts.value, {0})}, 0)))
    return failure();
  return n.yield({attention(im, parts), present});
}

/// Part `i` of queries, keys and values of a head side by side, [B, S, H, parts, D], as [B, S, H * D].
static Tensor *unpack(Importer &im, Tensor *packed, int64_t parts, int64_t i) {
  if (!im.unify(packed->dims[3], Dim(parts), "parts of each head"))
    return nullptr;
  Dims offsets(5, Dim(0)), sizes(packed->dims);
  offsets[3] = Dim(i);
  sizes[3] = Dim(1);
  return im.reshape(im.slice(packed, offsets, sizes, {1, 1, 1, 1, 1}), {sizes[0], sizes[1], sizes[2] * sizes[4]});
}

namespace {
struct MultiHeadInputs {
  Tensor *query, *key, *value, *bias, *mask, *attentionBias, *pastKey, *pastValue;
};
} // namespace

static LogicalResult multiHead(Importer &im, Node &n, MultiHeadInputs in) {
  AttentionParts parts;
  parts.heads = n.integer("num_heads", 0);
  if (parts.heads < 1)
    return im.error("expected num_heads"), failure();
  if (n.wantsOutput(3))
    return im.error("the output of scores is not supported"), failure();
  if (!in.pastKey != !in.pastValue)
    return im.error("expected past_key and past_value together"), failure();
  if (!in.key && in.query->rank() == 5) {
    in.key = unpack(im, in.query, 3, 1);
    in.value = unpack(im, in.query, 3, 2);
    in.query = unpack(im, in.query, 3, 0);
  } else if (in.key && in.key->rank() == 5 && !in.value) {
    in.value = unpack(im, in.key, 2, 1);
    in.key = unpack(im, in.key, 2, 0);
  } else if (!in.key && in.query->rank() == 3) {
    auto third = im.symbols.resolve(in.query->dims[2]).divideExactly(Dim(3));
    if (!third)
      return im.error("expected queries, keys and values"), failure();
    in.key = columns(im, in.query, *third, *third);
    in.value = columns(im, in.query, *third + *third, *third);
    in.query = columns(im, in.query, Dim(0), *third);
  }
  if (!in.key || !in.value)
    return im.error("expected keys and values"), failure();
  for (Tensor *part : {in.key, in.value})
    if (part->rank() != 4 && !hasRank(im, part, 3, "keys and values"))
      return failure();
  if (!in.query || !hasRank(im, in.query, 3, "queries") || !addBias(im, in.bias, in.query, in.key, in.value))
    return failure();
  parts.query = in.query;
  parts.key = append(im, in.pastKey, in.key->rank() == 4 ? in.key : splitHeads(im, in.key, parts.heads));
  parts.value = append(im, in.pastValue, in.value->rank() == 4 ? in.value : splitHeads(im, in.value, parts.heads));
  if (!parts.key || !parts.value)
    return failure();
  parts.causal = n.integer("unidirectional", 0) != 0;
  parts.bias = in.attentionBias;
  if (double scale = n.real("scale", 0); scale != 0)
    parts.scale = scale;
  Dim past = in.pastKey ? in.pastKey->dims[2] : Dim(0);
  if (!addMask(im, in.mask, past, n.real("mask_filter_value", -10000), parts))
    return failure();
  return n.yield({attention(im, parts), parts.key, parts.value});
}

TERSE_ONNX_OP("com.microsoft", MultiHeadAttention, 1, 1, 10) {
  if (n.input(8) || n.input(9))
    return im.error("a shared buffer of past and present is not supported"), failure();
  return multiHead(im, n, {n.input(0), n.input(1), n.input(2), n.input(3), n.input(4), n.input(5), n.input(6), n.input(7)});
}

TERSE_ONNX_OP("com.microsoft", DecoderMaskedMultiHeadAttention, 1, 1, 11) {
  if (n.input(8) || n.input(9) || n.integer("past_present_share_buffer", 0))
    return im.error("beams and a shared buffer of past and present are not supported"), failure();
  return multiHead(im, n, {n.input(0), n.input(1), n.input(2), n.input(10), n.input(3), n.input(4), n.input(5), n.input(6)});
}

//===----------------------------------------------------------------------===//
// GroupQueryAttention
//===----------------------------------------------------------------------===//

/// RMS of each head of [B, S, heads * D].
static Tensor *normHeads(Importer &im, Tensor *t, Tensor *scale, int64_t heads, double epsilon) {
  auto size = im.symbols.resolve(t->dims[2]).divideExactly(Dim(heads));
  if (!size)
    return im.error("expected channels to be a multiple of " + Twine(heads) + " heads; got " + im.symbols.print(t->dims[2]));
  Tensor *byHead = im.reshape(t, {t->dims[0], t->dims[1], Dim(heads), *size});
  return byHead ? im.reshape(normalize(im, NormKind::RMS, byHead, scale, nullptr, 3, epsilon), t->dims) : nullptr;
}

/// The past with new rows [B, S, KV * D]; those of sequence b begin at starts[b].
static Tensor *present(Importer &im, Tensor *past, Tensor *rows, Tensor *starts, int64_t kvHeads) {
  Tensor *byHead = splitHeads(im, rows, kvHeads);
  if (!past || !byHead)
    return byHead;
  // As many rows as there will be; which of them are which is the update's business.
  Tensor *room = append(im, past, byHead);
  if (!room || !sameType(im, {past, rows}))
    return nullptr;
  Value cache = im.value(room), update = im.value(rows), position = im.index(past->dims[2]), places = im.value(starts);
  if (!cache || !update || !position || !places)
    return nullptr;
  return im.make(room->dtype, room->dims, CacheUpdateOp::create(im.b, im.loc, cache.getType(), cache, update, position, places, /*bits=*/IntegerAttr()));
}

/// Grouped-query attention with a cache. seqlens_k[b] + 1 is the number of tokens that
/// sequence b has with the new ones, total_sequence_length their maximum. Rows of a cache
/// beyond a sequence's own are not read; the next tokens overwrite them.
TERSE_ONNX_OP("com.microsoft", GroupQueryAttention, 1, 1, 17) {
  Tensor *query = n.input(0), *key = n.input(1), *value = n.input(2), *pastKey = n.input(3), *pastValue = n.input(4),
         *lengths = n.input(5), *total = n.input(6), *cos = n.input(7), *sin = n.input(8), *ids = n.input(9);
  int64_t heads = n.integer("num_heads", 0), kvHeads = n.integer("kv_num_heads", 0);
  if (!lengths || !total)
    return im.error("expected seqlens_k and total_sequence_length"), failure();
  if (heads < 1 || kvHeads < 1 || heads > 65536 || kvHeads > heads || heads % kvHeads)
    return im.error("expected num_heads to be a multiple of kv_num_heads; got " + Twine(heads) + " and " +
                    Twine(kvHeads)),
           failure();
  for (int i : {12, 13, 16})
    if (n.input(i))
      return im.error("input " + Twine(i) + " is not supported"), failure();
  if (n.integer("sliding_window_cache", 0) || n.wantsOutput(3))
    return im.error("sliding_window_cache and the output of scores are not supported"), failure();
  if (!hasRank(im, query, 3, "queries"))
    return failure();
  if (!key != !value || !pastKey != !pastValue)
    return im.error("expected keys and values together"), failure();
  if (!key) { // one tensor holds all three
    auto size = im.symbols.resolve(query->dims[2]).divideExactly(Dim(heads + 2 * kvHeads));
    if (!size)
      return im.error("expected channels of " + Twine(heads + 2 * kvHeads) + " heads; got " +
                      im.symbols.print(query->dims[2])),
             failure();
    key = columns(im, query, Dim(heads) * *size, Dim(kvHeads) * *size);
    value = columns(im, query, Dim(heads + kvHeads) * *size, Dim(kvHeads) * *size);
    query = columns(im, query, Dim(0), Dim(heads) * *size);
  }
  if (!query || !key || !value || !hasRank(im, key, 3, "keys") || !hasRank(im, value, 3, "values"))
    return failure();
  for (int i : {0, 1})
    if (!im.unify(key->dims[i], query->dims[i], "tokens of queries and keys"))
      return failure();

  Dim sequence = im.symbols.resolve(query->dims[1]), past(0);
  if (pastKey) {
    if (!hasRank(im, pastKey, 4, "past keys"))
      return failure();
    past = im.symbols.resolve(pastKey->dims[2]);
  }
  Dim keys = past + sequence;
  if (auto known = im.ints(total, nullptr); known && known->size() == 1 &&
      !im.unify(known->front(), keys, "total_sequence_length and past and new tokens"))
    return failure();
  if (lengths->rank() == 2) // [B, 1] is accepted too
    lengths = im.reshape(lengths, {lengths->dims[0] * lengths->dims[1]});
  if (!lengths || !hasRank(im, lengths, 1, "seqlens_k") || !im.unify(lengths->dims[0], query->dims[0], "batch sizes") ||
      !im.value(lengths))
    return failure();
  Value pastLength = im.index(past), newLength = im.index(sequence);
  if (!pastLength || !newLength)
    return failure();
  // Tokens of each sequence before the new ones; those of a prompt begin at 0.
  Tensor *starts = im.shared({lengths}, {sequence, past}, [&] {
    return im.generate(onnx::TensorProto::INT64, {query->dims[0]}, [&](OpBuilder &b, ValueRange at) -> Value {
      Value zero = arith::ConstantIndexOp::create(b, im.loc, 0), one = arith::ConstantIndexOp::create(b, im.loc, 1);
      Value all = arith::AddIOp::create(b, im.loc, toIndex(im, b, im.element(b, lengths, {at[0]})), one);
      Value before = arith::MaxSIOp::create(b, im.loc, arith::SubIOp::create(b, im.loc, all, newLength), zero);
      Value prompt = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::eq, pastLength, zero);
      Value start = arith::SelectOp::create(b, im.loc, prompt, zero, before);
      return arith::IndexCastOp::create(b, im.loc, b.getI64Type(), start);
    });
  });
  if (!starts || !im.value(starts))
    return failure();

  if (Tensor *scale = n.input(14)) {
    double epsilon = n.real("qk_norm_epsilon", 1e-6f);
    if (!n.input(15))
      return im.error("expected q_norm_weight and k_norm_weight together"), failure();
    query = normHeads(im, query, scale, heads, n.real("q_norm_epsilon", epsilon));
    key = normHeads(im, key, n.input(15), kvHeads, n.real("k_norm_epsilon", epsilon));
    if (!query || !key)
      return failure();
  }
  if (n.integer("do_rotary", 0)) {
    if (!cos || !sin)
      return im.error("expected cos_cache and sin_cache"), failure();
    if (ids && (!hasRank(im, ids, 2, "position_ids") || !im.value(ids)))
      return failure();
    auto position = [&](OpBuilder &b, Value batch, Value token) -> Value {
      if (ids)
        return toIndex(im, b, im.element(b, ids, {batch, token}));
      return arith::AddIOp::create(b, im.loc, toIndex(im, b, im.element(b, starts, {batch})), token);
    };
    // Layers share the angles, as they share all that these depend on.
    auto angles = [&](Tensor *table) {
      return im.shared({table, lengths, ids}, {sequence, past}, [&] { return gatherAngles(im, table, query->dims, position); });
    };
    Tensor *cosines = angles(cos), *sines = angles(sin);
    bool interleaved = n.integer("rotary_interleaved", 0) != 0;
    query = rope(im, query, cosines, sines, heads, interleaved);
    key = rope(im, key, cosines, sines, kvHeads, interleaved);
    if (!query || !key)
      return failure();
  }

  AttentionParts parts;
  parts.query = query;
  parts.key = present(im, pastKey, key, starts, kvHeads);
  parts.value = present(im, pastValue, value, starts, kvHeads);
  parts.heads = heads;
  parts.causal = n.integer("causal", 1) != 0;
  parts.starts = pastKey ? starts : nullptr; // a prompt's queries are at 0, 1, ... as without
  parts.bias = n.input(10);
  parts.softcap = n.real("softcap", 0);
  if (double scale = n.real("scale", 0); scale != 0)
    parts.scale = scale;
  parts.window = n.integer("local_window_size", -1);
  if (parts.window == 0 || parts.window < -1)
    return im.error("expected a local_window_size of 1 or more, or -1; got " + Twine(parts.window)), failure();
  if (parts.window > 0 && !parts.causal)
    return im.error("expected a local_window_size of -1 where attention is not causal; got " + Twine(parts.window)), failure();
  if (Tensor *sinks = n.input(11)) {
    if (!hasRank(im, sinks, 1, "head_sink") || !floatInput(im, sinks) ||
        !im.unify(sinks->dims[0], Dim(heads), "head_sink and heads"))
      return failure();
    parts.sinks = sinks;
  } else if (n.integer("smooth_softmax", 0) > 0) {
    parts.sinks = im.fromFill(query->dtype, {Dim(heads)}, 0);
  }
  if (!parts.causal) // else no query gets to what is behind its sequence
    parts.padding = im.shared({lengths}, {sequence, past}, [&] {
      return im.generate(onnx::TensorProto::BOOL, {query->dims[0], keys}, [&](OpBuilder &b, ValueRange at) -> Value {
        Value last = toIndex(im, b, im.element(b, lengths, {at[0]}));
        return arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sle, at[1], last);
      });
    });
  return n.yield({attention(im, parts), parts.key, parts.value});
}
