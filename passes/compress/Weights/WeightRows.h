//===- WeightRows.h - rows of a layer's weight as floats --------*- C++ -*-===//
#ifndef TERSE_COMPRESS_WEIGHTROWS_H
#define TERSE_COMPRESS_WEIGHTROWS_H

#include "Terse/TerseDialect.h"

namespace terse {

/// What a layer reads: a weight, or, where `coded` is given, what it makes of the codes in `weight`; of that, where `scaled` is given,
/// the channels that are summed over multiplied by constants.
struct RoundingSource {
  WeightOp weight;
  DequantizeOp coded;
  ScaleChannelsOp scaled;

  mlir::RankedTensorType getType() { return coded ? coded.getType() : weight.getType(); }
};

/// What `value`, summed over along `reductionAxis`, is: a float weight, perhaps with another float type, or one in codes along the summed
/// axis, either with scaled channels; else nothing.
RoundingSource getRoundingSource(mlir::Value value, int64_t reductionAxis);

/// The [N, K] view of a weight, whatever type and order it is stored in. Reading is thread-safe.
class WeightRows {
public:
  /// Fails with a message at `user`, the layer called `name`.
  static mlir::FailureOr<WeightRows> open(RoundingSource source, int64_t reductionAxis, mlir::Operation *user, llvm::StringRef name);

  int64_t getNumRows() const { return n; }
  int64_t getRowSize() const { return k; }
  /// Bytes that it is stored in.
  int64_t getBytes() const { return data.bytes().size() + scales.bytes().size() + rowScales.bytes().size() + zeros.bytes().size(); }
  /// Rows begin .. end to `rows`, [end - begin, K].
  void read(int64_t begin, int64_t end, float *rows) const;

private:
  void decode(int64_t row, float *values) const;

  int64_t n = 0, k = 0;
  bool isTransposed = false, hasZeros = false;
  mlir::Type element;
  SchemeAttr scheme; ///< of a weight in codes
  WeightData data, scales, rowScales, zeros;
  std::vector<float> channelScales; ///< [K], or empty
};

} // namespace terse

#endif // TERSE_COMPRESS_WEIGHTROWS_H
