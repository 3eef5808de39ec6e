//===- Microsoft.cpp - attention of ONNX Runtime's own domain -------------===//
#include "AttentionHelpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

static Value toIndex(Importer &im, OpBuilder &b, Value v) {
  return arith::IndexCastOp::create(b, im.loc, b.getIndexType(), v);
}

/// position_ids is [B, S], or [1] with the position of the first token.
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
  Tensor *result = rope(im, tokens, gatherAngles(im, cos, tokens->dims, position),
                        gatherAngles(im, sin, tokens->dims, position), heads, n.integer("interleaved", 0) != 0);
  return n.yield({byHead ? splitHeads(im, result, heads) : result});
}

/// Columns [from, from + count) of [B, S, C].
static Tensor *columns(Importer &im, Tensor *t, int64_t from, int64_t count) {
  return im.slice(t, {Dim(0), Dim(0), Dim(from)}, {t->dims[0], t->dims[1], Dim(count)}, {1, 1, 1});
}

/// Grouped-query attention with a cache. seqlens_k[b] + 1 is the number of
/// tokens that sequence b has with the new ones, total_sequence_length their
/// maximum. New keys are appended after all rows of the past, so that sequences
/// of different lengths are right for a prompt (no past, padded at the end); with
/// a past, rows between a sequence's own and the past's length are not read.
TERSE_ONNX_OP("com.microsoft", GroupQueryAttention, 1, 1, 14) {
  Tensor *query = n.input(0), *key = n.input(1), *value = n.input(2), *pastKey = n.input(3), *pastValue = n.input(4),
         *lengths = n.input(5), *total = n.input(6), *cos = n.input(7), *sin = n.input(8), *ids = n.input(9);
  int64_t heads = n.integer("num_heads", 0), kvHeads = n.integer("kv_num_heads", 0);
  if (!lengths || !total)
    return im.error("expected seqlens_k and total_sequence_length"), failure();
  if (heads < 1 || kvHeads < 1 || heads > 65536 || kvHeads > heads || heads % kvHeads)
    return im.error("expected num_heads to be a multiple of kv_num_heads; got " + Twine(heads) + " and " +
                    Twine(kvHeads)),
           failure();
  for (int i = 11; i < 14; ++i)
    if (n.input(i))
      return im.error("input " + Twine(i) + " is not supported"), failure();
  if (n.integer("smooth_softmax", 0) > 0)
    return im.error("smooth_softmax is not supported"), failure();
  if (!hasRank(im, query, 3, "queries"))
    return failure();
  if (!key != !value || !pastKey != !pastValue)
    return im.error("expected keys and values together"), failure();
  if (!key) { // one tensor holds all three
    auto channels = im.symbols.resolve(query->dims[2]).constant();
    if (!channels || *channels % (heads + 2 * kvHeads))
      return im.error("expected channels of " + Twine(heads + 2 * kvHeads) + " heads; got " +
                      im.symbols.print(query->dims[2])),
             failure();
    int64_t size = *channels / (heads + 2 * kvHeads);
    key = columns(im, query, heads * size, kvHeads * size);
    value = columns(im, query, (heads + kvHeads) * size, kvHeads * size);
    query = columns(im, query, 0, heads * size);
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
  // Tokens of sequence b before the new ones; those of a prompt begin at 0.
  auto ownPast = [&](OpBuilder &b, Value batch) -> Value {
    Value zero = arith::ConstantIndexOp::create(b, im.loc, 0), one = arith::ConstantIndexOp::create(b, im.loc, 1);
    Value all = arith::AddIOp::create(b, im.loc, toIndex(im, b, im.element(b, lengths, {batch})), one);
    Value before = arith::SubIOp::create(b, im.loc, all, newLength);
    Value prompt = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::eq, pastLength, zero);
    return arith::SelectOp::create(b, im.loc, prompt, zero, before);
  };

  if (n.integer("do_rotary", 0)) {
    if (!cos || !sin)
      return im.error("expected cos_cache and sin_cache"), failure();
    if (ids && (!hasRank(im, ids, 2, "position_ids") || !im.value(ids)))
      return failure();
    auto position = [&](OpBuilder &b, Value batch, Value token) -> Value {
      if (ids)
        return toIndex(im, b, im.element(b, ids, {batch, token}));
      return arith::AddIOp::create(b, im.loc, ownPast(b, batch), token);
    };
    // Layers share the angles, as they share all that these depend on.
    Tensor *cosines = im.shared({cos, lengths, ids}, {sequence, past}, [&] { return gatherAngles(im, cos, query->dims, position); });
    Tensor *sines = im.shared({sin, lengths, ids}, {sequence, past}, [&] { return gatherAngles(im, sin, query->dims, position); });
    bool interleaved = n.integer("rotary_interleaved", 0) != 0;
    query = rope(im, query, cosines, sines, heads, interleaved);
    key = rope(im, key, cosines, sines, kvHeads, interleaved);
  }
  key = splitHeads(im, key, kvHeads);
  value = splitHeads(im, value, kvHeads);
  if (pastKey) {
    key = im.concat({pastKey, key}, 2);
    value = im.concat({pastValue, value}, 2);
  }
  if (!query || !key || !value)
    return failure();

  AttentionParts parts;
  parts.query = query;
  parts.key = key;
  parts.value = value;
  parts.heads = heads;
  parts.causal = true;
  parts.bias = n.input(10);
  parts.softcap = n.real("softcap", 0);
  if (double scale = n.real("scale", 0); scale != 0)
    parts.scale = scale;
  parts.window = n.integer("local_window_size", -1);
  if (parts.window == 0 || parts.window < -1)
    return im.error("expected a local_window_size of 1 or more, or -1; got " + Twine(parts.window)), failure();
  parts.padding = im.shared({lengths}, {sequence, past}, [&] {
    return im.generate(onnx::TensorProto::BOOL, {query->dims[0], keys}, [&](OpBuilder &b, ValueRange at) -> Value {
      Value zero = arith::ConstantIndexOp::create(b, im.loc, 0);
      Value prompt = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::eq, pastLength, zero);
      Value last = toIndex(im, b, im.element(b, lengths, {at[0]}));
      Value inPrompt = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sle, at[1], last);
      Value old = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::slt, at[1], ownPast(b, at[0]));
      Value isNew = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sge, at[1], pastLength);
      Value inPast = arith::OrIOp::create(b, im.loc, old, isNew);
      return arith::SelectOp::create(b, im.loc, prompt, inPrompt, inPast);
    });
  });
  if (!parts.padding)
    return failure();
  return n.yield({attention(im, parts), key, value});
}
