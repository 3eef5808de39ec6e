//===- UnfoldHeads.cpp - batch and heads as two dimensions ----------------===//
#include "AttentionPattern.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace terse;

static const SmallVector<ReassociationIndices> kGroups = {{0, 1}, {2}, {3}};

/// The tensor [B, H, x, y] that `value` [B * H, x, y] is merged from.
static Value getUnfolded(Value value) {
  auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>();
  if (!collapse || collapse.getSrcType().getRank() != 4 || collapse.getSrcType().isDynamicDim(1) ||
      collapse.getReassociationIndices() != kGroups)
    return {};
  return collapse.getSrc();
}

/// [B * H, x, y] as [B, H, x, y], B and H as in `like`.
static Value unfold(OpBuilder &builder, Location loc, Value value, Value like) {
  if (Value known = getUnfolded(value); known && known.getType() == like.getType())
    return known;
  auto type = cast<RankedTensorType>(value.getType());
  auto likeType = cast<RankedTensorType>(like.getType());
  auto unfolded = RankedTensorType::get(
      {likeType.getDimSize(0), likeType.getDimSize(1), type.getDimSize(1), type.getDimSize(2)}, type.getElementType());
  SmallVector<OpFoldResult> shape = {buildDim(builder, loc, like, 0), buildDim(builder, loc, like, 1),
                                     buildDim(builder, loc, value, 1), buildDim(builder, loc, value, 2)};
  return tensor::ExpandShapeOp::create(builder, loc, unfolded, value, kGroups, shape);
}

static void replaceFolded(PatternRewriter &rewriter, Operation *op, Value unfolded) {
  Value folded = tensor::CollapseShapeOp::create(rewriter, op->getLoc(), unfolded, kGroups);
  if (folded.getType() != op->getResult(0).getType())
    folded = tensor::CastOp::create(rewriter, op->getLoc(), op->getResult(0).getType(), folded);
  rewriter.replaceOp(op, folded);
}

namespace {

/// matmul(collapse(a), b) -> collapse(matmul(a, expand(b))).
struct UnfoldMatmul : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    if (op.getType().getRank() != 3)
      return failure();
    Value lhs = getUnfolded(op.getLhs()), rhs = getUnfolded(op.getRhs());
    if (!lhs && !rhs)
      return failure();
    Value like = lhs ? lhs : rhs;
    lhs = unfold(rewriter, op.getLoc(), op.getLhs(), like);
    rhs = unfold(rewriter, op.getLoc(), op.getRhs(), like);
    auto lhsType = cast<RankedTensorType>(lhs.getType());
    auto type = RankedTensorType::get({lhsType.getDimSize(0), lhsType.getDimSize(1), op.getType().getDimSize(1),
                                       op.getType().getDimSize(2)},
                                      op.getType().getElementType());
    replaceFolded(rewriter, op, MatmulOp::create(rewriter, op.getLoc(), type, lhs, rhs));
    return success();
  }
};

/// softmax(collapse(x)) -> collapse(softmax(x)).
struct UnfoldSoftmax : OpRewritePattern<SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SoftmaxOp op, PatternRewriter &rewriter) const override {
    Value input = getUnfolded(op.getInput());
    if (!input || op.getAxis() == 0)
      return failure();
    replaceFolded(rewriter, op, SoftmaxOp::create(rewriter, op.getLoc(), input, op.getAxis() + 1));
    return success();
  }
};

/// op(collapse(x), y) -> collapse(op(x, expand(y))).
struct UnfoldElementwise : RewritePattern {
  UnfoldElementwise(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!isScalarOp(op))
      return failure();
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!type || type.getRank() != 3)
      return failure();
    Value like;
    for (Value operand : op->getOperands())
      if (Value unfolded = getUnfolded(operand); unfolded && !like)
        like = unfolded;
    if (!like)
      return failure();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(isa<RankedTensorType>(operand.getType()) ? unfold(rewriter, op->getLoc(), operand, like)
                                                                  : operand);
    Operation *copy = rewriter.clone(*op);
    copy->setOperands(operands);
    copy->getResult(0).setType(cast<RankedTensorType>(like.getType()).clone(type.getElementType()));
    replaceFolded(rewriter, op, copy->getResult(0));
    return success();
  }
};

} // namespace

void terse::unfoldHeads(func::FuncOp function) {
  bool folded = false;
  function.walk([&](SoftmaxOp softmax) { folded |= softmax.getType().getRank() == 3; });
  function.walk([&](MatmulOp product) { folded |= getUnfolded(product.getLhs()) || getUnfolded(product.getRhs()); });
  if (!folded)
    return;
  MLIRContext *context = function.getContext();
  RewritePatternSet patterns(context);
  patterns.add<UnfoldMatmul, UnfoldSoftmax, UnfoldElementwise>(context);
  tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
  tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
  (void)applyPatternsGreedily(function, std::move(patterns));
}
