//===- LowerToLLVM.cpp - everything left to the llvm dialect --------------===//
#include "FloatConversions.h"
#include "Launches.h"
#include "ShapeExpansion.h"
#include "terse/Passes.h"
#include "terse/Support/CPULevel.h"

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
#include "llvm/ADT/StringSet.h"

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
    if (!findCPULevel(level)) {
      module.emitError("expected the level ") << listCPULevels() << "; got '" << level << "'";
      return signalPassFailure();
    }
    llvm::StringSet<> hidden, kernels;
    for (auto function : module.getOps<func::FuncOp>())
      if (function.isPrivate())
        hidden.insert(function.getName());
    module.walk([&](kernel::LaunchOp launch) { kernels.insert(launch.getCallee()); });
    if (failed(lowerLaunches(module)))
      return signalPassFailure();
    if (failed(run(module, [](OpPassManager &passes) {
          auto emulation = arith::createArithEmulateUnsupportedFloats({{"f16", "bf16"}, "f32"});
          passes.addPass(math::createMathExtendToSupportedTypes());
          passes.addPass(std::move(emulation));
        })))
      return signalPassFailure();

    // Emulation marks its conversions; the llvm dialect's have no such flags, and
    // upstream passes the attribute on as it is.
    module.walk([](Operation *op) {
      if (isa<arith::ExtFOp, arith::TruncFOp>(op))
        op->removeAttr("fastmath");
    });

    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, isApproximated);
    math::populateExpansionPatterns(patterns, {"round", "sinh", "cosh", "asinh", "acosh", "atanh"});
    arith::populateExpandBFloat16Patterns(patterns);
    populateTruncBF16Pattern(patterns);
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    populateShapeExpansionPatterns(patterns);
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
    hidePrivateFunctions(module, hidden, kernels);
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

  /// Only the entry points are seen from outside. A kernel stays a function, so that the
  /// code that launches it everywhere stays small.
  void hidePrivateFunctions(ModuleOp module, const llvm::StringSet<> &hidden, const llvm::StringSet<> &kernels) {
    for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
      if (function.isExternal() || !hidden.contains(function.getName()))
        continue;
      function.setLinkage(LLVM::Linkage::Internal);
      if (kernels.contains(function.getName()))
        function.setNoInline(true);
    }
  }
};
} // namespace
