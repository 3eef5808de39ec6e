//===- Bufferize.cpp - tensors become buffers -----------------------------===//
#include "Prepare.h"
#include "terse/Passes.h"

#include "Kernel/KernelDialect.h"
#include "Terse/TerseDialect.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

namespace terse {
#define GEN_PASS_DEF_BUFFERIZE
#include "target/Bufferize/Bufferize.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {

constexpr StringLiteral kOutputAttr = "terse.output";

struct Bufferize : terse::impl::BufferizeBase<Bufferize> {
  using BufferizeBase::BufferizeBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto entry = module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    if (!entry || entry.isExternal()) {
      module.emitError("expected a function named '") << TerseDialect::kEntryName << "'";
      return signalPassFailure();
    }
    if (failed(run(module, [](OpPassManager &passes) {
          passes.addPass(createInlinerPass());
          passes.addPass(createConvertElementwiseToLinalgPass());
        })))
      return signalPassFailure();
    auto cleanup = [](OpPassManager &passes) {
      passes.addPass(createCanonicalizerPass());
      passes.addPass(createCSEPass());
      passes.addPass(createCanonicalizerPass());
    };
    if (failed(bufferize::prepareTensors(module, fuse)) || failed(run(module, cleanup)) ||
        failed(makeOutputsArguments(entry)) || failed(bufferizeModule(module)) || failed(dropStateResults(entry)) ||
        failed(run(module, cleanup)))
      return signalPassFailure();
  }

  LogicalResult run(ModuleOp module, function_ref<void(OpPassManager &)> build) {
    OpPassManager passes(ModuleOp::getOperationName(), OpPassManager::Nesting::Implicit);
    build(passes);
    return runPipeline(passes, module);
  }

  /// return %y   becomes   materialize %y in %out   with a new argument %out.
  /// States are still returned, so that the analysis sees them live to the end.
  LogicalResult makeOutputsArguments(func::FuncOp entry) {
    auto returns = llvm::to_vector(entry.getBody().getOps<func::ReturnOp>());
    if (!entry.getBody().hasOneBlock() || returns.size() != 1)
      return entry.emitError("expected an entry function of one block");
    func::ReturnOp ret = returns.front();
    OpBuilder builder(ret);
    for (BlockArgument argument : entry.getArguments()) {
      unsigned i = argument.getArgNumber();
      if (isa<TensorType>(argument.getType()))
        entry.setArgAttr(i, bufferization::BufferizationDialect::kWritableAttrName,
                         builder.getBoolAttr(bool(entry.getArgAttr(i, TerseDialect::kStateAttr))));
    }
    BitVector outputs(ret.getNumOperands());
    SmallVector<Value> values(ret.getOperands());
    for (auto [i, value] : llvm::enumerate(values)) {
      if (entry.getResultAttr(i, TerseDialect::kStateAttr))
        continue;
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type)
        return entry.emitError("expected results that are tensors; got ") << value.getType();
      outputs.set(i);
      SmallVector<NamedAttribute> attrs;
      if (auto given = entry.getResultAttrDict(i))
        llvm::append_range(attrs, given.getValue());
      attrs.push_back(builder.getNamedAttr(kOutputAttr, builder.getUnitAttr()));
      auto bufferType = MemRefType::get(type.getShape(), type.getElementType());
      if (failed(entry.insertArgument(entry.getNumArguments(), bufferType, builder.getDictionaryAttr(attrs),
                                      value.getLoc())))
        return failure();
      auto store = bufferization::MaterializeInDestinationOp::create(builder, value.getLoc(), value,
                                                                     entry.getArguments().back());
      store.setRestrict(true);
      store.setWritable(true);
    }
    ret->eraseOperands(outputs);
    return entry.eraseResults(outputs);
  }

  LogicalResult bufferizeModule(ModuleOp module) {
    bufferize::separateInitialTensors(module);
    bufferization::OneShotBufferizationOptions options;
    options.bufferizeFunctionBoundaries = true;
    options.allowReturnAllocsFromLoops = true;
    options.setFunctionBoundaryTypeConversion(bufferization::LayoutMapOption::IdentityLayoutMap);
    // A part of a concatenation gets a slice of the empty whole, then the whole becomes
    // the output; the second time the parts become slices of the output.
    for (int round = 0; round < 2; ++round) {
      RewritePatternSet patterns(&getContext());
      tensor::populateFoldTensorEmptyPatterns(patterns);
      if (failed(applyPatternsGreedily(module, std::move(patterns))) || failed(run(module, [](OpPassManager &passes) {
            passes.addPass(bufferization::createEmptyTensorEliminationPass());
          })))
        return failure();
    }
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotModuleBufferize(module, options, state)))
      return failure();
    bool left = false;
    module.walk([&](Operation *op) {
      if (llvm::none_of(op->getResultTypes(), llvm::IsaPred<TensorType>))
        return;
      op->emitOpError("expected an operation that can be bufferized");
      left = true;
    });
    return failure(left);
  }

  /// A returned state is nearly always the argument itself; else it is copied there.
  LogicalResult dropStateResults(func::FuncOp entry) {
    auto ret = cast<func::ReturnOp>(entry.getBody().front().getTerminator());
    OpBuilder builder(ret);
    for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
      Attribute name = entry.getResultAttr(i, TerseDialect::kStateAttr);
      Value argument;
      for (BlockArgument candidate : entry.getArguments())
        if (entry.getArgAttr(candidate.getArgNumber(), TerseDialect::kStateAttr) == name)
          argument = candidate;
      if (!argument)
        return entry.emitError("expected an argument for the state ") << name;
      Value buffer = value;
      while (auto cast = buffer.getDefiningOp<memref::CastOp>())
        buffer = cast.getSource();
      if (buffer != argument)
        memref::CopyOp::create(builder, value.getLoc(), buffer, argument);
    }
    BitVector all(ret.getNumOperands(), true);
    ret->setOperands({});
    return entry.eraseResults(all);
  }
};
} // namespace
