//===- QuantizeTensor.h - codes of one weight -------------------*- C++ -*-===//
#ifndef TERSE_COMPRESS_QUANTIZETENSOR_H
#define TERSE_COMPRESS_QUANTIZETENSOR_H

#include "compress/Rounding/HalfQuadratic.h"
#include "compress/Rounding/SecondOrder.h"
#include "compress/Weights/WeightRows.h"

namespace terse {

struct TensorRounding {
  RoundingOptions options;   ///< a group size of 0 is the whole row
  int64_t reductionAxis = 1; ///< the axis of the weight that becomes the last one
  /// What is known of the inputs; null: rows are rounded by themselves.
  const SecondOrderProblem *problem = nullptr;
  int64_t numSweeps = 0;   ///< of coordinate descent, with a problem
  /// Without a problem: what is known of the inputs, to measure the errors of outputs alone; may be null.
  const SecondOrderProblem *measured = nullptr;
  bool keepsZeros = false; ///< weights of 0 stay 0; to the nearest values they always do
  Codebook codebook = Codebook::Linear; ///< options.table is not read
  bool isHalfQuadratic = false; ///< by HalfQuadraticRounding, without a problem: zero points are of the scales' type
};

/// Codes [N, bytes], scales [N, groups], scales of rows [N, 1] and zero points of one weight.
struct QuantizedTensor {
  WeightOp codes, scales;
  WeightOp rowScales;  ///< null unless scales are of i8
  WeightOp zeroPoints; ///< null for symmetric schemes
  SchemeAttr scheme;
  int64_t rows = 0, columns = 0;
  int64_t bytesBefore = 0, bytesAfter = 0;
  RoundingErrors errors;

  /// The values [N, K] in the float type `element`; made once for each type.
  mlir::Value dequantize(mlir::Type element);

private:
  llvm::SmallVector<DequantizeOp, 1> values;
};

/// Rounds `source` for `user`, called `name` in diagnostics. New weights stand behind it.
mlir::FailureOr<QuantizedTensor> quantizeTensor(RoundingSource source, mlir::Operation *user, llvm::StringRef name,
                                                const TensorRounding &rounding);

/// True when the result of `op` becomes a result of its function with nothing but reshapes, casts and functions of one
/// tensor (a soft cap) on the way.
bool isHead(mlir::Operation *op);

} // namespace terse

#endif // TERSE_COMPRESS_QUANTIZETENSOR_H
