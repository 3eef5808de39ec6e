//===- LayerAttributes.h - what a file says of its layers -------*- C++ -*-===//
#ifndef TERSE_LAYERATTRIBUTES_H
#define TERSE_LAYERATTRIBUTES_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace terse {

/// On `terse.linear` with a weight in codes: the file allows its input to be rounded to 8 bits, each token by itself.
/// Passes that write the layer anew keep it.
inline constexpr llvm::StringLiteral kRoundInputAttr = "terse.round_input";

/// On any layer: passes of the compress stage leave it as it is. Calibration marks the layers outside of the block that it
/// is at.
inline constexpr llvm::StringLiteral kFrozenAttr = "terse.frozen";
inline bool isFrozen(mlir::Operation *op) { return op->hasAttr(kFrozenAttr); }

/// On a layer, written by pruning passes: "N:M" or "unstructured". Passes that round keep the zeros of its weight, and those that
/// write the layer anew the attribute.
inline constexpr llvm::StringLiteral kSparsityAttr = "terse.sparsity";
inline bool isSparse(mlir::Operation *layer) { return layer->hasAttr(kSparsityAttr); }

/// On a layer, written by `terse-split-outliers`: it reads a few channels of the input of another layer, to whose result its own is added.
inline constexpr llvm::StringLiteral kOutliersAttr = "terse.outliers";

/// On the module: the file of statistics that passes take which are given none by an option.
inline constexpr llvm::StringLiteral kStatisticsAttr = "terse.statistics";

/// On the module: how `terse-rotate-hadamard` rotated it. Statistics of another rotation are of no use.
inline constexpr llvm::StringLiteral kRotationAttr = "terse.rotation";

/// The name by which recipes, policies and statistics know a layer: its attribute `name`, else its weight's name; empty if
/// it has neither.
std::string getNameOfLayer(mlir::Operation *op);

} // namespace terse

#endif // TERSE_LAYERATTRIBUTES_H
