//===- Registry.h - dialects and passes of every tool -----------*- C++ -*-===//
#ifndef TERSE_SUPPORT_REGISTRY_H
#define TERSE_SUPPORT_REGISTRY_H

#include "mlir/IR/DialectRegistry.h"

namespace terse {

/// Registers all dialects, interface implementations, passes and pipelines that
/// a tool of Terse knows. Call once per process before the first context.
void registerEverything(mlir::DialectRegistry &registry);

} // namespace terse

#endif // TERSE_SUPPORT_REGISTRY_H
