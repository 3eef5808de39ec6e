//===- Integerize.cpp - quantize and dequantize meet in integer ops -------===//
#include "QuantizedCache.h"

#include "Terse/LayerAttributes.h"
#include "Terse/TerseDialect.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

namespace terse {
#define GEN_PASS_DEF_INTEGERIZE
#include "integerize/Integerize/Integerize.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// How the input of a layer is rounded, and what is rounded.
static std::pair<GridAttr, Value> getGrid(LinearOp linear) {
  MLIRContext *context = linear.getContext();
  auto make = [&](GridKind kind) { return GridAttr::get(context, kind, FloatAttr(), 0, 0, 0); };
  if (auto dynamic = linear.getInput().getDefiningOp<QuantizeDynamicOp>(); dynamic && dynamic.getBits() == 8)
    return {dynamic.getPerTensor() ? make(GridKind::Tensor) : GridAttr(), dynamic.getInput()};
  if (auto fixed = linear.getInput().getDefiningOp<QuantizeStaticOp>(); fixed && int64_t(fixed.getHigh()) - int64_t(fixed.getLow()) <= 255)
    return {GridAttr::get(context, GridKind::Fixed, fixed.getScaleAttr(), fixed.getZero(), fixed.getLow(), fixed.getHigh()),
            fixed.getInput()};
  if (linear->hasAttr(kRoundInputAttr))
    return {GridAttr(), linear.getInput()};
  return {make(GridKind::None), linear.getInput()};
}

/// ```mlir
/// %xq = terse.quantize_dynamic %x
/// %w = terse.dequantize <scheme> %codes, %scales
/// %y = terse.linear %xq, %w
/// ```
/// becomes `%y = terse.qlinear <scheme> %x, %codes, %scales`, with the grid by which the input is rounded.
static bool integerize(RewriterBase &rewriter, LinearOp linear) {
  auto weight = linear.getWeight().getDefiningOp<DequantizeOp>();
  if (!weight || linear.getReductionAxis() != 1)
    return false;
  auto [grid, input] = getGrid(linear);
  rewriter.setInsertionPoint(linear);
  Attribute sparsity = linear->getAttr(kSparsityAttr);
  auto layer = rewriter.replaceOpWithNewOp<QLinearOp>(linear, linear.getType(), input, weight.getCodes(), weight.getScales(),
                                                      weight.getRowScales(), weight.getZeroPoints(), linear.getBias(),
                                                      weight.getSchemeAttr(), linear.getNameAttr(), grid);
  if (sparsity)
    layer->setAttr(kSparsityAttr, sparsity);
  return true;
}

/// The splat `one` for each id: [..., 1].
static Value repeat(OpBuilder &builder, Value ids, SplatElementsAttr one) {
  auto type = cast<RankedTensorType>(ids.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.push_back(1);
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.isDynamicDim(i))
      sizes.push_back(tensor::DimOp::create(builder, ids.getLoc(), ids, i));
  Value scalar = arith::ConstantOp::create(builder, ids.getLoc(), one.getSplatValue<TypedAttr>());
  return tensor::SplatOp::create(builder, ids.getLoc(), scalar, shape, sizes);
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
    SplatElementsAttr one;
    if (matchPattern(from, m_Constant(&one)) && type.getDimSize(1) == 1) // the same of every row
      return repeat(rewriter, embedding.getIds(), one);
    SmallVector<int64_t> shape(embedding.getType().getShape().drop_back());
    shape.push_back(type.getDimSize(1));
    return EmbeddingOp::create(rewriter, embedding.getLoc(), RankedTensorType::get(shape, type.getElementType()),
                               embedding.getIds(), from, embedding.getNameAttr());
  };
  Value codes = gather(table.getCodes()), scales = gather(table.getScales()), rowScales = gather(table.getRowScales()),
        zeros = gather(table.getZeroPoints());
  rewriter.replaceOpWithNewOp<DequantizeOp>(embedding, embedding.getType(), codes, scales, rowScales, zeros, table.getSchemeAttr());
  return true;
}

namespace {
struct Integerize : terse::impl::IntegerizeBase<Integerize> {
  using IntegerizeBase::IntegerizeBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    int64_t numLayers = 0, numWeightOnly = 0, numLeft = 0, numEmbeddings = 0;
    SmallVector<Operation *> sources;
    getOperation()->walk([&](Operation *op) {
      if (auto linear = dyn_cast<LinearOp>(op)) {
        bool isCoded = linear.getWeight().getDefiningOp<DequantizeOp>() && linear.getReductionAxis() == 1;
        bool rounds = isCoded && (!getGrid(linear).first || getGrid(linear).first.getKind() != GridKind::None);
        if (integerize(rewriter, linear))
          ++(rounds ? numLayers : numWeightOnly);
        else if (linear.getWeight().getDefiningOp<DequantizeOp>())
          ++numLeft;
      } else if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
        numEmbeddings += gatherBeforeDequantize(rewriter, embedding);
      } else if (isa<QuantizeDynamicOp, QuantizeStaticOp, DequantizeOp>(op)) {
        sources.push_back(op);
      }
    });
    for (Operation *source : llvm::reverse(sources))
      if (source->use_empty())
        rewriter.eraseOp(source);
    int64_t numCaches = integerizeCaches(getOperation());
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "layers-integerized", numLayers);
    report.add(getArgument(), "layers-weight-only", numWeightOnly);
    report.add(getArgument(), "layers-left", numLeft);
    report.add(getArgument(), "embeddings-integerized", numEmbeddings);
    report.add(getArgument(), "caches-integerized", numCaches);
  }
};
} // namespace
