//===- Helpers.h - shared by families of operators --------------*- C++ -*-===//
#ifndef TERSE_IMPORT_ONNX_OPS_HELPERS_H
#define TERSE_IMPORT_ONNX_OPS_HELPERS_H

#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace terse::importer {

/// Whether inputs `first`.. are of one element type; an error if not.
bool sameType(Importer &im, llvm::ArrayRef<Tensor *> inputs);
bool floatInput(Importer &im, Tensor *t);
/// Whether the tensor is of rank `rank`; an error if not.
bool hasRank(Importer &im, Tensor *t, int64_t rank, const char *what);

// Arithmetic with ONNX's broadcasting and folding.
Tensor *add(Importer &im, Tensor *lhs, Tensor *rhs);
Tensor *subtract(Importer &im, Tensor *lhs, Tensor *rhs);
Tensor *multiply(Importer &im, Tensor *lhs, Tensor *rhs);
Tensor *divide(Importer &im, Tensor *lhs, Tensor *rhs);
Tensor *negate(Importer &im, Tensor *t);
Tensor *select(Importer &im, Tensor *condition, Tensor *yes, Tensor *no);
Tensor *compare(Importer &im, mlir::arith::CmpIPredicate predicate, Tensor *lhs, Tensor *rhs);
Tensor *maximum(Importer &im, Tensor *lhs, Tensor *rhs);
Tensor *minimum(Importer &im, Tensor *lhs, Tensor *rhs);

/// Axes of a reduction: an input since `inputSince`, an attribute before.
std::optional<llvm::SmallVector<int64_t>> reductionAxes(Importer &im, Node &n, int64_t inputSince);
Tensor *reduceMean(Importer &im, Tensor *t, llvm::ArrayRef<int64_t> axes, bool keep);
Tensor *reduceSum(Importer &im, Tensor *t, llvm::ArrayRef<int64_t> axes, bool keep);
Tensor *reduceMax(Importer &im, Tensor *t, llvm::ArrayRef<int64_t> axes, bool keep);
/// `t`, reduced along `axes`, with them put back as sizes of 1.
Tensor *keepAxes(Importer &im, Tensor *reduced, llvm::ArrayRef<int64_t> axes, bool keep);

/// Normalizes over the dimensions from `axis` on; `scale` and `bias` are of these. Null given null.
Tensor *normalize(Importer &im, NormKind kind, Tensor *t, Tensor *scale, Tensor *bias, int64_t axis, double epsilon);
Tensor *activation(Importer &im, Tensor *t, ActivationKind kind);
/// Rows [..., C] of a table [V, C].
Tensor *embed(Importer &im, Tensor *ids, Tensor *table);

/// [..., H, S, D] heads as columns, [B, H, S, D] to [B, S, H * D], and back.
Tensor *mergeHeads(Importer &im, Tensor *t);
Tensor *splitHeads(Importer &im, Tensor *t, int64_t heads);

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_OPS_HELPERS_H
