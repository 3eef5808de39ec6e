//===- FloatConversions.h - f16, bf16 in integer arithmetic ------*- C++ -*-===//
#ifndef TERSE_TARGET_LOWERTOLLVM_FLOATCONVERSIONS_H
#define TERSE_TARGET_LOWERTOLLVM_FLOATCONVERSIONS_H

#include "mlir/IR/PatternMatch.h"

namespace terse {

/// Rewrites arith.extf f16 -> f32 and arith.truncf f32 -> f16 (scalars and
/// vectors; to nearest, ties to even) to integer arithmetic and selects.
void populateExpandF16Patterns(mlir::RewritePatternSet &patterns);

/// Rewrites arith.truncf f32 -> bf16 (to nearest, ties to even; a NaN is 0x7fc0)
/// likewise, before the patterns for it that come with the dialect.
void populateTruncBF16Pattern(mlir::RewritePatternSet &patterns);

} // namespace terse

#endif // TERSE_TARGET_LOWERTOLLVM_FLOATCONVERSIONS_H
