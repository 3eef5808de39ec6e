//===- Loops.cpp - the loops of one thread's share of a linalg operation --===//
#include "Outline.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace terse;
using namespace terse::spmd;

/// A loop is worth splitting when it has this many iterations a thread.
static constexpr int64_t kIterationsPerThread = 4;

static bool isSplittable(linalg::LinalgOp op, unsigned loop) {
  return op.getIteratorTypesArray()[loop] == utils::IteratorType::parallel && op.getStaticLoopRanges()[loop] != 1;
}

bool spmd::hasParallelLoop(linalg::LinalgOp op) {
  for (unsigned i = 0; i < op.getNumLoops(); ++i)
    if (isSplittable(op, i))
      return true;
  return false;
}

namespace {

struct LoopEmitter {
  ImplicitLocOpBuilder b;
  linalg::LinalgOp op;
  SmallVector<utils::IteratorType> kinds;
  SmallVector<Value> lower, upper, ivs;
  Value zero, one;
  /// Computes what the sums start from; may be null.
  linalg::LinalgOp initial;
  /// Loops from here on are innermost reductions whose sums stay in registers.
  unsigned firstInnerReduction;
  unsigned firstReduction;

  LoopEmitter(OpBuilder &builder, Stage stage)
      : b(stage.op.getLoc(), builder), op(stage.op), kinds(op.getIteratorTypesArray()), initial(stage.initial) {
    zero = arith::ConstantIndexOp::create(b, 0);
    one = arith::ConstantIndexOp::create(b, 1);
    for (Range range : op.createLoopRanges(b, op.getLoc())) {
      lower.push_back(zero);
      upper.push_back(getValueOrCreateConstantIndexOp(b, op.getLoc(), range.size));
    }
    firstInnerReduction = kinds.size();
    while (firstInnerReduction && kinds[firstInnerReduction - 1] == utils::IteratorType::reduction)
      --firstInnerReduction;
    firstReduction = llvm::find(kinds, utils::IteratorType::reduction) - kinds.begin();
  }

  /// Narrows one parallel loop to the thread's share.
  void split(Value thread, Value threads) {
    SmallVector<unsigned> candidates;
    for (unsigned i = 0; i < kinds.size(); ++i)
      if (isSplittable(op, i))
        candidates.push_back(i);
    if (candidates.empty())
      return;
    // The longest, then, from the inside out, each that is long enough.
    Value chosen = arith::ConstantIndexOp::create(b, candidates.front());
    if (candidates.size() > 1) {
      Value longest = upper[candidates.front()];
      for (unsigned i : ArrayRef(candidates).drop_front()) {
        Value isLonger = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, upper[i], longest);
        chosen = arith::SelectOp::create(b, isLonger, arith::ConstantIndexOp::create(b, i), chosen);
        longest = arith::MaxSIOp::create(b, longest, upper[i]);
      }
      Value enough = arith::MulIOp::create(b, threads, arith::ConstantIndexOp::create(b, kIterationsPerThread));
      for (unsigned i : llvm::reverse(candidates)) {
        Value isEnough = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, upper[i], enough);
        chosen = arith::SelectOp::create(b, isEnough, arith::ConstantIndexOp::create(b, i), chosen);
      }
    }
    Value next = arith::AddIOp::create(b, thread, one);
    for (unsigned i : candidates) {
      Value first = arith::DivUIOp::create(b, arith::MulIOp::create(b, upper[i], thread), threads);
      Value end = arith::DivUIOp::create(b, arith::MulIOp::create(b, upper[i], next), threads);
      if (candidates.size() > 1) {
        Value isChosen =
            arith::CmpIOp::create(b, arith::CmpIPredicate::eq, chosen, arith::ConstantIndexOp::create(b, i));
        first = arith::SelectOp::create(b, isChosen, first, zero);
        end = arith::SelectOp::create(b, isChosen, end, upper[i]);
      }
      lower[i] = first;
      upper[i] = end;
    }
  }

  SmallVector<Value> indicesOf(OpOperand &operand) {
    SmallVector<Value> indices;
    for (AffineExpr expr : op.getMatchingIndexingMap(&operand).getResults())
      indices.push_back(evaluate(expr));
    return indices;
  }

  Value evaluate(AffineExpr expr) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      return ivs[dim.getPosition()];
    if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      return arith::ConstantIndexOp::create(b, constant.getValue());
    auto binary = cast<AffineBinaryOpExpr>(expr);
    Value lhs = evaluate(binary.getLHS()), rhs = evaluate(binary.getRHS());
    switch (binary.getKind()) {
    case AffineExprKind::Add:
      return arith::AddIOp::create(b, lhs, rhs);
    case AffineExprKind::Mul:
      return arith::MulIOp::create(b, lhs, rhs);
    case AffineExprKind::Mod:
      return arith::RemUIOp::create(b, lhs, rhs);
    case AffineExprKind::CeilDiv:
      return arith::CeilDivUIOp::create(b, lhs, rhs);
    default:
      return arith::DivUIOp::create(b, lhs, rhs);
    }
  }

  Value load(OpOperand &operand) {
    if (!isa<MemRefType>(operand.get().getType()))
      return operand.get();
    return memref::LoadOp::create(b, operand.get(), indicesOf(operand));
  }

  /// The operation's body at `ivs`, with `outs` the outputs' values so far.
  SmallVector<Value> body(ValueRange outs) {
    IRMapping mapping;
    Block &block = op->getRegion(0).front();
    for (OpOperand *input : op.getDpsInputOperands()) {
      BlockArgument argument = op.getMatchingBlockArgument(input);
      if (!argument.use_empty())
        mapping.map(argument, load(*input));
    }
    for (auto [argument, value] : llvm::zip(op.getRegionOutputArgs(), outs))
      if (value)
        mapping.map(argument, value);
    for (Operation &nested : block.without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(nested)) {
        mapping.map(index.getResult(), ivs[index.getDim()]);
        continue;
      }
      Operation *clone = b.clone(nested, mapping);
      // Indices inside of nested regions (a conditional, a search loop).
      clone->walk([&](linalg::IndexOp index) {
        index.replaceAllUsesWith(ivs[index.getDim()]);
        index.erase();
      });
    }
    SmallVector<Value> results;
    for (Value value : block.getTerminator()->getOperands())
      results.push_back(mapping.lookupOrDefault(value));
    return results;
  }

  /// What the sum at the present output indices starts from.
  Value startSum() {
    LoopEmitter start(b, {initial, {}});
    AffineMap map = initial.getMatchingIndexingMap(initial.getDpsInitOperand(0));
    start.ivs.resize(map.getNumDims());
    for (auto [expr, index] : llvm::zip(map.getResults(), indicesOf(*op.getDpsInitOperand(0))))
      start.ivs[cast<AffineDimExpr>(expr).getPosition()] = index;
    start.b.setInsertionPoint(b.getInsertionBlock(), b.getInsertionPoint());
    return start.body(Value()).front();
  }

  /// Stores what all sums of the parallel loops from `loop` on start from.
  void storeStarts(unsigned loop) {
    while (loop < kinds.size() && kinds[loop] == utils::IteratorType::reduction) {
      ivs.push_back(zero); // Not an index of the output.
      ++loop;
    }
    size_t depth = ivs.size();
    if (loop == kinds.size()) {
      storeOutputs(startSum());
    } else {
      auto forOp = scf::ForOp::create(b, lower[loop], upper[loop], one);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(forOp.getBody());
      ivs.push_back(forOp.getInductionVar());
      storeStarts(loop + 1);
    }
    ivs.truncate(depth);
  }

  SmallVector<Value> loadOutputs() {
    SmallVector<Value> outs;
    if (initial && firstReduction == firstInnerReduction)
      return {startSum()};
    for (OpOperand &output : op.getDpsInitsMutable()) {
      bool isRead = firstInnerReduction < kinds.size() || op.payloadUsesValueFromOperand(&output);
      outs.push_back(isRead ? load(output) : Value());
    }
    return outs;
  }

  void storeOutputs(ValueRange values) {
    for (auto [value, output] : llvm::zip(values, op.getDpsInitsMutable()))
      memref::StoreOp::create(b, value, output.get(), indicesOf(output));
  }

  /// Innermost reductions, `sums` carried through them.
  SmallVector<Value> reduce(unsigned loop, ValueRange sums) {
    if (loop == kinds.size())
      return body(sums);
    auto forOp = scf::ForOp::create(b, lower[loop], upper[loop], one, sums);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(forOp.getBody());
    ivs.push_back(forOp.getInductionVar());
    SmallVector<Value> next = reduce(loop + 1, forOp.getRegionIterArgs());
    ivs.pop_back();
    scf::YieldOp::create(b, next);
    return llvm::to_vector_of<Value>(forOp.getResults());
  }

  void emit(unsigned loop) {
    if (initial && loop == firstReduction && firstReduction != firstInnerReduction) {
      size_t depth = ivs.size();
      storeStarts(loop);
      ivs.truncate(depth);
    }
    if (loop == firstInnerReduction) {
      storeOutputs(reduce(loop, loadOutputs()));
      return;
    }
    auto forOp = scf::ForOp::create(b, lower[loop], upper[loop], one);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(forOp.getBody());
    ivs.push_back(forOp.getInductionVar());
    emit(loop + 1);
    ivs.pop_back();
  }
};

} // namespace

void spmd::emitShare(OpBuilder &builder, Stage stage, Value thread, Value threads) {
  LoopEmitter emitter(builder, stage);
  emitter.split(thread, threads);
  emitter.emit(0);
}

void spmd::emitRows(OpBuilder &builder, ArrayRef<Stage> stages, unsigned rowLoops, Value thread, Value threads) {
  Stage front = stages.front();
  ImplicitLocOpBuilder b(front.op.getLoc(), builder);
  std::vector<LoopEmitter> emitters;
  for (Stage stage : stages)
    emitters.emplace_back(b, stage);
  ArrayRef<Value> sizes = ArrayRef(emitters.front().upper).take_front(rowLoops);
  Value rows = sizes.front();
  for (Value size : sizes.drop_front())
    rows = arith::MulIOp::create(b, rows, size);
  // As kernels do it, so that their rows are ours (see getRowElements).
  auto loop = scf::ForOp::create(b, thread, rows, threads);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> ivs(rowLoops);
  Value rest = loop.getInductionVar();
  for (unsigned i = rowLoops - 1; i > 0; --i) {
    ivs[i] = arith::RemUIOp::create(b, rest, sizes[i]);
    rest = arith::DivUIOp::create(b, rest, sizes[i]);
  }
  ivs[0] = rest;
  for (LoopEmitter &emitter : emitters) {
    emitter.ivs = ivs;
    emitter.b.setInsertionPoint(loop.getBody()->getTerminator());
    emitter.emit(rowLoops);
  }
}
