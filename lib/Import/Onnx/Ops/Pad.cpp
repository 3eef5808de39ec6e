//===- Pad.cpp - Pad, Trilu and other things done per coordinate ----------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

static Value constantIndex(OpBuilder &b, Importer &im, int64_t i) {
  return arith::ConstantIndexOp::create(b, im.loc, i);
}
static Value compareIndex(OpBuilder &b, Importer &im, arith::CmpIPredicate predicate, Value lhs, Value rhs) {
  return arith::CmpIOp::create(b, im.loc, predicate, lhs, rhs);
}

TERSE_ONNX_OP("", Pad, 13, 2, 4) {
  Tensor *t = n.input(0);
  auto pads = im.sizes(n.input(1), "pads", false);
  if (!pads)
    return failure();
  SmallVector<int64_t> axes;
  if (n.input(3)) {
    auto given = im.constants(n.input(3), "axes");
    auto checked = given ? im.axes(*given, t->rank()) : std::nullopt;
    if (!checked)
      return failure();
    for (int64_t axis : *given)
      axes.push_back(axis < 0 ? axis + t->rank() : axis);
  } else {
    for (int64_t i = 0; i < t->rank(); ++i)
      axes.push_back(i);
  }
  if (pads->size() != 2 * axes.size())
    return im.error("expected " + Twine(2 * axes.size()) + " pads; got " + Twine(pads->size())), failure();
  StringRef mode = n.string("mode", "constant");
  if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap")
    return im.error("expected mode constant, edge, reflect or wrap; got " + mode), failure();
  double fill = 0;
  Tensor *fillTensor = mode == "constant" ? n.input(2) : nullptr;
  if (fillTensor) {
    auto constant = im.constantFloat(fillTensor);
    if (!constant && (fillTensor->rank() > 0 || !im.value(fillTensor)))
      return im.error("expected a constant or scalar value"), failure();
    if (constant) {
      fill = *constant;
      fillTensor = nullptr;
    }
  }
  Dims dims(t->dims.begin(), t->dims.end());
  SmallVector<Value> before(t->rank()), sizes(t->rank());
  for (const auto &[i, axis] : llvm::enumerate(axes)) {
    dims[axis] = im.symbols.resolve(dims[axis] + (*pads)[i] + (*pads)[i + axes.size()]);
    if (dims[axis].constant() && *dims[axis].constant() < 0)
      return im.error("expected a padded size of 0 or more; got " + Twine(*dims[axis].constant())), failure();
    before[axis] = im.index((*pads)[i]);
    sizes[axis] = im.index(t->dims[axis]);
    if (!before[axis] || !sizes[axis])
      return failure();
  }
  if (!im.value(t))
    return failure();
  return n.yield({im.generate(t->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    SmallVector<Value> source(at);
    Value inside;
    for (int64_t axis : axes) {
      Value i = arith::SubIOp::create(b, im.loc, at[axis], before[axis]);
      Value zero = constantIndex(b, im, 0), one = constantIndex(b, im, 1);
      Value last = arith::SubIOp::create(b, im.loc, sizes[axis], one);
      if (mode == "constant") {
        Value low = compareIndex(b, im, arith::CmpIPredicate::sge, i, zero);
        Value high = compareIndex(b, im, arith::CmpIPredicate::slt, i, sizes[axis]);
        Value here = arith::AndIOp::create(b, im.loc, low, high);
        inside = inside ? arith::AndIOp::create(b, im.loc, inside, here).getResult() : here;
      } else if (mode == "reflect") {
        // A walk to and fro of period 2 (size - 1).
        Value twice = arith::AddIOp::create(b, im.loc, last, last);
        Value period = arith::MaxSIOp::create(b, im.loc, twice, one);
        Value rest = arith::RemSIOp::create(b, im.loc, i, period);
        rest = arith::AddIOp::create(b, im.loc, rest, period);
        rest = arith::RemSIOp::create(b, im.loc, rest, period);
        Value mirrored = arith::SubIOp::create(b, im.loc, twice, rest);
        i = arith::MinSIOp::create(b, im.loc, rest, mirrored);
      } else if (mode == "wrap") {
        Value period = arith::MaxSIOp::create(b, im.loc, sizes[axis], one);
        Value rest = arith::RemSIOp::create(b, im.loc, i, period);
        rest = arith::AddIOp::create(b, im.loc, rest, period);
        i = arith::RemSIOp::create(b, im.loc, rest, period);
      }
      Value below = arith::MinSIOp::create(b, im.loc, i, last);
      source[axis] = arith::MaxSIOp::create(b, im.loc, below, zero);
    }
    Value read = im.element(b, t, source);
    if (!inside)
      return read;
    Value outside = fillTensor ? im.element(b, fillTensor, {}) : im.literal(b, t->dtype, fill);
    return arith::SelectOp::create(b, im.loc, inside, read, outside);
  })});
}

TERSE_ONNX_OP("", Trilu, 14, 1, 2) {
  Tensor *t = n.input(0);
  if (t->rank() < 2)
    return im.error("expected an input of rank 2 or more; got " + Twine(t->rank())), failure();
  bool upper = n.integer("upper", 1) != 0;
  Dim diagonal(0);
  if (n.input(1)) {
    auto given = im.sizes(n.input(1), "k", false);
    if (!given || given->size() != 1)
      return im.error("expected a scalar k"), failure();
    diagonal = given->front();
  }
  Value k = im.index(diagonal);
  bool constant = im.constantFloat(t).has_value();
  if (!k || (!constant && !im.value(t)))
    return failure();
  return n.yield({im.generate(t->dtype, t->dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value border = arith::AddIOp::create(b, im.loc, at[at.size() - 2], k);
    auto predicate = upper ? arith::CmpIPredicate::sge : arith::CmpIPredicate::sle;
    Value keep = compareIndex(b, im, predicate, at.back(), border);
    Value read = constant ? im.literal(b, t->dtype, *im.constantFloat(t)) : im.element(b, t, at);
    return arith::SelectOp::create(b, im.loc, keep, read, im.literal(b, t->dtype, 0));
  })});
}

TERSE_ONNX_OP("", EyeLike, 9, 1, 1) {
  Tensor *t = n.input(0);
  if (!hasRank(im, t, 2, "an input"))
    return failure();
  DType dtype = n.integer("dtype", t->dtype);
  if (!getElementSize(dtype))
    return im.error("type " + getTypeName(dtype) + " is not supported"), failure();
  int64_t k = n.integer("k", 0);
  return n.yield({im.generate(dtype, t->dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value border = arith::AddIOp::create(b, im.loc, at[0], constantIndex(b, im, k));
    Value here = compareIndex(b, im, arith::CmpIPredicate::eq, at[1], border);
    return arith::SelectOp::create(b, im.loc, here, im.literal(b, dtype, 1), im.literal(b, dtype, 0));
  })});
}

TERSE_ONNX_OP("", OneHot, 11, 3, 3) {
  Tensor *indices = n.input(0), *values = n.input(2);
  auto depth = im.sizes(n.input(1), "a depth", /*nonNegative=*/true);
  if (!depth || depth->size() != 1 || !isInteger(indices->dtype))
    return im.error("expected integer indices and a scalar depth"), failure();
  auto axis = im.axis(n.integer("axis", -1), indices->rank() + 1);
  if (!axis || !hasRank(im, values, 1, "values") || !im.unify(values->dims[0], Dim(2), "values and 2"))
    return failure();
  Dims dims(indices->dims.begin(), indices->dims.end());
  dims.insert(dims.begin() + *axis, (*depth)[0]);
  Value size = im.index((*depth)[0]);
  if (!size || !im.value(indices) || !im.value(values))
    return failure();
  return n.yield({im.generate(values->dtype, dims, [&](OpBuilder &b, ValueRange at) -> Value {
    SmallVector<Value> position(at);
    position.erase(position.begin() + *axis);
    Value i = arith::IndexCastOp::create(b, im.loc, b.getIndexType(), im.element(b, indices, position));
    Value negative = compareIndex(b, im, arith::CmpIPredicate::slt, i, constantIndex(b, im, 0));
    Value wrapped = arith::AddIOp::create(b, im.loc, i, size);
    i = arith::SelectOp::create(b, im.loc, negative, wrapped, i);
    Value hot = compareIndex(b, im, arith::CmpIPredicate::eq, at[*axis], i);
    Value on = im.element(b, values, {constantIndex(b, im, 1)}), off = im.element(b, values, {constantIndex(b, im, 0)});
    return arith::SelectOp::create(b, im.loc, hot, on, off);
  })});
}

/// Element i is the sum, or the product, of elements 0..i along the axis.
static LogicalResult cumulate(Importer &im, Node &n, bool product) {
  Tensor *t = n.input(0);
  auto given = im.constants(n.input(1), "an axis");
  if (!given || given->size() != 1)
    return im.error("expected one axis"), failure();
  auto axis = im.axis(given->front(), t->rank());
  if (!axis || !im.value(t))
    return failure();
  bool exclusive = n.integer("exclusive", 0) != 0, reverse = n.integer("reverse", 0) != 0;
  Value size = im.index(t->dims[*axis]);
  if (!size)
    return failure();
  return n.yield({im.generate(t->dtype, t->dims, [&](OpBuilder &b, ValueRange at) -> Value {
    Value zero = constantIndex(b, im, 0), one = constantIndex(b, im, 1);
    Value here = at[*axis], next = arith::AddIOp::create(b, im.loc, here, one);
    Value from = reverse ? (exclusive ? next : here) : zero;
    Value to = reverse ? size : (exclusive ? here : next);
    auto loop = scf::ForOp::create(
        b, im.loc, from, to, one, ValueRange{im.literal(b, t->dtype, product ? 1 : 0)},
        [&](OpBuilder &inner, Location loc, Value i, ValueRange sum) {
          SmallVector<Value> position(at);
          position[*axis] = i;
          Value read = im.element(inner, t, position), total;
          if (isFloat(t->dtype))
            total = product ? arith::MulFOp::create(inner, loc, sum[0], read).getResult()
                            : arith::AddFOp::create(inner, loc, sum[0], read).getResult();
          else
            total = product ? arith::MulIOp::create(inner, loc, sum[0], read).getResult()
                            : arith::AddIOp::create(inner, loc, sum[0], read).getResult();
          scf::YieldOp::create(inner, loc, total);
        });
    return loop.getResult(0);
  })});
}
TERSE_ONNX_OP("", CumSum, 13, 2, 2) { return cumulate(im, n, /*product=*/false); }
TERSE_ONNX_OP("", CumProd, 26, 2, 2) { return cumulate(im, n, /*product=*/true); }
