//===- Frame.h - the inside of an operation with a region -------*- C++ -*-===//
#ifndef TERSE_ANALYSIS_FRAME_H
#define TERSE_ANALYSIS_FRAME_H

#include "terse/Analysis/ElementEvaluator.h"

namespace terse {

/// One point of an operation's iteration space, while its body is evaluated.
struct ElementEvaluator::Frame {
  /// The values of the induction variables (`linalg.index`, block arguments of
  /// tensor.generate and tensor.pad).
  Index ivs;
  /// Value of a block argument of the body.
  std::function<Element(mlir::BlockArgument)> argument;
  /// The body.
  mlir::Block *body = nullptr;
  llvm::DenseMap<mlir::Value, Element> values;
};

} // namespace terse

#endif // TERSE_ANALYSIS_FRAME_H
