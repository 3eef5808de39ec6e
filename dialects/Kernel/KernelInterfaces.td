//===- KernelInterfaces.td - how kernels and instructions meet -----------===//
#ifndef TERSE_KERNEL_INTERFACES_TD
#define TERSE_KERNEL_INTERFACES_TD

include "mlir/IR/OpBase.td"

#endif
