//===- CacheRole.h - what a KV cache is to attention's kernels ---*- C++ -*-===//
#ifndef TERSE_ANALYSIS_CACHEROLE_H
#define TERSE_ANALYSIS_CACHEROLE_H

#include "Terse/TerseDialect.h"

#include <optional>

namespace terse {

/// Whether there are kernels for operations of these elements and sizes.
bool hasKernel(AttentionOp op);
bool hasKernel(CacheUpdateOp op);

enum class CacheRole { Key, Value };

/// What the state that `update` writes is read as, by attention with kernels alone, so that its form is theirs to choose; none where something else
/// reads it too.
std::optional<CacheRole> getCacheRole(CacheUpdateOp update);

} // namespace terse

#endif // TERSE_ANALYSIS_CACHEROLE_H
