//===- Accesses.cpp - what work reads and writes --------------------------===//
#include "Accesses.h"
#include "Outline.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace terse;
using namespace terse::spmd;

FailureOr<SmallVector<Access>> spmd::getAccesses(Operation *op) {
  SmallVector<Access> accesses;
  if (isMemoryEffectFree(op) || isa<memref::AllocOp, ViewLikeOpInterface>(op) || op->hasTrait<OpTrait::IsTerminator>())
    return accesses;
  if (!isa<kernel::LaunchOp, memref::LoadOp>(op))
    return op->emitOpError("expected work that threads can share");
  SmallVector<MemoryEffects::EffectInstance> effects;
  cast<MemoryEffectOpInterface>(op).getEffects(effects);
  for (const MemoryEffects::EffectInstance &effect : effects) {
    Value root = getRoot(effect.getValue());
    bool isWrite = isa<MemoryEffects::Write>(effect.getEffect());
    if (isWrite || !isConstantRoot(root))
      accesses.push_back({effect.getValue(), root, isWrite});
  }
  return accesses;
}

/// Whether the views are parts of one buffer that end where the other begins, in
/// some dimension.
static bool areApart(Value a, Value b) {
  auto first = a.getDefiningOp<memref::SubViewOp>(), second = b.getDefiningOp<memref::SubViewOp>();
  if (!first || !second || first.getSource() != second.getSource())
    return false;
  auto endsBefore = [](memref::SubViewOp left, memref::SubViewOp right, unsigned i) {
    OpFoldResult offset = left.getMixedOffsets()[i], size = left.getMixedSizes()[i], next = right.getMixedOffsets()[i];
    if (!isConstantIntValue(left.getMixedStrides()[i], 1))
      return false;
    if (isConstantIntValue(offset, 0) && isEqualConstantIntOrValue(size, next))
      return true;
    auto start = getConstantIntValue(offset), length = getConstantIntValue(size), limit = getConstantIntValue(next);
    return start && length && limit && *start + *length <= *limit;
  };
  for (unsigned i = 0, e = first.getSourceType().getRank(); i < e; ++i)
    if (endsBefore(first, second, i) || endsBefore(second, first, i))
      return true;
  return false;
}

bool spmd::conflict(const Access &a, const Access &b) {
  if (!a.isWrite && !b.isWrite)
    return false;
  if (!a.root || !b.root)
    return true;
  return a.root == b.root && !areApart(a.buffer, b.buffer);
}
