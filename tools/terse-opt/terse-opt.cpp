//===- terse-opt.cpp - runs passes on textual IR --------------------------===//
#include "terse/Support/IRText.h"
#include "terse/Support/Plugins.h"
#include "terse/Support/Registry.h"

#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"
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
  auto [input, output] = mlir::registerAndParseCLIOptions(
      argc, argv, "Terse's pass driver\n", registry);
  auto config = mlir::MlirOptMainConfig::createFromCLOptions();
  if (config.shouldListPasses() || config.shouldShowDialects())
    return mlir::failed(
        mlir::MlirOptMain(argc, argv, input, output, registry));
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> text =
      mlir::openInputFile(input, &message);
  if (text)
    if (llvm::Error error = terse::checkIRText(text->getBuffer()))
      message = input + ": " + llvm::toString(std::move(error));
  std::unique_ptr<llvm::ToolOutputFile> file;
  if (message.empty())
    file = mlir::openOutputFile(output, &message);
  if (!file) {
    llvm::WithColor::error(llvm::errs(), "terse-opt") << message << '\n';
    return 1;
  }
  if (mlir::failed(
          mlir::MlirOptMain(file->os(), std::move(text), registry, config)))
    return 1;
  file->keep();
  return 0;
}
