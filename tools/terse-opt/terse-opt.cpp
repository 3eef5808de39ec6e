//===- terse-opt.cpp - runs passes on textual IR --------------------------===//
#include "terse/Support/Plugins.h"
#include "terse/Support/Registry.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/WithColor.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  terse::registerEverything(registry);
  // MLIR's own option of this name offers a plug-in's passes to
  // --pass-pipeline only: flags are made before options are read.
  if (llvm::Error error = terse::loadPlugins(argc, argv, registry)) {
    llvm::WithColor::error(llvm::errs(), "terse-opt")
        << llvm::toString(std::move(error)) << '\n';
    return 1;
  }
  return mlir::failed(
      mlir::MlirOptMain(argc, argv, "Terse's pass driver\n", registry));
}
