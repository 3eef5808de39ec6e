//===- Activation.cpp - activation functions and softmax ------------------===//
#include "Helpers.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

Tensor *importer::activation(Importer &im, Tensor *t, ActivationKind kind) {
  if (!t || !floatInput(im, t))
    return nullptr;
  Value v = im.value(t);
  if (!v)
    return nullptr;
  auto attribute = ActivationKindAttr::get(im.b.getContext(), kind);
  return im.make(t->dtype, t->dims, ActivationOp::create(im.b, im.loc, v.getType(), v, attribute));
}

TERSE_ONNX_OP("", Sigmoid, 13, 1, 1) { return n.yield({activation(im, n.input(0), ActivationKind::Sigmoid)}); }

TERSE_ONNX_OP("", Relu, 13, 1, 1) {
  Tensor *t = n.input(0);
  if (!isFloat(t->dtype))
    return n.yield({maximum(im, t, im.scalar(t->dtype, 0))});
  return n.yield({activation(im, t, ActivationKind::Relu)});
}

TERSE_ONNX_OP("", Gelu, 20, 1, 1) {
  bool tanh = n.string("approximate", "none") == "tanh";
  return n.yield({activation(im, n.input(0), tanh ? ActivationKind::GeluTanh : ActivationKind::Gelu)});
}
TERSE_ONNX_OP("com.microsoft", Gelu, 1, 1, 1) {
  return n.yield({activation(im, n.input(0), ActivationKind::Gelu)});
}
TERSE_ONNX_OP("com.microsoft", BiasGelu, 1, 2, 2) {
  return n.yield({activation(im, add(im, n.input(0), n.input(1)), ActivationKind::Gelu)});
}
/// The first half of the channels times gelu of the second.
TERSE_ONNX_OP("com.microsoft", BiasSplitGelu, 1, 2, 2) {
  Tensor *sum = add(im, n.input(0), n.input(1));
  auto half = sum && sum->rank() ? im.symbols.resolve(sum->dims.back()).divideExactly(Dim(2)) : std::nullopt;
  if (!half)
    return im.error("expected an even number of channels"), failure();
  Dims offsets(sum->rank(), Dim(0)), sizes(sum->dims.begin(), sum->dims.end());
  sizes.back() = *half;
  SmallVector<int64_t> strides(sum->rank(), 1);
  Tensor *left = im.slice(sum, offsets, sizes, strides);
  offsets.back() = *half;
  return n.yield({multiply(im, left, activation(im, im.slice(sum, offsets, sizes, strides), ActivationKind::Gelu))});
}
TERSE_ONNX_OP("com.microsoft", FastGelu, 1, 1, 2) {
  Tensor *t = n.input(0);
  if (n.input(1))
    t = add(im, t, n.input(1));
  return n.yield({activation(im, t, ActivationKind::GeluTanh)});
}
TERSE_ONNX_OP("com.microsoft", QuickGelu, 1, 1, 1) {
  Tensor *t = n.input(0);
  double alpha = n.real("alpha", 1.702f);
  if (alpha == static_cast<double>(1.702f))
    return n.yield({activation(im, t, ActivationKind::QuickGelu)});
  if (alpha == 1)
    return n.yield({activation(im, t, ActivationKind::Silu)});
  Tensor *scaled = multiply(im, t, im.scalar(t->dtype, alpha));
  return n.yield({multiply(im, t, activation(im, scaled, ActivationKind::Sigmoid))});
}
TERSE_ONNX_OP("", Swish, 24, 1, 1) {
  Tensor *t = n.input(0);
  double alpha = n.real("alpha", 1);
  if (alpha == 1)
    return n.yield({activation(im, t, ActivationKind::Silu)});
  Tensor *scaled = multiply(im, t, im.scalar(t->dtype, alpha));
  return n.yield({multiply(im, t, activation(im, scaled, ActivationKind::Sigmoid))});
}

/// x where x > limit, else `otherwise`.
static Tensor *above(Importer &im, Tensor *t, double limit, Tensor *otherwise) {
  Tensor *mask = compare(im, arith::CmpIPredicate::sgt, t, im.scalar(t->dtype, limit));
  return select(im, mask, t, otherwise);
}

TERSE_ONNX_OP("", LeakyRelu, 6, 1, 1) {
  Tensor *t = n.input(0);
  return n.yield({above(im, t, 0, multiply(im, t, im.scalar(t->dtype, n.real("alpha", 0.01f))))});
}
TERSE_ONNX_OP("", PRelu, 9, 2, 2) { return n.yield({above(im, n.input(0), 0, multiply(im, n.input(0), n.input(1)))}); }
TERSE_ONNX_OP("", ThresholdedRelu, 10, 1, 1) {
  Tensor *t = n.input(0);
  return n.yield({above(im, t, n.real("alpha", 1), im.scalar(t->dtype, 0))});
}

/// alpha (exp(x) - 1), in f32 if not in f64.
static Tensor *expm1(Importer &im, Tensor *t, double alpha) {
  if (!t)
    return nullptr;
  bool wide = t->dtype == onnx::TensorProto::DOUBLE;
  Tensor *power = im.unary<math::ExpM1Op>(wide ? t : im.cast(t, onnx::TensorProto::FLOAT));
  return power ? im.cast(multiply(im, power, im.scalar(power->dtype, alpha)), t->dtype) : nullptr;
}
TERSE_ONNX_OP("", Elu, 6, 1, 1) {
  Tensor *t = n.input(0);
  return n.yield({floatInput(im, t) ? above(im, t, 0, expm1(im, t, n.real("alpha", 1))) : nullptr});
}
TERSE_ONNX_OP("", Selu, 6, 1, 1) {
  Tensor *t = n.input(0);
  if (!floatInput(im, t))
    return failure();
  Tensor *elu = above(im, t, 0, expm1(im, t, n.real("alpha", 1.67326319217681884765625)));
  return n.yield({multiply(im, elu, im.scalar(t->dtype, n.real("gamma", 1.05070102214813232421875)))});
}
TERSE_ONNX_OP("", Celu, 12, 1, 1) {
  Tensor *t = n.input(0);
  if (!floatInput(im, t))
    return failure();
  double alpha = n.real("alpha", 1);
  return n.yield({above(im, t, 0, expm1(im, divide(im, t, im.scalar(t->dtype, alpha)), alpha))});
}
static Tensor *softplus(Importer &im, Tensor *t) {
  // log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)) does not overflow.
  if (!floatInput(im, t))
    return nullptr;
  Tensor *power = im.unary<math::ExpOp>(negate(im, im.unary<math::AbsFOp>(t)));
  return add(im, maximum(im, t, im.scalar(t->dtype, 0)), im.unary<math::Log1pOp>(power));
}
TERSE_ONNX_OP("", Softplus, 1, 1, 1) { return n.yield({softplus(im, n.input(0))}); }
TERSE_ONNX_OP("", Mish, 18, 1, 1) {
  return n.yield({multiply(im, n.input(0), im.unary<math::TanhOp>(softplus(im, n.input(0))))});
}
TERSE_ONNX_OP("", Softsign, 1, 1, 1) {
  Tensor *t = n.input(0);
  if (!floatInput(im, t))
    return failure();
  return n.yield({divide(im, t, add(im, im.unary<math::AbsFOp>(t), im.scalar(t->dtype, 1)))});
}
static Tensor *hardSigmoid(Importer &im, Tensor *t, double alpha, double beta) {
  if (!floatInput(im, t))
    return nullptr;
  Tensor *line = add(im, multiply(im, t, im.scalar(t->dtype, alpha)), im.scalar(t->dtype, beta));
  return maximum(im, im.scalar(t->dtype, 0), minimum(im, im.scalar(t->dtype, 1), line));
}
TERSE_ONNX_OP("", HardSigmoid, 6, 1, 1) {
  return n.yield({hardSigmoid(im, n.input(0), n.real("alpha", 0.2f), n.real("beta", 0.5f))});
}
TERSE_ONNX_OP("", HardSwish, 14, 1, 1) {
  return n.yield({multiply(im, n.input(0), hardSigmoid(im, n.input(0), 1.0 / 6, 0.5))});
}

TERSE_ONNX_OP("", Softmax, 13, 1, 1) {
  Tensor *t = n.input(0);
  auto axis = im.axis(n.integer("axis", -1), t->rank());
  Value v = axis && floatInput(im, t) ? im.value(t) : Value();
  if (!v)
    return failure();
  return n.yield({im.make(t->dtype, t->dims, SoftmaxOp::create(im.b, im.loc, v.getType(), v, *axis))});
}

TERSE_ONNX_OP("", LogSoftmax, 13, 1, 1) {
  Tensor *t = n.input(0);
  auto axis = im.axis(n.integer("axis", -1), t->rank());
  if (!axis || !floatInput(im, t))
    return failure();
  Tensor *shifted = subtract(im, t, reduceMax(im, t, {*axis}, /*keep=*/true));
  Tensor *sum = reduceSum(im, im.unary<math::ExpOp>(shifted), {*axis}, /*keep=*/true);
  return n.yield({subtract(im, shifted, im.unary<math::LogOp>(sum))});
}
