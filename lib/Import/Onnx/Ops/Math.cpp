//===- Math.cpp - functions of one value ----------------------------------===//
#include "Helpers.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// A float function as one operation, folded for literals.
template <typename Op>
static Tensor *function(Importer &im, Node &n, double (*fold)(double)) {
  Tensor *t = n.input(0);
  if (!floatInput(im, t))
    return nullptr;
  auto folded = [&](ArrayRef<double> v) { return fold(v[0]); };
  return im.elementwise(t->dtype, {t}, nullptr, folded,
                        [&](OpBuilder &b, ValueRange v) -> Value { return Op::create(b, im.loc, v[0]); });
}

TERSE_ONNX_OP("", Sqrt, 13, 1, 1) { return n.yield({function<math::SqrtOp>(im, n, std::sqrt)}); }
TERSE_ONNX_OP("", Exp, 13, 1, 1) { return n.yield({function<math::ExpOp>(im, n, std::exp)}); }
TERSE_ONNX_OP("", Log, 13, 1, 1) { return n.yield({function<math::LogOp>(im, n, std::log)}); }
TERSE_ONNX_OP("", Tanh, 13, 1, 1) { return n.yield({function<math::TanhOp>(im, n, std::tanh)}); }
TERSE_ONNX_OP("", Erf, 13, 1, 1) { return n.yield({function<math::ErfOp>(im, n, std::erf)}); }
TERSE_ONNX_OP("", Sin, 7, 1, 1) { return n.yield({function<math::SinOp>(im, n, std::sin)}); }
TERSE_ONNX_OP("", Cos, 7, 1, 1) { return n.yield({function<math::CosOp>(im, n, std::cos)}); }
TERSE_ONNX_OP("", Tan, 7, 1, 1) { return n.yield({function<math::TanOp>(im, n, std::tan)}); }
TERSE_ONNX_OP("", Asin, 7, 1, 1) { return n.yield({function<math::AsinOp>(im, n, std::asin)}); }
TERSE_ONNX_OP("", Acos, 7, 1, 1) { return n.yield({function<math::AcosOp>(im, n, std::acos)}); }
TERSE_ONNX_OP("", Atan, 7, 1, 1) { return n.yield({function<math::AtanOp>(im, n, std::atan)}); }
TERSE_ONNX_OP("", Sinh, 9, 1, 1) { return n.yield({function<math::SinhOp>(im, n, std::sinh)}); }
TERSE_ONNX_OP("", Cosh, 9, 1, 1) { return n.yield({function<math::CoshOp>(im, n, std::cosh)}); }
TERSE_ONNX_OP("", Asinh, 9, 1, 1) { return n.yield({function<math::AsinhOp>(im, n, std::asinh)}); }
TERSE_ONNX_OP("", Acosh, 9, 1, 1) { return n.yield({function<math::AcoshOp>(im, n, std::acosh)}); }
TERSE_ONNX_OP("", Atanh, 9, 1, 1) { return n.yield({function<math::AtanhOp>(im, n, std::atanh)}); }
TERSE_ONNX_OP("", Ceil, 13, 1, 1) { return n.yield({function<math::CeilOp>(im, n, std::ceil)}); }
TERSE_ONNX_OP("", Floor, 13, 1, 1) { return n.yield({function<math::FloorOp>(im, n, std::floor)}); }
TERSE_ONNX_OP("", Round, 11, 1, 1) {
  return n.yield({function<math::RoundEvenOp>(im, n, std::nearbyint)}); // ties to even
}

TERSE_ONNX_OP("", Reciprocal, 13, 1, 1) {
  Tensor *t = n.input(0);
  return n.yield({floatInput(im, t) ? divide(im, im.scalar(t->dtype, 1), t) : nullptr});
}

TERSE_ONNX_OP("", Abs, 13, 1, 1) {
  Tensor *t = n.input(0);
  if (isFloat(t->dtype))
    return n.yield({function<math::AbsFOp>(im, n, std::fabs)});
  return n.yield({isUnsigned(t->dtype) ? t : im.unary<math::AbsIOp>(t)});
}

TERSE_ONNX_OP("", Sign, 13, 1, 1) {
  Tensor *t = n.input(0), *zero = im.scalar(t->dtype, 0);
  Tensor *positive = im.cast(compare(im, arith::CmpIPredicate::sgt, t, zero), t->dtype);
  if (isUnsigned(t->dtype))
    return n.yield({positive});
  Tensor *negative = im.cast(compare(im, arith::CmpIPredicate::slt, t, zero), t->dtype);
  return n.yield({subtract(im, positive, negative)});
}

/// The base's type is the result's; an integer exponent 2 or 3 is a product.
TERSE_ONNX_OP("", Pow, 13, 2, 2) {
  Tensor *base = n.input(0), *exponent = n.input(1);
  auto constant = im.constantFloat(exponent);
  if (constant && (*constant == 2 || *constant == 3)) {
    auto dims = im.broadcastDims(base->dims, exponent->dims);
    if (!dims)
      return failure();
    Tensor *square = multiply(im, base, base);
    return n.yield({im.broadcast(*constant == 2 ? square : multiply(im, square, base), *dims)});
  }
  if (isFloat(base->dtype)) {
    return n.yield({im.elementwise(
        base->dtype, {base, im.cast(exponent, base->dtype)}, nullptr,
        [](ArrayRef<double> v) { return std::pow(v[0], v[1]); },
        [&](OpBuilder &b, ValueRange v) -> Value { return math::PowFOp::create(b, im.loc, v[0], v[1]); })});
  }
  // Integers go through double, as ONNX Runtime's do.
  if (!isInteger(base->dtype) || isBool(exponent->dtype))
    return im.error("expected numbers"), failure();
  DType wide = onnx::TensorProto::DOUBLE;
  Tensor *power = im.binary<math::PowFOp>(im.cast(base, wide), im.cast(exponent, wide));
  return n.yield({im.cast(power, base->dtype)});
}

TERSE_ONNX_OP("", IsNaN, 9, 1, 1) {
  Tensor *t = n.input(0);
  if (!floatInput(im, t))
    return failure();
  return n.yield({im.elementwise(onnx::TensorProto::BOOL, {t}, [&](OpBuilder &b, ValueRange v) -> Value {
    return arith::CmpFOp::create(b, im.loc, arith::CmpFPredicate::UNO, v[0], v[0]);
  })});
}

TERSE_ONNX_OP("", IsInf, 10, 1, 1) {
  Tensor *t = n.input(0);
  if (!floatInput(im, t))
    return failure();
  double infinity = INFINITY;
  Tensor *result = im.fromFill(onnx::TensorProto::BOOL, t->dims, 0);
  for (auto [name, sign] : {std::make_pair("detect_positive", 1), std::make_pair("detect_negative", -1)}) {
    if (!n.integer(name, 1))
      continue;
    Tensor *found = compare(im, arith::CmpIPredicate::eq, t, im.scalar(t->dtype, sign * infinity));
    result = im.constantFloat(result) ? found : im.binary<arith::OrIOp>(result, found);
  }
  return n.yield({result});
}

TERSE_ONNX_OP("", Cast, 13, 1, 1) { return n.yield({im.cast(n.input(0), n.integer("to", 0))}); }
TERSE_ONNX_OP("", CastLike, 15, 2, 2) { return n.yield({im.cast(n.input(0), n.input(1)->dtype)}); }
TERSE_ONNX_OP("", Identity, 13, 1, 1) {
  // A tensor of its own, so that its name is the output's.
  return n.yield({n.input(0)});
}
TERSE_ONNX_OP("", Dropout, 13, 1, 3) {
  Tensor *t = n.input(0);
  if (n.input(2) && im.constantFloat(n.input(2)) != 0)
    return im.error("training mode is not supported"), failure();
  return n.yield({t, im.fromFill(onnx::TensorProto::BOOL, t->dims, 1)});
}

TERSE_ONNX_OP("", Clip, 13, 1, 3) {
  Tensor *t = n.input(0);
  if (n.input(1))
    t = maximum(im, t, n.input(1));
  if (n.input(2))
    t = minimum(im, t, n.input(2));
  return n.yield({t});
}
