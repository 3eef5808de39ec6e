//===- NegateResults.cpp - negates what functions return ------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace terse {
#define GEN_PASS_DECL_NEGATERESULTS
#define GEN_PASS_DEF_NEGATERESULTS
#include "NegateResults.h.inc"
} // namespace terse

using namespace mlir;

namespace {
struct NegateResults : terse::impl::NegateResultsBase<NegateResults> {
  using NegateResultsBase::NegateResultsBase;

  void runOnOperation() override {
    getOperation()->walk([&](func::ReturnOp op) {
      OpBuilder builder(op);
      for (OpOperand &operand : op->getOpOperands()) {
        bool chosen = only < 0 || only == operand.getOperandNumber();
        if (chosen && isa<FloatType>(getElementTypeOrSelf(operand.get().getType())))
          operand.set(arith::NegFOp::create(builder, op.getLoc(), operand.get()));
      }
    });
  }
};
} // namespace
