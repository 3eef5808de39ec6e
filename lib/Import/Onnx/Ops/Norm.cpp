//===- Norm.cpp - normalization -------------------------------------------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// The dimensions from `axis` on become one.
Tensor *importer::normalize(Importer &im, NormKind kind, Tensor *t, Tensor *scale, Tensor *bias, int64_t axis,
                            double epsilon) {
  if (!t || !scale || !floatInput(im, t) || !floatInput(im, scale))
    return nullptr;
  Dims flat(t->dims.begin(), t->dims.begin() + axis);
  Dim channels = im.product(ArrayRef<Dim>(t->dims).drop_front(axis));
  flat.push_back(channels);
  auto vector = [&](Tensor *given) -> Tensor * {
    if (!given)
      return nullptr;
    Dims inner(t->dims.begin() + axis, t->dims.end());
    if (given->rank() > static_cast<int64_t>(inner.size()))
      return im.error("expected a scale of the normalized dimensions");
    return im.reshape(im.broadcast(given, inner), {channels});
  };
  Tensor *input = im.reshape(t, flat);
  scale = vector(scale);
  Tensor *shift = vector(bias);
  if (!input || !scale || (bias && !shift))
    return nullptr;
  // Types may differ (stash types): all in the input's.
  Value x = im.value(input), s = im.value(im.cast(scale, t->dtype)),
        b = shift ? im.value(im.cast(shift, t->dtype)) : Value();
  if (!x || !s || (bias && !b))
    return nullptr;
  auto op = NormOp::create(im.b, im.loc, x.getType(), x, s, b, NormKindAttr::get(im.b.getContext(), kind),
                           im.b.getF64FloatAttr(epsilon));
  return im.reshape(im.make(t->dtype, flat, op), t->dims);
}

static std::optional<int64_t> normAxis(Importer &im, Node &n) {
  return im.axis(n.integer("axis", -1), n.input(0)->rank());
}

TERSE_ONNX_OP("", RMSNormalization, 23, 2, 2) {
  auto axis = normAxis(im, n);
  return n.yield({axis ? normalize(im, NormKind::RMS, n.input(0), n.input(1), nullptr, *axis, n.real("epsilon", 1e-5f))
                       : nullptr});
}
// ONNX Runtime's, in the standard domain by mistake of its authors.
TERSE_ONNX_OP("", SimplifiedLayerNormalization, 1, 2, 2) {
  auto axis = normAxis(im, n);
  return n.yield({axis ? normalize(im, NormKind::RMS, n.input(0), n.input(1), nullptr, *axis, n.real("epsilon", 1e-5f))
                       : nullptr});
}

/// Mean and inverse deviation, in f32, where a node wants them as outputs 1 and 2 (rms: of no mean). False after an error.
static bool statistics(Importer &im, Node &n, NormKind kind, Tensor *t, int64_t axis, double epsilon, Tensor *&mean,
                       Tensor *&inverse) {
  if (!n.wantsOutput(1) && !n.wantsOutput(2))
    return true;
  SmallVector<int64_t> axes;
  for (int64_t i = axis; i < t->rank(); ++i)
    axes.push_back(i);
  Tensor *wide = im.cast(t, onnx::TensorProto::FLOAT);
  mean = reduceMean(im, wide, axes, /*keep=*/true);
  Tensor *centred = kind == NormKind::Layer ? subtract(im, wide, mean) : wide;
  Tensor *variance = centred ? reduceMean(im, multiply(im, centred, centred), axes, /*keep=*/true) : nullptr;
  if (variance)
    inverse = im.unary<math::RsqrtOp>(add(im, variance, im.scalar(variance->dtype, epsilon)));
  return mean && inverse;
}

/// ONNX Runtime writes it into files of operator sets that had none yet.
TERSE_ONNX_OP("", LayerNormalization, 1, 2, 3) {
  auto axis = normAxis(im, n);
  if (!axis)
    return failure();
  Tensor *t = n.input(0);
  double epsilon = n.real("epsilon", 1e-5f);
  Tensor *mean = nullptr, *inverse = nullptr;
  if (!statistics(im, n, NormKind::Layer, t, *axis, epsilon, mean, inverse))
    return failure();
  return n.yield({normalize(im, NormKind::Layer, t, n.input(1), n.input(2), *axis, epsilon), mean, inverse});
}

/// x = input + skip (+ bias); norm(x); the sum is output 3.
static LogicalResult skipNorm(Importer &im, Node &n, NormKind kind, Tensor *beta, Tensor *bias) {
  Tensor *sum = add(im, n.input(0), n.input(1));
  if (bias)
    sum = add(im, sum, bias);
  if (!sum)
    return failure();
  double epsilon = n.real("epsilon", 1e-12f);
  Tensor *mean = nullptr, *inverse = nullptr;
  if (sum->rank() < 1)
    return im.error("expected an input of rank 1 or more"), failure();
  if (!statistics(im, n, kind, sum, sum->rank() - 1, epsilon, mean, inverse))
    return failure();
  return n.yield({normalize(im, kind, sum, n.input(2), beta, sum->rank() - 1, epsilon), mean, inverse, sum});
}
TERSE_ONNX_OP("com.microsoft", SkipSimplifiedLayerNormalization, 1, 3, 4) {
  return skipNorm(im, n, NormKind::RMS, nullptr, n.input(3));
}
TERSE_ONNX_OP("com.microsoft", SkipLayerNormalization, 1, 3, 5) {
  return skipNorm(im, n, NormKind::Layer, n.input(3), n.input(4));
}
