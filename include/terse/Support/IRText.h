//===- IRText.h - reading IR that anyone may have written -------*- C++ -*-===//
#ifndef TERSE_SUPPORT_IRTEXT_H
#define TERSE_SUPPORT_IRTEXT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

namespace terse {

/// An error if `text` would crash MLIR's parser: brackets more deeply inside of
/// each other than any sensible IR has them (it recurses into each), and what it
/// is known not to expect. Bytecode passes.
llvm::Error checkIRText(llvm::StringRef text);

/// Parses and verifies text or bytecode; null after a diagnostic. `name` is what
/// locations call the text.
mlir::OwningOpRef<mlir::ModuleOp> parseIR(llvm::StringRef text, llvm::StringRef name, mlir::MLIRContext *context);

/// The same of a file.
mlir::OwningOpRef<mlir::ModuleOp> parseIRFile(llvm::StringRef path, mlir::MLIRContext *context);

} // namespace terse

#endif // TERSE_SUPPORT_IRTEXT_H
