//===- IRText.h - reading IR that anyone may have written -------*- C++ -*-===//
#ifndef TERSE_SUPPORT_IRTEXT_H
#define TERSE_SUPPORT_IRTEXT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

namespace terse {

/// An error if brackets lie inside of each other more deeply than any sensible
/// IR has them: MLIR's parser recurses into each and would overflow the stack.
/// Bytecode passes.
llvm::Error checkNesting(llvm::StringRef text);

/// Parses and verifies text or bytecode; null after a diagnostic. `name` is what
/// locations call the text.
mlir::OwningOpRef<mlir::ModuleOp> parseIR(llvm::StringRef text, llvm::StringRef name, mlir::MLIRContext *context);

/// The same of a file.
mlir::OwningOpRef<mlir::ModuleOp> parseIRFile(llvm::StringRef path, mlir::MLIRContext *context);

} // namespace terse

#endif // TERSE_SUPPORT_IRTEXT_H
