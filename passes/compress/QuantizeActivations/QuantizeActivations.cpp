//===- QuantizeActivations.cpp - rounds inputs of quantized layers --------===//
#include "ActivationRange.h"

#include "Terse/LayerAttributes.h"
#include "Terse/TerseDialect.h"
#include "compress/Weights/LayerStatistics.h"
#include "terse/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

namespace terse {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "compress/QuantizeActivations/QuantizeActivations.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct QuantizeActivations : terse::impl::QuantizeActivationsBase<QuantizeActivations> {
  using QuantizeActivationsBase::QuantizeActivationsBase;

  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(QuantizeActivationsBase::initializeOptions(text, error)))
      return failure();
    auto refuse = [&](const Twine &what) { return error(getArgument() + ": expected " + what); };
    if (mode != "dynamic" && mode != "static")
      return refuse("mode to be dynamic or static; got '" + mode + "'");
    if (range != "max" && range != "percentile" && range != "mse")
      return refuse("range to be max, percentile or mse; got '" + range + "'");
    if (!(percentile > 0 && percentile <= 100))
      return refuse("a percentile above 0 and at most 100; got " + Twine(llvm::formatv("{0}", percentile.getValue()).str()));
    return success();
  }

  void runOnOperation() override {
    llvm::MapVector<Value, SmallVector<LinearLike>> inputs;
    int64_t numLayers = 0;
    getOperation()->walk([&](LinearLike layer) {
      if (!layer.getWeightOperand().get().getDefiningOp<DequantizeOp>() || isFrozen(layer) ||
          isa_and_present<QuantizeDynamicOp, QuantizeStaticOp>(layer.getInputOperand().get().getDefiningOp()))
        return;
      inputs[layer.getInputOperand().get()].push_back(layer);
      ++numLayers;
    });
    LayerStatistics statistics;
    bool isStatic = mode == "static";
    if (isStatic && failed(statistics.open(getOperation(), stats)))
      return signalPassFailure();
    if (isStatic && !statistics.isOpen() && !inputs.empty()) {
      mlir::emitError(UnknownLoc::get(&getContext())) << getArgument() << ": expected statistics with mode=static; got none (stats=FILE)";
      return signalPassFailure();
    }
    int64_t numDynamic = 0;
    llvm::json::Object ranges;
    OpBuilder builder(&getContext());
    for (auto &[input, layers] : inputs) {
      // Right behind its input, before every use.
      builder.setInsertionPointAfterValue(input);
      Value rounded;
      std::string name = getNameOfLayer(layers.front());
      if (isStatic && statistics.contains(name)) {
        FailureOr<float> limit = findLimit(layers.front(), name, statistics);
        if (failed(limit))
          return signalPassFailure();
        ranges[name] = *limit;
        float scale = *limit > 0 ? *limit / 127 : 1;
        rounded = QuantizeStaticOp::create(builder, input.getLoc(), input, builder.getF64FloatAttr(scale), builder.getI64IntegerAttr(0),
                                           builder.getI64IntegerAttr(-127), builder.getI64IntegerAttr(127));
      } else {
        rounded = QuantizeDynamicOp::create(builder, input.getLoc(), input.getType(), input);
        ++numDynamic;
      }
      for (LinearLike layer : layers)
        layer.getInputOperand().set(rounded);
    }
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "inputs-quantized", static_cast<int64_t>(inputs.size()));
    report.add(getArgument(), "layers", numLayers);
    if (isStatic) {
      report.add(getArgument(), "inputs-dynamic", numDynamic);
      report.add(getArgument(), "ranges", std::move(ranges));
    }
  }

private:
  /// The magnitude at which the input's range ends.
  FailureOr<float> findLimit(LinearLike layer, StringRef name, LayerStatistics &statistics) {
    FailureOr<TapStatistics> tap = statistics.find(layer, name, layer.getReductionSize(), Measure::AbsMax);
    if (failed(tap))
      return failure();
    float largest = *std::max_element(tap->absMax.begin(), tap->absMax.end());
    if (range == "max" || largest == 0)
      return largest;
    if (tap->histogram.empty())
      return layer.emitError() << "expected range=max for the input of layer '" << name << "': it has no histogram, or was scaled since";
    return std::min(largest, range == "percentile" ? findPercentile(tap->histogram, tap->limit, percentile / 100)
                                                   : findLeastSquares(tap->histogram, tap->limit, 127));
  }
};
} // namespace
