//===- MmaOps.cpp - verifiers of matrix instructions ----------------------===//
//
// Labels (M1, ...) name the constraints; test/invalid-mma.mlir has a case for each.
#include "Kernel/KernelDialect.h"

using namespace mlir;
using namespace terse::kernel;

LogicalResult MmaOp::verify() {
  MmaInstruction instruction = getInstruction();
  if (getWeights().getType() != instruction.getWeightsType()) // M1
    return emitOpError("expected weights of ") << instruction.getWeightsType() << "; got " << getWeights().getType();
  if (getActivations().getType() != instruction.getActivationsType()) // M2
    return emitOpError("expected activations of ")
           << instruction.getActivationsType() << "; got " << getActivations().getType();
  if (getPartial().getType() != instruction.getPartialType()) // M3
    return emitOpError("expected sums of ") << instruction.getPartialType() << "; got " << getPartial().getType();
  return success();
}

LogicalResult MmaSparseOp::verify() {
  MmaInstruction instruction = getInstruction();
  if (!instruction.hasSparse()) // M7
    return emitOpError("expected an instruction with sparse products; got ") << instruction;
  if (getValues().getType() != instruction.getWeightsType()) // M8
    return emitOpError("expected values of ") << instruction.getWeightsType() << "; got " << getValues().getType();
  if (getActivations().getType() != instruction.getSparseActivationsType()) // M9
    return emitOpError("expected activations of ")
           << instruction.getSparseActivationsType() << "; got " << getActivations().getType();
  if (getPartial().getType() != instruction.getPartialType()) // M10
    return emitOpError("expected sums of ") << instruction.getPartialType() << "; got " << getPartial().getType();
  return success();
}

LogicalResult MmaSumOp::verify() {
  MmaInstruction instruction = getInstruction();
  if (!instruction.hasPartialSums()) // M4
    return emitOpError("expected an instruction with partial sums; got ") << instruction;
  if (getPartial().getType() != instruction.getPartialType()) // M5
    return emitOpError("expected partial sums of ")
           << instruction.getPartialType() << "; got " << getPartial().getType();
  if (getSum().getType() != instruction.getSumType()) // M6
    return emitOpError("expected sums of ") << instruction.getSumType() << "; got " << getSum().getType();
  return success();
}
