//===- Channel.cpp - operators on [batch, channels, space...] -------------===//
#include "Helpers.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// A vector of channels as [C, 1, ...] beside a tensor [N, C, space...].
static Tensor *perChannel(Importer &im, Tensor *vector, Tensor *t) {
  if (!vector || !hasRank(im, vector, 1, "channels' parameters") || t->rank() < 2)
    return vector && t->rank() < 2 ? im.error("expected an input of rank 2 or more") : nullptr;
  Dims dims(t->rank() - 1, Dim(1));
  dims[0] = vector->dims[0];
  return im.reshape(im.cast(vector, t->dtype), dims);
}

/// (t - mean) / sqrt(variance + epsilon), with both over `axes`.
static Tensor *standardize(Importer &im, Tensor *t, ArrayRef<int64_t> axes, double epsilon) {
  Tensor *centred = subtract(im, t, reduceMean(im, t, axes, /*keep=*/true));
  if (!centred)
    return nullptr;
  Tensor *variance = reduceMean(im, multiply(im, centred, centred), axes, /*keep=*/true);
  if (!variance)
    return nullptr;
  return divide(im, centred, im.unary<math::SqrtOp>(add(im, variance, im.scalar(t->dtype, epsilon))));
}

static SmallVector<int64_t> axesFrom(int64_t first, int64_t rank) {
  SmallVector<int64_t> axes;
  for (int64_t i = first; i < rank; ++i)
    axes.push_back(i);
  return axes;
}

/// Inference: mean and variance are given.
TERSE_ONNX_OP("", BatchNormalization, 9, 5, 5) {
  Tensor *t = n.input(0);
  if (n.integer("training_mode", 0))
    return im.error("training mode is not supported"), failure();
  if (!floatInput(im, t))
    return failure();
  Tensor *scale = perChannel(im, n.input(1), t), *shift = perChannel(im, n.input(2), t),
         *mean = perChannel(im, n.input(3), t), *variance = perChannel(im, n.input(4), t);
  if (!scale || !shift || !mean || !variance)
    return failure();
  Tensor *deviation = im.unary<math::SqrtOp>(add(im, variance, im.scalar(t->dtype, n.real("epsilon", 1e-5f))));
  return n.yield({add(im, multiply(im, subtract(im, t, mean), divide(im, scale, deviation)), shift)});
}

TERSE_ONNX_OP("", InstanceNormalization, 6, 3, 3) {
  Tensor *t = n.input(0);
  if (!floatInput(im, t))
    return failure();
  Tensor *scale = perChannel(im, n.input(1), t), *shift = perChannel(im, n.input(2), t);
  if (!scale || !shift)
    return failure();
  Tensor *normal = standardize(im, t, axesFrom(2, t->rank()), n.real("epsilon", 1e-5f));
  return n.yield({normal ? add(im, multiply(im, normal, scale), shift) : nullptr});
}

TERSE_ONNX_OP("", GroupNormalization, 18, 3, 3) {
  Tensor *t = n.input(0);
  int64_t groups = n.integer("num_groups", 0);
  if (!floatInput(im, t))
    return failure();
  auto size = t->rank() >= 2 && groups > 0 ? im.symbols.resolve(t->dims[1]).divideExactly(Dim(groups)) : std::nullopt;
  if (!size)
    return im.error("expected channels to be a multiple of num_groups"), failure();
  Dims grouped{t->dims[0], Dim(groups), *size};
  grouped.append(t->dims.begin() + 2, t->dims.end());
  Tensor *apart = im.reshape(t, grouped);
  Tensor *normal = apart ? standardize(im, apart, axesFrom(2, apart->rank()), n.real("epsilon", 1e-5f)) : nullptr;
  // Until operator set 20 parameters are per group.
  auto parameter = [&](Tensor *given) -> Tensor * {
    if (n.version >= 21)
      return perChannel(im, given, t);
    Tensor *wide = im.broadcast(im.reshape(given, {Dim(groups), Dim(1)}), {Dim(groups), *size});
    return wide ? perChannel(im, im.reshape(wide, {t->dims[1]}), t) : nullptr;
  };
  Tensor *scale = parameter(n.input(1)), *shift = parameter(n.input(2));
  if (!normal || !scale || !shift)
    return failure();
  return n.yield({add(im, multiply(im, im.reshape(normal, t->dims), scale), shift)});
}

TERSE_ONNX_OP("", MeanVarianceNormalization, 13, 1, 1) {
  Tensor *t = n.input(0);
  SmallVector<int64_t> given = n.has("axes") ? n.integers("axes") : SmallVector<int64_t>{0, 2, 3};
  auto axes = im.axes(given, t->rank());
  return n.yield({axes && floatInput(im, t) ? standardize(im, t, *axes, 1e-9) : nullptr});
}

TERSE_ONNX_OP("", LpNormalization, 1, 1, 1) {
  Tensor *t = n.input(0);
  auto axis = im.axis(n.integer("axis", -1), t->rank());
  int64_t p = n.integer("p", 2);
  if (!axis || !floatInput(im, t))
    return failure();
  if (p != 1 && p != 2)
    return im.error("expected p 1 or 2; got " + Twine(p)), failure();
  Tensor *powers = p == 1 ? im.unary<math::AbsFOp>(t) : multiply(im, t, t);
  Tensor *norm = reduceSum(im, powers, {*axis}, /*keep=*/true);
  if (norm && p == 2)
    norm = im.unary<math::SqrtOp>(norm);
  if (!norm)
    return failure();
  // A norm of 0 leaves zeros.
  Tensor *zero = im.scalar(t->dtype, 0);
  Tensor *isZero = compare(im, arith::CmpIPredicate::eq, norm, zero);
  return n.yield({divide(im, t, select(im, isZero, im.scalar(t->dtype, 1), norm))});
}

TERSE_ONNX_OP("", GlobalAveragePool, 1, 1, 1) {
  Tensor *t = n.input(0);
  return n.yield({reduceMean(im, t, axesFrom(2, t->rank()), /*keep=*/true)});
}
TERSE_ONNX_OP("", GlobalMaxPool, 1, 1, 1) {
  Tensor *t = n.input(0);
  return n.yield({reduceMax(im, t, axesFrom(2, t->rank()), /*keep=*/true)});
}

/// Blocks of channels become blocks of space.
TERSE_ONNX_OP("", DepthToSpace, 13, 1, 1) {
  Tensor *t = n.input(0);
  int64_t block = n.integer("blocksize", 0);
  if (!hasRank(im, t, 4, "an input") || block < 1 || block > 65536)
    return im.error("expected a blocksize of 1 or more"), failure();
  auto channels = im.symbols.resolve(t->dims[1]).divideExactly(Dim(block * block));
  if (!channels)
    return im.error("expected channels to be a multiple of the block's size"), failure();
  Dim b(block), batch = t->dims[0], height = t->dims[2], width = t->dims[3];
  bool columnsFirst = n.string("mode", "DCR") == "CRD";
  Tensor *apart = columnsFirst ? im.reshape(t, {batch, *channels, b, b, height, width})
                               : im.reshape(t, {batch, b, b, *channels, height, width});
  SmallVector<int64_t> order = columnsFirst ? SmallVector<int64_t>{0, 1, 4, 2, 5, 3} : SmallVector<int64_t>{0, 3, 4, 1, 5, 2};
  return n.yield({im.reshape(im.transpose(apart, order), {batch, *channels, height * b, width * b})});
}

TERSE_ONNX_OP("", SpaceToDepth, 13, 1, 1) {
  Tensor *t = n.input(0);
  int64_t block = n.integer("blocksize", 0);
  if (!hasRank(im, t, 4, "an input") || block < 1 || block > 65536)
    return im.error("expected a blocksize of 1 or more"), failure();
  auto height = im.symbols.resolve(t->dims[2]).divideExactly(Dim(block)),
       width = im.symbols.resolve(t->dims[3]).divideExactly(Dim(block));
  if (!height || !width)
    return im.error("expected height and width to be multiples of the blocksize"), failure();
  Dim b(block), batch = t->dims[0], channels = t->dims[1];
  Tensor *apart = im.reshape(t, {batch, channels, *height, b, *width, b});
  bool columnsFirst = n.string("mode", "DCR") == "CRD";
  SmallVector<int64_t> order = columnsFirst ? SmallVector<int64_t>{0, 1, 3, 5, 2, 4} : SmallVector<int64_t>{0, 3, 5, 1, 2, 4};
  return n.yield({im.reshape(im.transpose(apart, order), {batch, channels * b * b, *height, *width})});
}
