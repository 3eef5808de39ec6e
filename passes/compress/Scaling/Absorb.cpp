//===- Absorb.cpp - who can take on scales of channels ----------------------===//
#include "compress/Scaling/Absorb.h"

#include "Terse/LayerAttributes.h"
#include "compress/Weights/FloatStorage.h"
#include "compress/Weights/WeightRows.h"
#include "normalize/Algebra/Algebra.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

#include <cmath>

using namespace mlir;
using namespace terse;

/// Where scales are on a weight, beside those of its inputs.
static int64_t getOutputAxis(LinearOp linear) { return 1 - int64_t(linear.getReductionAxis()); }

/// The floats that all values of a row are multiples of, or of a group where rows have none.
static Value getFloatScales(DequantizeOp coded) { return coded.getRowScales() ? coded.getRowScales() : coded.getScales(); }

/// The constant codes that a linear layer reads, if it does.
static DequantizeOp getCodes(LinearOp linear) {
  auto coded = stripCasts(linear.getWeight()).getDefiningOp<DequantizeOp>();
  bool isConstant = coded && coded.getCodes().getDefiningOp<WeightOp>() && isConstantFloats(getFloatScales(coded));
  return isConstant ? coded : DequantizeOp();
}

static bool canAbsorb(LinearOp linear) {
  if (isFrozen(linear) || (linear.getBias() && !isConstantFloats(linear.getBias())))
    return false;
  Value weight = stripCasts(linear.getWeight());
  while (auto scaled = weight.getDefiningOp<ScaleChannelsOp>())
    weight = stripCasts(scaled.getInput());
  return isConstantFloats(weight) || (weight == stripCasts(linear.getWeight()) && getCodes(linear));
}

Operation *terse::findAbsorber(Value value, ArrayRef<Operation *> readers) {
  Operation *op = value.getDefiningOp();
  if (!op || !llvm::all_of(value.getUsers(), [&](Operation *user) { return llvm::is_contained(readers, user); }))
    return nullptr;
  if (auto norm = dyn_cast<NormOp>(op))
    return isConstantFloats(norm.getScale()) && (!norm.getBias() || isConstantFloats(norm.getBias())) ? op : nullptr;
  if (auto linear = dyn_cast<LinearOp>(op))
    return canAbsorb(linear) ? op : nullptr;
  auto activation = dyn_cast<ActivationOp>(op);
  if (isa<arith::ExtFOp, arith::TruncFOp>(op) || (activation && activation.getKind() == ActivationKind::Relu))
    return findAbsorber(op->getOperand(0), op);
  if (auto product = dyn_cast<arith::MulFOp>(op); product && product.getLhs() != product.getRhs())
    for (Value factor : {product.getRhs(), product.getLhs()})
      if (Operation *absorber = findAbsorber(factor, op))
        return absorber;
  return nullptr;
}

/// `vector`, a constant [C], times `scales`, in front of `user`.
static FailureOr<Value> multiply(Value vector, ArrayRef<float> scales, Operation *user) {
  FailureOr<std::vector<float>> values = readFloats(vector, user);
  if (failed(values))
    return failure();
  for (size_t i = 0; i < values->size(); ++i)
    (*values)[i] *= scales[i];
  Value source = stripCasts(vector);
  auto weight = source.getDefiningOp<WeightOp>();
  FailureOr<WeightOp> result = addWeight(user, weight ? (weight.getName() + ".scaled").str() : "scaled", cast<RankedTensorType>(source.getType()), *values);
  if (failed(result))
    return failure();
  OpBuilder builder(user);
  return castElements(builder, *result, getElementTypeOrSelf(vector));
}

/// Whether f16 holds the value with all its bits: neither infinite nor subnormal there.
static bool fitsHalf(float value) {
  float magnitude = std::fabs(value);
  return magnitude == 0 || (magnitude >= 0x1p-14f && magnitude <= 65504);
}

/// Multiplies the scales of row n, [N, groups] or [N, 1], by scales[n]. Those that f16 does not hold any more become f32.
static LogicalResult absorbIntoCodes(LinearOp linear, DequantizeOp coded, ArrayRef<float> scales) {
  Value source = getFloatScales(coded);
  FailureOr<std::vector<float>> values = readFloats(source, linear);
  if (failed(values))
    return failure();
  auto type = cast<RankedTensorType>(source.getType());
  SchemeAttr scheme = coded.getScheme();
  const int64_t groups = type.getDimSize(1);
  for (size_t i = 0; i < values->size(); ++i)
    (*values)[i] *= scales[i / groups];
  if (type.getElementType().isF16() && scheme.getZero() != ZeroPoint::Float && !llvm::all_of(*values, fitsHalf)) {
    type = type.clone(Float32Type::get(linear.getContext()));
    scheme = SchemeAttr::get(linear.getContext(), scheme.getStorage(), scheme.getGroup(), type.getElementType(), scheme.getZero(),
                             scheme.getCodebook());
  }
  auto old = source.getDefiningOp<WeightOp>();
  FailureOr<WeightOp> fresh = addWeight(coded, old ? old.getName() : "scales", type, *values);
  if (failed(fresh))
    return failure();
  OpBuilder builder(coded);
  auto scaled = cast<DequantizeOp>(builder.clone(*coded));
  (coded.getRowScales() ? scaled.getRowScalesMutable()[0] : scaled.getScalesMutable()).assign(*fresh);
  scaled.setSchemeAttr(scheme);
  Value weight = castElements(builder, scaled, getElementTypeOrSelf(linear.getWeight()));
  linear.getWeightMutable().assign(weight);
  return success();
}

static LogicalResult absorb(LinearOp linear, ArrayRef<float> scales) {
  if (linear.getBias()) {
    FailureOr<Value> bias = multiply(linear.getBias(), scales, linear);
    if (failed(bias))
      return failure();
    linear.getBiasMutable().assign(*bias);
  }
  if (DequantizeOp coded = getCodes(linear))
    return absorbIntoCodes(linear, coded, scales);
  auto type = RankedTensorType::get(static_cast<int64_t>(scales.size()), Float32Type::get(linear.getContext()));
  FailureOr<WeightOp> factors = addWeight(linear, getNameOfLayer(linear) + ".output_scale", type, scales);
  if (failed(factors))
    return failure();
  OpBuilder builder(linear);
  linear.getWeightMutable().assign(
      ScaleChannelsOp::create(builder, linear.getLoc(), linear.getWeight(), *factors, getOutputAxis(linear)));
  return success();
}

LogicalResult terse::absorb(Operation *absorber, ArrayRef<float> scales) {
  if (auto linear = dyn_cast<LinearOp>(absorber))
    return ::absorb(linear, scales);
  auto norm = cast<NormOp>(absorber);
  FailureOr<Value> scale = multiply(norm.getScale(), scales, norm);
  if (failed(scale))
    return failure();
  norm.getScaleMutable().assign(*scale);
  if (!norm.getBias())
    return success();
  FailureOr<Value> bias = multiply(norm.getBias(), scales, norm);
  if (failed(bias))
    return failure();
  norm.getBiasMutable().assign(*bias);
  return success();
}
