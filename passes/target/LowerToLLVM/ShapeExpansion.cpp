//===- ShapeExpansion.cpp - expanding reshapes of buffers --------------===//
#include "ShapeExpansion.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace {
/// memref.expand_shape -> memref.reinterpret_cast. The pass upstream does not
/// survive a group with two dynamic sizes.
struct ResolveExpandShape : OpRewritePattern<memref::ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(memref::ExpandShapeOp op, PatternRewriter &rewriter) const override {
    MemRefType type = op.getResultType();
    SmallVector<int64_t> strides;
    int64_t offset;
    if (failed(type.getStridesAndOffset(strides, offset)))
      return failure();
    Location loc = op.getLoc();
    auto metadata = memref::ExtractStridedMetadataOp::create(rewriter, loc, op.getSrc());
    SmallVector<OpFoldResult> sizes = op.getMixedOutputShape(), newStrides(type.getRank(), rewriter.getIndexAttr(1));
    for (auto [i, group] : llvm::enumerate(op.getReassociationIndices())) {
      Value stride = metadata.getStrides()[i];
      for (int64_t dim : llvm::reverse(group)) {
        newStrides[dim] = ShapedType::isDynamic(strides[dim]) ? OpFoldResult(stride)
                                                              : OpFoldResult(rewriter.getIndexAttr(strides[dim]));
        stride =
            arith::MulIOp::create(rewriter, loc, stride, getValueOrCreateConstantIndexOp(rewriter, loc, sizes[dim]));
      }
    }
    OpFoldResult start = ShapedType::isDynamic(offset) ? OpFoldResult(metadata.getOffset())
                                                       : OpFoldResult(rewriter.getIndexAttr(offset));
    rewriter.replaceOpWithNewOp<memref::ReinterpretCastOp>(op, type, metadata.getBaseBuffer(), start, sizes,
                                                           newStrides);
    return success();
  }
};
} // namespace

void terse::populateShapeExpansionPatterns(RewritePatternSet &patterns) {
  patterns.add<ResolveExpandShape>(patterns.getContext());
}
