//===- Shape.cpp - shapes and what is made from them ----------------------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// Bounds beyond this mean "to the end": no size is so large.
constexpr int64_t kBeyond = 1ll << 40;

/// A bound of a slice counted from the start; from the end if it is negative.
static Dim fromStart(Importer &im, const Dim &bound, const Dim &size) {
  Symbols &symbols = im.symbols;
  if (symbols.isNonNegative(bound))
    return bound;
  if (symbols.isPositive(bound * Dim(-1)))
    return bound + size;
  if ((bound + size).isConstant(0))
    return Dim(0); // [-size:], also where size is 0
  // The factor is 0 or -1.
  return bound - size * symbols.clamp(bound, Dim(-1), Dim(0));
}

/// `bound` clamped to low..high after counting.
static Dim clampBound(Importer &im, const Dim &bound, const Dim &size, const Dim &low, const Dim &high) {
  if (auto constant = bound.constant(); constant && (*constant <= -kBeyond || *constant >= kBeyond))
    return *constant < 0 ? low : high;
  return im.symbols.clamp(fromStart(im, bound, size), low, high);
}

TERSE_ONNX_OP("", Shape, 13, 1, 1) {
  Tensor *t = n.input(0);
  auto bound = [&](int64_t given) { return std::clamp<int64_t>(given < 0 ? given + t->rank() : given, 0, t->rank()); };
  int64_t start = bound(n.integer("start", 0)), end = bound(n.integer("end", t->rank()));
  Dims dims(t->dims.begin() + start, t->dims.begin() + std::max(start, end));
  return n.yield({im.fromInts(onnx::TensorProto::INT64, {Dim(dims.size())}, dims)});
}

TERSE_ONNX_OP("", Size, 13, 1, 1) {
  return n.yield({im.fromInts(onnx::TensorProto::INT64, {}, {im.product(n.input(0)->dims)})});
}

/// Whether a reshape to [batch, -1] keeps both sizes, because the batch is one of the inputs' sizes on either side: a
/// mask comes with sizes of its own, which are the tokens'.
static bool isSameBatch(Importer &im, ArrayRef<Dim> from, ArrayRef<Dim> to, size_t inferred) {
  if (from.size() != 2 || to.size() != 2 || inferred != 1)
    return false;
  auto a = im.symbols.resolve(from[0]).asSymbol(), b = im.symbols.resolve(to[0]).asSymbol();
  return a && b && im.symbols.isFree(*a) && im.symbols.isFree(*b) && im.symbols.unify(from[0], to[0]);
}

TERSE_ONNX_OP("", Reshape, 13, 2, 2) {
  Tensor *t = n.input(0);
  auto shape = im.sizes(n.input(1), "a shape", /*nonNegative=*/true);
  if (!shape)
    return failure();
  bool allowZero = n.integer("allowzero", 0) != 0;
  Dims dims;
  std::optional<size_t> inferred;
  for (const auto &[i, given] : llvm::enumerate(*shape)) {
    Dim dim = im.symbols.resolve(given);
    if (dim.isConstant(0) && !allowZero) {
      if (static_cast<int64_t>(i) >= t->rank())
        return im.error("size 0 copies dimension " + Twine(i) + " of an input of rank " + Twine(t->rank())), failure();
      dim = im.symbols.resolve(t->dims[i]);
    } else if (dim.isConstant(-1)) {
      if (inferred)
        return im.error("expected at most one size of -1"), failure();
      inferred = i;
      dim = Dim(1);
    } else if (auto constant = dim.constant(); constant && *constant < 0) {
      return im.error("expected sizes of -1 or more; got " + Twine(*constant)), failure();
    }
    dims.push_back(dim);
  }
  if (inferred) {
    // Sizes that occur on both sides cancel, so that sums need no division.
    Dims from;
    for (const Dim &dim : t->dims)
      from.push_back(im.symbols.resolve(dim));
    Dims to = dims;
    for (auto it = to.begin(); it != to.end();) {
      auto same = llvm::find(from, *it);
      if (same == from.end() || it->isConstant(0)) {
        ++it;
        continue;
      }
      from.erase(same);
      it = to.erase(it);
    }
    Dim total = im.product(from), known = im.product(to);
    if (known.isConstant(0))
      return im.error("cannot infer a size beside one of 0"), failure();
    auto quotient = total.divideExactly(known);
    if (!quotient && isSameBatch(im, t->dims, dims, *inferred))
      quotient = t->dims[*inferred];
    if (!quotient && total.constant() && known.constant())
      return im.error("cannot reshape " + Twine(*total.constant()) + " elements to multiples of " +
                      Twine(*known.constant())),
             failure();
    dims[*inferred] = quotient ? *quotient : im.symbols.floorDiv(total, known);
  }
  return n.yield({im.reshape(t, dims)});
}

TERSE_ONNX_OP("", Squeeze, 13, 1, 2) {
  Tensor *t = n.input(0);
  SmallVector<int64_t> axes;
  if (n.input(1)) {
    auto given = im.constants(n.input(1), "axes");
    auto checked = given ? im.axes(*given, t->rank()) : std::nullopt;
    if (!checked)
      return failure();
    axes = *checked;
  } else {
    for (int64_t i = 0; i < t->rank(); ++i)
      if (im.symbols.resolve(t->dims[i]).isConstant(1))
        axes.push_back(i);
  }
  Dims dims;
  for (int64_t i = 0; i < t->rank(); ++i) {
    if (!llvm::is_contained(axes, i))
      dims.push_back(t->dims[i]);
    else if (!im.unify(t->dims[i], Dim(1), "squeezed sizes and 1"))
      return failure();
  }
  return n.yield({im.reshape(t, dims)});
}

TERSE_ONNX_OP("", Unsqueeze, 13, 2, 2) {
  Tensor *t = n.input(0);
  auto given = im.constants(n.input(1), "axes");
  auto axes = given ? im.axes(*given, t->rank() + given->size()) : std::nullopt;
  return n.yield({axes ? im.unsqueeze(t, *axes) : nullptr});
}

TERSE_ONNX_OP("", Flatten, 13, 1, 1) {
  Tensor *t = n.input(0);
  int64_t axis = n.integer("axis", 1);
  if (axis < -t->rank() || axis > t->rank())
    return im.error("expected an axis in " + Twine(-t->rank()) + ".." + Twine(t->rank()) + "; got " + Twine(axis)),
           failure();
  axis += axis < 0 ? t->rank() : 0;
  ArrayRef<Dim> dims = t->dims;
  return n.yield({im.reshape(t, {im.product(dims.take_front(axis)), im.product(dims.drop_front(axis))})});
}

TERSE_ONNX_OP("", Transpose, 13, 1, 1) {
  Tensor *t = n.input(0);
  SmallVector<int64_t> permutation = n.integers("perm");
  if (!n.has("perm"))
    for (int64_t i = t->rank(); i-- > 0;)
      permutation.push_back(i);
  auto sorted = permutation;
  llvm::sort(sorted);
  for (int64_t i = 0, e = std::max<int64_t>(t->rank(), sorted.size()); i < e; ++i)
    if (i >= static_cast<int64_t>(sorted.size()) || i >= t->rank() || sorted[i] != i)
      return im.error("expected a permutation of the dimensions 0.." + Twine(t->rank() - 1)), failure();
  return n.yield({im.transpose(t, permutation)});
}

TERSE_ONNX_OP("", Expand, 13, 2, 2) {
  Tensor *t = n.input(0);
  auto shape = im.sizes(n.input(1), "a shape", /*nonNegative=*/true);
  if (!shape)
    return failure();
  // -1 is not in the standard, but exporters mean "as it is" by it.
  for (size_t i = 0; i < shape->size(); ++i)
    if ((*shape)[i].isConstant(-1)) {
      int64_t source = static_cast<int64_t>(i) - (static_cast<int64_t>(shape->size()) - t->rank());
      (*shape)[i] = source >= 0 ? t->dims[source] : Dim(1);
    }
  auto dims = im.broadcastDims(t->dims, *shape);
  return n.yield({dims ? im.broadcast(t, *dims) : nullptr});
}

TERSE_ONNX_OP("", Constant, 13, 0, 0) {
  if (const auto *value = n.find("value"))
    return n.yield({im.fromProto(value->t())});
  if (const auto *value = n.find("value_float"))
    return n.yield({im.scalar(onnx::TensorProto::FLOAT, value->f())});
  if (const auto *value = n.find("value_int"))
    return n.yield({im.fromInts(onnx::TensorProto::INT64, {}, {Dim(value->i())})});
  if (const auto *value = n.find("value_floats")) {
    SmallVector<double> floats(value->floats().begin(), value->floats().end());
    return n.yield({im.fromFloats(onnx::TensorProto::FLOAT, {Dim(floats.size())}, floats)});
  }
  if (const auto *value = n.find("value_ints")) {
    SmallVector<Dim> ints(value->ints().begin(), value->ints().end());
    return n.yield({im.fromInts(onnx::TensorProto::INT64, {Dim(ints.size())}, ints)});
  }
  return im.error("expected a value of numbers"), failure();
}

TERSE_ONNX_OP("", ConstantOfShape, 9, 1, 1) {
  auto shape = im.sizes(n.input(0), "a shape", /*nonNegative=*/true);
  if (!shape)
    return failure();
  for (const Dim &dim : *shape)
    if (dim.constant() && *dim.constant() < 0)
      return im.error("expected sizes of 0 or more; got " + Twine(*dim.constant())), failure();
  const auto *attribute = n.find("value");
  if (!attribute)
    return n.yield({im.fromFill(onnx::TensorProto::FLOAT, *shape, 0)});
  Tensor *value = im.fromProto(attribute->t());
  if (!value)
    return failure();
  if (value->ints && value->ints->size() == 1)
    return n.yield({im.fromPattern(value->dtype, *shape, *value->ints)});
  if (value->floats && value->floats->size() == 1)
    return n.yield({im.fromFill(value->dtype, *shape, value->floats->front())});
  return im.error("expected a value of one element"), failure();
}

/// start, start + delta, ... below limit (above it for a negative delta), of integers.
static Tensor *range(Importer &im, DType dtype, Tensor *start, Tensor *limit, Tensor *delta) {
  auto from = im.sizes(start, "a start", false), to = im.sizes(limit, "a limit", false),
       step = im.sizes(delta, "a step", false);
  if (!from || !to || !step || from->size() != 1 || to->size() != 1 || step->size() != 1)
    return im.error("expected scalars");
  // ceil((limit - start) / step), not below 0.
  Dim span = im.symbols.resolve((*to)[0] - (*from)[0]), by = (*step)[0];
  if (by.isConstant(0))
    return im.error("expected a step other than 0");
  Dim count = by.isConstant(1) ? span : Dim(0) - im.symbols.floorDiv(Dim(0) - span, by);
  count = im.symbols.max(count, Dim(0));
  return im.fromPattern(dtype, {count}, {(*from)[0] + Dim::symbol(0) * by});
}

TERSE_ONNX_OP("", Range, 11, 3, 3) {
  Tensor *start = n.input(0), *limit = n.input(1), *delta = n.input(2);
  if (!sameType(im, {start, limit, delta}))
    return failure();
  DType dtype = start->dtype;
  if (isInteger(dtype))
    return n.yield({range(im, dtype, start, limit, delta)});
  // Sizes as floats count as integers do.
  auto integers = [&](Tensor *t) -> Tensor * {
    std::optional<double> constant = im.constantFloat(t);
    if (constant && *constant == std::trunc(*constant) && std::abs(*constant) < kBeyond)
      return im.fromInts(onnx::TensorProto::INT64, {}, {Dim(static_cast<int64_t>(*constant))});
    return t->integers ? t->integers : t->reshaped ? t->reshaped->integers : nullptr;
  };
  if (Tensor *a = integers(start), *z = integers(limit), *by = integers(delta); a && z && by)
    return n.yield({im.cast(range(im, onnx::TensorProto::INT64, a, z, by), dtype)});
  auto from = im.constantFloat(start), to = im.constantFloat(limit), step = im.constantFloat(delta);
  if (!from || !to || !step)
    return im.error("a range of floats must have constant bounds"), failure();
  double count = std::ceil((*to - *from) / *step);
  if (!(count < 1e9))
    return im.error("expected a finite range"), failure();
  Dims dims{Dim(std::max<int64_t>(0, static_cast<int64_t>(count)))};
  Tensor *positions = im.cast(im.fromPattern(onnx::TensorProto::INT64, dims, {Dim::symbol(0)}), dtype);
  return n.yield({add(im, start, multiply(im, positions, delta))});
}

TERSE_ONNX_OP("", Concat, 13, 1, kManyInputs) {
  if (!n.input(0))
    return failure();
  auto axis = im.axis(n.integer("axis", 0), n.input(0)->rank());
  return n.yield({axis ? im.concat(n.inputs(), *axis) : nullptr});
}

TERSE_ONNX_OP("", Slice, 13, 3, 5) {
  Tensor *t = n.input(0);
  auto starts = im.sizes(n.input(1), "starts", false), ends = im.sizes(n.input(2), "ends", false);
  if (!starts || !ends)
    return failure();
  SmallVector<int64_t> axes, steps(starts->size(), 1);
  for (size_t i = 0; i < starts->size(); ++i)
    axes.push_back(i);
  if (n.input(3)) {
    auto given = im.constants(n.input(3), "axes");
    if (!given)
      return failure();
    axes = *given;
  }
  if (n.input(4)) {
    auto given = im.constants(n.input(4), "steps");
    if (!given)
      return failure();
    steps = *given;
  }
  if (ends->size() != starts->size() || axes.size() != starts->size() || steps.size() != starts->size())
    return im.error("expected starts, ends, axes and steps of one length"), failure();
  Dims offsets(t->rank(), Dim(0)), sizes(t->dims.begin(), t->dims.end());
  SmallVector<int64_t> strides(t->rank(), 1);
  SmallVector<bool> seen(t->rank());
  for (size_t i = 0; i < axes.size(); ++i) {
    auto axis = im.axis(axes[i], t->rank());
    if (!axis)
      return failure();
    if (seen[*axis])
      return im.error("expected different axes"), failure();
    seen[*axis] = true;
    Dim size = im.symbols.resolve(t->dims[*axis]), start = im.symbols.resolve((*starts)[i]),
        end = im.symbols.resolve((*ends)[i]);
    if (steps[i] == 0)
      return im.error("expected a step other than 0"), failure();
    strides[*axis] = steps[i];
    if (steps[i] > 0) {
      start = clampBound(im, start, size, Dim(0), size);
      end = clampBound(im, end, size, Dim(0), size);
      Dim span = im.symbols.max(end - start, Dim(0));
      offsets[*axis] = start;
      sizes[*axis] = steps[i] == 1 ? span : im.symbols.floorDiv(span + Dim(steps[i] - 1), Dim(steps[i]));
      continue;
    }
    Dim last = size - Dim(1);
    start = clampBound(im, start, size, Dim(0), last);
    end = clampBound(im, end, size, Dim(-1), last);
    int64_t step = -steps[i];
    if (steps[i] == INT64_MIN)
      return im.error("expected a step above -2^63"), failure();
    offsets[*axis] = start;
    sizes[*axis] = im.symbols.floorDiv(im.symbols.max(start - end, Dim(0)) + Dim(step - 1), Dim(step));
  }
  return n.yield({im.slice(t, offsets, sizes, strides)});
}

TERSE_ONNX_OP("", Split, 13, 1, 2) {
  Tensor *t = n.input(0);
  auto axis = im.axis(n.integer("axis", 0), t->rank());
  if (!axis)
    return failure();
  Dim size = im.symbols.resolve(t->dims[*axis]);
  Dims parts;
  int64_t count = n.version >= 18 ? n.integer("num_outputs", n.numOutputs()) : n.numOutputs();
  if (n.input(1)) {
    auto given = im.sizes(n.input(1), "split sizes", /*nonNegative=*/true);
    if (!given)
      return failure();
    parts = *given;
  } else if (count > 0 && count <= kManyInputs) {
    // The last part is smaller where the size is no multiple.
    Dim chunk = Dim(0) - im.symbols.floorDiv(Dim(0) - size, Dim(count));
    if (auto exact = size.divideExactly(Dim(count)))
      chunk = *exact;
    for (int64_t i = 0; i + 1 < count; ++i)
      parts.push_back(chunk);
    parts.push_back(size - chunk * Dim(count - 1));
  }
  if (static_cast<int>(parts.size()) != n.numOutputs())
    return im.error("expected " + Twine(n.numOutputs()) + " parts; got " + Twine(parts.size())), failure();
  Dim offset(0);
  SmallVector<Tensor *> results;
  for (const Dim &part : parts) {
    if (part.constant() && *part.constant() < 0)
      return im.error("expected parts of 0 or more; got " + Twine(*part.constant())), failure();
    Dims offsets(t->rank(), Dim(0)), sizes(t->dims.begin(), t->dims.end());
    offsets[*axis] = offset;
    sizes[*axis] = part;
    results.push_back(im.slice(t, offsets, sizes, SmallVector<int64_t>(t->rank(), 1)));
    offset = im.symbols.resolve(offset + part);
  }
  if (!im.unify(offset, size, "the sum of the parts and the size split"))
    return failure();
  return n.yield(results);
}

TERSE_ONNX_OP("", Tile, 13, 2, 2) {
  Tensor *t = n.input(0);
  auto repeats = im.sizes(n.input(1), "repeats", /*nonNegative=*/true);
  if (!repeats)
    return failure();
  if (static_cast<int64_t>(repeats->size()) != t->rank())
    return im.error("expected " + Twine(t->rank()) + " repeats; got " + Twine(repeats->size())), failure();
  // [a, b] -> [1, a, 1, b] -> [r, a, s, b] -> [r a, s b].
  Dims apart, wide, dims;
  for (const auto &[size, times] : llvm::zip(t->dims, *repeats)) {
    if (times.constant() && *times.constant() < 0)
      return im.error("expected repeats of 0 or more"), failure();
    if (!times.isConstant(1)) {
      apart.push_back(Dim(1));
      wide.push_back(times);
    }
    apart.push_back(size);
    wide.push_back(size);
    dims.push_back(size * times);
  }
  return n.yield({im.reshape(im.broadcast(im.reshape(t, apart), wide), dims)});
}
