//===- RowView.cpp - columns of a wider tensor ----------------------------===//
#include "terse/Kernels/RowView.h"

#include "Terse/TerseDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace terse;

/// The value that dimension `dim` of `tensor` comes from unchanged: row-wise
/// operations keep the leading dimensions of their first operand.
static Value findSizeRoot(Value tensor, int64_t dim) {
  while (Operation *op = tensor.getDefiningOp()) {
    bool keeps = isa<LinearOp, QLinearOp, NormOp, ActivationOp, ScaleChannelsOp, RotateOp, QuantizeDynamicOp, QuantizeHeadsOp, RopeOp, EmbeddingOp>(op) ||
                 (op->hasTrait<OpTrait::Elementwise>() && op->getNumOperands() > 0);
    auto operand = keeps ? dyn_cast<RankedTensorType>(op->getOperand(0).getType()) : RankedTensorType();
    if (!operand || dim >= operand.getRank())
      break;
    tensor = op->getOperand(0);
  }
  return tensor;
}

/// Whether `size` is that of dimension `dim` of `tensor`.
static bool isSizeOf(Value size, Value tensor, int64_t dim) {
  auto op = size.getDefiningOp<tensor::DimOp>();
  return op && op.getConstantIndex() == dim && findSizeRoot(op.getSource(), dim) == findSizeRoot(tensor, dim);
}

RowView RowView::of(Value tensor) {
  auto width = [](Value value) { return cast<RankedTensorType>(value.getType()).getShape().back(); };
  RowView whole{tensor, 0, width(tensor)};
  auto slice = tensor.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice || slice.getSourceType().getRank() != slice.getType().getRank() || !slice.hasUnitStride())
    return whole;
  int64_t last = slice.getType().getRank() - 1;
  for (int64_t i = 0; i < last; ++i) {
    int64_t size = slice.getStaticSizes()[i];
    if (slice.getStaticOffsets()[i] != 0 || size != slice.getSourceType().getDimSize(i) ||
        (ShapedType::isDynamic(size) && !isSizeOf(slice.getDynamicSize(i), slice.getSource(), i)))
      return whole;
  }
  int64_t offset = slice.getStaticOffsets()[last];
  if (ShapedType::isDynamic(offset) || ShapedType::isDynamic(width(slice.getSource())))
    return whole;
  return {slice.getSource(), offset, width(slice.getSource())};
}
