//===- FloatConversions.h - f16 in integer arithmetic -----------*- C++ -*-===//
#ifndef TERSE_TARGET_LOWERTOLLVM_FLOATCONVERSIONS_H
#define TERSE_TARGET_LOWERTOLLVM_FLOATCONVERSIONS_H

#include "mlir/IR/PatternMatch.h"

namespace terse {

/// Rewrites arith.extf f16 -> f32 and arith.truncf f32 -> f16 (scalars and
/// vectors; to nearest, ties to even) to integer arithmetic and selects.
void populateExpandF16Patterns(mlir::RewritePatternSet &patterns);

} // namespace terse

#endif // TERSE_TARGET_LOWERTOLLVM_FLOATCONVERSIONS_H
