//===- RopeWriter.h - heads of tokens on their way ---------------*- C++ -*-===//
#ifndef TERSE_LOWERATTENTION_ROPEWRITER_H
#define TERSE_LOWERATTENTION_ROPEWRITER_H

#include "Kernels.h"

namespace terse::attention {

/// A vector of values with its place in the head.
struct Piece {
  std::string name;
  int64_t place, size;
};

/// What names of kernels say of a rotation.
std::string getRopeName(const RopeShape &shape);

/// Opens the loop over this thread's (token, head) pairs: %b, %s, %h, %column.
void addTokenHeadLoop(KernelSource &source, int64_t heads, int64_t size, int64_t width, int64_t offset, mlir::Type element,
                      bool angles);

/// Rotates the head at %column of the source row (%b, %s): vectors in f32.
llvm::SmallVector<Piece> addRotatedHead(KernelSource &source, const RopeShape &shape);

/// Rounds `%name` (f32) to the element type; returns the name of the result.
std::string addRound(KernelSource &source, llvm::StringRef name, int64_t size, mlir::Type element);

} // namespace terse::attention

#endif // TERSE_LOWERATTENTION_ROPEWRITER_H
