//===- TerseDialect.h - the terse dialect -----------------------*- C++ -*-===//
#ifndef TERSE_TERSEDIALECT_H
#define TERSE_TERSEDIALECT_H

#include "Terse/Report.h"
#include "Terse/WeightStore.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "Terse/TerseDialect.h.inc"

#include "Terse/TerseEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "Terse/TerseAttrs.h.inc"

#include "Terse/TerseInterfaces.h.inc"

#define GET_OP_CLASSES
#include "Terse/TerseOps.h.inc"

#endif // TERSE_TERSEDIALECT_H
