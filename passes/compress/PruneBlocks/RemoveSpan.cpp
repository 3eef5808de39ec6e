//===- RemoveSpan.cpp - a function without some of its blocks -------------===//
#include "compress/PruneBlocks/RemoveSpan.h"

#include "normalize/Algebra/Algebra.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace terse;

namespace {
class SpanRemoval {
public:
  SpanRemoval(func::FuncOp function, const BlockSpan &span)
      : function(function), terminator(function.getBody().front().getTerminator()), span(span) {}

  std::optional<std::string> run() {
    findOperations();
    std::optional<std::string> reason = check();
    if (!reason)
      remove();
    return reason;
  }

private:
  /// What follows from the span's input and leads to its output, and what such operations write into caches.
  void findOperations() {
    llvm::SetVector<Operation *> after;
    SmallVector<Value> worklist{span.input};
    while (!worklist.empty())
      for (Operation *user : worklist.pop_back_val().getUsers()) {
        Operation *op = function.getBody().front().findAncestorOpInBlock(*user);
        if (op != terminator && after.insert(op))
          llvm::append_range(worklist, op->getResults());
      }
    SmallVector<Operation *> before{span.output.getDefiningOp()};
    while (!before.empty()) {
      Operation *op = before.pop_back_val();
      if (!op || !after.contains(op) || !operations.insert(op).second)
        continue;
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (operand != span.input)
            before.push_back(operand.getDefiningOp());
      });
    }
  }

  std::optional<std::string> check() {
    for (Operation *op : operations)
      for (Value result : op->getResults())
        for (OpOperand &use : result.getUses()) {
          Operation *user = function.getBody().front().findAncestorOpInBlock(*use.getOwner());
          if (result == span.output || operations.contains(user))
            continue;
          auto update = dyn_cast<CacheUpdateOp>(op);
          auto cache = update ? dyn_cast<BlockArgument>(update.getCache()) : BlockArgument();
          if (user != terminator || !cache || cache.getOwner() != &function.getBody().front())
            return "a value within it is read elsewhere";
          results.insert(use.getOperandNumber());
          caches.insert(cache);
        }
    for (BlockArgument cache : caches)
      for (Operation *user : cache.getUsers())
        if (!operations.contains(user) && !findOtherSize(user, cache))
          return "its cache is read elsewhere";
    auto isCache = [](BlockArgument argument) {
      return llvm::any_of(argument.getUsers(), [&](Operation *user) {
        auto update = dyn_cast<CacheUpdateOp>(user);
        return update && update.getCache() == argument;
      });
    };
    if (!caches.empty() && static_cast<size_t>(llvm::count_if(function.getArguments(), isCache)) == caches.size())
      return "no cache would be left";
    return std::nullopt;
  }

  /// Another argument with the size that `user` asks the cache for, in the same dimension.
  BlockArgument findOtherSize(Operation *user, BlockArgument cache) {
    auto dim = dyn_cast<tensor::DimOp>(user);
    std::optional<int64_t> index = dim ? dim.getConstantIndex() : std::nullopt;
    auto getDim = [&](BlockArgument argument) -> Attribute {
      auto dims = function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), TerseDialect::kDimsAttr);
      return dims && index && *index < static_cast<int64_t>(dims.size()) ? dims[*index] : Attribute();
    };
    for (BlockArgument other : function.getArguments())
      if (Attribute size = getDim(cache); size && !caches.contains(other) && getDim(other) == size)
        return other;
    return {};
  }

  void remove() {
    for (BlockArgument cache : caches)
      for (Operation *user : llvm::make_early_inc_range(cache.getUsers()))
        if (!operations.contains(user))
          user->setOperand(0, findOtherSize(user, cache));
    Value output = span.output;
    output.replaceAllUsesWith(span.input);
    llvm::BitVector deadResults(terminator->getNumOperands()), deadArguments(function.getNumArguments());
    for (unsigned result : results)
      deadResults.set(result);
    for (BlockArgument cache : caches)
      deadArguments.set(cache.getArgNumber());
    terminator->eraseOperands(deadResults);
    (void)function.eraseResults(deadResults);
    eraseDead(function.getBody().front());
    (void)function.eraseArguments(deadArguments);
  }

  func::FuncOp function;
  Operation *terminator;
  const BlockSpan &span;
  DenseSet<Operation *> operations;
  llvm::SmallSetVector<unsigned, 4> results; ///< of the function
  llvm::SmallSetVector<BlockArgument, 4> caches;
};
} // namespace

std::optional<std::string> terse::removeSpan(func::FuncOp function, const BlockSpan &span) { return SpanRemoval(function, span).run(); }
