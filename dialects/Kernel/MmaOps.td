//===- MmaOps.td - matrix instructions -----------------------------------===//
#ifndef TERSE_KERNEL_MMA_OPS_TD
#define TERSE_KERNEL_MMA_OPS_TD

include "KernelAttrs.td"
include "KernelInterfaces.td"

#endif
