//===- OnnxImport.h - ONNX models as IR -------------------------*- C++ -*-===//
#ifndef TERSE_IMPORT_ONNXIMPORT_H
#define TERSE_IMPORT_ONNXIMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"

namespace terse {

struct OnnxImportOptions {
  /// Initializers of more bytes become `terse.weight` with the place of their
  /// data in the file; smaller ones become constants in the IR.
  uint64_t largestConstant = 1024;
  /// Values kept for contents known at import (shapes and the like).
  int64_t largestFolded = 256;
};

/// Imports the ONNX model in file `path`: a module with one function `@forward`
/// on tensors, of upstream operations and those of the terse dialect. Its
/// arguments and results carry `terse.name` and `terse.dims` (one string a
/// dimension: an integer, or a sum of products of symbols; sizes that the graph
/// forces to be equal have one name) and, for unsigned integers, `terse.unsigned`.
///
/// The file is mapped while it is read; data of weights are never copied but
/// named by `#terse.file` with absolute paths. External data must lie inside
/// the model's folder.
///
/// On errors a null module is returned after diagnostics through `context`, at
/// locations that name the file and the node. Operators that are not supported
/// are reported all at once.
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(llvm::StringRef path, mlir::MLIRContext *context,
                                             const OnnxImportOptions &options = {});

/// Registers `--import-onnx` for mlir-translate-like tools.
void registerOnnxImportTranslation();

} // namespace terse

#endif // TERSE_IMPORT_ONNXIMPORT_H
