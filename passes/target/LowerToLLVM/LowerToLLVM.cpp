//===- LowerToLLVM.cpp - everything left to the llvm dialect --------------===//
#include "FloatConversions.h"
#include "terse/Passes.h"

#include "Kernel/KernelDialect.h"
#include "Terse/TerseDialect.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/Passes.h"

namespace terse {
#define GEN_PASS_DEF_LOWERTOLLVM
#include "target/LowerToLLVM/LowerToLLVM.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {

/// Functions of f32 that become polynomials. Those with large arguments (sin,
/// cos of positions) stay libm's, whose range reduction is exact.
bool isApproximated(StringRef name) {
  return llvm::is_contained({"math.exp", "math.tanh", "math.erf", "math.log", "math.log1p", "math.expm1"}, name);
}

struct LowerToLLVM : terse::impl::LowerToLLVMBase<LowerToLLVM> {
  using LowerToLLVMBase::LowerToLLVMBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (level != "baseline" && level != "avx2" && level != "avx512vnni") {
      module.emitError("expected the level baseline, avx2 or avx512vnni; got '") << level << "'";
      return signalPassFailure();
    }
    for (auto function : module.getOps<func::FuncOp>())
      if (failed(lowerLaunches(function)))
        return signalPassFailure();
    if (failed(run(module, [](OpPassManager &passes) {
          auto emulation = arith::createArithEmulateUnsupportedFloats({{"f16", "bf16"}, "f32"});
          passes.addPass(math::createMathExtendToSupportedTypes());
          passes.addPass(std::move(emulation));
        })))
      return signalPassFailure();

    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, isApproximated);
    math::populateExpansionPatterns(patterns, {"round", "sinh", "cosh", "asinh", "acosh", "atanh"});
    arith::populateExpandBFloat16Patterns(patterns);
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    if (level == "baseline")
      populateExpandF16Patterns(patterns);
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();

    if (failed(run(module, [](OpPassManager &passes) {
          passes.addPass(memref::createExpandStridedMetadataPass());
          passes.addPass(createLowerAffinePass());
          passes.addPass(createCanonicalizerPass());
          passes.addPass(createCSEPass());
          passes.addPass(createConvertVectorToSCFPass());
          passes.addPass(createSCFToControlFlowPass());
          passes.addPass(createConvertMathToLLVMPass());
          passes.addPass(createConvertMathToLibmPass());
          passes.addPass(createConvertVectorToLLVMPass());
          passes.addPass(createConvertIndexToLLVMPass());
          passes.addPass(createArithToLLVMConversionPass());
          passes.addPass(createFinalizeMemRefToLLVMConversionPass());
          passes.addPass(createConvertFuncToLLVMPass());
          passes.addPass(createConvertControlFlowToLLVMPass());
          passes.addPass(createUBToLLVMConversionPass());
          passes.addPass(createReconcileUnrealizedCastsPass());
          passes.addPass(createCSEPass());
        })))
      return signalPassFailure();
    bool left = false;
    module.walk([&](Operation *op) {
      if (isa<ModuleOp>(op) || isa_and_present<LLVM::LLVMDialect>(op->getDialect()))
        return;
      op->emitOpError("expected an operation with a lowering to the llvm dialect");
      left = true;
    });
    if (left)
      signalPassFailure();
  }

  LogicalResult run(ModuleOp module, function_ref<void(OpPassManager &)> build) {
    OpPassManager passes(ModuleOp::getOperationName(), OpPassManager::Nesting::Implicit);
    build(passes);
    return runPipeline(passes, module);
  }

  /// kernel.launch @f ins(..) outs(..)   becomes   call @f(.., .., %thread, %threads)
  /// kernel.barrier                      becomes   call @terse_barrier(%barrier)
  LogicalResult lowerLaunches(func::FuncOp function) {
    SmallVector<Operation *> ops;
    function.walk([&](Operation *op) {
      if (isa<kernel::LaunchOp, kernel::BarrierOp>(op))
        ops.push_back(op);
    });
    if (ops.empty())
      return success();
    Value thread, threads, barrier;
    for (BlockArgument argument : function.getArguments()) {
      auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "terse.runtime");
      if (!name)
        continue;
      if (name.getValue() == "thread")
        thread = argument;
      else if (name.getValue() == "threads")
        threads = argument;
      else if (name.getValue() == "barrier")
        barrier = argument;
    }
    if (!thread || !threads || !barrier)
      return function.emitError("expected arguments for the thread, the number of threads and the barrier");
    for (Operation *op : ops) {
      OpBuilder builder(op);
      Location loc = op->getLoc();
      if (auto launch = dyn_cast<kernel::LaunchOp>(op)) {
        SmallVector<Value> operands(launch->getOperands());
        if (launch.getSerial()) {
          Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
          Value isFirst = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, thread, zero);
          auto only = scf::IfOp::create(builder, loc, isFirst);
          builder.setInsertionPointToStart(only.thenBlock());
          operands.append({zero, arith::ConstantIndexOp::create(builder, loc, 1)});
        } else {
          operands.append({thread, threads});
        }
        func::CallOp::create(builder, loc, launch.getCalleeAttr(), TypeRange(), operands);
      } else {
        func::CallOp::create(builder, loc, "terse_barrier", TypeRange(), barrier);
      }
      op->erase();
    }
    return success();
  }
};
} // namespace
