//===- ModelInputs.cpp - what a model is run on ---------------------------===//
#include "terse/Analysis/ModelInputs.h"

#include "Terse/TerseDialect.h"
#include "terse/Analysis/DimExpression.h"

using namespace mlir;
using namespace terse;

std::string terse::getDTypeName(Type type, bool isUnsigned) {
  if (type.isInteger(1))
    return "bool";
  if (auto integer = dyn_cast<IntegerType>(type)) {
    if (llvm::is_contained({8u, 16u, 32u, 64u}, integer.getWidth()))
      return (isUnsigned ? "u" : "i") + std::to_string(integer.getWidth());
    return "";
  }
  if (type.isBF16())
    return "bf16";
  if (isa<Float16Type, Float32Type, Float64Type>(type))
    return "f" + std::to_string(type.getIntOrFloatBitWidth());
  return "";
}

std::vector<ModelInput> terse::getModelInputs(func::FuncOp entry) {
  std::vector<ModelInput> inputs;
  for (BlockArgument argument : entry.getArguments()) {
    unsigned index = argument.getArgNumber();
    auto name = entry.getArgAttrOfType<StringAttr>(index, TerseDialect::kNameAttr);
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!name || !type || entry.getArgAttr(index, TerseDialect::kStateAttr))
      continue;
    ModelInput &input = inputs.emplace_back();
    input.name = name.str();
    input.dtype = getDTypeName(type.getElementType(), bool(entry.getArgAttr(index, "terse.unsigned")));
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      input.dims.push_back(getArgDim(entry, index, dim));
    input.hasDefault = bool(entry.getArgAttr(index, "terse.default"));
  }
  return inputs;
}
