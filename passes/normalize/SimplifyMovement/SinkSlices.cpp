//===- SinkSlices.cpp - slices before what they cut -----------------------===//
#include "SinkSlices.h"

#include "Terse/TerseDialect.h"
#include "terse/Analysis/Access.h"

#include "mlir/Dialect/Tensor/Utils/Utils.h"

using namespace mlir;
using namespace terse;

using tensor::ExtractSliceOp;

Operation *terse::getSlicedOp(ExtractSliceOp slice) {
  Operation *op = slice.getSource().getDefiningOp();
  if (!op || op->getNumResults() != 1 || slice.getDroppedDims().any())
    return nullptr;
  bool onlySlices = llvm::all_of(op->getUsers(), [](Operation *user) { return isa<ExtractSliceOp, tensor::DimOp>(user); });
  return onlySlices ? op : nullptr;
}

/// A size is that of a dimension of a tensor, whatever the sizes of the inputs.
static bool isSizeOf(OpFoldResult size, Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  std::optional<int64_t> constant = getConstantIntValue(size);
  if (constant || !type.isDynamicDim(dim))
    return constant == type.getDimSize(dim);
  auto function = tensor.getParentRegion()->getParentOfType<func::FuncOp>();
  if (!function)
    return false;
  Probes probes(function, Environment());
  return llvm::all_of(probes.evaluators(), [&](auto &evaluator) {
    std::optional<int64_t> whole = evaluator->getSize(tensor, dim);
    return whole && evaluator->evaluateScalar(cast<Value>(size)).getInteger() == whole;
  });
}

/// Dimension `dim` of a sliced tensor would leave dimension `i` of `value` as it is.
static bool isWhole(ExtractSliceOp slice, int64_t dim, Value value, int64_t i) {
  return isConstantIntValue(slice.getMixedOffsets()[dim], 0) && isConstantIntValue(slice.getMixedStrides()[dim], 1) &&
         isSizeOf(slice.getMixedSizes()[dim], value, i);
}

bool terse::isWholeDim(ExtractSliceOp slice, int64_t dim) { return isWhole(slice, dim, slice.getSource(), dim); }

Value terse::cutOperand(OpBuilder &builder, ExtractSliceOp slice, Value value, ArrayRef<int64_t> dims) {
  auto type = cast<RankedTensorType>(value.getType());
  bool whole = true;
  for (auto [i, dim] : llvm::enumerate(dims))
    whole &= dim < 0 || isWhole(slice, dim, value, i);
  if (whole)
    return value;
  SmallVector<OpFoldResult> offsets, sizes, strides;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    offsets.push_back(dim < 0 ? OpFoldResult(builder.getIndexAttr(0)) : slice.getMixedOffsets()[dim]);
    sizes.push_back(dim < 0 ? buildDim(builder, slice.getLoc(), value, i) : slice.getMixedSizes()[dim]);
    strides.push_back(dim < 0 ? OpFoldResult(builder.getIndexAttr(1)) : slice.getMixedStrides()[dim]);
  }
  return ExtractSliceOp::create(builder, slice.getLoc(), ExtractSliceOp::inferResultType(type, sizes), value, offsets,
                                sizes, strides);
}

static SmallVector<int64_t> identity(int64_t rank) { return llvm::to_vector(llvm::seq<int64_t>(0, rank)); }

LogicalResult terse::replaceSlice(PatternRewriter &rewriter, ExtractSliceOp slice, Value value) {
  if (value.getType() != slice.getType())
    value = tensor::CastOp::create(rewriter, slice.getLoc(), slice.getType(), value);
  rewriter.replaceOp(slice, value);
  return success();
}

namespace {

/// A slice of all there is.
struct DropWholeSlice : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    if (slice.getDroppedDims().any())
      return failure();
    for (int64_t dim = 0; dim < slice.getSourceType().getRank(); ++dim)
      if (!isWholeDim(slice, dim))
        return failure();
    return replaceSlice(rewriter, slice, slice.getSource());
  }
};

/// slice(slice(x)) -> slice(x), where the inner one drops no dimensions.
struct MergeSlices : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    auto inner = slice.getSource().getDefiningOp<ExtractSliceOp>();
    if (!inner || inner.getDroppedDims().any() || !inner.hasUnitStride())
      return failure();
    SmallVector<OpFoldResult> offsets;
    for (auto [first, second] : llvm::zip_equal(inner.getMixedOffsets(), slice.getMixedOffsets())) {
      if (isConstantIntValue(first, 0) || isConstantIntValue(second, 0)) {
        offsets.push_back(isConstantIntValue(first, 0) ? second : first);
        continue;
      }
      Value a = asValue(rewriter, slice.getLoc(), first), b = asValue(rewriter, slice.getLoc(), second);
      offsets.push_back(arith::AddIOp::create(rewriter, slice.getLoc(), a, b).getResult());
    }
    rewriter.replaceOpWithNewOp<ExtractSliceOp>(slice, slice.getType(), inner.getSource(), offsets,
                                                slice.getMixedSizes(), slice.getMixedStrides());
    return success();
  }
};

/// A slice that drops dimensions -> one that does not, and a reshape.
struct SplitRankReduction : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    Operation *op = slice.getSource().getDefiningOp();
    if (dropped.none() || slice.getType().getRank() == 0 || !op ||
        !(isScalarOp(op) || isa<linalg::LinalgOp, tensor::ConcatOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp,
                                ExtractSliceOp, EmbeddingOp, MatmulOp>(op)))
      return failure();
    Value full = ExtractSliceOp::create(rewriter, slice.getLoc(), slice.getSource(), slice.getMixedOffsets(),
                                        slice.getMixedSizes(), slice.getMixedStrides());
    SmallVector<ReassociationIndices> groups;
    ReassociationIndices group;
    bool hasKept = false;
    for (unsigned dim = 0; dim < dropped.size(); ++dim) {
      if (!dropped.test(dim) && hasKept) {
        groups.push_back(group);
        group.clear();
      }
      hasKept |= !dropped.test(dim);
      group.push_back(dim);
    }
    groups.push_back(group);
    return replaceSlice(rewriter, slice, tensor::CollapseShapeOp::create(rewriter, slice.getLoc(), full, groups));
  }
};

/// slice(op(a, b)) -> op(slice(a), slice(b)).
struct SinkThroughElementwise : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    Operation *op = getSlicedOp(slice);
    if (!op || !isScalarOp(op))
      return failure();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(isa<RankedTensorType>(operand.getType())
                             ? cutOperand(rewriter, slice, operand, identity(slice.getSourceType().getRank()))
                             : operand);
    Operation *copy = rewriter.clone(*op);
    copy->setOperands(operands);
    auto type = cast<RankedTensorType>(copy->getResult(0).getType());
    auto shape = llvm::find_if(operands, [](Value v) { return isa<RankedTensorType>(v.getType()); });
    copy->getResult(0).setType(cast<RankedTensorType>((*shape).getType()).clone(type.getElementType()));
    return replaceSlice(rewriter, slice, copy->getResult(0));
  }
};

/// slice(splat x) -> splat x.
struct SinkThroughSplat : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    auto splat = slice.getSource().getDefiningOp<tensor::SplatOp>();
    if (!splat)
      return failure();
    SmallVector<Value> sizes;
    for (auto [i, size] : llvm::enumerate(slice.getMixedSizes()))
      if (auto value = dyn_cast<Value>(size); value && !slice.getDroppedDims().test(i))
        sizes.push_back(value);
    if (int64_t(sizes.size()) != int64_t(slice.getType().getNumDynamicDims()))
      return failure();
    rewriter.replaceOpWithNewOp<tensor::SplatOp>(slice, slice.getType(), splat.getInput(), sizes);
    return success();
  }
};

/// A slice of one piece of a concatenation, or of all pieces alike.
struct SinkThroughConcat : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    auto concat = slice.getSource().getDefiningOp<tensor::ConcatOp>();
    if (!concat)
      return failure();
    int64_t axis = int64_t(concat.getDim()), rank = slice.getSourceType().getRank();
    std::optional<int64_t> offset = getConstantIntValue(slice.getMixedOffsets()[axis]),
                           size = getConstantIntValue(slice.getMixedSizes()[axis]),
                           stride = getConstantIntValue(slice.getMixedStrides()[axis]);
    int64_t start = 0;
    if (offset && size && stride)
      for (Value input : concat.getInputs()) {
        int64_t length = cast<RankedTensorType>(input.getType()).getDimSize(axis);
        if (ShapedType::isDynamic(length))
          break;
        if (*offset >= start && *offset + (*size - 1) * *stride < start + length) {
          SmallVector<OpFoldResult> offsets = slice.getMixedOffsets();
          offsets[axis] = rewriter.getIndexAttr(*offset - start);
          rewriter.replaceOpWithNewOp<ExtractSliceOp>(slice, slice.getType(), input, offsets, slice.getMixedSizes(),
                                                      slice.getMixedStrides());
          return success();
        }
        start += length;
      }
    if (getSlicedOp(slice) != concat.getOperation() || !isWholeDim(slice, axis))
      return failure();
    SmallVector<Value> pieces;
    SmallVector<int64_t> dims = identity(rank);
    dims[axis] = -1;
    for (Value input : concat.getInputs())
      pieces.push_back(cutOperand(rewriter, slice, input, dims));
    return replaceSlice(rewriter, slice, tensor::ConcatOp::create(rewriter, slice.getLoc(), axis, pieces));
  }
};

/// slice(generic(a, b)) -> generic(slice(a), slice(b)), where `linalg.index` counts from the
/// slice's offset; broadcasts, transposes and fills likewise.
struct SinkThroughLinalg : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    auto op = dyn_cast_or_null<linalg::LinalgOp>(getSlicedOp(slice));
    if (!op || op.getNumDpsInits() != 1 || !op.getDpsInits()[0].getDefiningOp<tensor::EmptyOp>())
      return failure();
    AffineMap outMap = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
    bool parallel = llvm::all_of(op.getIteratorTypesArray(),
                                 [](utils::IteratorType type) { return type == utils::IteratorType::parallel; });
    if (!parallel || !outMap.isPermutation())
      return failure();
    auto maps = op.getIndexingMapsArray();
    if (!llvm::all_of(maps, [](AffineMap map) { return map.isProjectedPermutation(); }))
      return failure();
    // Sizes of a dynamic source that are the slice's own mean that nothing is cut.
    SmallVector<int64_t> dimOfLoop(op.getNumLoops());
    for (auto [i, expr] : llvm::enumerate(outMap.getResults()))
      dimOfLoop[cast<AffineDimExpr>(expr).getPosition()] = i;
    SmallVector<Value> operands;
    for (OpOperand *input : op.getDpsInputOperands()) {
      if (!isa<RankedTensorType>(input->get().getType())) {
        operands.push_back(input->get());
        continue;
      }
      SmallVector<int64_t> dims;
      for (AffineExpr expr : op.getMatchingIndexingMap(input).getResults())
        dims.push_back(dimOfLoop[cast<AffineDimExpr>(expr).getPosition()]);
      operands.push_back(cutOperand(rewriter, slice, input->get(), dims));
    }
    Type elementType = slice.getType().getElementType();
    Value empty = tensor::EmptyOp::create(rewriter, slice.getLoc(), slice.getMixedSizes(), elementType);
    operands.push_back(empty);
    Operation *copy = rewriter.clone(*op);
    copy->setOperands(operands);
    copy->getResult(0).setType(empty.getType());
    SmallVector<linalg::IndexOp> indices;
    copy->walk([&](linalg::IndexOp index) { indices.push_back(index); });
    for (linalg::IndexOp index : indices) {
      int64_t dim = dimOfLoop[index.getDim()];
      rewriter.setInsertionPointAfter(index);
      OpFoldResult offset = slice.getMixedOffsets()[dim], stride = slice.getMixedStrides()[dim];
      Value position = index;
      SmallPtrSet<Operation *, 2> own;
      auto apply = [&](Operation *arithmetic) {
        own.insert(arithmetic);
        position = arithmetic->getResult(0);
      };
      if (!isConstantIntValue(stride, 1))
        apply(arith::MulIOp::create(rewriter, index.getLoc(), position, asValue(rewriter, index.getLoc(), stride)));
      if (!isConstantIntValue(offset, 0))
        apply(arith::AddIOp::create(rewriter, index.getLoc(), position, asValue(rewriter, index.getLoc(), offset)));
      if (position != index)
        index.getResult().replaceAllUsesExcept(position, own);
    }
    return replaceSlice(rewriter, slice, copy->getResult(0));
  }
};

/// A slice of gathered rows gathers fewer; of an outer product, multiplies fewer.
struct SinkThroughTerse : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    Operation *op = getSlicedOp(slice);
    int64_t rank = slice.getSourceType().getRank();
    if (auto embedding = dyn_cast_or_null<EmbeddingOp>(op)) {
      if (!isWholeDim(slice, rank - 1))
        return failure();
      Value ids = cutOperand(rewriter, slice, embedding.getIds(), identity(rank - 1));
      return replaceSlice(rewriter, slice,
                          EmbeddingOp::create(rewriter, op->getLoc(), slice.getType(), ids, embedding.getTable(),
                                              embedding.getNameAttr()));
    }
    if (auto matmul = dyn_cast_or_null<MatmulOp>(op)) {
      SmallVector<int64_t> left = identity(rank), right = identity(rank);
      left[rank - 1] = -1;
      right[rank - 2] = -1;
      Value lhs = cutOperand(rewriter, slice, matmul.getLhs(), left), rhs = cutOperand(rewriter, slice, matmul.getRhs(), right);
      return replaceSlice(rewriter, slice, MatmulOp::create(rewriter, op->getLoc(), slice.getType(), lhs, rhs));
    }
    return failure();
  }
};

/// slice(reshape(x)) -> reshape(slice(x)), where the dimensions that are merged or split are read whole, or have
/// only one beside sizes of 1.
struct SinkThroughReshape : OpRewritePattern<ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExtractSliceOp slice, PatternRewriter &rewriter) const override {
    Operation *op = getSlicedOp(slice);
    auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(op);
    auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(op);
    if (!expand && !collapse)
      return failure();
    Value source = op->getOperand(0);
    auto wideType = expand ? expand.getResultType() : collapse.getSrcType();
    SmallVector<ReassociationIndices> groups =
        expand ? expand.getReassociationIndices() : collapse.getReassociationIndices();
    SmallVector<int64_t> dims(expand ? groups.size() : wideType.getRank(), -1);
    for (auto [i, group] : llvm::enumerate(groups)) {
      bool cuts = expand ? llvm::any_of(group, [&](int64_t dim) {
        return wideType.getDimSize(dim) != 1 && !isWholeDim(slice, dim);
      })
                         : !isWholeDim(slice, i);
      if (!cuts)
        continue;
      std::optional<int64_t> kept;
      for (int64_t dim : group) {
        if (wideType.getDimSize(dim) == 1)
          continue;
        if (kept)
          return failure();
        kept = dim;
      }
      if (!kept)
        return failure();
      dims[expand ? i : *kept] = expand ? *kept : int64_t(i);
    }
    if (llvm::all_of(dims, [](int64_t dim) { return dim < 0; }))
      return failure();
    Value smaller = cutOperand(rewriter, slice, source, dims);
    if (expand)
      return replaceSlice(rewriter, slice,
                          tensor::ExpandShapeOp::create(rewriter, op->getLoc(), slice.getType(), smaller, groups,
                                                        slice.getMixedSizes()));
    return replaceSlice(rewriter, slice, tensor::CollapseShapeOp::create(rewriter, op->getLoc(), smaller, groups));
  }
};

} // namespace

void terse::populateSinkSlicePatterns(RewritePatternSet &patterns) {
  patterns.add<DropWholeSlice, MergeSlices, SplitRankReduction, SinkThroughElementwise, SinkThroughSplat, SinkThroughConcat, SinkThroughLinalg, SinkThroughTerse,
               SinkThroughReshape>(patterns.getContext());
}
