//===- Prepare.cpp - tensor code in the forms that bufferize well ---------===//
#include "Prepare.h"

#include "Kernel/KernelDialect.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace terse;

namespace {

/// tensor.splat %x   becomes   linalg.fill of an empty tensor.
struct SplatToFill : OpRewritePattern<tensor::SplatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::SplatOp op, PatternRewriter &rewriter) const override {
    Value empty = tensor::EmptyOp::create(rewriter, op.getLoc(), op.getType(), op.getDynamicSizes());
    rewriter.replaceOpWithNewOp<linalg::FillOp>(op, op.getInput(), empty);
    return success();
  }
};

/// %s = extract_slice %x; launch(%s)   becomes   launch(copy(%s))
/// Kernels take whole buffers. A copy made here serves all launches that read
/// the slice; bufferization would make one for each.
struct CopySliceForLaunch : OpRewritePattern<kernel::LaunchOp> {
  using OpRewritePattern::OpRewritePattern;

  /// Rows of a buffer from the first on lie like a buffer.
  static bool isWhole(tensor::ExtractSliceOp slice) {
    if (!slice.hasUnitStride() || !slice.hasZeroOffset())
      return false;
    auto type = slice.getSourceType();
    for (int64_t i = 1; i < type.getRank(); ++i)
      if (type.isDynamicDim(i) || !isConstantIntValue(slice.getMixedSizes()[i], type.getDimSize(i)))
        return false;
    return true;
  }

  LogicalResult matchAndRewrite(kernel::LaunchOp op, PatternRewriter &rewriter) const override {
    bool changed = false;
    for (OpOperand &input : op.getInputsMutable()) {
      auto slice = input.get().getDefiningOp<tensor::ExtractSliceOp>();
      if (!slice || isWhole(slice))
        continue;
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointAfter(slice);
      Location loc = slice.getLoc();
      Value empty = tensor::EmptyOp::create(rewriter, loc, tensor::getMixedSizes(rewriter, loc, slice),
                                            slice.getType().getElementType());
      Value copy = linalg::CopyOp::create(rewriter, loc, slice.getResult(), empty).getResult(0);
      rewriter.modifyOpInPlace(op, [&]() { input.set(copy); });
      changed = true;
    }
    return success(changed);
  }
};

/// A loop that yields a new tensor of the carried one's shape writes it to the
/// carried one's buffer instead of passing on another buffer each time.
void carryInPlace(scf::ForOp loop) {
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  OpBuilder builder(yield);
  for (auto [carried, next] : llvm::zip(loop.getRegionIterArgs(), yield->getOpOperands())) {
    auto type = dyn_cast<RankedTensorType>(carried.getType());
    if (!type || next.get() == carried)
      continue;
    bool isSameShape =
        llvm::all_of(llvm::seq<int64_t>(type.getRank()), [&, carried = carried, &next = next](int64_t i) {
          FailureOr<bool> equal = ValueBoundsConstraintSet::areEqual({next.get(), i}, {carried, i});
          return succeeded(equal) && *equal;
        });
    if (isSameShape)
      next.set(
          bufferization::MaterializeInDestinationOp::create(builder, yield.getLoc(), next.get(), carried).getResult());
  }
}

/// Whether fusing `producer` into its consumer saves more than it repeats: it
/// is computed once an element either way, or it is only a constant's worth of
/// work.
bool shouldFuse(OpOperand *operand) {
  Operation *producer = operand->get().getDefiningOp();
  if (!producer)
    return false;
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  auto generic = dyn_cast<linalg::GenericOp>(producer);
  if (!consumer || !generic)
    return false;
  if (generic.getNumDpsInputs() == 0 && generic.getBody()->getOperations().size() <= 2)
    return true;
  // The consumer reads each element once: no broadcast, no sum over what the
  // producer would compute again.
  AffineMap map = consumer.getMatchingIndexingMap(operand);
  return producer->hasOneUse() && map.isPermutation() && consumer.getNumLoops() == generic.getNumLoops();
}

} // namespace

LogicalResult bufferize::prepareTensors(ModuleOp module, bool fuse) {
  MLIRContext *context = module.getContext();
  RewritePatternSet patterns(context);
  patterns.add<SplatToFill, CopySliceForLaunch>(context);
  tensor::populateDecomposeTensorConcatPatterns(patterns);
  memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
  memref::populateResolveShapedTypeResultDimsPatterns(patterns);
  scf::populateSCFForLoopCanonicalizationPatterns(patterns);
  linalg::populateInlineConstantOperandsPatterns(patterns);
  if (fuse) {
    linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
  }
  if (failed(applyPatternsGreedily(module, std::move(patterns))))
    return failure();
  module.walk(carryInPlace);
  return success();
}

void bufferize::separateInitialTensors(ModuleOp module) {
  SmallVector<DestinationStyleOpInterface> users;
  module.walk([&](DestinationStyleOpInterface op) {
    if (!isa<linalg::FillOp>(op.getOperation()))
      users.push_back(op);
  });
  for (DestinationStyleOpInterface user : users)
    for (OpOperand &init : user.getDpsInitsMutable()) {
      Operation *def = init.get().getDefiningOp();
      if (!def || !isa<tensor::EmptyOp, linalg::FillOp>(def))
        continue;
      if (auto fill = dyn_cast<linalg::FillOp>(def); fill && !fill.getDpsInits()[0].getDefiningOp<tensor::EmptyOp>())
        continue;
      OpBuilder builder(user);
      Operation *own = builder.clone(*def);
      if (isa<linalg::FillOp>(own)) {
        builder.setInsertionPoint(own);
        own->setOperand(1, builder.clone(*own->getOperand(1).getDefiningOp())->getResult(0));
      }
      init.set(own->getResult(0));
      Operation *empty = isa<linalg::FillOp>(def) ? def->getOperand(1).getDefiningOp() : nullptr;
      if (isOpTriviallyDead(def))
        def->erase();
      if (empty && isOpTriviallyDead(empty))
        empty->erase();
    }
}
