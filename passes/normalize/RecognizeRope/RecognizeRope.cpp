//===- RecognizeRope.cpp - finds rotary position embeddings ---------------===//
#include "Rotation.h"

#include "Terse/TerseDialect.h"
#include "terse/Analysis/TokenMajor.h"
#include "terse/Passes.h"

#include "mlir/Transforms/RegionUtils.h"

namespace terse {
#define GEN_PASS_DEF_RECOGNIZEROPE
#include "normalize/RecognizeRope/RecognizeRope.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// Operations that a rotation can end in.
static bool mayEndRotation(Operation *op) {
  if (op->getNumResults() != 1 || op->use_empty())
    return false;
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type || type.getRank() != 4 || !isa<FloatType>(type.getElementType()) || type.isDynamicDim(3))
    return false;
  return isa<arith::AddFOp, arith::SubFOp, tensor::ConcatOp, tensor::CollapseShapeOp, tensor::InsertSliceOp,
             linalg::GenericOp>(op);
}

/// The half table [B or 1, S, R/2] that an access tells, in the type of the rotated tensor.
static Value buildTable(OpBuilder &builder, Location loc, const Access &access, double sign, OpFoldResult batch,
                        OpFoldResult tokens, int64_t pairs, Type elementType) {
  Value slice = buildSlice(builder, loc, access, {batch, tokens, builder.getIndexAttr(pairs)});
  if (!slice)
    return {};
  return castElements(builder, loc, scaleElements(builder, loc, slice, access.factor * sign), elementType);
}

static bool replaceByRope(Value value, const Rotation &rotation) {
  OpBuilder builder(value.getDefiningOp());
  Location loc = value.getLoc();
  Type elementType = cast<RankedTensorType>(value.getType()).getElementType();
  OpFoldResult batch = buildDim(builder, loc, value, 0),
               tokens = buildDim(builder, loc, value, rotation.headAxis == 1 ? 2 : 1);
  Value input = buildTokenMajor(builder, loc, rotation.input, batch, tokens, rotation.heads, rotation.size);
  if (!input)
    return false;
  input = castElements(builder, loc, input, elementType);
  Value cos = buildTable(builder, loc, rotation.cos, 1, batch, tokens, rotation.pairs, elementType);
  Value sin = buildTable(builder, loc, rotation.sin, -1, batch, tokens, rotation.pairs, elementType);
  if (!cos || !sin)
    return false;
  if (cos.getType() != sin.getType())
    return false;
  // What is the same for all tokens is built with one, and is no rotation of all of them.
  auto sizeOf = [](Value tensor, int64_t dim) { return cast<RankedTensorType>(tensor.getType()).getDimSize(dim); };
  int64_t tokenAxis = rotation.headAxis == 1 ? 2 : 1;
  if (sizeOf(input, 0) != sizeOf(value, 0) || sizeOf(input, 1) != sizeOf(value, tokenAxis) || sizeOf(cos, 1) != sizeOf(input, 1))
    return false;
  auto rope = RopeOp::create(builder, loc, input, cos, sin, rotation.heads, rotation.interleaved);
  value.replaceAllUsesWith(splitHeads(builder, loc, rope, rotation.heads, rotation.headAxis));
  return true;
}

namespace {
struct RecognizeRope : terse::impl::RecognizeRopeBase<RecognizeRope> {
  using RecognizeRopeBase::RecognizeRopeBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      // From the end, so that a concatenation of a rotated and a plain part is
      // seen before the rotated part alone.
      SmallVector<Operation *> candidates;
      function.walk([&](Operation *op) {
        if (mayEndRotation(op))
          candidates.push_back(op);
      });
      llvm::SmallPtrSet<Operation *, 16> inside;
      for (Operation *op : llvm::reverse(candidates)) {
        if (inside.contains(op))
          continue;
        std::optional<Rotation> rotation = findRotation(function, op->getResult(0));
        if (!rotation || !replaceByRope(op->getResult(0), *rotation))
          continue;
        for (Value source : collectSources(op->getResult(0), Environment()))
          if (Operation *sourceOp = source.getDefiningOp())
            if (llvm::all_of(sourceOp->getUsers(), [&](Operation *user) { return user == op || inside.contains(user); }))
              inside.insert(sourceOp);
      }
      (void)simplifyDead(rewriter, function);
    }
    int64_t count = 0;
    getOperation().walk([&](RopeOp) { ++count; });
    getContext().getLoadedDialect<TerseDialect>()->getReport().add(getArgument(), "ropes-recognized", count);
  }

private:
  static LogicalResult simplifyDead(RewriterBase &rewriter, func::FuncOp function) {
    return runRegionDCE(rewriter, function->getRegions());
  }
};
} // namespace
