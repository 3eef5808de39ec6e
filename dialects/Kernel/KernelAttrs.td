//===- KernelAttrs.td - attributes and enumerations ----------------------===//
#ifndef TERSE_KERNEL_ATTRS_TD
#define TERSE_KERNEL_ATTRS_TD

include "KernelDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

#endif
