//===- RecognizeIntegerLinear.cpp - layers of dynamically quantized files -===//
#include "Terse/TerseDialect.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

namespace terse {
#define GEN_PASS_DEF_RECOGNIZEINTEGERLINEAR
#include "normalize/RecognizeIntegerLinear/RecognizeIntegerLinear.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

/// The value before it was repeated, given dimensions of size 1, or widened as unsigned.
static Value stripRepeats(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<linalg::BroadcastOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp, arith::ExtUIOp>(op))
      value = op->getOperand(0);
    else
      break;
  }
  return value;
}

/// Unsigned codes and what is subtracted from them, as they are before they are widened and repeated.
struct Centred {
  Value codes, zero;
};
static std::optional<Centred> getCentred(Value value) {
  auto subtract = value.getDefiningOp<arith::SubIOp>();
  auto wide = subtract ? subtract.getLhs().getDefiningOp<arith::ExtUIOp>() : nullptr;
  if (!wide || !getElementTypeOrSelf(wide.getIn()).isInteger(8))
    return std::nullopt;
  return Centred{wide.getIn(), stripRepeats(subtract.getRhs())};
}

/// A constant [N] or [N, 1] as [N, 1]: the same data.
static Value asColumn(OpBuilder &builder, Value vector, int64_t n) {
  auto type = cast<RankedTensorType>(vector.getType());
  if (!type.hasStaticShape() || type.getNumElements() != n)
    return {};
  auto column = RankedTensorType::get({n, 1}, type.getElementType());
  if (auto weight = vector.getDefiningOp<WeightOp>()) {
    Attribute data = weight.getData();
    if (auto elements = dyn_cast<DenseElementsAttr>(data))
      data = elements.reshape(column);
    return WeightOp::create(builder, weight.getLoc(), column, weight.getNameAttr(), data);
  }
  DenseElementsAttr constant;
  if (!matchPattern(vector, m_Constant(&constant)))
    return {};
  return arith::ConstantOp::create(builder, vector.getLoc(), constant.reshape(column));
}

namespace {
/// A product of codes in 32 bits, as a float.
struct IntegerProduct {
  arith::SIToFPOp result;
  tensor::ExpandShapeOp expand; ///< of the product's rows, or null
  QuantizeTensorOp input;
  tensor::CollapseShapeOp collapse; ///< of the input's rows, or null
  Value codes;                      ///< of the weight, [N, K]
  Value zeros;                      ///< a constant

  static std::optional<IntegerProduct> match(arith::SIToFPOp result);
};

struct RecognizeIntegerLinear : terse::impl::RecognizeIntegerLinearBase<RecognizeIntegerLinear> {
  using RecognizeIntegerLinearBase::RecognizeIntegerLinearBase;
  void runOnOperation() override;

private:
  bool recognize(arith::MulFOp root);
};
} // namespace

std::optional<IntegerProduct> IntegerProduct::match(arith::SIToFPOp result) {
  IntegerProduct p;
  p.result = result;
  Value product = result.getIn();
  if ((p.expand = product.getDefiningOp<tensor::ExpandShapeOp>()))
    product = p.expand.getSrc();
  auto matmul = product.getDefiningOp<MatmulOp>();
  if (!matmul || matmul.getType().getRank() != 2)
    return std::nullopt;
  Value lhs = matmul.getLhs();
  if ((p.collapse = lhs.getDefiningOp<tensor::CollapseShapeOp>()))
    lhs = p.collapse.getSrc();
  std::optional<Centred> input = getCentred(lhs);
  auto transpose = matmul.getRhs().getDefiningOp<linalg::TransposeOp>();
  std::optional<Centred> weight = transpose ? getCentred(transpose.getInput()) : std::nullopt;
  if (!input || !weight)
    return std::nullopt;
  p.input = input->codes.getDefiningOp<QuantizeTensorOp>();
  if (!p.input || input->zero != p.input.getZeroPoint())
    return std::nullopt;
  p.codes = weight->codes;
  p.zeros = weight->zero;
  bool isConstant = p.codes.getDefiningOp<WeightOp>() || p.codes.getDefiningOp<arith::ConstantOp>();
  return isConstant ? std::optional(p) : std::nullopt;
}

/// ```mlir
/// %codes, %scale, %zero = terse.quantize_tensor %x
/// %sum = terse.matmul (%codes - %zero), (%w - %w_zero)
/// %y = arith.mulf (arith.sitofp %sum), (%scale * %w_scale)
/// ```
/// becomes
/// ```mlir
/// %rounded = terse.quantize_dynamic %x {per_tensor}
/// %values = terse.dequantize %w, %w_scale zero %w_zero
/// %y = terse.linear %rounded, %values
/// ```
bool RecognizeIntegerLinear::recognize(arith::MulFOp root) {
  auto type = dyn_cast<RankedTensorType>(root.getType());
  if (!type || !type.getElementType().isF32())
    return false;
  Product product;
  product.multiply(View::ofFrame(root), 1);
  std::optional<IntegerProduct> sums;
  Value scale, channels;
  for (const Product::Factor &factor : product.factors) {
    Value value = factor.view.value;
    if (factor.exponent != 1)
      return false;
    if (auto result = value.getDefiningOp<arith::SIToFPOp>(); result && !sums && result.getType() == type)
      sums = IntegerProduct::match(result);
    else if (auto input = value.getDefiningOp<QuantizeTensorOp>(); input && !scale && value == input.getScale())
      scale = value;
    else if (!channels && factor.view.variesAlong({type.getRank() - 1}))
      channels = value;
    else
      return false;
  }
  if (!sums || scale != sums->input.getScale() || (channels && product.coefficient != 1))
    return false;

  auto codes = cast<RankedTensorType>(sums->codes.getType());
  int64_t n = codes.getDimSize(0), k = codes.getDimSize(1);
  OpBuilder builder(&getContext());
  builder.setInsertionPointAfterValue(sums->codes);
  auto columns = RankedTensorType::get({n, 1}, builder.getF32Type());
  Value scales = channels ? asColumn(builder, channels, n)
                          : arith::ConstantOp::create(builder, root.getLoc(),
                                                      DenseElementsAttr::get(columns, static_cast<float>(product.coefficient)));
  Value zeros;
  DenseElementsAttr constant;
  if (matchPattern(sums->zeros, m_Constant(&constant)) && constant.isSplat()) {
    int64_t zero = constant.getSplatValue<APInt>().getZExtValue();
    if (zero > 255)
      return false;
    if (zero != 128)
      zeros = arith::ConstantOp::create(builder, root.getLoc(),
                                        DenseElementsAttr::get(columns.clone(builder.getI8Type()), static_cast<int8_t>(zero)));
  } else {
    zeros = getElementTypeOrSelf(sums->zeros).isInteger(8) ? asColumn(builder, sums->zeros, n) : Value();
    if (!zeros)
      return false;
  }
  if (!scales)
    return false;
  auto scheme = SchemeAttr::get(&getContext(), builder.getIntegerType(8), 0, builder.getF32Type(),
                                zeros ? ZeroPoint::Integer : ZeroPoint::None, Codebook::Linear);
  // Constants may lie anywhere before the layer.
  builder.setInsertionPoint(root);
  Value values = DequantizeOp::create(builder, root.getLoc(), RankedTensorType::get({n, k}, builder.getF32Type()), sums->codes,
                                      scales, Value(), zeros, scheme);
  Value source = sums->input.getInput();
  Value rounded = QuantizeDynamicOp::create(builder, root.getLoc(), source.getType(), source, 8, /*per_tensor=*/true);
  if (sums->collapse)
    rounded = tensor::CollapseShapeOp::create(builder, root.getLoc(), rounded, sums->collapse.getReassociationIndices());
  auto flat = RankedTensorType::get({cast<RankedTensorType>(rounded.getType()).getDimSize(0), n}, builder.getF32Type());
  StringAttr name;
  if (auto weight = sums->codes.getDefiningOp<WeightOp>())
    name = builder.getStringAttr(weight.getName().rsplit(".weight").first);
  Value result = LinearOp::create(builder, root.getLoc(), flat, rounded, values, Value(), builder.getI64IntegerAttr(1), name);
  if (sums->expand)
    result = tensor::ExpandShapeOp::create(builder, root.getLoc(), type, result, sums->expand.getReassociationIndices(),
                                           sums->expand.getMixedOutputShape());
  root.getResult().replaceAllUsesWith(result);
  return true;
}

void RecognizeIntegerLinear::runOnOperation() {
  int64_t numLayers = 0, numLeft = 0;
  SmallVector<arith::MulFOp> roots;
  getOperation()->walk([&](arith::MulFOp op) { roots.push_back(op); });
  // The whole product before its parts.
  for (arith::MulFOp root : llvm::reverse(roots))
    if (!root->use_empty())
      numLayers += recognize(root);
  getOperation()->walk([](func::FuncOp func) {
    for (Block &block : func.getBody())
      eraseDead(block);
  });
  getOperation()->walk([&](MatmulOp op) { numLeft += isa<IntegerType>(op.getType().getElementType()); });
  Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
  report.add(getArgument(), "integer-layers-recognized", numLayers);
  report.add(getArgument(), "integer-products-left", numLeft);
}
