//===- Plugins.h - loading passes and dialects at run time ------*- C++ -*-===//
#ifndef TERSE_SUPPORT_PLUGINS_H
#define TERSE_SUPPORT_PLUGINS_H

#include "mlir/IR/DialectRegistry.h"
#include "llvm/Support/Error.h"

namespace terse {

/// Loads the shared object `path`: registers its passes with MLIR's registry of
/// passes and its dialects with `registry`, whichever of both entry points
/// (`mlirGetPassPluginInfo`, `mlirGetDialectPluginInfo`) it has. It is an error
/// if it was built against another version of Terse or LLVM; no code of it has
/// run then.
llvm::Error loadPlugin(llvm::StringRef path, mlir::DialectRegistry &registry);

/// Loads every plug-in that `--load-pass-plugin=FILE` or
/// `--load-dialect-plugin=FILE` names (FILE may be the next argument too) and
/// takes those options out of `argv`. Call it before options are parsed: the
/// plug-ins' passes then are flags like any others, in whatever order the
/// options stand.
llvm::Error loadPlugins(int &argc, char **argv, mlir::DialectRegistry &registry);

} // namespace terse

#endif // TERSE_SUPPORT_PLUGINS_H
