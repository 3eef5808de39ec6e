//===- TerseOps.td - all operations of the dialect -----------------------===//
#ifndef TERSE_OPS_TD
#define TERSE_OPS_TD

include "GraphOps.td"
include "CompressOps.td"

#endif
