//===- Integerize.cpp - quantize and dequantize meet in integer ops -------===//
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"

#include "mlir/IR/PatternMatch.h"

namespace terse {
#define GEN_PASS_DEF_INTEGERIZE
#include "integerize/Integerize/Integerize.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// ```mlir
/// %xq = terse.quantize_dynamic %x
/// %w = terse.dequantize <scheme> %codes, %scales
/// %y = terse.linear %xq, %w
/// ```
/// becomes `%y = terse.qlinear <scheme> %x, %codes, %scales`.
static bool integerize(RewriterBase &rewriter, LinearOp linear) {
  auto weight = linear.getWeight().getDefiningOp<DequantizeOp>();
  auto input = linear.getInput().getDefiningOp<QuantizeDynamicOp>();
  if (!weight || !input || input.getBits() != 8 || linear.getReductionAxis() != 1)
    return false;
  rewriter.setInsertionPoint(linear);
  rewriter.replaceOpWithNewOp<QLinearOp>(linear, linear.getType(), input.getInput(), weight.getCodes(), weight.getScales(),
                                         weight.getZeroPoints(), linear.getBias(), weight.getSchemeAttr(),
                                         linear.getNameAttr());
  return true;
}

/// ```mlir
/// %table = terse.dequantize <scheme> %codes, %scales
/// %x = terse.embedding %ids, %table
/// ```
/// becomes
/// ```mlir
/// %rows = terse.embedding %ids, %codes
/// %row_scales = terse.embedding %ids, %scales
/// %x = terse.dequantize <scheme> %rows, %row_scales
/// ```
static bool gatherBeforeDequantize(RewriterBase &rewriter, EmbeddingOp embedding) {
  auto table = embedding.getTable().getDefiningOp<DequantizeOp>();
  if (!table)
    return false;
  rewriter.setInsertionPoint(embedding);
  auto gather = [&](Value from) -> Value {
    if (!from)
      return {};
    auto type = cast<RankedTensorType>(from.getType());
    SmallVector<int64_t> shape(embedding.getType().getShape().drop_back());
    shape.push_back(type.getDimSize(1));
    return EmbeddingOp::create(rewriter, embedding.getLoc(), RankedTensorType::get(shape, type.getElementType()),
                               embedding.getIds(), from, embedding.getNameAttr());
  };
  Value codes = gather(table.getCodes()), scales = gather(table.getScales()), zeros = gather(table.getZeroPoints());
  rewriter.replaceOpWithNewOp<DequantizeOp>(embedding, embedding.getType(), codes, scales, zeros, table.getSchemeAttr());
  return true;
}

namespace {
struct Integerize : terse::impl::IntegerizeBase<Integerize> {
  using IntegerizeBase::IntegerizeBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    int64_t numLayers = 0, numLeft = 0, numEmbeddings = 0;
    SmallVector<Operation *> sources;
    getOperation()->walk([&](Operation *op) {
      if (auto linear = dyn_cast<LinearOp>(op)) {
        if (integerize(rewriter, linear))
          ++numLayers;
        else if (linear.getWeight().getDefiningOp<DequantizeOp>())
          ++numLeft;
      } else if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
        numEmbeddings += gatherBeforeDequantize(rewriter, embedding);
      } else if (isa<QuantizeDynamicOp, DequantizeOp>(op)) {
        sources.push_back(op);
      }
    });
    for (Operation *source : llvm::reverse(sources))
      if (source->use_empty())
        rewriter.eraseOp(source);
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "layers-integerized", numLayers);
    report.add(getArgument(), "layers-left", numLeft);
    report.add(getArgument(), "embeddings-integerized", numEmbeddings);
  }
};
} // namespace
