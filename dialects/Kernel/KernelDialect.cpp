//===- KernelDialect.cpp - registration of the kernel dialect -------------===//
#include "Kernel/KernelDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace terse::kernel;

#include "Kernel/KernelDialect.cpp.inc"

#include "Kernel/KernelEnums.cpp.inc"

#include "Kernel/KernelAttrInterfaces.cpp.inc"

#include "Kernel/KernelInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "Kernel/KernelAttrs.cpp.inc"

void KernelDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "Kernel/KernelAttrs.cpp.inc"
      >();
}

void KernelDialect::initialize() {
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "Kernel/KernelOps.cpp.inc"
      >();
}
