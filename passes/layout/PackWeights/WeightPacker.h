//===- WeightPacker.h - packed copies of weights ----------------*- C++ -*-===//
#ifndef TERSE_LAYOUT_PACKWEIGHTS_WEIGHTPACKER_H
#define TERSE_LAYOUT_PACKWEIGHTS_WEIGHTPACKER_H

#include "Kernel/KernelDialect.h"
#include "Kernel/PackedLayout.h"
#include "Terse/TerseDialect.h"

#include "mlir/IR/Builders.h"

namespace terse {

/// A constant operand: where its data are, and its name if it has one.
struct ConstantTensor {
  mlir::Attribute data;
  mlir::RankedTensorType type;
  llvm::StringRef name;

  /// The constant that `value` is: a terse.weight or an arith.constant.
  static std::optional<ConstantTensor> get(mlir::Value value);
};

/// Makes packed weights. Each distinct weight is packed once, however many layers
/// share it. Values are created one after the other at the start of `block`, a function's first, so that all its layers
/// can use them.
class WeightPacker {
public:
  WeightPacker(WeightStore &store, mlir::Block &block)
      : store(store), block(block), builder(mlir::OpBuilder::atBlockBegin(&block)) {}

  /// Whether of each four codes of a row, which lie in this layout, two at least are the code of 0.
  mlir::FailureOr<bool> areTwoOfFour(const ConstantTensor &codes, const kernel::PackedLayout &layout);
  /// Codes [N, row bytes] -> [panels, panel bytes].
  mlir::FailureOr<mlir::Value> packCodes(const ConstantTensor &codes, const kernel::PackedLayout &layout);
  /// Values of groups [N, groups] -> [panels, groups, 16]; zero points of symmetric schemes do not exist.
  mlir::FailureOr<mlir::Value> packGroups(const ConstantTensor &groups);
  /// Zero points of up to 4 bits [N, groups] -> [panels, groups, 8], two to a byte.
  mlir::FailureOr<mlir::Value> packPairedZeros(const ConstantTensor &zeros);
  /// The sum of each row's values, [N, K] -> [panels, 16] f32.
  mlir::FailureOr<mlir::Value> packColumnSums(const ConstantTensor &codes, const ConstantTensor &scales,
                                              const ConstantTensor *rowScales, const ConstantTensor *zeros, SchemeAttr scheme, int64_t k);
  /// [N, K], or [K, N] when `reductionAxis` is 0, -> [panels, K, 16] of the same element type; of bf16 [panels, ceil(K/2), 32].
  mlir::FailureOr<mlir::Value> packFloat(const ConstantTensor &weight, int64_t reductionAxis);
  /// One value of any float type for each of N columns -> [panels, 16] f32.
  mlir::FailureOr<mlir::Value> packColumns(const ConstantTensor &values);

  int64_t getNumPacked() const { return packed.size(); }
  int64_t getPackedBytes() const { return packedBytes; }

private:
  /// The source's data, the packed type, and what else tells two packings of these apart.
  using Key = std::tuple<mlir::Attribute, mlir::Type, int64_t>;
  /// Stores `bytes` as a weight named after its source, for later requests of `key` too.
  mlir::FailureOr<mlir::Value> addWeight(const ConstantTensor &source, Key key, mlir::RankedTensorType type,
                                      llvm::ArrayRef<char> bytes);
  mlir::FailureOr<WeightData> read(const ConstantTensor &source);
  mlir::FailureOr<mlir::Value> transpose(const ConstantTensor &source, int64_t columns, int64_t rows,
                                         int64_t columnStride, int64_t rowStride, mlir::RankedTensorType type);

  WeightStore &store;
  mlir::Block &block;
  mlir::OpBuilder builder;
  WeightOp last; ///< the newest; what followed it at first may be erased by now
  llvm::DenseMap<Key, mlir::Value> packed;
  int64_t packedBytes = 0;
};

} // namespace terse

#endif // TERSE_LAYOUT_PACKWEIGHTS_WEIGHTPACKER_H
