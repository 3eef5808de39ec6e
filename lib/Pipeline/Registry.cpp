//===- Registry.cpp - dialects and passes of every tool -------------------===//
#include "terse/Support/Registry.h"
#include "terse/Passes.h"
#include "terse/Pipeline/Stages.h"

#include "Kernel/KernelDialect.h"
#include "Terse/TerseDialect.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"

void terse::registerEverything(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<TerseDialect, kernel::KernelDialect>();
  mlir::registerAllToLLVMIRTranslations(registry);
  mlir::registerAllPasses();
#include "terse/PassRegistration.inc"
  registerStagePipelines();
}
