//===- QuantizedCache.h - KV caches of codes ---------------------*- C++ -*-===//
#ifndef TERSE_INTEGERIZE_QUANTIZEDCACHE_H
#define TERSE_INTEGERIZE_QUANTIZEDCACHE_H

#include "mlir/IR/BuiltinOps.h"

namespace terse {

/// ```mlir
/// %r = terse.quantize_heads %rows {bits = 8, num_heads = 2}
/// %k = terse.cache_update %cache, %r at %past : tensor<?x2x?x64xf32>
/// %y = terse.attention %q, %k, ...
/// ```
/// becomes
/// ```mlir
/// %k = terse.cache_update %cache, %rows at %past {bits = 8} : tensor<?x2x?x68xi8>
/// %y = terse.attention %q, %k, ... {key_bits = 8}
/// ```
/// where the cache is state that attention alone reads. Returns the number of caches.
int64_t integerizeCaches(mlir::ModuleOp module);

} // namespace terse

#endif // TERSE_INTEGERIZE_QUANTIZEDCACHE_H
