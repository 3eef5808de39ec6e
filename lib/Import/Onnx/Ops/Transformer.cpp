//===- Transformer.cpp - what fused operators share -----------------------===//
#include "Transformer.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

Tensor *importer::normalize(Importer &im, Tensor *input, Tensor *scale, Tensor *bias, int64_t axis, double epsilon,
                            NormKind kind) {
  if (!input || !scale)
    return nullptr;
  auto first = im.axis(axis, input->rank());
  if (!first)
    return nullptr;
  ArrayRef<Dim> lead = ArrayRef<Dim>(input->dims).take_front(*first), tail = ArrayRef<Dim>(input->dims).drop_front(*first);
  Dim channels = im.product(tail);
  DType dtype = scale->dtype;
  // Parameters may be smaller than what they apply to.
  auto vector = [&](Tensor *t) -> Tensor * { return im.reshape(im.broadcast(im.cast(t, dtype), tail), {channels}); };
  Tensor *scales = vector(scale), *biases = bias ? vector(bias) : nullptr;
  if (!scales || (bias && !biases))
    return nullptr;
  Dims flat(lead);
  flat.push_back(channels);
  Tensor *rows = im.reshape(im.cast(input, dtype), flat);
  if (!rows)
    return nullptr;
  Value x = im.value(rows), s = im.value(scales), shift = biases ? im.value(biases) : Value();
  if (!x || !s || (biases && !shift))
    return nullptr;
  Value result = NormOp::create(im.b, im.loc, im.type(rows), x, s, shift, kind, APFloat(epsilon));
  return im.reshape(im.make(dtype, flat, result), input->dims);
}

Tensor *importer::toTokenMajor(Importer &im, Tensor *t) {
  if (!t)
    return nullptr;
  Dims dims = {t->dims[0], t->dims[2], im.product({t->dims[1], t->dims[3]})};
  return im.reshape(im.transpose(t, {0, 2, 1, 3}), dims);
}

Tensor *importer::toHeads(Importer &im, Tensor *t, int64_t heads) {
  if (!t)
    return nullptr;
  auto size = t->dims[2].divideExactly(Dim(heads));
  if (!size)
    return im.error("expected the last dimension to be a multiple of " + Twine(heads) + " heads; got " +
                    im.symbols.print(t->dims[2]));
  return im.transpose(im.reshape(t, {t->dims[0], t->dims[1], Dim(heads), *size}), {0, 2, 1, 3});
}

Tensor *importer::rotate(Importer &im, Tensor *input, Tensor *cos, Tensor *sin, int64_t heads, bool interleaved) {
  if (!input || !cos || !sin)
    return nullptr;
  Value x = im.value(input), c = im.value(cos), s = im.value(sin);
  if (!x || !c || !s)
    return nullptr;
  return im.make(input->dtype, input->dims,
                 RopeOp::create(im.b, im.loc, im.type(input), x, c, s, heads, interleaved));
}

Tensor *importer::angles(Importer &im, Tensor *table, Tensor *positions, const Dim &first, const Dim &count) {
  if (!table)
    return nullptr;
  if (table->rank() != 2)
    return im.error("expected a table of angles of rank 2; got rank " + Twine(table->rank()));
  Value rows = im.index(table->dims[0]), source = im.value(table);
  if (!rows || !source)
    return nullptr;
  Dims dims = positions ? Dims{positions->dims[0], positions->dims[1], table->dims[1]} : Dims{Dim(1), count, table->dims[1]};
  if (positions && !im.value(positions))
    return nullptr;
  Value start = positions ? Value() : im.index(first);
  return im.generate(table->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value row;
    if (positions)
      row = arith::IndexCastOp::create(b, im.loc, b.getIndexType(), im.element(b, positions, {at[0], at[1]}));
    else
      row = arith::AddIOp::create(b, im.loc, start, at[1]);
    return im.element(b, table, {im.safeIndex(b, row, rows), at[2]});
  });
}

Attended importer::attend(Importer &im, Tensor *query, Tensor *key, Tensor *value, Tensor *pastKey, Tensor *pastValue,
                          const AttentionOptions &options) {
  Attended result;
  if (!query || !key || !value)
    return result;
  Tensor *keys = toHeads(im, key, options.kvHeads), *values = toHeads(im, value, options.kvHeads);
  if (keys && pastKey && pastValue) {
    keys = im.concat({pastKey, keys}, 2);
    values = im.concat({pastValue, values}, 2);
  }
  if (!keys || !values)
    return result;
  auto headSize = query->dims[2].divideExactly(Dim(options.heads));
  auto size = keys->dims[3].constant();
  if (!headSize || !size || !im.unify(*headSize, keys->dims[3], "head sizes of query and key")) {
    im.error("expected a static head size");
    return result;
  }
  Value q = im.value(query), k = im.value(keys), v = im.value(values), length = im.index(keys->dims[2]);
  Value bias = options.bias ? im.value(options.bias) : Value();
  if (!q || !k || !v || !length || (options.bias && !bias))
    return result;
  Dims dims = {query->dims[0], query->dims[1], Dim(options.heads) * values->dims[3]};
  OpBuilder &b = im.b;
  double scale = options.scale != 0 ? options.scale : 1.0 / std::sqrt(static_cast<double>(*size));
  result.output = im.make(
      query->dtype, dims,
      AttentionOp::create(b, im.loc, im.type(query->dtype, dims), q, k, v, length, /*padding=*/Value(), bias,
                          b.getI64IntegerAttr(options.heads), b.getF64FloatAttr(scale),
                          options.causal ? b.getUnitAttr() : UnitAttr(),
                          options.window > 0 ? b.getI64IntegerAttr(options.window) : IntegerAttr(),
                          options.softcap > 0 ? b.getF64FloatAttr(options.softcap) : FloatAttr()));
  result.presentKey = keys;
  result.presentValue = values;
  return result;
}
