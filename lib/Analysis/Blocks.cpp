//===- Blocks.cpp - a model as a chain of blocks --------------------------===//
#include "terse/Analysis/Blocks.h"

#include "Terse/LayerAttributes.h"
#include "terse/Analysis/DimExpression.h"
#include "terse/Analysis/ElementEvaluator.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace terse;

namespace {
/// Names sizes of tensors by expressions over the function's symbols that have the same value for several sizes of these.
class SizeNames {
public:
  explicit SizeNames(func::FuncOp function) : function(function) {
    std::set<std::string> expressions;
    for (BlockArgument argument : function.getArguments())
      if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
        for (int64_t i = 0; i < type.getRank(); ++i)
          if (type.isDynamicDim(i))
            expressions.insert(getArgDim(function, argument.getArgNumber(), i));
    known.assign(expressions.begin(), expressions.end());
    for (size_t i = 0, size = known.size(); i < size; ++i)
      for (size_t j = i; j < size; ++j)
        known.push_back("(" + known[i] + ")*(" + known[j] + ")");
    // Sizes that no two sums or products of few symbols share, the past empty or not.
    for (int64_t start : {0, 1, 2}) {
      Environment environment;
      int64_t size = 1009 + 40 * start;
      for (const std::string &symbol : getDimSymbols(function)) {
        environment.symbols[symbol] = symbol == "past" && start == 0 ? 0 : size;
        size = size * 3 + 7;
      }
      evaluators.push_back(std::make_unique<ElementEvaluator>(std::move(environment)));
    }
  }

  /// Empty if a size has no name.
  std::vector<std::string> name(Value tensor) {
    std::vector<std::string> names;
    auto type = cast<RankedTensorType>(tensor.getType());
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      if (!type.isDynamicDim(dim)) {
        names.push_back(std::to_string(type.getDimSize(dim)));
        continue;
      }
      auto found = llvm::find_if(known, [&](const std::string &expression) {
        return llvm::all_of(evaluators, [&](std::unique_ptr<ElementEvaluator> &evaluator) {
          std::optional<int64_t> size = evaluator->getSize(tensor, dim);
          return size && size == evaluateDim(expression, evaluator->getEnvironment().symbols);
        });
      });
      if (found == known.end())
        return {};
      names.push_back(*found);
    }
    return names;
  }

private:
  func::FuncOp function;
  std::vector<std::string> known;
  std::vector<std::unique_ptr<ElementEvaluator>> evaluators;
};
} // namespace

/// Whether what follows from this operation is more than positions and masks.
static bool beginsComputation(Operation *op) {
  return isa<LinearLike, EmbeddingOp, NormOp, AttentionOp, linalg::ConvolutionOpInterface>(op);
}

std::vector<std::vector<std::string>> terse::nameSizes(func::FuncOp function, ArrayRef<Value> tensors) {
  SizeNames sizes(function);
  std::vector<std::vector<std::string>> names;
  for (Value tensor : tensors)
    names.push_back(sizes.name(tensor));
  return names;
}

std::vector<ModelBlock> terse::findBlocks(func::FuncOp function) {
  // Operations of the model's trunk, in order, and where their results are used last.
  SmallVector<Operation *> trunk;
  DenseMap<Operation *, size_t> place;
  Block &body = function.getBody().front();
  for (Operation &op : body.without_terminator()) {
    bool isTrunk = beginsComputation(&op);
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (Operation *producer = operand.getDefiningOp())
          isTrunk |= place.count(producer) != 0;
    });
    if (!isTrunk)
      continue;
    place[&op] = trunk.size();
    trunk.push_back(&op);
  }
  auto getLastUse = [&](Value value) {
    size_t last = 0;
    for (Operation *user : value.getUsers())
      if (Operation *ancestor = body.findAncestorOpInBlock(*user); ancestor && place.count(ancestor))
        last = std::max(last, place[ancestor]);
    return last;
  };

  SizeNames sizes(function);
  std::vector<ModelBlock> blocks(1);
  SmallVector<std::pair<Value, size_t>> live;
  for (auto [i, op] : llvm::enumerate(trunk)) {
    if (auto layer = dyn_cast<LinearLike>(op))
      blocks.back().layers.push_back(layer);
    blocks.back().hasAttention |= isa<AttentionOp>(op);
    for (Value result : op->getResults())
      live.emplace_back(result, getLastUse(result));
    llvm::erase_if(live, [&, i = i](auto &entry) { return entry.second <= i; });
    if (live.size() != 1)
      continue;
    Value cut = live.front().first;
    auto type = dyn_cast<RankedTensorType>(cut.getType());
    if (!type || !isa<FloatType>(type.getElementType()))
      continue;
    if (blocks.back().layers.empty()) {
      if (blocks.size() == 1)
        blocks.back().entry = cut;
      continue;
    }
    // Layers must follow, else the head would be cut off from the results.
    bool layersFollow = llvm::any_of(ArrayRef(trunk).drop_front(i + 1), llvm::IsaPred<LinearLike>);
    std::vector<std::string> dims;
    if (layersFollow)
      dims = sizes.name(cut);
    if (dims.empty())
      continue;
    blocks.back().output = cut;
    blocks.back().outputDims = dims;
    blocks.emplace_back();
    blocks.back().input = blocks.back().entry = cut;
    blocks.back().inputDims = std::move(dims);
  }
  return blocks;
}

StringRef terse::getSpanKindName(SpanKind kind) { return kind == SpanKind::Block ? "block" : "sublayer"; }

std::vector<BlockSpan> terse::findSpans(ArrayRef<ModelBlock> blocks, SpanKind kind) {
  std::vector<BlockSpan> spans;
  bool goesOn = false;
  for (auto [i, block] : llvm::enumerate(blocks)) {
    bool fits = block.entry && block.output && block.entry.getType() == block.output.getType() &&
                (!block.input || block.inputDims == block.outputDims);
    if (!fits || block.layers.empty()) {
      goesOn = false;
      continue;
    }
    if (goesOn && kind == SpanKind::Block && !block.hasAttention) {
      ++spans.back().count;
      spans.back().output = block.output;
      continue;
    }
    spans.push_back({i, 1, block.entry, block.output, getNameOfLayer(ModelBlock(block).layers.front())});
    goesOn = block.hasAttention;
  }
  return spans;
}
