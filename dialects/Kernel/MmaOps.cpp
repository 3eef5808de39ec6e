//===- MmaOps.cpp - verifiers of matrix instructions ----------------------===//
//
// Labels (M1, ...) name the constraints; test/invalid-mma.mlir has a case for each.
#include "Kernel/KernelDialect.h"

using namespace mlir;
using namespace terse::kernel;

static LogicalResult verifyType(Operation *op, StringRef what, Value value, VectorType expected) {
  if (value.getType() == expected)
    return success();
  return op->emitOpError("expected ") << what << " of " << expected << "; got " << value.getType();
}

LogicalResult MmaOp::verify() {
  MmaInstruction instruction = getInstruction();
  return success(succeeded(verifyType(*this, "weights", getWeights(), instruction.getWeightsType())) &&             // M1
                 succeeded(verifyType(*this, "activations", getActivations(), instruction.getActivationsType())) && // M2
                 succeeded(verifyType(*this, "sums", getPartial(), instruction.getPartialType())));                 // M3
}

LogicalResult MmaSparseOp::verify() {
  MmaInstruction instruction = getInstruction();
  if (!instruction.hasSparse()) // M7
    return emitOpError("expected an instruction with sparse products; got ") << instruction;
  return success(succeeded(verifyType(*this, "values", getValues(), instruction.getWeightsType())) &&                     // M8
                 succeeded(verifyType(*this, "activations", getActivations(), instruction.getSparseActivationsType())) && // M9
                 succeeded(verifyType(*this, "sums", getPartial(), instruction.getPartialType())));                       // M10
}

LogicalResult LookupOp::verify() {
  if (getTable().size() != 16) // M11
    return emitOpError("expected a table of 16 bytes; got ") << getTable().size();
  return verifyType(*this, "indices", getIndices(), getInstruction().getWeightsType()); // M12
}

LogicalResult MmaSumOp::verify() {
  MmaInstruction instruction = getInstruction();
  if (!instruction.hasPartialSums()) // M4
    return emitOpError("expected an instruction with partial sums; got ") << instruction;
  return success(succeeded(verifyType(*this, "partial sums", getPartial(), instruction.getPartialType())) && // M5
                 succeeded(verifyType(*this, "sums", getSum(), instruction.getSumType())));                 // M6
}
