//===- Shaping.cpp - moves elements without computing ---------------------===//
#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

namespace {
/// Dimensions of a shape that belong to each dimension of the shape between.
using Reassociation = SmallVector<ReassociationIndices>;

/// Adds dimensions of size 1, which belong to no group, to the group before.
Reassociation withUnits(ArrayRef<Dim> dims, ArrayRef<SmallVector<int64_t>> groups) {
  Reassociation result(groups.size());
  if (groups.empty())
    return result;
  size_t group = 0;
  for (int64_t i = 0, e = dims.size(); i < e; ++i) {
    while (group + 1 < groups.size() && i >= groups[group + 1].front())
      ++group;
    result[group].push_back(i);
  }
  return result;
}
} // namespace

Tensor *Importer::reshape(Tensor *t, ArrayRef<Dim> given) {
  if (!t)
    return nullptr;
  Dims from, to;
  for (const Dim &dim : t->dims)
    from.push_back(symbols.resolve(dim));
  for (const Dim &dim : given)
    to.push_back(symbols.resolve(dim));
  if (from == to)
    return t;
  if (t->reshaped)
    return reshape(t->reshaped, given);
  if (!unify(product(from), product(to), "numbers of elements"))
    return nullptr;
  if (Tensor *folded = foldReshape(t, to))
    return folded;
  if (product(to).isConstant(0))
    return make(t->dtype, to, empty(t->dtype, to));

  // Cut both shapes at the places where the products of the sizes before are
  // equal; each piece is one dimension of the shape between them.
  SmallVector<SmallVector<int64_t>> fromGroups, toGroups;
  SmallVector<int64_t> fromCore, toCore;
  for (int64_t i = 0, e = from.size(); i < e; ++i)
    if (!from[i].isConstant(1))
      fromCore.push_back(i);
  for (int64_t i = 0, e = to.size(); i < e; ++i)
    if (!to[i].isConstant(1))
      toCore.push_back(i);
  Dims between;
  size_t j = 0;
  Dim before(1);
  SmallVector<int64_t> pending;
  Dim size(1);
  for (int64_t i : fromCore) {
    pending.push_back(i);
    size = size * from[i];
    Dim other(1);
    size_t k = j;
    while (k < toCore.size() && !(k > j && other == size))
      other = other * to[toCore[k++]];
    if (k == j || other != size)
      continue;
    fromGroups.push_back(pending);
    toGroups.emplace_back(toCore.begin() + j, toCore.begin() + k);
    between.push_back(size);
    pending.clear();
    size = Dim(1);
    j = k;
  }
  if (!pending.empty() || j < toCore.size()) {
    // Equal only as numbers of elements: all in one.
    fromGroups.clear();
    toGroups.clear();
    between = {product(from)};
    fromGroups.push_back(fromCore);
    toGroups.push_back(toCore);
    if (fromCore.empty() || toCore.empty())
      return error("cannot reshape between these sizes");
  }

  Value v = value(t);
  if (!v)
    return nullptr;
  if (from.size() != between.size())
    v = tensor::CollapseShapeOp::create(b, loc, type(t->dtype, between), v, withUnits(from, fromGroups));
  if (between.empty() && !to.empty()) {
    Value element = tensor::ExtractOp::create(b, loc, v, ValueRange{});
    v = tensor::FromElementsOp::create(b, loc, type(t->dtype, to), ValueRange{element});
  } else if (to.size() != between.size())
    v = tensor::ExpandShapeOp::create(b, loc, type(t->dtype, to), v, withUnits(to, toGroups), fold(to));
  if (failed)
    return nullptr;
  Tensor *result = make(t->dtype, to, v);
  result->reshaped = t;
  return result;
}

Tensor *Importer::unsqueeze(Tensor *t, ArrayRef<int64_t> axes) {
  if (!t)
    return nullptr;
  Dims dims;
  size_t next = 0;
  for (int64_t i = 0, e = t->rank() + axes.size(); i < e; ++i)
    dims.push_back(llvm::is_contained(axes, i) ? Dim(1) : t->dims[next++]);
  return reshape(t, dims);
}

Tensor *Importer::broadcast(Tensor *t, ArrayRef<Dim> given) {
  if (!t)
    return nullptr;
  Dims dims;
  for (const Dim &dim : given)
    dims.push_back(symbols.resolve(dim));
  if (t->rank() > static_cast<int64_t>(dims.size()))
    return error("cannot broadcast rank " + Twine(t->rank()) + " to rank " + Twine(dims.size()));
  size_t shift = dims.size() - t->rank();
  SmallVector<int64_t> added;
  Dims kept;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i < shift || (symbols.resolve(t->dims[i - shift]).isConstant(1) && !dims[i].isConstant(1))) {
      added.push_back(i);
      continue;
    }
    if (!unify(t->dims[i - shift], dims[i], "broadcast sizes"))
      return nullptr;
    kept.push_back(t->dims[i - shift]);
  }
  if (added.empty())
    return t;
  if (t->fill)
    return fromFill(t->dtype, dims, *t->fill);
  if (Tensor *folded = foldInts(t->dtype, {t}, dims, [](ArrayRef<Dim> v) { return v[0]; }))
    return folded;
  if (Tensor *folded = foldMove(t, dims, [&](ArrayRef<int64_t> at) { return SmallVector<int64_t>(at); }))
    return folded;
  if (llvm::all_of(added, [&](int64_t i) { return dims[i].isConstant(1); }))
    return reshape(t, dims);
  Tensor *core = reshape(t, kept);
  Value v = value(core);
  if (!v)
    return nullptr;
  Value init = empty(t->dtype, dims);
  if (failed)
    return nullptr;
  return make(t->dtype, dims, linalg::BroadcastOp::create(b, loc, v, init, added)->getResult(0));
}

Tensor *Importer::transpose(Tensor *t, ArrayRef<int64_t> permutation) {
  if (!t)
    return nullptr;
  bool identity = true;
  Dims dims;
  for (const auto &[i, source] : llvm::enumerate(permutation)) {
    identity &= static_cast<int64_t>(i) == source;
    dims.push_back(t->dims[source]);
  }
  if (identity)
    return t;
  if (t->permuted) {
    SmallVector<int64_t> composed;
    for (int64_t source : permutation)
      composed.push_back(t->permutation[source]);
    return transpose(t->permuted, composed);
  }
  Tensor *folded = foldMove(t, dims, [&](ArrayRef<int64_t> at) {
    SmallVector<int64_t> from(at.size());
    for (const auto &[i, source] : llvm::enumerate(permutation))
      from[source] = at[i];
    return from;
  });
  if (folded)
    return folded;
  if (t->pattern && t->pattern->size() == 1) {
    SmallVector<SymbolId> target(permutation.size());
    for (const auto &[i, source] : llvm::enumerate(permutation))
      target[source] = i;
    Dim moved = t->pattern->front().substitute([&](SymbolId id) -> std::optional<Dim> {
      return id < target.size() ? std::optional<Dim>(Dim::symbol(target[id])) : std::nullopt;
    });
    return fromPattern(t->dtype, dims, {moved});
  }
  if ((t->initializer || t->coded) && t->rank() == 2) {
    Tensor *swapped = make(t->dtype, dims);
    swapped->name = t->name;
    swapped->initializer = t->initializer;
    swapped->coded = t->coded;
    swapped->transposed = !t->transposed;
    return swapped;
  }
  Value v = value(t);
  if (!v)
    return nullptr;
  Value init = empty(t->dtype, dims);
  if (failed)
    return nullptr;
  Tensor *result = make(t->dtype, dims, linalg::TransposeOp::create(b, loc, v, init, permutation)->getResult(0));
  result->permuted = t;
  result->permutation.assign(permutation.begin(), permutation.end());
  return result;
}

Tensor *Importer::concat(ArrayRef<Tensor *> given, int64_t axis) {
  SmallVector<Tensor *> inputs;
  Dims dims;
  Dim sum;
  for (Tensor *t : given) {
    if (!t)
      return nullptr;
    if (t->dtype != given[0]->dtype)
      return error("expected inputs of one type; got " + getTypeName(given[0]->dtype) + " and " +
                   getTypeName(t->dtype));
    if (t->rank() != given[0]->rank())
      return error("expected inputs of one rank; got " + Twine(given[0]->rank()) + " and " + Twine(t->rank()));
    if (axis >= t->rank())
      return error("expected tensors of rank " + Twine(axis + 1) + " or more; got " + Twine(t->rank()));
    for (int64_t i = 0; i < t->rank(); ++i)
      if (i != axis && !unify(t->dims[i], given[0]->dims[i], "sizes beside the axis"))
        return nullptr;
    sum = sum + t->dims[axis];
    if (!symbols.resolve(t->dims[axis]).isConstant(0))
      inputs.push_back(t);
  }
  if (inputs.size() <= 1)
    return inputs.empty() ? given[0] : inputs[0];
  dims = inputs[0]->dims;
  dims[axis] = symbols.resolve(sum);
  if (Tensor *folded = foldConcat(inputs, axis, dims))
    return folded;
  SmallVector<Value> operands;
  for (Tensor *t : inputs) {
    operands.push_back(value(t));
    if (!operands.back())
      return nullptr;
  }
  return make(inputs[0]->dtype, dims,
              tensor::ConcatOp::create(b, loc, type(inputs[0]->dtype, dims), static_cast<uint64_t>(axis), operands));
}

Tensor *Importer::slice(Tensor *t, ArrayRef<Dim> offsets, ArrayRef<Dim> sizes, ArrayRef<int64_t> strides) {
  if (!t)
    return nullptr;
  bool whole = true;
  for (int64_t i = 0; i < t->rank(); ++i)
    whole &= symbols.resolve(offsets[i]).isConstant(0) && strides[i] == 1 &&
             symbols.resolve(sizes[i]) == symbols.resolve(t->dims[i]);
  if (whole)
    return t;
  if (product(sizes).isConstant(0))
    return make(t->dtype, sizes, empty(t->dtype, sizes));
  if (llvm::all_of(offsets, [](const Dim &dim) { return dim.constant().has_value(); })) {
    Tensor *folded = foldMove(t, sizes, [&](ArrayRef<int64_t> at) {
      SmallVector<int64_t> from;
      for (const auto &[i, coordinate] : llvm::enumerate(at))
        from.push_back(*offsets[i].constant() + coordinate * strides[i]);
      return from;
    });
    if (folded)
      return folded;
  }
  if (t->pattern && t->pattern->size() == 1) {
    Dim moved = t->pattern->front().substitute([&](SymbolId id) -> std::optional<Dim> {
      if (id >= offsets.size())
        return std::nullopt;
      return offsets[id] + Dim::symbol(id) * Dim(strides[id]);
    });
    return fromPattern(t->dtype, sizes, {moved});
  }
  Value v = value(t);
  if (!v)
    return nullptr;
  if (llvm::all_of(strides, [](int64_t stride) { return stride > 0; })) {
    SmallVector<OpFoldResult> steps;
    for (int64_t stride : strides)
      steps.push_back(b.getIndexAttr(stride));
    auto from = fold(offsets), extent = fold(sizes);
    if (failed)
      return nullptr;
    return make(t->dtype, sizes,
                tensor::ExtractSliceOp::create(b, loc, type(t->dtype, sizes), v, from, extent, steps));
  }
  SmallVector<Value> from;
  for (const Dim &dim : offsets)
    from.push_back(index(dim));
  if (failed)
    return nullptr;
  return generate(t->dtype, sizes, [&](OpBuilder &builder, ValueRange at) -> Value {
    SmallVector<Value> source;
    for (const auto &[i, coordinate] : llvm::enumerate(at)) {
      Value step = arith::ConstantIndexOp::create(builder, loc, strides[i]);
      Value scaled = arith::MulIOp::create(builder, loc, coordinate, step);
      source.push_back(arith::AddIOp::create(builder, loc, from[i], scaled));
    }
    return element(builder, t, source);
  });
}
