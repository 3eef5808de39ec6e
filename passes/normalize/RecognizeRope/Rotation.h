//===- Rotation.h - a tensor that is a rotary embedding ---------*- C++ -*-===//
#ifndef TERSE_NORMALIZE_RECOGNIZEROPE_ROTATION_H
#define TERSE_NORMALIZE_RECOGNIZEROPE_ROTATION_H

#include "terse/Analysis/Access.h"

namespace terse {

/// What a rotated tensor [B, H, S, D] or [B, S, H, D] is made of. Coordinates of
/// `input` are (b, h, s, d); of `cos` and `sin` (b, s, pair), where the
/// factor of `sin` has the sign that it has in the first element of a pair (minus).
struct Rotation {
  int64_t headAxis, heads, size, pairs;
  bool interleaved;
  Access input, cos, sin;
};

/// Describes `value` as a rotation, if it is one.
std::optional<Rotation> findRotation(mlir::func::FuncOp function, mlir::Value value);

} // namespace terse

#endif // TERSE_NORMALIZE_RECOGNIZEROPE_ROTATION_H
