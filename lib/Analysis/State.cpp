//===- State.cpp - what the runtime keeps between runs --------------------===//
#include "terse/Analysis/State.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace terse;

bool terse::isPrivateState(CacheUpdateOp update, llvm::function_ref<bool(OpOperand &)> isReader) {
  auto state = dyn_cast<BlockArgument>(update.getCache());
  auto function = state ? dyn_cast<func::FuncOp>(state.getOwner()->getParentOp()) : func::FuncOp();
  if (!function || !function.getArgAttr(state.getArgNumber(), TerseDialect::kStateAttr))
    return false;
  bool isWrittenOnly = llvm::all_of(state.getUsers(), [&](Operation *user) { return user == update || isa<tensor::DimOp>(user); });
  return isWrittenOnly && llvm::all_of(update->getUses(), [&](OpOperand &use) {
           if (isa<func::ReturnOp>(use.getOwner()))
             return bool(function.getResultAttr(use.getOperandNumber(), TerseDialect::kStateAttr));
           return isa<tensor::DimOp>(use.getOwner()) || isReader(use);
         });
}
