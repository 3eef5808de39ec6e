//===- LayerAttributes.cpp - what a file says of its layers ---------------===//
#include "Terse/LayerAttributes.h"

#include "Terse/TerseDialect.h"
#include "terse/Support/JsonText.h"

using namespace mlir;
using namespace terse;

std::string terse::getNameOfLayer(Operation *op) {
  if (auto name = op->getAttrOfType<StringAttr>("name"))
    return toJsonText(name.getValue());
  auto layer = dyn_cast<LinearLike>(op);
  for (Value value = layer ? layer.getWeightOperand().get() : Value(); value;) {
    Operation *producer = value.getDefiningOp();
    if (auto weight = dyn_cast_or_null<WeightOp>(producer))
      return toJsonText(weight.getName());
    value = producer && producer->getNumOperands() ? producer->getOperand(0) : Value();
  }
  return "";
}
