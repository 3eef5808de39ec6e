//===- SimplifyMovement.cpp - removes movement that changes nothing -------===//
#include "SinkSlices.h"

#include "Terse/TerseDialect.h"
#include "terse/Analysis/Access.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/RegionUtils.h"

namespace terse {
#define GEN_PASS_DEF_SIMPLIFYMOVEMENT
#include "normalize/SimplifyMovement/SimplifyMovement.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

static bool isMovement(Operation *op) {
  if (!op)
    return false;
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return isa<BlockArgument>(generic.getBody()->getTerminator()->getOperand(0));
  return isa<tensor::ExtractSliceOp, tensor::ConcatOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::CastOp,
             linalg::TransposeOp, linalg::BroadcastOp>(op);
}

/// The earlier tensor whose elements are those of `value` at the same indices.
static Value findSame(func::FuncOp function, Value value) {
  Environment environment;
  environment.isBarrier = isScalarOp; // movement alone: casts round
  Probes probes(function, environment);
  std::optional<Access> access = fitAccess(probes, value);
  if (!access || access->base == value || access->base.getType() != value.getType() || access->factor != 1 ||
      !access->coversBase())
    return {};
  for (unsigned c = 0; c < access->strides.size(); ++c) {
    bool fixed = cast<RankedTensorType>(value.getType()).getDimSize(c) == 1;
    if (!fixed && (access->getDimOf(c) != int64_t(c) || access->strides[c][c] != 1))
      return {};
  }
  return access->base;
}

namespace {
struct SimplifyMovement : terse::impl::SimplifyMovementBase<SimplifyMovement> {
  using SimplifyMovementBase::SimplifyMovementBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    int64_t removed = 0;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      function.walk([&](Operation *op) {
        // Only where a chain ends.
        if (!isMovement(op) || op->use_empty() || op->getBlock() != &function.getBody().front() ||
            llvm::all_of(op->getUsers(), isMovement))
          return;
        if (!isMovement(op->getOperand(0).getDefiningOp()))
          return;
        if (Value same = findSame(function, op->getResult(0))) {
          op->getResult(0).replaceAllUsesWith(same);
          ++removed;
        }
      });
      (void)runRegionDCE(rewriter, function->getRegions());
    }
    RewritePatternSet patterns(&getContext());
    populateSinkSlicePatterns(patterns);
    if (throughLayers)
      populateSinkRowPatterns(patterns);
    populateUnflattenPatterns(patterns);
    tensor::ExtractSliceOp::getCanonicalizationPatterns(patterns, &getContext());
    tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, &getContext());
    tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, &getContext());
    linalg::TransposeOp::getCanonicalizationPatterns(patterns, &getContext());
    // A slice moves up past a few operations each time.
    GreedyRewriteConfig config;
    config.setMaxIterations(200);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      return signalPassFailure();
    getContext().getLoadedDialect<TerseDialect>()->getReport().add(getArgument(), "movements-removed", removed);
  }
};
} // namespace
