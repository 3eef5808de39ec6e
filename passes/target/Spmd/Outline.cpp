//===- Outline.cpp - work as functions that threads share -----------------===//
#include "Outline.h"
#include "Accesses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace terse;
using namespace terse::spmd;

Value spmd::getRoot(Value buffer) {
  while (Operation *op = buffer.getDefiningOp()) {
    if (auto view = dyn_cast<ViewLikeOpInterface>(op))
      buffer = view.getViewSource();
    else if (auto reshape = dyn_cast<memref::ReshapeOp>(op))
      buffer = reshape.getSource();
    else if (isa<memref::AllocOp, memref::GetGlobalOp>(op))
      return buffer;
    else
      return {};
  }
  // Arguments of loops may be any buffer.
  return isa<func::FuncOp>(buffer.getParentBlock()->getParentOp()) ? buffer : Value();
}

bool spmd::isConstantRoot(Value root) {
  if (!root)
    return false;
  if (root.getDefiningOp<memref::GetGlobalOp>())
    return true;
  auto argument = dyn_cast<BlockArgument>(root);
  if (!argument)
    return false;
  auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto runtime = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "terse.runtime");
  return runtime && runtime.getValue() == "weights";
}

/// Marks the parameters that no other parameter overlaps, so that loops over them
/// become vectors without checks.
static void markDisjoint(func::FuncOp function, ArrayRef<Value> parameters) {
  for (auto [i, value] : llvm::enumerate(parameters)) {
    if (!isa<MemRefType>(value.getType()))
      continue;
    Value root = getRoot(value);
    bool isAlone = root && llvm::none_of(llvm::enumerate(parameters), [&, i = i](auto other) {
                     if (other.index() == i || !isa<MemRefType>(other.value().getType()))
                       return false;
                     Value otherRoot = getRoot(other.value());
                     return !otherRoot || otherRoot == root;
                   });
    if (isAlone || isConstantRoot(root))
      function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), UnitAttr::get(function.getContext()));
  }
}

kernel::LaunchOp Outliner::outlineStore(memref::StoreOp op) {
  // The copies of the operations in the function are the code.
  return outline(op.getOperation(), op.getMemRef(), /*serial=*/true,
                 [](OpBuilder &, ArrayRef<Operation *>, Value, Value) {});
}

/// Values in a row of each buffer that all stages touch row by row; 0 for others.
static llvm::DenseMap<Value, int64_t> getStageRows(ArrayRef<Stage> stages, unsigned rowLoops) {
  llvm::DenseMap<Value, int64_t> rows;
  auto note = [&](Value buffer, int64_t elements) {
    auto [it, isNew] = rows.try_emplace(buffer, elements);
    if (!isNew && it->second != elements)
      it->second = 0;
  };
  for (Stage stage : stages) {
    for (OpOperand &operand : stage.op->getOpOperands()) {
      auto type = dyn_cast<MemRefType>(operand.get().getType());
      if (!type)
        continue;
      AffineMap map = stage.op.getMatchingIndexingMap(&operand);
      int64_t elements = map.getNumResults() >= rowLoops;
      for (unsigned i = 0; i < map.getNumResults() && elements; ++i)
        if (i < rowLoops ? map.getResult(i) != getAffineDimExpr(i, map.getContext()) : type.isDynamicDim(i))
          elements = 0;
        else if (i >= rowLoops)
          elements *= type.getDimSize(i);
      note(operand.get(), elements);
    }
    // What bodies and initial values read is read anywhere.
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(stage.op->getRegions(), captured);
    if (stage.initial) {
      getUsedValuesDefinedAbove(stage.initial->getRegions(), captured);
      captured.insert_range(stage.initial.getDpsInputs());
    }
    for (Value value : captured)
      note(value, 0);
  }
  return rows;
}

kernel::LaunchOp Outliner::outlineStages(ArrayRef<Stage> stages, unsigned rowLoops) {
  SmallVector<Operation *> ops;
  SmallVector<Value> written;
  bool serial = true;
  for (Stage stage : stages) {
    if (stage.initial)
      ops.push_back(stage.initial);
    ops.push_back(stage.op);
    llvm::append_range(written, stage.op.getDpsInits());
    serial &= !hasParallelLoop(stage.op);
  }
  llvm::DenseMap<Value, int64_t> rows = rowLoops ? getStageRows(stages, rowLoops) : llvm::DenseMap<Value, int64_t>();
  kernel::LaunchOp launch =
      outline(ops, written, serial, [&](OpBuilder &builder, ArrayRef<Operation *> copies, Value thread, Value threads) {
        SmallVector<Stage> copied;
        for (Stage stage : stages) {
          linalg::LinalgOp initial;
          if (stage.initial) {
            initial = cast<linalg::LinalgOp>(copies.front());
            copies = copies.drop_front();
          }
          copied.push_back({cast<linalg::LinalgOp>(copies.front()), initial});
          copies = copies.drop_front();
        }
        if (!rowLoops)
          emitShare(builder, copied.front(), thread, threads);
        else
          emitRows(builder, copied, rowLoops, thread, threads);
        for (Stage stage : copied) {
          if (stage.initial)
            stage.initial->erase();
          stage.op->erase();
        }
      });
  if (rowLoops) {
    SmallVector<int64_t> elements;
    for (Value operand : launch->getOperands())
      elements.push_back(rows.lookup(operand));
    launch->setAttr(kRowElementsAttr, DenseI64ArrayAttr::get(launch.getContext(), elements));
  }
  return launch;
}

kernel::LaunchOp Outliner::outline(ArrayRef<Operation *> ops, ValueRange written, bool serial, Emitter emit) {
  Operation *last = ops.back();
  for (Operation *op : ops)
    if (last->isBeforeInBlock(op))
      last = op;
  OpBuilder builder(last);
  Location loc = last->getLoc();

  // What the operations need; constants are repeated in the function.
  llvm::SetVector<Value> used, constants;
  auto use = [&](Value value) {
    Operation *def = value.getDefiningOp();
    bool isConstant = def && (def->hasTrait<OpTrait::ConstantLike>() || isa<memref::GetGlobalOp>(def));
    (isConstant ? constants : used).insert(value);
  };
  for (Operation *op : ops) {
    llvm::for_each(op->getOperands(), use);
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    llvm::for_each(captured, use);
  }
  llvm::SetVector<Value> outputs(written.begin(), written.end());
  SmallVector<Value> inputs =
      llvm::to_vector(llvm::make_filter_range(used, [&](Value v) { return !outputs.contains(v); }));
  SmallVector<Value> parameters = inputs;
  llvm::append_range(parameters, outputs);

  // The function.
  SmallVector<Type> types = llvm::to_vector(ValueRange(parameters).getTypes());
  types.append(2, builder.getIndexType());
  OpBuilder moduleBuilder(module.getContext());
  auto function = func::FuncOp::create(moduleBuilder, UnknownLoc::get(module.getContext()), "share",
                                       builder.getFunctionType(types, {}));
  function.setPrivate();
  markDisjoint(function, parameters);
  Block *entry = function.addEntryBlock();
  moduleBuilder.setInsertionPointToStart(entry);
  IRMapping mapping;
  for (Value constant : constants)
    mapping.map(constant, moduleBuilder.clone(*constant.getDefiningOp())->getResult(0));
  mapping.map(parameters, entry->getArguments().drop_back(2));
  SmallVector<Operation *> copies;
  for (Operation *op : ops)
    copies.push_back(moduleBuilder.clone(*op, mapping));
  emit(moduleBuilder, copies, entry->getArguments().end()[-2], entry->getArguments().back());
  func::ReturnOp::create(moduleBuilder, loc);
  function.walk([&](Operation *nested) { nested->setLoc(function.getLoc()); });

  // One function for all work that reads the same.
  std::string text;
  llvm::raw_string_ostream(text) << function;
  auto [it, isNew] = made.try_emplace(text, function);
  if (isNew) {
    function.setName("share_" + std::to_string(made.size()));
    symbols.insert(function, module.getBody()->end());
  } else {
    function.erase();
  }
  auto launch = kernel::LaunchOp::create(builder, loc, TypeRange(), FlatSymbolRefAttr::get(it->second.getSymNameAttr()),
                                         inputs, outputs.getArrayRef(), serial ? builder.getUnitAttr() : UnitAttr());
  for (Operation *op : ops)
    op->erase();
  return launch;
}
