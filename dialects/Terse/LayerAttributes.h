//===- LayerAttributes.h - what a file says of its layers -------*- C++ -*-===//
#ifndef TERSE_LAYERATTRIBUTES_H
#define TERSE_LAYERATTRIBUTES_H

#include "llvm/ADT/StringRef.h"

namespace terse {

/// On `terse.linear` with a weight in codes: the file allows its input to be rounded to 8 bits, each token by itself.
/// Passes that write the layer anew keep it.
inline constexpr llvm::StringLiteral kRoundInputAttr = "terse.round_input";

} // namespace terse

#endif // TERSE_LAYERATTRIBUTES_H
