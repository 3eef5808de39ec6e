//===- Schedule.cpp - the order of work that needs few barriers -----------===//
#include "Accesses.h"
#include "Outline.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace terse;
using namespace terse::spmd;

namespace {

struct Work {
  Operation *op;
  SmallVector<Access> accesses;
  /// Barriers before it, at least.
  int64_t level = 0;
  bool hasPredecessor = false;
};

/// Straight-line code: the operations of a block up to `end`.
class Segment {
public:
  Segment(ArrayRef<Operation *> ops, Operation *end) : ops(ops.begin(), ops.end()), end(end) {}

  LogicalResult schedule() {
    for (Operation *op : ops) {
      FailureOr<SmallVector<Access>> accesses = getAccesses(op);
      if (failed(accesses))
        return failure();
      if (!accesses->empty() || isa<kernel::LaunchOp>(op))
        work.push_back({op, *accesses});
    }
    assignLevels();
    SmallVector<Work *> order;
    for (Work &item : work)
      order.push_back(&item);
    // They lie in the order of the program.
    llvm::sort(order, [](Work *a, Work *b) { return std::make_pair(a->level, a) < std::make_pair(b->level, b); });
    for (Work *item : order)
      place(item->op);
    for (Operation *op : ops)
      place(op);
    return success();
  }

private:
  /// Levels between `from` and `to`: 1 across a barrier, 0 if they only stay in this
  /// order, none if independent.
  std::optional<int64_t> distance(const Work &from, const Work &to) {
    Order order = Order::Any;
    for (const Access &a : from.accesses)
      for (const Access &b : to.accesses)
        order = std::max(order, getOrder(a, b));
    if (order == Order::Barrier)
      return 1;
    if (order == Order::Thread || (from.op->getNumResults() && uses(to.op, from.op)))
      return 0;
    return std::nullopt;
  }

  /// Whether `op` uses results of `from`, through any scalar code.
  bool uses(Operation *op, Operation *from) {
    if (op->getBlock() != from->getBlock() || op->isBeforeInBlock(from))
      return false;
    return llvm::any_of(op->getOperands(), [&](Value operand) {
      Operation *def = operand.getDefiningOp();
      return def && (def == from || uses(def, from));
    });
  }

  void assignLevels() {
    for (unsigned j = 0; j < work.size(); ++j)
      for (unsigned i = 0; i < j; ++i)
        if (std::optional<int64_t> between = distance(work[i], work[j])) {
          work[j].level = std::max(work[j].level, work[i].level + *between);
          work[j].hasPredecessor = true;
        }
    for (unsigned i = 0; i < work.size(); ++i) {
      if (work[i].hasPredecessor)
        continue;
      std::optional<int64_t> latest;
      for (unsigned j = i + 1; j < work.size(); ++j)
        if (std::optional<int64_t> between = distance(work[i], work[j]))
          latest = std::min(latest.value_or(work[j].level - *between), work[j].level - *between);
      work[i].level = std::max(work[i].level, latest.value_or(0));
    }
  }

  /// Moves `op` before the end, behind all that it uses.
  void place(Operation *op) {
    if (!placed.insert(op).second)
      return;
    for (Value operand : op->getOperands())
      if (Operation *def = operand.getDefiningOp(); def && members().contains(def))
        place(def);
    op->moveBefore(end);
  }

  const llvm::DenseSet<Operation *> &members() {
    if (set.empty())
      set.insert(ops.begin(), ops.end());
    return set;
  }

  SmallVector<Operation *> ops;
  Operation *end;
  SmallVector<Work> work;
  llvm::DenseSet<Operation *> placed, set;
};

} // namespace

LogicalResult spmd::scheduleBlock(Block &block) {
  SmallVector<Operation *> ops;
  SmallVector<Operation *> all;
  for (Operation &op : block)
    all.push_back(&op);
  for (Operation *op : all) {
    // Loops, conditionals and barriers that are there already stay where they are.
    if (op->getNumRegions() || isa<kernel::BarrierOp>(op) || op->hasTrait<OpTrait::IsTerminator>()) {
      if (!ops.empty() && failed(Segment(ops, op).schedule()))
        return failure();
      ops.clear();
      continue;
    }
    ops.push_back(op);
  }
  return success();
}
