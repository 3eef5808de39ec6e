//===- ConvertKernelMma.cpp - matrix instructions become intrinsics -------===//
#include "Kernel/Intrinsics/Definition.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace terse {
#define GEN_PASS_DEF_CONVERTKERNELMMA
#include "kernel/ConvertKernelMma/ConvertKernelMma.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse::kernel;

namespace {
struct ConvertKernelMma : terse::impl::ConvertKernelMmaBase<ConvertKernelMma> {
  using ConvertKernelMmaBase::ConvertKernelMmaBase;

  void runOnOperation() override {
    getOperation()->walk([&](Operation *op) {
      OpBuilder builder(op);
      Value result;
      if (auto mma = dyn_cast<MmaOp>(op)) {
        auto create = emulate ? &MmaInstruction::createMmaByDefinition : &MmaInstruction::createMma;
        result = (mma.getInstruction().*create)(builder, mma.getLoc(), mma.getWeights(), mma.getActivations(),
                                                mma.getPartial());
      } else if (auto mma = dyn_cast<MmaSparseOp>(op)) {
        auto create = emulate ? &MmaInstruction::createSparseMmaByDefinition : &MmaInstruction::createSparseMma;
        result = (mma.getInstruction().*create)(builder, mma.getLoc(), mma.getValues(), mma.getPlaces(),
                                                mma.getActivations(), mma.getPartial());
      } else if (auto lookup = dyn_cast<LookupOp>(op)) {
        ImplicitLocOpBuilder b(lookup.getLoc(), builder);
        if (!emulate)
          result = lookup.getInstruction().createLookup(
              b, lookup.getLoc(), createTable(b, lookup.getIndices().getType(), lookup.getTable()), lookup.getIndices());
        if (!result)
          result = createLookupByDefinition(b, lookup.getTable(), lookup.getIndices());
      } else if (auto sum = dyn_cast<MmaSumOp>(op)) {
        auto create = emulate ? &MmaInstruction::createSumByDefinition : &MmaInstruction::createSum;
        result = (sum.getInstruction().*create)(builder, sum.getLoc(), sum.getPartial(), sum.getSum());
      } else {
        return;
      }
      op->getResult(0).replaceAllUsesWith(result);
      op->erase();
    });
  }
};
} // namespace
