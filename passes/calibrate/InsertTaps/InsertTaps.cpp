//===- InsertTaps.cpp - names the inputs of layers and blocks -------------===//
#include "Terse/LayerAttributes.h"
#include "Terse/TerseDialect.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Analysis/Blocks.h"
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

  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(InsertTapsBase::initializeOptions(text, error)))
      return failure();
    if (at != "layers" && at != "blocks")
      return error(getArgument() + ": expected taps at layers or blocks; got '" + at + "'");
    return success();
  }

  void runOnOperation() override {
    int64_t count = 0;
    if (at == "layers")
      count = tapLayers();
    else
      for (auto function : getOperation().getOps<func::FuncOp>())
        if (!function.isExternal())
          count += tapBlocks(function);
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "taps-inserted", count);
  }

private:
  int64_t tapLayers() {
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
    return readers.size();
  }

  int64_t tapBlocks(func::FuncOp function) {
    int64_t count = 0;
    OpBuilder builder(&getContext());
    for (ModelBlock &block : findBlocks(function)) {
      if (!block.entry)
        continue;
      builder.setInsertionPointAfterValue(block.entry);
      auto tap = TapOp::create(builder, block.entry.getLoc(), block.entry, builder.getStringAttr(getNameOfLayer(block.layers.front())));
      block.entry.replaceAllUsesExcept(tap, tap);
      ++count;
    }
    return count;
  }
};
} // namespace
