//===- QuantizeActivations.cpp - rounds inputs of quantized layers --------===//
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

namespace terse {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "compress/QuantizeActivations/QuantizeActivations.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct QuantizeActivations : terse::impl::QuantizeActivationsBase<QuantizeActivations> {
  using QuantizeActivationsBase::QuantizeActivationsBase;

  void runOnOperation() override {
    if (mode != "dynamic") {
      mlir::emitError(UnknownLoc::get(&getContext()))
          << getArgument() << ": expected mode to be dynamic; got '" << mode << "'";
      return signalPassFailure();
    }
    llvm::MapVector<Value, SmallVector<OpOperand *>> inputs;
    int64_t numLayers = 0;
    getOperation()->walk([&](LinearLike linear) {
      if (!linear.getWeightOperand().get().getDefiningOp<DequantizeOp>() ||
          isa_and_present<QuantizeDynamicOp, QuantizeStaticOp>(linear.getInputOperand().get().getDefiningOp()))
        return;
      inputs[linear.getInputOperand().get()].push_back(&linear.getInputOperand());
      ++numLayers;
    });
    OpBuilder builder(&getContext());
    for (auto &[input, uses] : inputs) {
      // Right behind its input, before every use.
      builder.setInsertionPointAfterValue(input);
      Value rounded = QuantizeDynamicOp::create(builder, input.getLoc(), input.getType(), input);
      for (OpOperand *use : uses)
        use->set(rounded);
    }
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "inputs-quantized", static_cast<int64_t>(inputs.size()));
    report.add(getArgument(), "layers", numLayers);
  }
};
} // namespace
