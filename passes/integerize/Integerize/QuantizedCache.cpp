//===- QuantizedCache.cpp - KV caches of codes ----------------------------===//
#include "QuantizedCache.h"

#include "Terse/CachedRow.h"
#include "Terse/TerseDialect.h"
#include "terse/Analysis/CacheRole.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace terse;

/// The last dimension in the attribute that says what a state's dimensions are.
static Attribute replaceLastDim(ArrayAttr dims, int64_t size) {
  SmallVector<Attribute> all(dims.getValue());
  all.back() = StringAttr::get(dims.getContext(), std::to_string(size));
  return ArrayAttr::get(dims.getContext(), all);
}

static bool integerizeCache(CacheUpdateOp update) {
  auto rounded = update.getUpdate().getDefiningOp<QuantizeHeadsOp>();
  auto type = update.getType();
  if (!rounded || int64_t(rounded.getNumHeads()) != type.getDimSize(1) || type.getDimSize(3) * rounded.getBits() % 8)
    return false;
  std::optional<CacheRole> role = getCacheRole(update);
  if (!role)
    return false;
  OpBuilder builder(update);
  int64_t bits = rounded.getBits(), rowBytes = getCachedRowBytes(type.getDimSize(3), bits);
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = rowBytes;
  auto coded = RankedTensorType::get(shape, builder.getI8Type());

  auto state = cast<BlockArgument>(update.getCache());
  auto function = cast<func::FuncOp>(state.getOwner()->getParentOp());
  SmallVector<Type> arguments(function.getArgumentTypes()), results(function.getResultTypes());
  unsigned argument = state.getArgNumber();
  if (auto dims = function.getArgAttrOfType<ArrayAttr>(argument, TerseDialect::kDimsAttr))
    function.setArgAttr(argument, TerseDialect::kDimsAttr, replaceLastDim(dims, rowBytes));
  arguments[argument] = coded;
  for (OpOperand &use : update->getUses()) {
    if (auto attention = dyn_cast<AttentionOp>(use.getOwner())) {
      if (*role == CacheRole::Key)
        attention.setKeyBits(bits);
      else
        attention.setValueBits(bits);
    } else if (isa<func::ReturnOp>(use.getOwner())) {
      unsigned result = use.getOperandNumber();
      if (auto dims = function.getResultAttrOfType<ArrayAttr>(result, TerseDialect::kDimsAttr))
        function.setResultAttr(result, TerseDialect::kDimsAttr, replaceLastDim(dims, rowBytes));
      results[result] = coded;
    }
  }
  state.setType(coded);
  update.getResult().setType(coded);
  update.setBits(bits);
  update.getUpdateMutable().assign(rounded.getInput());
  if (rounded->use_empty())
    rounded.erase();
  function.setType(builder.getFunctionType(arguments, results));
  return true;
}

int64_t terse::integerizeCaches(ModuleOp module) {
  SmallVector<CacheUpdateOp> updates;
  module.walk([&](CacheUpdateOp update) { updates.push_back(update); });
  return llvm::count_if(updates, integerizeCache);
}
