//===- ExtractBlock.cpp - keeps blocks of a model ------------------------===//
#include "Terse/TerseDialect.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Analysis/Blocks.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace terse {
#define GEN_PASS_DEF_EXTRACTBLOCK
#include "calibrate/ExtractBlock/ExtractBlock.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
/// A result of the function under construction.
struct Result {
  Value value;
  DictionaryAttr attributes;
};

struct ExtractBlock : terse::impl::ExtractBlockBase<ExtractBlock> {
  using ExtractBlockBase::ExtractBlockBase;

  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    if (!function || function.isExternal()) {
      getOperation().emitError("expected a function @forward");
      return signalPassFailure();
    }
    std::vector<ModelBlock> blocks = findBlocks(function);
    if (index < 0 || index >= static_cast<int64_t>(blocks.size())) {
      function.emitError("expected index to be that of one of ") << blocks.size() << " blocks; got " << index.getValue();
      return signalPassFailure();
    }
    if (count < 1 || count > static_cast<int64_t>(blocks.size()) - index) {
      function.emitError("expected count to be that of some of the ") << blocks.size() - index << " blocks from " << index.getValue() << " on; got "
                                                                      << count.getValue();
      return signalPassFailure();
    }
    ModelBlock block = blocks[index];
    const ModelBlock &last = blocks[index + count - 1];
    block.output = last.output;
    block.outputDims = last.outputDims;
    for (int64_t i = index + 1; i < index + count; ++i)
      block.layers.append(blocks[i].layers);
    if (block.input)
      cutInput(function, block);
    if (failed(cutOutput(function, block)))
      return signalPassFailure();

    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "blocks", static_cast<int64_t>(blocks.size()));
    report.add(getArgument(), "layers", static_cast<int64_t>(block.layers.size()));
  }

private:
  DictionaryAttr describe(StringRef name, ArrayRef<std::string> dims) {
    Builder b(&getContext());
    SmallVector<StringRef> texts(dims.begin(), dims.end());
    return b.getDictionaryAttr({b.getNamedAttr(TerseDialect::kNameAttr, b.getStringAttr(name)),
                                b.getNamedAttr(TerseDialect::kDimsAttr, b.getStrArrayAttr(texts))});
  }

  void cutInput(func::FuncOp function, ModelBlock &block) {
    unsigned position = function.getNumArguments();
    (void)function.insertArgument(position, block.input.getType(), describe("block_input", block.inputDims), block.input.getLoc());
    block.input.replaceAllUsesWith(function.getArgument(position));
    if (block.output == block.input)
      block.output = function.getArgument(position);
  }

  LogicalResult cutOutput(func::FuncOp function, ModelBlock &block) {
    Operation *terminator = function.getBody().front().getTerminator();
    SmallVector<Result> results;
    if (block.output)
      results.push_back({block.output, describe("block_output", block.outputDims)});
    else
      for (auto [i, value] : llvm::enumerate(terminator->getOperands()))
        if (!function.getResultAttr(i, TerseDialect::kStateAttr))
          results.push_back({value, function.getResultAttrDict(i)});

    DenseSet<Operation *> needed;
    SmallVector<Value> worklist;
    for (Result &result : results)
      worklist.push_back(result.value);
    while (!worklist.empty()) {
      Operation *op = worklist.pop_back_val().getDefiningOp();
      if (op && needed.insert(op).second)
        op->walk([&](Operation *inner) { llvm::append_range(worklist, inner->getOperands()); });
    }
    // States that the block advances.
    for (auto [i, value] : llvm::enumerate(terminator->getOperands()))
      if (function.getResultAttr(i, TerseDialect::kStateAttr) && needed.contains(value.getDefiningOp()))
        results.push_back({value, function.getResultAttrDict(i)});
    if (failed(exposeTaps(function, needed, results)))
      return failure();

    SmallVector<Value> values;
    SmallVector<Type> types;
    SmallVector<Attribute> attributes;
    for (Result &result : results) {
      values.push_back(result.value);
      types.push_back(result.value.getType());
      attributes.push_back(result.attributes ? result.attributes : DictionaryAttr::get(&getContext()));
    }
    terminator->setOperands(values);
    function.setFunctionType(FunctionType::get(&getContext(), function.getArgumentTypes(), types));
    function.setResAttrsAttr(ArrayAttr::get(&getContext(), attributes));
    eraseDead(function.getBody().front());

    // What holds positions and states of other blocks goes; inputs stay.
    llvm::BitVector dead(function.getNumArguments());
    for (BlockArgument argument : function.getArguments())
      if (!function.getArgAttr(argument.getArgNumber(), TerseDialect::kNameAttr) && argument.use_empty())
        dead.set(argument.getArgNumber());
    return function.eraseArguments(dead);
  }

  /// Makes taps among `needed` results, in the order of the code. All taps go.
  LogicalResult exposeTaps(func::FuncOp function, const DenseSet<Operation *> &needed, SmallVectorImpl<Result> &results) {
    SmallVector<TapOp> taps;
    function.walk([&](TapOp tap) { taps.push_back(tap); });
    SmallVector<Value> inputs;
    for (TapOp tap : taps)
      if (needed.contains(tap))
        inputs.push_back(tap.getInput());
    std::vector<std::vector<std::string>> dims;
    if (failed(nameSizes(function, inputs, dims)))
      return failure();
    auto names = dims.begin();
    for (TapOp tap : taps) {
      if (needed.contains(tap))
        results.push_back({tap.getInput(), describe(("tap:" + tap.getName()).str(), *names++)});
      for (Result &result : results)
        if (result.value == tap.getResult())
          result.value = tap.getInput();
      tap.getResult().replaceAllUsesWith(tap.getInput());
      tap.erase();
    }
    return success();
  }

  LogicalResult nameSizes(func::FuncOp function, ArrayRef<Value> values, std::vector<std::vector<std::string>> &dims) {
    dims = terse::nameSizes(function, values);
    for (auto [value, names] : llvm::zip(values, dims))
      if (names.empty() && cast<RankedTensorType>(value.getType()).getRank() != 0)
        return emitError(value.getLoc(), "expected the sizes of a tapped value to follow from those of the inputs");
    return success();
  }
};
} // namespace
