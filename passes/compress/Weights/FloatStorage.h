//===- FloatStorage.h - floats as weights store them ------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_FLOATSTORAGE_H
#define TERSE_COMPRESS_FLOATSTORAGE_H

#include "Terse/TerseDialect.h"

#include <vector>

namespace terse {

/// `count` values at `source`, of type `element` (f32, f64, f16 or bf16), as floats.
void loadFloats(const char *source, mlir::Type element, int64_t count, float *values);

/// Values as `element`, rounded to nearest even.
void storeFloats(llvm::ArrayRef<float> values, mlir::Type element, char *target);
std::vector<char> storeFloats(llvm::ArrayRef<float> values, mlir::Type element);

/// True if `value`, after changes of the float type, is a constant: a weight or elements in the IR.
bool isConstantFloats(mlir::Value value);

/// The values of such a constant. Fails with a message at `user` if it cannot be read.
mlir::FailureOr<std::vector<float>> readFloats(mlir::Value value, mlir::Operation *user);

/// A new weight called `name`, of `type`, in front of `before`. Fails with a message at `before`, also where a finite value becomes infinite in
/// that type.
mlir::FailureOr<WeightOp> addWeight(mlir::Operation *before, llvm::StringRef name, mlir::RankedTensorType type,
                                    llvm::ArrayRef<float> values);

} // namespace terse

#endif // TERSE_COMPRESS_FLOATSTORAGE_H
