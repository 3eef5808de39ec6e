//===- KvCache.h - keys and values of past tokens as state ------*- C++ -*-===//
#ifndef TERSE_NORMALIZE_KVCACHE_KVCACHE_H
#define TERSE_NORMALIZE_KVCACHE_KVCACHE_H

#include "Terse/TerseDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace terse {

/// Names of the symbols that the runtime knows.
inline constexpr llvm::StringLiteral kPast = "past";
inline constexpr llvm::StringLiteral kCapacity = "capacity";

/// Turns the past inputs and present outputs of a function into state. The
/// number of pairs, 0 if there are none; on failure `reason` says why they
/// stay as they are.
mlir::FailureOr<int64_t> convertFileCache(mlir::func::FuncOp function, std::string &reason);

/// Gives a function without a cache one. The number of states; on failure `reason`
/// says what stands against it.
mlir::FailureOr<int64_t> addCache(mlir::func::FuncOp function, std::string &reason);

/// Inserts the leading argument that holds the number of past tokens.
mlir::BlockArgument addPastArgument(mlir::func::FuncOp function);

/// Marks an argument [B, KV, capacity, D] and a result as state `name`.
void markState(mlir::func::FuncOp function, unsigned argument, unsigned result, llvm::StringRef name,
               llvm::StringRef batch);

/// [B, S, KV * D] of new keys or values [B, KV, S, D].
mlir::Value buildRows(mlir::OpBuilder &builder, mlir::func::FuncOp function, mlir::Value value);

} // namespace terse

#endif // TERSE_NORMALIZE_KVCACHE_KVCACHE_H
