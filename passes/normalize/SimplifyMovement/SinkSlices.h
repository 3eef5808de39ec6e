//===- SinkSlices.h - slices before what they cut ---------------*- C++ -*-===//
#ifndef TERSE_NORMALIZE_SIMPLIFYMOVEMENT_SINKSLICES_H
#define TERSE_NORMALIZE_SIMPLIFYMOVEMENT_SINKSLICES_H

#include "mlir/IR/PatternMatch.h"

namespace terse {

/// Patterns that cut operands instead of results. A slice that drops dimensions is
/// first split into one that does not and a reshape.
void populateSinkSlicePatterns(mlir::RewritePatternSet &patterns);

/// Patterns that move reshapes from [batch, tokens, channels] to rows behind row-wise operations.
void populateUnflattenPatterns(mlir::RewritePatternSet &patterns);

} // namespace terse

#endif // TERSE_NORMALIZE_SIMPLIFYMOVEMENT_SINKSLICES_H
