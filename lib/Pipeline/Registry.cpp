//===- Registry.cpp - dialects and passes of every tool -------------------===//
#include "terse/Support/Registry.h"
#include "terse/Passes.h"
#include "terse/Pipeline/Stages.h"
#include "terse/Support/Plugins.h"

#include "Kernel/KernelDialect.h"
#include "Terse/TerseDialect.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "llvm/ADT/StringSet.h"

#include <mutex>

void terse::registerEverything(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<TerseDialect, kernel::KernelDialect>();
  mlir::registerAllToLLVMIRTranslations(registry);
  mlir::registerAllPasses();
#include "terse/PassRegistration.inc"
  registerStagePipelines();
}

llvm::Error terse::fillRegistry(mlir::DialectRegistry &registry,
                                llvm::ArrayRef<std::string> plugins) {
  struct Known {
    std::mutex mutex;
    mlir::DialectRegistry registry;
    llvm::StringSet<> plugins;
    Known() { registerEverything(registry); }
  };
  static Known *known = new Known; // lives until the process ends
  std::lock_guard<std::mutex> lock(known->mutex);
  for (const std::string &plugin : plugins)
    if (!known->plugins.contains(plugin)) {
      if (llvm::Error error = loadPlugin(plugin, known->registry))
        return error;
      known->plugins.insert(plugin);
    }
  known->registry.appendTo(registry);
  return llvm::Error::success();
}
