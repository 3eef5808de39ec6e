//===- KernelDialect.h - the kernel dialect ---------------------*- C++ -*-===//
#ifndef TERSE_KERNEL_KERNELDIALECT_H
#define TERSE_KERNEL_KERNELDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "Kernel/PackedLayout.h"
#include "Terse/TerseDialect.h"

#include "Kernel/KernelDialect.h.inc"

#include "Kernel/KernelEnums.h.inc"

#include "Kernel/KernelAttrInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "Kernel/KernelAttrs.h.inc"

#include "Kernel/KernelInterfaces.h.inc"

#define GET_OP_CLASSES
#include "Kernel/KernelOps.h.inc"

#endif // TERSE_KERNEL_KERNELDIALECT_H
