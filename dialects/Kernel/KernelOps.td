//===- KernelOps.td - all operations of the dialect ----------------------===//
#ifndef TERSE_KERNEL_OPS_TD
#define TERSE_KERNEL_OPS_TD

include "LaunchOps.td"
include "MmaOps.td"
include "PackedOps.td"

#endif
