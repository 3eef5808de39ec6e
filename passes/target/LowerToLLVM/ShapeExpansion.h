//===- ShapeExpansion.h - reshapes of parts of a buffer -------*- C++ -*-===//
#ifndef TERSE_LOWERTOLLVM_SHAPEEXPANSION_H
#define TERSE_LOWERTOLLVM_SHAPEEXPANSION_H

#include "mlir/IR/PatternMatch.h"

namespace terse {

/// Expanding reshapes of buffers become views with
/// computed strides.
void populateShapeExpansionPatterns(mlir::RewritePatternSet &patterns);

} // namespace terse

#endif // TERSE_LOWERTOLLVM_SHAPEEXPANSION_H
