//===- terse-translate.cpp - foreign formats to IR ------------------------===//
#include "terse/Import/OnnxImport.h"

#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"

int main(int argc, char **argv) {
  terse::registerOnnxImportTranslation();
  return mlir::failed(mlir::mlirTranslateMain(argc, argv, "Terse's translation driver\n"));
}
