//===- SinkRows.cpp - slices of rows before layers ------------------------===//
#include "SinkSlices.h"

#include "Terse/TerseDialect.h"

using namespace mlir;
using namespace terse;

using tensor::ExtractSliceOp;

/// A row of the result is of the same row of the first operand, and of operands that are the same for all rows.
static bool isRowwise(Operation *op) {
  if (auto quantize = dyn_cast<QuantizeDynamicOp>(op))
    return !quantize.getPerTensor();
  if (auto scale = dyn_cast<ScaleChannelsOp>(op))
    return int64_t(scale.getAxis()) == scale.getType().getRank() - 1;
  return isa<LinearOp, NormOp, ActivationOp, QuantizeStaticOp, RotateOp>(op);
}

namespace {
/// slice(linear(x, w)) -> linear(slice(x), w), and norms, activations and roundings likewise.
struct SinkThroughRows : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    Operation *op = getSlicedOp(slice);
    int64_t last = slice.getSourceType().getRank() - 1;
    if (!op || !isRowwise(op) || !isWholeDim(slice, last))
      return failure();
    SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, last + 1));
    dims[last] = -1;
    Value rows = cutOperand(rewriter, slice, op->getOperand(0), dims);
    auto rowsType = cast<RankedTensorType>(rows.getType());
    SmallVector<int64_t> shape(rowsType.getShape());
    shape[last] = slice.getType().getDimSize(last);
    Operation *copy = rewriter.clone(*op);
    copy->setOperand(0, rows);
    copy->getResult(0).setType(RankedTensorType::get(shape, slice.getType().getElementType()));
    return replaceSlice(rewriter, slice, copy->getResult(0));
  }
};
} // namespace

void terse::populateSinkRowPatterns(RewritePatternSet &patterns) { patterns.add<SinkThroughRows>(patterns.getContext()); }
