//===- Accesses.cpp - what work reads and writes --------------------------===//
#include "Accesses.h"
#include "Outline.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace terse;
using namespace terse::spmd;

/// The values of a row (what the leading dimension counts) if known.
static int64_t countRowElements(MemRefType type) {
  int64_t elements = 1;
  for (int64_t size : type.getShape().drop_front()) {
    if (ShapedType::isDynamic(size))
      return 0;
    elements *= size;
  }
  return elements;
}

/// rowElements of each parameter of a kernel.
static SmallVector<int64_t> analyzeRowKernel(func::FuncOp kernel) {
  SmallVector<int64_t> rows(kernel.getNumArguments(), 0);
  if (kernel.isExternal() || !kernel.getBody().hasOneBlock() || kernel.getNumArguments() < 2)
    return rows;
  auto arguments = kernel.getArguments();
  scf::ForOp loop;
  for (auto candidate : kernel.getBody().getOps<scf::ForOp>())
    if (candidate.getLowerBound() == arguments.end()[-2] && candidate.getStep() == arguments.back())
      loop = candidate;
  if (!loop)
    return rows;
  Value row = loop.getInductionVar();
  for (BlockArgument argument : arguments) {
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type || type.getRank() == 0)
      continue;
    bool isByRow = llvm::all_of(argument.getUses(), [&](OpOperand &use) {
      Operation *user = use.getOwner();
      if (isa<memref::DimOp>(user))
        return true;
      return llvm::TypeSwitch<Operation *, bool>(user)
          .Case<memref::LoadOp, memref::StoreOp>(
              [&](auto op) { return op.getMemRef() == argument && op.getIndices().front() == row; })
          .Case<vector::LoadOp, vector::StoreOp, vector::MaskedLoadOp, vector::MaskedStoreOp>(
              [&](auto op) { return op.getBase() == argument && op.getIndices().front() == row; })
          .Default([](Operation *) { return false; });
    });
    if (isByRow)
      rows[argument.getArgNumber()] = countRowElements(type);
  }
  return rows;
}

SmallVector<int64_t> spmd::getRowElements(Operation *op) {
  auto launch = cast<kernel::LaunchOp>(op);
  SmallVector<int64_t> rows(launch->getNumOperands(), 0);
  if (launch.getSerial())
    return rows;
  if (auto known = launch->getAttrOfType<DenseI64ArrayAttr>(kRowElementsAttr))
    return SmallVector<int64_t>(known.asArrayRef());
  auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(launch, launch.getCalleeAttr());
  if (kernel) {
    SmallVector<int64_t> parameters = analyzeRowKernel(kernel);
    for (unsigned i = 0; i < rows.size(); ++i)
      rows[i] = parameters[i];
  }
  return rows;
}

/// Whether `buffer` is all of its root in another shape.
static bool isWholeRoot(Value buffer, Value root) {
  while (buffer != root) {
    Operation *op = buffer.getDefiningOp();
    if (!isa_and_present<memref::ExpandShapeOp, memref::CollapseShapeOp, memref::CastOp>(op))
      return false;
    buffer = op->getOperand(0);
  }
  return cast<MemRefType>(root.getType()).getLayout().isIdentity();
}

FailureOr<SmallVector<Access>> spmd::getAccesses(Operation *op) {
  SmallVector<Access> accesses;
  if (isMemoryEffectFree(op) || isa<memref::AllocOp, ViewLikeOpInterface>(op) || op->hasTrait<OpTrait::IsTerminator>())
    return accesses;
  if (!isa<kernel::LaunchOp, memref::LoadOp>(op))
    return op->emitOpError("expected work that threads can share");
  SmallVector<MemoryEffects::EffectInstance> effects;
  cast<MemoryEffectOpInterface>(op).getEffects(effects);
  SmallVector<int64_t> rows(op->getNumOperands(), 0);
  if (isa<kernel::LaunchOp>(op))
    rows = getRowElements(op);
  for (const MemoryEffects::EffectInstance &effect : effects) {
    auto *operand = effect.getEffectValue<OpOperand *>();
    Value buffer = effect.getValue(), root = getRoot(buffer);
    bool isWrite = isa<MemoryEffects::Write>(effect.getEffect());
    int64_t rowElements = operand && root && isWholeRoot(buffer, root) ? rows[operand->getOperandNumber()] : 0;
    if (isWrite || !isConstantRoot(root))
      accesses.push_back({buffer, root, isWrite, rowElements});
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

Order spmd::getOrder(const Access &a, const Access &b) {
  if (!a.isWrite && !b.isWrite)
    return Order::Any;
  if (!a.root || !b.root)
    return Order::Barrier;
  if (a.root != b.root || areApart(a.buffer, b.buffer))
    return Order::Any;
  return a.rowElements && a.rowElements == b.rowElements ? Order::Thread : Order::Barrier;
}
