//===- Registry.h - dialects and passes of every tool -----------*- C++ -*-===//
#ifndef TERSE_SUPPORT_REGISTRY_H
#define TERSE_SUPPORT_REGISTRY_H

#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace terse {

/// Registers all dialects, interface implementations, passes and pipelines that
/// a tool of Terse knows. Call once per process before the first context.
void registerEverything(mlir::DialectRegistry &registry);

/// For libraries, which any number of threads may use: registers everything the
/// first time, loads plug-ins that are not loaded yet (they stay), and adds what
/// there is to `registry`.
llvm::Error fillRegistry(mlir::DialectRegistry &registry,
                         llvm::ArrayRef<std::string> plugins = {});

} // namespace terse

#endif // TERSE_SUPPORT_REGISTRY_H
