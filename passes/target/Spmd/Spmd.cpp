//===- Spmd.cpp - all threads run the entry function ----------------------===//
#include "Accesses.h"
#include "Rows.h"
#include "terse/Passes.h"

#include "Terse/TerseDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace terse {
#define GEN_PASS_DEF_SPMD
#include "target/Spmd/Spmd.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;
using namespace terse::spmd;

namespace {

/// What was touched since the last barrier.
struct Pending {
  SmallVector<Access> accesses;
  /// Anything may have been.
  bool unknown = false;

  bool conflictsWith(ArrayRef<Access> next) const {
    if (unknown)
      return !next.empty();
    return llvm::any_of(next, [&](const Access &b) {
      return llvm::any_of(accesses, [&](const Access &a) { return getOrder(a, b) == Order::Barrier; });
    });
  }
  void clear() { *this = Pending(); }
};

struct Spmd : terse::impl::SpmdBase<Spmd> {
  using SpmdBase::SpmdBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto entry = module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    if (!entry || entry.isExternal()) {
      module.emitError("expected a function named '") << TerseDialect::kEntryName << "'";
      return signalPassFailure();
    }
    if (entry.getNumResults() || !entry.getBody().hasOneBlock()) {
      entry.emitError("expected a bufferized entry function without results");
      return signalPassFailure();
    }
    entry.setPrivate();
    if (failed(addRuntimeArguments(entry)))
      return signalPassFailure();
    viewWeights(entry);

    Outliner outliner(module);
    entry.walk([&](Block *block) { outlineBlock(*block, outliner); });

    WalkResult scheduled = entry.walk([&](Block *block) { return WalkResult(scheduleBlock(*block)); });
    if (scheduled.wasInterrupted())
      return signalPassFailure();
    Pending pending;
    if (failed(insertBarriers(entry.getBody().front(), pending)))
      return signalPassFailure();
    entry.walk([&](Block *block) { lookAhead(*block); });
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    int64_t numLaunches = 0, numBarriers = 0;
    entry.walk([&](Operation *op) {
      numLaunches += isa<kernel::LaunchOp>(op);
      numBarriers += isa<kernel::BarrierOp>(op);
    });
    report.add(getArgument(), "launches", numLaunches);
    report.add(getArgument(), "barriers", numBarriers);
  }

  LogicalResult addRuntimeArguments(func::FuncOp entry) {
    OpBuilder builder(&getContext());
    auto bytes = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    std::pair<StringRef, Type> arguments[] = {{"weights", bytes},
                                              {"arena", bytes},
                                              {"barrier", pointer},
                                              {"thread", builder.getIndexType()},
                                              {"threads", builder.getIndexType()}};
    for (auto [name, type] : arguments) {
      auto attr = builder.getDictionaryAttr(builder.getNamedAttr("terse.runtime", builder.getStringAttr(name)));
      if (failed(entry.insertArgument(entry.getNumArguments(), type, attr, entry.getLoc())))
        return failure();
    }
    builder.setInsertionPoint(entry);
    auto barrier = func::FuncOp::create(builder, entry.getLoc(), "terse_barrier", builder.getFunctionType({pointer, pointer, builder.getI64Type()}, {}));
    barrier.setPrivate();
    return success();
  }

  /// kernel.weight "w" at n   becomes   memref.view %weights[n]
  void viewWeights(func::FuncOp entry) {
    Value weights = entry.getArgument(entry.getNumArguments() - 5);
    SmallVector<kernel::WeightOp> ops;
    entry.walk([&](kernel::WeightOp op) { ops.push_back(op); });
    for (kernel::WeightOp op : ops) {
      OpBuilder builder(op);
      Value offset = arith::ConstantIndexOp::create(builder, op.getLoc(), op.getOffset());
      Value view =
          memref::ViewOp::create(builder, op.getLoc(), cast<MemRefType>(op.getType()), weights, offset, ValueRange());
      op.replaceAllUsesWith(view);
      op.erase();
    }
  }

  /// Outlines the work of a block, consecutive work on the same rows together.
  void outlineBlock(Block &block, Outliner &outliner) {
    RowGroup group;
    auto flush = [&]() {
      if (!group.empty())
        outliner.outlineStages(group.getStages(), group.getNumRowLoops());
      group.clear();
    };
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (isMemoryEffectFree(&op) || isa<memref::AllocOp, ViewLikeOpInterface>(op))
        continue;
      auto work = dyn_cast<linalg::LinalgOp>(op);
      if (auto copy = dyn_cast<memref::CopyOp>(op)) {
        OpBuilder builder(copy);
        work = linalg::makeMemRefCopyOp(builder, copy.getLoc(), copy.getSource(), copy.getTarget());
        copy.erase();
      }
      if (!work) {
        flush();
        if (auto store = dyn_cast<memref::StoreOp>(op))
          outliner.outlineStore(store);
        continue;
      }
      Stage stage{work, group.takeInitial(work)};
      if (group.tryAdd(stage))
        continue;
      flush();
      if (!group.tryAdd(stage))
        outliner.outlineStages(stage, 0);
    }
    flush();
  }

  /// Walks a block in order; `pending` is what was touched since the last barrier.
  LogicalResult insertBarriers(Block &block, Pending &pending) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (isa<kernel::BarrierOp>(op)) {
        pending.clear();
        continue;
      }
      if (op.getNumRegions()) {
        if (failed(insertInRegions(op, pending)))
          return failure();
        continue;
      }
      FailureOr<SmallVector<Access>> accesses = getAccesses(&op);
      if (failed(accesses))
        return failure();
      if (pending.conflictsWith(*accesses)) {
        OpBuilder builder(&op);
        kernel::BarrierOp::create(builder, op.getLoc(), /*ahead=*/Value());
        pending.clear();
      }
      llvm::append_range(pending.accesses, *accesses);
    }
    return success();
  }

  /// Gives each barrier the weights that the next large layer behind it streams.
  void lookAhead(Block &block) {
    SymbolTable symbols(getOperation());
    memref::ViewOp next;
    for (Operation &op : llvm::reverse(block))
      if (auto launch = dyn_cast<kernel::LaunchOp>(op)) {
        auto callee = symbols.lookup<func::FuncOp>(launch.getCallee());
        for (auto [i, operand] : llvm::enumerate(launch.getOperands()))
          if (callee.getArgAttr(i, kernel::KernelDialect::kStreamedAttrName))
            if (auto view = operand.getDefiningOp<memref::ViewOp>())
              next = view;
      } else if (auto barrier = dyn_cast<kernel::BarrierOp>(op); barrier && next) {
        OpBuilder builder(barrier);
        IRMapping mapping;
        builder.clone(*next.getByteShift().getDefiningOp(), mapping);
        barrier.getAheadMutable().assign(cast<memref::ViewOp>(builder.clone(*next, mapping)).getResult());
      }
  }

  /// A loop or conditional: all threads take the same path. Each of its blocks
  /// starts behind a barrier if it does any work, since what ran before may be
  /// the code above or the block itself.
  LogicalResult insertInRegions(Operation &op, Pending &pending) {
    if (!isa<scf::ForOp, scf::WhileOp, scf::IfOp>(op))
      return op.emitOpError("expected work that threads can share");
    bool hasWork = false;
    op.walk([&](Operation *nested) { hasWork |= isa<kernel::LaunchOp, memref::LoadOp, kernel::BarrierOp>(nested); });
    if (!hasWork)
      return success();
    for (Region &region : op.getRegions())
      for (Block &block : region) {
        Pending inside;
        inside.unknown = true;
        if (failed(insertBarriers(block, inside)))
          return failure();
      }
    pending.unknown = true;
    return success();
  }
};
} // namespace
