//===- Definition.h - instructions by their definition ----------*- C++ -*-===//
#ifndef TERSE_KERNEL_INTRINSICS_DEFINITION_H
#define TERSE_KERNEL_INTRINSICS_DEFINITION_H

#include "Kernel/KernelDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace terse::kernel {

/// A vector constant whose elements are all `value`.
mlir::Value createSplat(mlir::ImplicitLocOpBuilder &builder, mlir::VectorType type, int64_t value);

/// A few values, 8 bytes at most, repeated over a vector of `type`, which has a multiple of their number.
mlir::Value createRepeat(mlir::ImplicitLocOpBuilder &builder, mlir::VectorType type, mlir::Value values);

/// A call of the LLVM intrinsic `name`.
mlir::Value createIntrinsic(mlir::ImplicitLocOpBuilder &builder, mlir::VectorType type, llvm::StringRef name,
                            mlir::ValueRange arguments);

/// For i < 4 the products (weights[4 c + i] - offset) * activations[i] of all columns c in 32 bits.
llvm::SmallVector<mlir::Value> createProducts(mlir::ImplicitLocOpBuilder &builder, MmaInstruction instruction,
                                              mlir::Value weights, mlir::Value activations);

/// For i < 4 the products (values[4 c + i] - 8) * activations[places[4 c + i]] of all columns c in 32 bits.
llvm::SmallVector<mlir::Value> createSparseProducts(mlir::ImplicitLocOpBuilder &builder, MmaInstruction instruction,
                                                    mlir::Value values, mlir::Value places, mlir::Value activations);

/// table[indices[i]] of 16 bytes, by the bits of the indices.
mlir::Value createLookupByDefinition(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int8_t> table, mlir::Value indices);

/// A vector constant of `type` that repeats the bytes of a table.
mlir::Value createTable(mlir::ImplicitLocOpBuilder &builder, mlir::VectorType type, llvm::ArrayRef<int8_t> table);

/// partial + the sum of the products of `createProducts`.
mlir::Value createSumOfProducts(mlir::ImplicitLocOpBuilder &builder, MmaInstruction instruction, mlir::Value weights,
                                mlir::Value activations, mlir::Value partial);

} // namespace terse::kernel

#endif // TERSE_KERNEL_INTRINSICS_DEFINITION_H
