//===- Reduction.cpp - reductions over axes -------------------------------===//
#include "Helpers.h"

#include <cmath>

using namespace mlir;
using namespace terse::importer;

namespace terse::importer {

Tensor *keepAxes(Importer &im, Tensor *reduced, ArrayRef<int64_t> axes, bool keep) {
  return keep ? im.unsqueeze(reduced, axes) : reduced;
}

/// The one value that all elements have, reduced to itself; null if it is not known.
static Tensor *extremeOfEqual(Importer &im, Tensor *t, ArrayRef<int64_t> axes, bool keep) {
  auto constant = im.constantFloat(t);
  bool empty = llvm::any_of(axes, [&](int64_t axis) { return !im.symbols.isPositive(im.symbols.resolve(t->dims[axis])); });
  if (!constant || empty)
    return nullptr;
  Dims dims;
  for (int64_t i = 0; i < t->rank(); ++i)
    if (!llvm::is_contained(axes, i))
      dims.push_back(t->dims[i]);
    else if (keep)
      dims.push_back(Dim(1));
  return im.fromFill(t->dtype, dims, *constant);
}

/// Sums of 16-bit floats are in f32.
static Tensor *wide(Importer &im, Tensor *t) {
  bool narrow = t && (t->dtype == onnx::TensorProto::FLOAT16 || t->dtype == onnx::TensorProto::BFLOAT16);
  return narrow ? im.cast(t, onnx::TensorProto::FLOAT) : t;
}

static Tensor *sum(Importer &im, Tensor *t, ArrayRef<int64_t> axes) {
  return im.reduce(t, axes, 0, [&](OpBuilder &b, ValueRange v) -> Value {
    if (isFloat(t->dtype))
      return arith::AddFOp::create(b, im.loc, v[0], v[1]);
    return arith::AddIOp::create(b, im.loc, v[0], v[1]);
  });
}

Tensor *reduceSum(Importer &im, Tensor *t, ArrayRef<int64_t> axes, bool keep) {
  if (!t)
    return nullptr;
  return keepAxes(im, im.cast(sum(im, wide(im, t), axes), t->dtype), axes, keep);
}

/// The number of elements that a reduction takes in, as a scalar tensor.
static Tensor *countOf(Importer &im, Tensor *t, ArrayRef<int64_t> axes, DType dtype) {
  Dim count(1);
  for (int64_t axis : axes)
    count = count * t->dims[axis];
  return im.cast(im.fromInts(onnx::TensorProto::INT64, {}, {count}), dtype);
}

Tensor *reduceMean(Importer &im, Tensor *t, ArrayRef<int64_t> axes, bool keep) {
  if (!t || axes.empty())
    return t;
  Tensor *total = sum(im, wide(im, t), axes);
  Tensor *mean = total ? divide(im, total, countOf(im, t, axes, total->dtype)) : nullptr;
  return keepAxes(im, im.cast(mean, t->dtype), axes, keep);
}

static double lowest(DType dtype) {
  if (isFloat(dtype))
    return -INFINITY;
  if (isUnsigned(dtype) || isBool(dtype))
    return 0;
  return -std::ldexp(1.0, 8 * getElementSize(dtype) - 1);
}

Tensor *reduceMax(Importer &im, Tensor *t, ArrayRef<int64_t> axes, bool keep) {
  if (!t)
    return nullptr;
  if (Tensor *folded = extremeOfEqual(im, t, axes, keep))
    return folded;
  Tensor *result = im.reduce(t, axes, lowest(t->dtype), [&](OpBuilder &b, ValueRange v) -> Value {
    if (isFloat(t->dtype))
      return arith::MaximumFOp::create(b, im.loc, v[0], v[1]);
    if (isUnsigned(t->dtype) || isBool(t->dtype))
      return arith::MaxUIOp::create(b, im.loc, v[0], v[1]);
    return arith::MaxSIOp::create(b, im.loc, v[0], v[1]);
  });
  return keepAxes(im, result, axes, keep);
}

static Tensor *reduceMin(Importer &im, Tensor *t, ArrayRef<int64_t> axes, bool keep) {
  if (!t)
    return nullptr;
  if (Tensor *folded = extremeOfEqual(im, t, axes, keep))
    return folded;
  // All ones is the greatest unsigned number.
  double initial = isFloat(t->dtype)                             ? INFINITY
                   : isUnsigned(t->dtype) || isBool(t->dtype)    ? -1
                   : t->dtype == onnx::TensorProto::INT64        ? INFINITY
                                                                 : std::ldexp(1.0, 8 * getElementSize(t->dtype) - 1) - 1;
  Tensor *result = im.reduce(t, axes, initial, [&](OpBuilder &b, ValueRange v) -> Value {
    if (isFloat(t->dtype))
      return arith::MinimumFOp::create(b, im.loc, v[0], v[1]);
    if (isUnsigned(t->dtype) || isBool(t->dtype))
      return arith::MinUIOp::create(b, im.loc, v[0], v[1]);
    return arith::MinSIOp::create(b, im.loc, v[0], v[1]);
  });
  return keepAxes(im, result, axes, keep);
}

static Tensor *reduceProduct(Importer &im, Tensor *t, ArrayRef<int64_t> axes, bool keep) {
  if (!t)
    return nullptr;
  Tensor *result = im.reduce(wide(im, t), axes, 1, [&](OpBuilder &b, ValueRange v) -> Value {
    if (isFloat(t->dtype))
      return arith::MulFOp::create(b, im.loc, v[0], v[1]);
    return arith::MulIOp::create(b, im.loc, v[0], v[1]);
  });
  return keepAxes(im, im.cast(result, t->dtype), axes, keep);
}

std::optional<SmallVector<int64_t>> reductionAxes(Importer &im, Node &n, int64_t inputSince) {
  int64_t rank = n.input(0)->rank();
  SmallVector<int64_t> given;
  if (n.version >= inputSince && n.input(1)) {
    auto constants = im.constants(n.input(1), "axes");
    if (!constants)
      return std::nullopt;
    given = *constants;
  } else {
    given = n.integers("axes");
  }
  if (given.empty() && n.integer("noop_with_empty_axes", 0))
    return SmallVector<int64_t>();
  if (given.empty())
    for (int64_t i = 0; i < rank; ++i)
      given.push_back(i);
  return im.axes(given, rank);
}

} // namespace terse::importer

using Reduction = Tensor *(*)(Importer &, Tensor *, ArrayRef<int64_t>, bool);

/// `before` of each element, the reduction, `after` of each result.
static LogicalResult reduction(Importer &im, Node &n, int64_t inputSince, Reduction reduce,
                               Tensor *(*before)(Importer &, Tensor *) = nullptr,
                               Tensor *(*after)(Importer &, Tensor *) = nullptr) {
  auto axes = reductionAxes(im, n, inputSince);
  if (!axes)
    return failure();
  Tensor *t = n.input(0);
  if (before)
    t = before(im, t);
  t = reduce(im, t, *axes, n.integer("keepdims", 1) != 0);
  if (after && t)
    t = after(im, t);
  return n.yield({t});
}

static Tensor *square(Importer &im, Tensor *t) { return multiply(im, t, t); }
static Tensor *absolute(Importer &im, Tensor *t) {
  if (isFloat(t->dtype))
    return im.unary<math::AbsFOp>(t);
  return isUnsigned(t->dtype) ? t : im.unary<math::AbsIOp>(t);
}
/// A float function of numbers of any type, with the result of that type.
template <typename Op>
static Tensor *throughFloat(Importer &im, Tensor *t) {
  DType dtype = isFloat(t->dtype) ? t->dtype : static_cast<DType>(onnx::TensorProto::DOUBLE);
  return im.cast(im.unary<Op>(im.cast(t, dtype)), t->dtype);
}
static Tensor *squareRoot(Importer &im, Tensor *t) { return throughFloat<math::SqrtOp>(im, t); }
static Tensor *logarithm(Importer &im, Tensor *t) { return throughFloat<math::LogOp>(im, t); }

TERSE_ONNX_OP("", ReduceSum, 13, 1, 2) { return reduction(im, n, 13, reduceSum); }
TERSE_ONNX_OP("", ReduceMean, 13, 1, 2) { return reduction(im, n, 18, reduceMean); }
TERSE_ONNX_OP("", ReduceMax, 13, 1, 2) { return reduction(im, n, 18, reduceMax); }
TERSE_ONNX_OP("", ReduceMin, 13, 1, 2) { return reduction(im, n, 18, reduceMin); }
TERSE_ONNX_OP("", ReduceProd, 13, 1, 2) { return reduction(im, n, 18, reduceProduct); }
TERSE_ONNX_OP("", ReduceSumSquare, 13, 1, 2) { return reduction(im, n, 18, reduceSum, square); }
TERSE_ONNX_OP("", ReduceL1, 13, 1, 2) { return reduction(im, n, 18, reduceSum, absolute); }
TERSE_ONNX_OP("", ReduceL2, 13, 1, 2) { return reduction(im, n, 18, reduceSum, square, squareRoot); }
TERSE_ONNX_OP("", ReduceLogSum, 13, 1, 2) { return reduction(im, n, 18, reduceSum, nullptr, logarithm); }
TERSE_ONNX_OP("", ReduceLogSumExp, 13, 1, 2) {
  auto axes = reductionAxes(im, n, 18);
  Tensor *t = n.input(0);
  if (!axes || !floatInput(im, t))
    return failure();
  bool keep = n.integer("keepdims", 1) != 0;
  Tensor *most = reduceMax(im, t, *axes, /*keep=*/true);
  Tensor *sum = reduceSum(im, im.unary<math::ExpOp>(subtract(im, t, most)), *axes, /*keep=*/true);
  Tensor *result = add(im, im.unary<math::LogOp>(sum), most);
  if (!result || keep)
    return n.yield({result});
  Dims dims;
  for (int64_t i = 0; i < t->rank(); ++i)
    if (!llvm::is_contained(*axes, i))
      dims.push_back(t->dims[i]);
  return n.yield({im.reshape(result, dims)});
}
