//===- IRDump.h - the IR after each pass ------------------------*- C++ -*-===//
#ifndef TERSE_LIB_PIPELINE_IRDUMP_H
#define TERSE_LIB_PIPELINE_IRDUMP_H

#include "mlir/Pass/PassInstrumentation.h"

#include <memory>
#include <string>

namespace terse {

/// Writes the module after each pass to `folder`/NNN-`stage`-PASS.mlir; `count`
/// numbers the files of a whole compile. Passes on functions have one file for
/// all of them. The context must run on one thread.
std::unique_ptr<mlir::PassInstrumentation>
makeIRDump(std::string folder, std::string stage, unsigned &count);

} // namespace terse

#endif // TERSE_LIB_PIPELINE_IRDUMP_H
