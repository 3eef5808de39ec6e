//===- State.h - what the runtime keeps between runs -------------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_STATE_H
#define TERSE_ANALYSIS_STATE_H

#include "Terse/TerseDialect.h"

namespace terse {

/// Whether the state that `update` writes into holds nothing but what it writes, and only uses that `isReader` accepts see it: then its
/// form is nobody else's concern. Anyone may ask for its sizes.
bool isPrivateState(CacheUpdateOp update, llvm::function_ref<bool(mlir::OpOperand &)> isReader);

} // namespace terse

#endif // TERSE_ANALYSIS_STATE_H
