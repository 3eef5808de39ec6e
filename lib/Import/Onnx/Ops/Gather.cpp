//===- Gather.cpp - reads and writes at indices ---------------------------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// An index read from a tensor, kept inside of 0..size-1. `inside`: whether it was; may be null.
static Value indexElement(Importer &im, OpBuilder &b, Tensor *indices, ValueRange at, Value size,
                          Value *inside = nullptr) {
  Value read = im.element(b, indices, at);
  if (!read)
    return {};
  Value i = isUnsigned(indices->dtype)
                ? arith::IndexCastUIOp::create(b, im.loc, b.getIndexType(), read).getResult()
                : arith::IndexCastOp::create(b, im.loc, b.getIndexType(), read).getResult();
  if (inside) {
    Value low = arith::SubIOp::create(b, im.loc, arith::ConstantIndexOp::create(b, im.loc, 0), size);
    Value notBelow = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::sge, i, low);
    Value notAbove = arith::CmpIOp::create(b, im.loc, arith::CmpIPredicate::slt, i, size);
    Value here = arith::AndIOp::create(b, im.loc, notBelow, notAbove);
    *inside = *inside ? arith::AndIOp::create(b, im.loc, *inside, here).getResult() : here;
  }
  return im.safeIndex(b, i, size);
}

static bool integerIndices(Importer &im, Tensor *t) {
  if (!isInteger(t->dtype))
    im.error("expected integer indices; got " + getTypeName(t->dtype));
  return isInteger(t->dtype);
}

/// Whether rows of `t` at `ids` are an embedding: a table of the file.
static bool isTable(Tensor *t, Tensor *ids) {
  bool integers = ids->dtype == onnx::TensorProto::INT64 || ids->dtype == onnx::TensorProto::INT32;
  bool values = isFloat(t->dtype) || t->dtype == onnx::TensorProto::UINT8 || t->dtype == onnx::TensorProto::INT8;
  return (t->coded || (t->initializer && values)) && !t->transposed && t->rank() == 2 && integers && !t->floats && !t->ints;
}

static Tensor *embedding(Importer &im, Tensor *ids, Tensor *table, ArrayRef<Dim> dims) {
  if (table->coded)
    return im.embed(table, ids, dims);
  Value rows = im.value(ids), weight = im.weight(table, /*alwaysWeight=*/true);
  if (!rows || !weight)
    return nullptr;
  Tensor *result = im.make(table->dtype, dims,
                           EmbeddingOp::create(im.b, im.loc, im.type(table->dtype, dims), rows, weight,
                                               im.b.getStringAttr(StringRef(table->name).rsplit(".weight").first)));
  if (result) {
    result->gathered = table;
    result->indices = ids;
  }
  return result;
}

/// Slices of `t` at indices that are known only when the model runs, along `axis`.
static Tensor *gather(Importer &im, Tensor *t, Tensor *indices, int64_t axis, ArrayRef<Dim> dims) {
  bool patterned = indices->pattern && indices->pattern->size() == 1;
  Value limit = im.index(t->dims[axis]);
  if (!limit || !im.value(t) || (!patterned && !im.value(indices)))
    return nullptr;
  return im.generate(t->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value i = indexElement(im, b, indices, at.slice(axis, indices->rank()), limit);
    if (!i)
      return {};
    SmallVector<Value> source(at.take_front(axis));
    source.push_back(i);
    llvm::append_range(source, at.drop_front(axis + indices->rank()));
    return im.element(b, t, source);
  });
}

Tensor *importer::embed(Importer &im, Tensor *ids, Tensor *table) {
  if (!ids || !table || !hasRank(im, table, 2, "a table") || !integerIndices(im, ids))
    return nullptr;
  Dims dims(ids->dims.begin(), ids->dims.end());
  dims.push_back(table->dims[1]);
  return isTable(table, ids) ? embedding(im, ids, table, dims) : gather(im, table, ids, 0, dims);
}

TERSE_ONNX_OP("", Gather, 13, 2, 2) {
  Tensor *t = n.input(0), *indices = n.input(1);
  auto axis = im.axis(n.integer("axis", 0), t->rank());
  if (!axis || !integerIndices(im, indices))
    return failure();
  Dims dims(t->dims.begin(), t->dims.begin() + *axis);
  dims.append(indices->dims);
  dims.append(t->dims.begin() + *axis + 1, t->dims.end());
  Dim size = im.symbols.resolve(t->dims[*axis]);

  // Indices that are known: contents fold, a single one is a slice.
  auto known = im.ints(indices, nullptr);
  if (known && llvm::all_of(*known, [](const Dim &dim) { return dim.constant().has_value(); })) {
    SmallVector<int64_t> positions;
    for (const Dim &dim : *known) {
      int64_t i = *dim.constant();
      if (auto limit = size.constant(); limit && (i < -*limit || i >= *limit))
        return im.error("expected indices in " + Twine(-*limit) + ".." + Twine(*limit - 1) + "; got " + Twine(i)),
               failure();
      positions.push_back(i < 0 && size.constant() ? i + *size.constant() : i);
    }
    if (llvm::all_of(positions, [](int64_t i) { return i >= 0; }) && size.constant()) {
      int64_t indexRank = indices->rank();
      SmallVector<int64_t> indexShape;
      for (const Dim &dim : indices->dims)
        indexShape.push_back(*dim.constant());
      Tensor *folded = im.foldMove(t, dims, [&](ArrayRef<int64_t> at) {
        int64_t linear = 0;
        for (int64_t d = 0; d < indexRank; ++d)
          linear = linear * indexShape[d] + at[*axis + d];
        SmallVector<int64_t> from(at.begin(), at.begin() + *axis);
        from.push_back(positions[linear]);
        from.append(at.begin() + *axis + indexRank, at.end());
        return from;
      });
      if (folded)
        return n.yield({folded});
    }
    if (positions.size() == 1) {
      Dims offsets(t->rank(), Dim(0)), sizes(t->dims.begin(), t->dims.end());
      offsets[*axis] = positions[0] < 0 ? size + Dim(positions[0]) : Dim(positions[0]);
      sizes[*axis] = Dim(1);
      return n.yield({im.reshape(im.slice(t, offsets, sizes, SmallVector<int64_t>(t->rank(), 1)), dims)});
    }
  }

  if (*axis == 0 && isTable(t, indices))
    return n.yield({embedding(im, indices, t, dims)});
  return n.yield({gather(im, t, indices, *axis, dims)});
}

TERSE_ONNX_OP("", GatherElements, 13, 2, 2) {
  Tensor *t = n.input(0), *indices = n.input(1);
  auto axis = im.axis(n.integer("axis", 0), t->rank());
  if (!axis || !integerIndices(im, indices) || !hasRank(im, indices, t->rank(), "indices"))
    return failure();
  Value limit = im.index(t->dims[*axis]);
  if (!limit || !im.value(t) || !im.value(indices))
    return failure();
  return n.yield({im.generate(t->dtype, indices->dims, [&](OpBuilder &b, ValueRange at) -> Value {
    SmallVector<Value> source(at);
    source[*axis] = indexElement(im, b, indices, at, limit);
    return im.element(b, t, source);
  })});
}

/// Whether constant tuples of `last` indices are all positions of the first
/// `last` of `dims`, in row-major order.
static bool countsUp(Importer &im, ArrayRef<Dim> indices, int64_t last, ArrayRef<Dim> dims) {
  int64_t count = 1;
  SmallVector<int64_t> sizes;
  for (const Dim &dim : dims.take_front(last)) {
    auto size = im.symbols.resolve(dim).constant();
    if (!size || *size < 1 || __builtin_mul_overflow(count, *size, &count))
      return false;
    sizes.push_back(*size);
  }
  if (count != static_cast<int64_t>(indices.size()) / last)
    return false;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t d = last, rest = i; d-- > 0; rest /= sizes[d])
      if (!indices[i * last + d].isConstant(rest % sizes[d]))
        return false;
  return true;
}

/// Whether a tensor of indices, [..., count], is every position of the first
/// `count` of `dims` in order: index d of a tuple is the d-th coordinate.
static bool isEveryPosition(Importer &im, Tensor *indices, ArrayRef<Dim> dims) {
  auto last = indices->dims.back().constant();
  if (indices->ints && last && *last > 0 && *last <= static_cast<int64_t>(dims.size()))
    return countsUp(im, *indices->ints, *last, dims);
  // Tuples in one long row, which were positions of all dimensions.
  if (indices->reshaped && indices->reshaped->pattern && last && indices->reshaped->dims.back() == indices->dims.back())
    indices = indices->reshaped;
  if (!indices->pattern || !last || *last != static_cast<int64_t>(indices->pattern->size()) ||
      *last > static_cast<int64_t>(dims.size()))
    return false;
  // Coordinates of sizes other than 1, in order, must be those of the data.
  SmallVector<SymbolId> moving;
  for (SymbolId i = 0; i + 1 < indices->dims.size(); ++i)
    if (!im.symbols.resolve(indices->dims[i]).isConstant(1))
      moving.push_back(i);
  size_t next = 0;
  for (int64_t d = 0; d < *last; ++d) {
    const Dim &dim = (*indices->pattern)[d];
    if (im.symbols.resolve(dims[d]).isConstant(1)) {
      if (!dim.isConstant(0))
        return false;
      continue;
    }
    if (next >= moving.size() || dim.asSymbol() != moving[next])
      return false;
    ++next;
  }
  if (next != moving.size())
    return false;
  // Positions 0 .. n - 1 of a size of the file's choice: it is n, or some of
  // the data would never be read.
  next = 0;
  for (int64_t d = 0; d < *last; ++d) {
    Dim size = im.symbols.resolve(dims[d]);
    if (size.isConstant(1))
      continue;
    Dim count = im.symbols.resolve(indices->dims[moving[next++]]);
    if (size != count && !(size.asSymbol() && im.symbols.isFree(*size.asSymbol()) && im.symbols.unify(size, count)))
      return false;
  }
  return true;
}

TERSE_ONNX_OP("", GatherND, 13, 2, 2) {
  Tensor *t = n.input(0), *indices = n.input(1);
  int64_t batch = n.integer("batch_dims", 0);
  if (!integerIndices(im, indices))
    return failure();
  auto depth = indices->rank() ? im.symbols.resolve(indices->dims.back()).constant() : std::nullopt;
  if (!depth || batch < 0 || batch >= std::min(t->rank(), indices->rank()) || *depth < 1 ||
      *depth + batch > t->rank())
    return im.error("expected indices whose last size is constant, and with the batch in 1.." + Twine(t->rank())),
           failure();
  for (int64_t i = 0; i < batch; ++i)
    if (!im.unify(t->dims[i], indices->dims[i], "batch sizes"))
      return failure();
  Dims dims(indices->dims.begin(), indices->dims.end() - 1);
  dims.append(t->dims.begin() + batch + *depth, t->dims.end());
  if (batch == 0 && isEveryPosition(im, indices, t->dims))
    return n.yield({im.reshape(t, dims)});
  SmallVector<Value> limits;
  for (int64_t i = 0; i < *depth; ++i)
    limits.push_back(im.index(t->dims[batch + i]));
  if (llvm::is_contained(limits, Value()) || !im.value(t) || !im.value(indices))
    return failure();
  return n.yield({im.generate(t->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    SmallVector<Value> source(at.take_front(batch));
    for (int64_t i = 0; i < *depth; ++i) {
      SmallVector<Value> position(at.take_front(indices->rank() - 1));
      position.push_back(arith::ConstantIndexOp::create(b, im.loc, i));
      source.push_back(indexElement(im, b, indices, position, limits[i]));
    }
    llvm::append_range(source, at.drop_front(indices->rank() - 1));
    return im.element(b, t, source);
  })});
}

/// What a scatter puts where: the update, or its combination with what is there.
static Value combineUpdate(Importer &im, OpBuilder &b, StringRef reduction, DType dtype, Value old, Value update) {
  bool real = isFloat(dtype);
  if (reduction == "add")
    return real ? arith::AddFOp::create(b, im.loc, old, update).getResult()
                : arith::AddIOp::create(b, im.loc, old, update).getResult();
  if (reduction == "mul")
    return real ? arith::MulFOp::create(b, im.loc, old, update).getResult()
                : arith::MulIOp::create(b, im.loc, old, update).getResult();
  if (reduction == "max")
    return real                ? arith::MaximumFOp::create(b, im.loc, old, update).getResult()
           : isUnsigned(dtype) ? arith::MaxUIOp::create(b, im.loc, old, update).getResult()
                               : arith::MaxSIOp::create(b, im.loc, old, update).getResult();
  if (reduction == "min")
    return real                ? arith::MinimumFOp::create(b, im.loc, old, update).getResult()
           : isUnsigned(dtype) ? arith::MinUIOp::create(b, im.loc, old, update).getResult()
                               : arith::MinSIOp::create(b, im.loc, old, update).getResult();
  return update;
}

/// Loops over all positions of `updates`, in order; `target` gives the position
/// in the data that each is written to, and whether it is one, if asked for: where the number of updates is padded.
static Tensor *scatter(Importer &im, Tensor *t, Tensor *updates, StringRef reduction,
                       llvm::function_ref<SmallVector<Value>(OpBuilder &, ValueRange, Value *inside)> target) {
  if (reduction != "none" && reduction != "add" && reduction != "mul" && reduction != "max" && reduction != "min")
    return im.error("expected reduction none, add, mul, max or min; got " + reduction);
  // A copy, which the loops write in place.
  Tensor *copy = im.value(t) ? im.generate(t->dtype, t->dims, [&](OpBuilder &b, ValueRange at) {
    return im.element(b, t, at);
  }) : nullptr;
  Value data = im.value(copy);
  if (!data || !im.value(updates))
    return nullptr;
  bool padded = llvm::any_of(updates->dims, [&](const Dim &dim) { return im.symbols.usesPadded(im.symbols.resolve(dim)); });
  // One loop over all positions, so that it carries one tensor.
  SmallVector<Value> limits;
  for (const Dim &dim : updates->dims) {
    limits.push_back(im.index(dim));
    if (!limits.back())
      return nullptr;
  }
  Value count = im.index(im.product(updates->dims));
  if (!count)
    return nullptr;
  Value zero = arith::ConstantIndexOp::create(im.b, im.loc, 0), one = arith::ConstantIndexOp::create(im.b, im.loc, 1);
  auto loop = scf::ForOp::create(
      im.b, im.loc, zero, count, one, ValueRange{data}, [&](OpBuilder &b, Location at, Value i, ValueRange state) {
        SmallVector<Value> position(limits.size());
        for (size_t d = limits.size(); d-- > 0;) {
          position[d] = arith::RemUIOp::create(b, at, i, limits[d]);
          i = arith::DivUIOp::create(b, at, i, limits[d]);
        }
        Value inside;
        SmallVector<Value> where = target(b, position, padded ? &inside : nullptr);
        Value next = im.element(b, updates, position);
        if (reduction != "none" || inside) {
          Value old = tensor::ExtractOp::create(b, at, state[0], where);
          next = combineUpdate(im, b, reduction, t->dtype, old, next);
          if (inside)
            next = arith::SelectOp::create(b, at, inside, next, old);
        }
        scf::YieldOp::create(b, at, ValueRange{tensor::InsertOp::create(b, at, next, state[0], where)});
      });
  return im.make(t->dtype, t->dims, loop.getResult(0));
}

TERSE_ONNX_OP("", ScatterND, 13, 3, 3) {
  Tensor *t = n.input(0), *indices = n.input(1), *updates = n.input(2);
  StringRef reduction = n.string("reduction", "none");
  if (!sameType(im, {t, updates}) || !integerIndices(im, indices))
    return failure();
  auto depth = indices->rank() ? im.symbols.resolve(indices->dims.back()).constant() : std::nullopt;
  if (!depth || *depth < 1 || *depth > t->rank())
    return im.error("expected indices whose last size is constant, in 1.." + Twine(t->rank())), failure();
  int64_t outer = indices->rank() - 1;
  Dims expected(indices->dims.begin(), indices->dims.end() - 1);
  expected.append(t->dims.begin() + *depth, t->dims.end());
  if (!hasRank(im, updates, expected.size(), "updates"))
    return failure();
  for (size_t i = 0; i < expected.size(); ++i)
    if (!im.unify(expected[i], updates->dims[i], "sizes of updates"))
      return failure();
  // All of the data is overwritten.
  if (reduction == "none" && isEveryPosition(im, indices, t->dims))
    return n.yield({im.reshape(updates, t->dims)});
  SmallVector<Value> limits;
  for (int64_t i = 0; i < *depth; ++i)
    limits.push_back(im.index(t->dims[i]));
  if (llvm::is_contained(limits, Value()) || !im.value(indices))
    return failure();
  return n.yield({scatter(im, t, updates, reduction, [&](OpBuilder &b, ValueRange at, Value *inside) {
    SmallVector<Value> where;
    for (int64_t i = 0; i < *depth; ++i) {
      SmallVector<Value> position(at.take_front(outer));
      position.push_back(arith::ConstantIndexOp::create(b, im.loc, i));
      where.push_back(indexElement(im, b, indices, position, limits[i], inside));
    }
    llvm::append_range(where, at.drop_front(outer));
    return where;
  })});
}

TERSE_ONNX_OP("", ScatterElements, 13, 3, 3) {
  Tensor *t = n.input(0), *indices = n.input(1), *updates = n.input(2);
  auto axis = im.axis(n.integer("axis", 0), t->rank());
  if (!axis || !sameType(im, {t, updates}) || !integerIndices(im, indices) ||
      !hasRank(im, indices, t->rank(), "indices") || !hasRank(im, updates, t->rank(), "updates"))
    return failure();
  for (int64_t i = 0; i < t->rank(); ++i)
    if (!im.unify(indices->dims[i], updates->dims[i], "sizes of indices and updates"))
      return failure();
  Value limit = im.index(t->dims[*axis]);
  if (!limit || !im.value(indices))
    return failure();
  return n.yield({scatter(im, t, updates, n.string("reduction", "none"), [&](OpBuilder &b, ValueRange at, Value *inside) {
    SmallVector<Value> where(at);
    where[*axis] = indexElement(im, b, indices, at, limit, inside);
    return where;
  })});
}
