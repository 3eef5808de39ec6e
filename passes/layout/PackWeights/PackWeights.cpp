//===- PackWeights.cpp - weights lie as kernels read them -----------------===//
#include "Terse/DeadWeights.h"
#include "Terse/LayerAttributes.h"
#include "WeightPacker.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace terse {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "layout/PackWeights/PackWeights.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// `value` with elements of type `type`: widened, narrowed or itself.
static Value convertElements(OpBuilder &builder, Location loc, Value value, Type type) {
  auto from = cast<RankedTensorType>(value.getType());
  auto to = from.clone(type);
  if (from == to)
    return value;
  if (from.getElementTypeBitWidth() < to.getElementTypeBitWidth())
    return arith::ExtFOp::create(builder, loc, to, value);
  return arith::TruncFOp::create(builder, loc, to, value);
}

static bool isPackable(Value value) { return !isa<Float64Type>(getElementTypeOrSelf(value)); }

namespace {
struct PackWeights : terse::impl::PackWeightsBase<PackWeights> {
  using PackWeightsBase::PackWeightsBase;

  void runOnOperation() override {
    WeightStore &store = getContext().getLoadedDialect<TerseDialect>()->getWeightStore();
    int64_t numLayers = 0, numLeft = 0, numBytes = 0;
    numSparse = numZerosStored = 0;
    DeadWeights dead(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      WeightPacker packer(store, function.getBody().front());
      SmallVector<Operation *> layers;
      function.walk([&](Operation *op) {
        if (isa<QLinearOp, LinearOp>(op))
          layers.push_back(op);
      });
      for (Operation *layer : layers) {
        int64_t before = numSparse;
        FailureOr<bool> packed =
            isa<QLinearOp>(layer) ? pack(cast<QLinearOp>(layer), packer) : pack(cast<LinearOp>(layer), packer);
        if (failed(packed))
          return signalPassFailure();
        numZerosStored += isSparse(layer) && numSparse == before;
        ++(*packed ? numLayers : numLeft);
        if (*packed)
          dead.eraseWithWeights(layer);
      }
      numBytes += packer.getPackedBytes();
    }
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "layers-packed", numLayers);
    report.add(getArgument(), "layers-sparse", numSparse);
    report.add(getArgument(), "layers-zeros-stored", numZerosStored);
    report.add(getArgument(), "layers-left", numLeft);
    report.add(getArgument(), "bytes-packed", numBytes);
  }

private:
  /// Layers stored without zeros, and pruned ones stored with them.
  int64_t numSparse = 0, numZerosStored = 0;

  /// Whether the layer was packed and its result is no longer read; failure is an error of reading or storing weights.
  FailureOr<bool> pack(QLinearOp layer, WeightPacker &packer) {
    auto codes = ConstantTensor::get(layer.getCodes()), scales = ConstantTensor::get(layer.getScales());
    auto rowScales = layer.getRowScales() ? ConstantTensor::get(layer.getRowScales()) : std::nullopt;
    auto zero = layer.getZeroPoints() ? ConstantTensor::get(layer.getZeroPoints()) : std::nullopt;
    auto bias = layer.getBias() ? ConstantTensor::get(layer.getBias()) : std::nullopt;
    if (!codes || !scales || (layer.getRowScales() && !rowScales) || (layer.getZeroPoints() && !zero) ||
        (layer.getBias() && !bias) || !isPackable(layer.getInput()))
      return false;
    int64_t k = cast<RankedTensorType>(layer.getInput().getType()).getShape().back();
    SchemeAttr scheme = layer.getScheme();
    kernel::PackedLayout layout(cast<RankedTensorType>(layer.getType()).getShape().back(), k, scheme);
    bool roundsInput = !layer.getGrid() || layer.getGrid()->getKind() != GridKind::None;
    kernel::PackedLayout sparse(layout.n, k, scheme, /*sparse=*/true);
    if (kernel::PackedLayout::canBeSparse(scheme) && roundsInput && sparse.getPanelBytes() < layout.getPanelBytes()) {
      FailureOr<bool> isSparse = packer.areTwoOfFour(*codes, layout);
      if (failed(isSparse))
        return failure();
      if (*isSparse) {
        layout = sparse;
        ++numSparse;
      }
    }
    FailureOr<Value> packedCodes = packer.packCodes(*codes, layout);
    if (failed(packedCodes))
      return failure();
    FailureOr<Value> packedScales = packer.packGroups(*scales);
    if (failed(packedScales))
      return failure();
    FailureOr<Value> packedRowScales = rowScales ? packer.packColumns(*rowScales) : Value();
    FailureOr<Value> packedZero = !zero                             ? Value()
                                  : kernel::hasPairedZeros(scheme) ? packer.packPairedZeros(*zero)
                                                                   : packer.packGroups(*zero);
    FailureOr<Value> packedBias = bias ? packer.packColumns(*bias) : Value();
    FailureOr<Value> sums = layer.getGrid() && layer.getGrid()->hasZero()
                                ? packer.packColumnSums(*codes, *scales, rowScales ? &*rowScales : nullptr,
                                                        zero ? &*zero : nullptr, scheme, k)
                                : Value();
    if (failed(packedRowScales) || failed(packedZero) || failed(packedBias) || failed(sums))
      return failure();
    OpBuilder b(layer);
    auto resultType = cast<RankedTensorType>(layer.getType());
    Value input = convertElements(b, layer.getLoc(), layer.getInput(), b.getF32Type());
    Value result = kernel::QLinearOp::create(b, layer.getLoc(), resultType.clone(b.getF32Type()), input, *packedCodes,
                                             *packedScales, *packedRowScales, *packedZero, *packedBias, Value(), *sums,
                                             layer.getSchemeAttr(), layer.getNameAttr(), layer.getGridAttr(), layout.sparse,
                                             /*tiling=*/nullptr);
    layer.replaceAllUsesWith(convertElements(b, layer.getLoc(), result, resultType.getElementType()));
    return true;
  }

  FailureOr<bool> pack(LinearOp layer, WeightPacker &packer) {
    auto weight = ConstantTensor::get(layer.getWeight());
    auto bias = layer.getBias() ? ConstantTensor::get(layer.getBias()) : std::nullopt;
    if (!weight || (layer.getBias() && !bias) || !isPackable(layer.getInput()) || !isPackable(layer.getWeight()))
      return false;
    FailureOr<Value> packedWeight = packer.packFloat(*weight, layer.getReductionAxis());
    if (failed(packedWeight))
      return failure();
    FailureOr<Value> packedBias = bias ? packer.packColumns(*bias) : Value();
    if (failed(packedBias))
      return failure();
    OpBuilder b(layer);
    auto resultType = cast<RankedTensorType>(layer.getType());
    Value input = convertElements(b, layer.getLoc(), layer.getInput(), b.getF32Type());
    Value result = kernel::LinearOp::create(b, layer.getLoc(), resultType.clone(b.getF32Type()), input, *packedWeight,
                                            *packedBias, Value(), layer.getNameAttr(), /*tiling=*/nullptr);
    layer.replaceAllUsesWith(convertElements(b, layer.getLoc(), result, resultType.getElementType()));
    return true;
  }
};
} // namespace
