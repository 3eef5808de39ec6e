//===- InsertTaps.cpp - names the inputs of linear layers -----------------===//
#include "Terse/LayerAttributes.h"
#include "Terse/TerseDialect.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "llvm/ADT/MapVector.h"

namespace terse {
#define GEN_PASS_DEF_INSERTTAPS
#include "calibrate/InsertTaps/InsertTaps.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct InsertTaps : terse::impl::InsertTapsBase<InsertTaps> {
  using InsertTapsBase::InsertTapsBase;

  void runOnOperation() override {
    llvm::MapVector<Value, SmallVector<LinearLike>> readers;
    getOperation()->walk([&](LinearLike layer) {
      Value weight = stripCasts(layer.getWeightOperand().get());
      if (weight.getDefiningOp<WeightOp>() && !isFrozen(layer))
        readers[layer.getInputOperand().get()].push_back(layer);
    });
    OpBuilder builder(&getContext());
    for (auto &[input, layers] : readers) {
      builder.setInsertionPoint(layers.front());
      auto tap = TapOp::create(builder, layers.front()->getLoc(), input, builder.getStringAttr(getNameOfLayer(layers.front())));
      for (LinearLike layer : layers)
        layer.getInputOperand().set(tap);
    }
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "taps-inserted", static_cast<int64_t>(readers.size()));
  }
};
} // namespace
