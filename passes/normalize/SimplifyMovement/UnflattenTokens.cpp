//===- UnflattenTokens.cpp - batch and tokens stay two dimensions ---------===//
//
// Some exporters flatten [batch, tokens, channels] to rows for a matrix product. The reshape moves behind what works row by
// row, where it meets the one that undoes it.
#include "SinkSlices.h"

#include "Terse/TerseDialect.h"
#include "terse/Analysis/Access.h"

using namespace mlir;
using namespace terse;

static const SmallVector<ReassociationIndices> kGroups = {{0, 1}, {2}};

/// The same size of two tensors, whatever the sizes of the inputs.
static bool areSameSize(Value a, int64_t dimOfA, Value b, int64_t dimOfB) {
  auto function = a.getParentRegion()->getParentOfType<func::FuncOp>();
  if (a == b && dimOfA == dimOfB)
    return true;
  if (!function)
    return false;
  Probes probes(function, Environment());
  return llvm::all_of(probes.evaluators(), [&](auto &evaluator) {
    std::optional<int64_t> size = evaluator->getSize(a, dimOfA);
    return size && size == evaluator->getSize(b, dimOfB);
  });
}

/// The tensor [B, S, C] that rows [B * S, C] are.
static Value getUnflattened(Value value) {
  auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>();
  return collapse && collapse.getSrcType().getRank() == 3 && collapse.getReassociationIndices() == kGroups
             ? collapse.getSrc()
             : Value();
}

/// Rows as [B, S, C], B and S as in `like`.
static Value unflatten(OpBuilder &builder, Location loc, Value value, Value like) {
  auto type = cast<RankedTensorType>(value.getType()), likeType = cast<RankedTensorType>(like.getType());
  if (Value known = getUnflattened(value))
    return known;
  auto unflattened = RankedTensorType::get({likeType.getDimSize(0), likeType.getDimSize(1), type.getDimSize(1)},
                                           type.getElementType());
  SmallVector<OpFoldResult> shape = {buildDim(builder, loc, like, 0), buildDim(builder, loc, like, 1),
                                     buildDim(builder, loc, value, 1)};
  return tensor::ExpandShapeOp::create(builder, loc, unflattened, value, kGroups, shape);
}

/// Which operands of a row-wise operation are rows; empty if it is none.
static SmallVector<unsigned> getRowOperands(Operation *op) {
  auto type = op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
  if (!type || type.getRank() != 2)
    return {};
  if (isa<LinearOp, NormOp, ActivationOp, QuantizeDynamicOp, QuantizeStaticOp>(op))
    return {0};
  SmallVector<unsigned> rows;
  if (isScalarOp(op))
    for (OpOperand &operand : op->getOpOperands())
      if (isa<RankedTensorType>(operand.get().getType()))
        rows.push_back(operand.getOperandNumber());
  return rows;
}

namespace {
/// op(collapse(x)) -> collapse(op(x)).
struct UnflattenTokens : RewritePattern {
  UnflattenTokens(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    SmallVector<unsigned> rows = getRowOperands(op);
    Value like;
    for (unsigned i : rows)
      if (Value source = getUnflattened(op->getOperand(i)); source && !like)
        like = source;
    if (!like)
      return failure();
    // Two tensors of as many rows may be of another batch.
    for (unsigned i : rows)
      if (Value other = getUnflattened(op->getOperand(i)))
        for (int64_t dim : {0, 1})
          if (!areSameSize(like, dim, other, dim))
            return failure();
    auto likeType = cast<RankedTensorType>(like.getType());
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Operation *copy = rewriter.clone(*op);
    for (unsigned i : rows) {
      rewriter.setInsertionPoint(copy);
      copy->setOperand(i, unflatten(rewriter, op->getLoc(), op->getOperand(i), like));
    }
    rewriter.setInsertionPointAfter(copy);
    copy->getResult(0).setType(RankedTensorType::get(
        {likeType.getDimSize(0), likeType.getDimSize(1), type.getDimSize(1)}, type.getElementType()));
    Value flat = tensor::CollapseShapeOp::create(rewriter, op->getLoc(), copy->getResult(0), kGroups);
    if (flat.getType() != type)
      flat = tensor::CastOp::create(rewriter, op->getLoc(), type, flat);
    rewriter.replaceOp(op, flat);
    return success();
  }
};

/// expand(collapse(x)) -> expand(x), where what was merged is split into the same again. Upstream knows this
/// of static sizes.
struct FoldMergeAndSplit : OpRewritePattern<tensor::ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExpandShapeOp expand, PatternRewriter &rewriter) const override {
    auto collapse = expand.getSrc().getDefiningOp<tensor::CollapseShapeOp>();
    if (!collapse)
      return failure();
    SmallVector<ReassociationIndices> groups;
    bool changes = false;
    for (auto [merged, split] :
         llvm::zip_equal(collapse.getReassociationIndices(), expand.getReassociationIndices())) {
      if (merged.size() == 1) {
        groups.push_back(split);
        changes |= split.size() > 1;
        continue;
      }
      if (merged.size() != split.size())
        return failure();
      for (auto [before, after] : llvm::zip_equal(merged, split)) {
        if (!areSameSize(collapse.getSrc(), before, expand.getResult(), after))
          return failure();
        groups.push_back({after});
      }
    }
    Value result = collapse.getSrc();
    if (changes)
      result = tensor::ExpandShapeOp::create(rewriter, expand.getLoc(), expand.getResultType(), result, groups,
                                             expand.getMixedOutputShape());
    if (result.getType() != expand.getType())
      result = tensor::CastOp::create(rewriter, expand.getLoc(), expand.getType(), result);
    rewriter.replaceOp(expand, result);
    return success();
  }
};
} // namespace

void terse::populateUnflattenPatterns(RewritePatternSet &patterns) {
  patterns.add<UnflattenTokens, FoldMergeAndSplit>(patterns.getContext());
}
