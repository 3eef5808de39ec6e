//===- terse-opt.cpp - runs passes on textual IR --------------------------===//
#include "terse/Support/Registry.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  terse::registerEverything(registry);
  return mlir::failed(mlir::MlirOptMain(argc, argv, "Terse's pass driver\n", registry));
}
