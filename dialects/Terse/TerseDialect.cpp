//===- TerseDialect.cpp - registration of the terse dialect ---------------===//
#include "Terse/TerseDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace terse;

#include "Terse/TerseDialect.cpp.inc"

#include "Terse/TerseInterfaces.cpp.inc"

void TerseDialect::initialize() {
  weightStore = std::make_shared<WeightStore>();
  report = std::make_shared<Report>();
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "Terse/TerseOps.cpp.inc"
      >();
}

Operation *TerseDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  return arith::ConstantOp::materialize(builder, value, type, loc);
}
