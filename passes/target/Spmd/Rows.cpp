//===- Rows.cpp - which work can share rows without barriers --------------===//
#include "Rows.h"
#include "Accesses.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace terse;
using namespace terse::spmd;

bool spmd::canAbsorb(linalg::LinalgOp op, linalg::LinalgOp initial) {
  if (op.getNumDpsInits() != 1 || initial.getNumDpsInits() != 1 || op.getNumReductionLoops() == 0 ||
      initial.getNumReductionLoops() || op->isBeforeInBlock(initial))
    return false;
  OpOperand *output = op.getDpsInitOperand(0), *written = initial.getDpsInitOperand(0);
  if (output->get() != written->get() || initial.payloadUsesValueFromOperand(written))
    return false;
  AffineMap map = op.getMatchingIndexingMap(output);
  if (!initial.getMatchingIndexingMap(written).isPermutation() || !map.isProjectedPermutation() ||
      map.getNumResults() != op.getNumParallelLoops())
    return false;
  Value root = getRoot(output->get());
  auto readsOther = [&](Value value) {
    return !isa<MemRefType>(value.getType()) || (root && getRoot(value) && getRoot(value) != root);
  };
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  getUsedValuesDefinedAbove(initial->getRegions(), captured);
  return llvm::all_of(initial.getDpsInputs(), readsOther) && llvm::all_of(op.getDpsInputs(), readsOther) &&
         llvm::all_of(captured, readsOther);
}

/// Leading dimensions of `buffer`, at most `limit`, whose index is that of the same
/// dimension of what it is a view of.
static unsigned countKeptDims(Value buffer, unsigned limit) {
  while (Operation *op = buffer.getDefiningOp()) {
    if (isa<memref::AllocOp, memref::GetGlobalOp, memref::ViewOp>(op))
      break;
    auto view = dyn_cast<ViewLikeOpInterface>(op);
    if (!view)
      return 0;
    auto countSingles = [&](ArrayRef<ReassociationIndices> groups) {
      unsigned count = 0;
      while (count < groups.size() && groups[count].size() == 1)
        ++count;
      return count;
    };
    if (auto expand = dyn_cast<memref::ExpandShapeOp>(op)) {
      limit = std::min(limit, countSingles(expand.getReassociationIndices()));
    } else if (auto collapse = dyn_cast<memref::CollapseShapeOp>(op)) {
      limit = std::min(limit, countSingles(collapse.getReassociationIndices()));
    } else if (auto subview = dyn_cast<memref::SubViewOp>(op)) {
      llvm::SmallBitVector dropped = subview.getDroppedDims();
      unsigned kept = 0;
      while (kept < limit && !dropped.test(kept) && isConstantIntValue(subview.getMixedOffsets()[kept], 0) &&
             isConstantIntValue(subview.getMixedStrides()[kept], 1))
        ++kept;
      limit = kept;
    } else if (!isa<memref::CastOp>(op)) {
      return 0;
    }
    buffer = view.getViewSource();
  }
  return limit;
}

/// A name of the size of `buffer`'s dimension `dim`.
static std::pair<const void *, int64_t> nameSize(Value buffer, int64_t dim) {
  auto nameValue = [](Value size) -> std::pair<const void *, int64_t> {
    if (auto sizeOf = size.getDefiningOp<memref::DimOp>())
      if (std::optional<int64_t> of = sizeOf.getConstantIndex())
        return nameSize(sizeOf.getSource(), *of);
    return {size.getAsOpaquePointer(), -1};
  };
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dim))
    return {nullptr, type.getDimSize(dim)};
  if (auto alloc = buffer.getDefiningOp<memref::AllocOp>())
    return nameValue(alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)]);
  if (auto expand = buffer.getDefiningOp<memref::ExpandShapeOp>())
    return nameValue(expand.getOutputShape()[type.getDynamicDimIndex(dim)]);
  if (auto cast = buffer.getDefiningOp<memref::CastOp>())
    return nameSize(cast.getSource(), dim);
  if (auto collapse = buffer.getDefiningOp<memref::CollapseShapeOp>())
    if (ReassociationIndices group = collapse.getReassociationIndices()[dim]; group.size() == 1)
      return nameSize(collapse.getSrc(), group.front());
  if (auto subview = buffer.getDefiningOp<memref::SubViewOp>(); subview && subview.getDroppedDims().none())
    if (auto size = dyn_cast<Value>(subview.getMixedSizes()[dim]))
      return nameValue(size);
  return {buffer.getAsOpaquePointer(), dim};
}

std::optional<RowGroup::Info> RowGroup::analyze(Stage stage) {
  linalg::LinalgOp op = stage.op;
  // Only cheap work: products of matrices have better ways to be split than rows.
  int64_t maxRank = 0;
  for (OpOperand &operand : op->getOpOperands())
    maxRank = std::max(maxRank, op.getRank(&operand));
  if (op.getNumLoops() > maxRank || op.getNumLoops() == 0)
    return std::nullopt;

  Info info;
  auto kinds = op.getIteratorTypesArray();
  while (info.rowLoops < kinds.size() && kinds[info.rowLoops] == utils::IteratorType::parallel)
    ++info.rowLoops;
  info.sizes.resize(info.rowLoops);
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    unsigned aligned = 0;
    while (aligned < map.getNumResults() && aligned < info.sizes.size() &&
           map.getResult(aligned) == getAffineDimExpr(aligned, op.getContext()))
      ++aligned;
    for (unsigned i = 0; i < aligned; ++i)
      info.sizes[i].insert(nameSize(operand.get(), i));
    aligned = countKeptDims(operand.get(), aligned);
    Value root = getRoot(operand.get());
    if (!root)
      return std::nullopt;
    bool isWrite = op.isDpsInit(&operand);
    if (isWrite)
      info.rowLoops = std::min(info.rowLoops, aligned);
    info.accesses.push_back({root, aligned, isWrite});
  }
  // What bodies read anywhere, and initial values, which are not analysed.
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  if (stage.initial) {
    getUsedValuesDefinedAbove(stage.initial->getRegions(), captured);
    captured.insert_range(stage.initial.getDpsInputs());
  }
  for (Value value : captured) {
    if (!isa<MemRefType>(value.getType()))
      continue;
    Value root = getRoot(value);
    if (!root)
      return std::nullopt;
    info.accesses.push_back({root, 0, false});
  }
  if (info.rowLoops == 0)
    return std::nullopt;
  return info;
}

void RowGroup::append(Stage stage, Info info, unsigned loops) {
  stages.push_back(stage);
  infos.push_back(std::move(info));
  rowLoops = loops;
}

bool RowGroup::tryAdd(Stage stage) {
  std::optional<Info> info = analyze(stage);
  if (!info)
    return false;
  if (stages.empty()) {
    append(stage, *info, info->rowLoops);
    return true;
  }
  unsigned loops = std::min(rowLoops, info->rowLoops);
  // Rows of one size: of all stages, since what one proves of two sizes holds.
  for (unsigned i = 0; i < loops; ++i) {
    bool isSame = llvm::any_of(infos, [&](const Info &other) {
      return llvm::any_of(other.sizes[i], [&](SizeName name) { return info->sizes[i].contains(name); });
    });
    if (!isSame)
      loops = i;
  }
  for (const Info &other : infos)
    for (const Access &a : other.accesses)
      for (const Access &b : info->accesses)
        if (a.root == b.root && (a.isWrite || b.isWrite))
          loops = std::min({loops, a.aligned, b.aligned});
  // Batches alone are too few rows, unless there is nothing else but the innermost loop.
  auto keepsEnough = [&](Stage other, const Info &otherInfo) {
    return loops >= 2 || loops >= std::min(otherInfo.rowLoops, static_cast<unsigned>(other.op.getNumLoops()) - 1);
  };
  if (loops == 0 || !keepsEnough(stage, *info))
    return false;
  for (auto [other, otherInfo] : llvm::zip(stages, infos))
    if (!keepsEnough(other, otherInfo))
      return false;
  append(stage, *info, loops);
  return true;
}

/// Whether a kernel touches `root` in rows of `elements` values.
static bool meetsRowKernel(Value root, int64_t elements) {
  SmallVector<Value> views{root};
  while (!views.empty()) {
    Value view = views.pop_back_val();
    for (OpOperand &use : view.getUses()) {
      Operation *user = use.getOwner();
      if (isa<memref::ExpandShapeOp, memref::CollapseShapeOp, memref::CastOp>(user))
        views.push_back(user->getResult(0));
      else if (isa<kernel::LaunchOp>(user) && getRowElements(user)[use.getOperandNumber()] == elements)
        return true;
    }
  }
  return false;
}

unsigned RowGroup::getNumRowLoops() const {
  // At least one stage keeps its innermost loop for vectors.
  unsigned most = 0;
  for (Stage stage : stages)
    most = std::max<unsigned>(most, stage.op.getNumLoops());
  if (stages.size() > 1)
    return std::min(rowLoops, std::max(most - 1, 1u));

  // A single stage is split as is best for it, unless its rows are so short that it is
  // better to leave them to the threads that have these rows of its neighbours anyway.
  constexpr int64_t kShortRow = 4096;
  Stage only = stages.front();
  unsigned loops = std::min(rowLoops, most - 1);
  if (!loops || stages.front().initial)
    return 0;
  for (Value output : only.op.getDpsInits()) {
    auto type = cast<MemRefType>(output.getType());
    int64_t elements = 1;
    for (int64_t size : type.getShape().drop_front(loops)) {
      if (ShapedType::isDynamic(size))
        return 0;
      elements *= size;
    }
    if (elements <= kShortRow && meetsRowKernel(getRoot(output), elements))
      return loops;
  }
  return 0;
}

linalg::LinalgOp RowGroup::takeInitial(linalg::LinalgOp op) {
  if (stages.empty() || stages.back().initial || !canAbsorb(op, stages.back().op))
    return {};
  linalg::LinalgOp initial = stages.back().op;
  stages.pop_back();
  infos.pop_back();
  return initial;
}
