//===- FoldScales.cpp - puts scales into what computes a value ------------===//
#include "Terse/LayerAttributes.h"
#include "compress/Scaling/Absorb.h"
#include "compress/Weights/FloatStorage.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Threading.h"

#include <atomic>
#include <cmath>

namespace terse {
#define GEN_PASS_DEF_FOLDSCALES
#include "compress/FoldScales/FoldScales.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// The weight behind `op` and scales of weights below it, which are added to `scales`; null if there is none.
static WeightOp findScaledWeight(ScaleChannelsOp op, SmallVectorImpl<ScaleChannelsOp> &scales) {
  Value value = op.getResult();
  if (op.getType().getRank() > 2)
    return {};
  while (auto scaled = value.getDefiningOp<ScaleChannelsOp>()) {
    scales.push_back(scaled);
    value = stripCasts(scaled.getInput());
  }
  return value.getDefiningOp<WeightOp>();
}

/// The weight with all `scales` of its axes as a new weight of its type.
static FailureOr<WeightOp> scaleWeight(WeightOp weight, ArrayRef<ScaleChannelsOp> scales) {
  auto type = weight.getType();
  MLIRContext *context = weight.getContext();
  WeightStore &store = context->getLoadedDialect<TerseDialect>()->getWeightStore();
  llvm::Expected<WeightData> data = store.read(weight.getData(), type);
  if (!data)
    return weight.emitError() << "cannot read the weight '" << weight.getName() << "': " << llvm::toString(data.takeError());
  std::vector<std::vector<float>> factors;
  for (ScaleChannelsOp op : scales) {
    FailureOr<std::vector<float>> read = readFloats(op.getScale(), op);
    if (failed(read))
      return failure();
    factors.push_back(std::move(*read));
  }
  Type element = type.getElementType();
  const int64_t columns = type.getShape().back(), rows = type.getNumElements() / columns, width = element.getIntOrFloatBitWidth() / 8;
  std::vector<char> result(data->bytes().size());
  std::atomic<bool> isFinite{true};
  constexpr int64_t kRowsAtOnce = 64;
  parallelFor(context, 0, (rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](size_t block) {
    std::vector<float> values(columns);
    for (int64_t row = block * kRowsAtOnce, end = std::min(rows, row + kRowsAtOnce); row < end; ++row) {
      loadFloats(data->bytes().data() + row * columns * width, element, columns, values.data());
      for (size_t i = 0; i < factors.size(); ++i) {
        ScaleChannelsOp op = scales[i];
        bool isColumn = int64_t(op.getAxis()) == type.getRank() - 1;
        for (int64_t j = 0; j < columns; ++j)
          values[j] *= factors[i][isColumn ? j : row];
      }
      char *target = result.data() + row * columns * width;
      storeFloats(values, element, target);
      loadFloats(target, element, columns, values.data());
      if (!llvm::all_of(values, [](float value) { return std::isfinite(value); }))
        isFinite = false;
    }
  });
  if (!isFinite)
    return weight.emitError() << "expected scaled values of the weight '" << weight.getName() << "' within the range of " << element;
  llvm::Expected<Attribute> stored = store.add(type, result);
  if (!stored)
    return weight.emitError() << "cannot store the weight '" << weight.getName() << "': " << llvm::toString(stored.takeError());
  OpBuilder builder(weight);
  builder.setInsertionPointAfter(weight);
  return WeightOp::create(builder, weight.getLoc(), type, builder.getStringAttr(weight.getName() + ".scaled"), *stored);
}

namespace {
struct FoldScales : terse::impl::FoldScalesBase<FoldScales> {
  using FoldScalesBase::FoldScalesBase;

  void runOnOperation() override {
    int64_t numFolded = 0, numLeft = 0, numWeights = 0;
    // What absorbs a scale may make one of its weight.
    SmallVector<ScaleChannelsOp> all;
    getOperation()->walk([&](ScaleChannelsOp op) { all.push_back(op); });
    for (ScaleChannelsOp op : all) {
      SmallVector<ScaleChannelsOp> chain;
      if (findScaledWeight(op, chain) || llvm::any_of(op->getUsers(), isFrozen))
        continue;
      auto type = cast<RankedTensorType>(op.getType());
      bool isLast = int64_t(op.getAxis()) == type.getRank() - 1;
      Operation *absorber = isLast && isConstantFloats(op.getScale()) ? findAbsorber(op.getInput(), op.getOperation()) : nullptr;
      if (!absorber) {
        ++numLeft;
        continue;
      }
      FailureOr<std::vector<float>> scales = readFloats(op.getScale(), op);
      if (failed(scales) || failed(absorb(absorber, *scales)))
        return signalPassFailure();
      op.getResult().replaceAllUsesWith(op.getInput());
      op.erase();
      ++numFolded;
    }
    sweep();
    if (failed(scaleWeights(numWeights)))
      return signalPassFailure();
    sweep();
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "scales-folded", numFolded);
    report.add(getArgument(), "scales-left", numLeft);
    report.add(getArgument(), "weights-scaled", numWeights);
  }

private:
  void sweep() {
    getOperation()->walk([](func::FuncOp function) {
      for (Block &block : function.getBody())
        eraseDead(block);
    });
  }

  LogicalResult scaleWeights(int64_t &numWeights) {
    SmallVector<ScaleChannelsOp> all;
    // The outermost of a chain comes last.
    getOperation()->walk([&](ScaleChannelsOp op) { all.push_back(op); });
    for (ScaleChannelsOp op : llvm::reverse(all)) {
      SmallVector<ScaleChannelsOp> scales;
      WeightOp weight = op->use_empty() ? WeightOp() : findScaledWeight(op, scales);
      if (!weight || !llvm::all_of(scales, [](ScaleChannelsOp scale) { return isConstantFloats(scale.getScale()); }))
        continue;
      FailureOr<WeightOp> scaled = scaleWeight(weight, scales);
      if (failed(scaled))
        return failure();
      OpBuilder builder(op);
      op.getResult().replaceAllUsesWith(castElements(builder, *scaled, getElementTypeOrSelf(op.getType())));
      op.erase(); // so that nothing reads those below it
      ++numWeights;
    }
    return success();
  }
};
} // namespace
