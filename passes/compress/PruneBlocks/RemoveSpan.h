//===- RemoveSpan.h - a function without some of its blocks -----*- C++ -*-===//
#ifndef TERSE_COMPRESS_PRUNEBLOCKS_REMOVESPAN_H
#define TERSE_COMPRESS_PRUNEBLOCKS_REMOVESPAN_H

#include "terse/Analysis/Blocks.h"

namespace terse {

/// Gives what reads the span's output its input, and erases what nobody needs then, KV caches among the function's arguments and results
/// too. Where that is not possible nothing is changed, and the reason returned.
std::optional<std::string> removeSpan(mlir::func::FuncOp function, const BlockSpan &span);

} // namespace terse

#endif // TERSE_COMPRESS_PRUNEBLOCKS_REMOVESPAN_H
