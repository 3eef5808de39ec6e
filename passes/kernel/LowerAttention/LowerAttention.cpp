//===- LowerAttention.cpp - attention, RoPE and KV cache to kernels -------===//
#include "Kernel/KernelDialect.h"
#include "Kernels.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace terse {
#define GEN_PASS_DEF_LOWERATTENTION
#include "kernel/LowerAttention/LowerAttention.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;
using namespace terse::attention;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

static bool isFloat(Type type) { return type.isF32() || type.isF16(); }

static bool canLower(AttentionOp op) {
  Type element = op.getType().getElementType();
  return !op.getBias() && isFloat(element) && tensorType(op.getQuery()).getElementType() == element &&
         tensorType(op.getKey()).getElementType() == element && tensorType(op.getValue()).getElementType() == element &&
         !tensorType(op.getQuery()).isDynamicDim(2) && !op.getType().isDynamicDim(2);
}

static Value castTo(OpBuilder &builder, Value value, Type type) {
  return value.getType() == type ? value : tensor::CastOp::create(builder, value.getLoc(), type, value).getResult();
}

/// The value with dynamic dimensions where the kernel has them: all but `fixed`.
static Value relax(OpBuilder &builder, Value value, ArrayRef<int64_t> fixed) {
  auto type = tensorType(value);
  SmallVector<int64_t> shape(type.getRank(), ShapedType::kDynamic);
  for (int64_t dim : fixed)
    shape[dim] = type.getDimSize(dim);
  return castTo(builder, value, RankedTensorType::get(shape, type.getElementType()));
}

static Value launch(OpBuilder &builder, Location loc, func::FuncOp callee, ValueRange inputs, Value output) {
  return kernel::LaunchOp::create(builder, loc, TypeRange{output.getType()}, callee.getSymName(), inputs, ValueRange{output}, /*serial=*/false).getResult(0);
}

namespace {
struct LowerAttention : terse::impl::LowerAttentionBase<LowerAttention> {
  using LowerAttentionBase::LowerAttentionBase;
  void runOnOperation() override;

private:
  LogicalResult lowerAttention(AttentionOp op);
  LogicalResult lowerUpdate(CacheUpdateOp op);
  LogicalResult lowerRope(RopeOp op);

  /// Updates whose cache holds tiles of keys.
  DenseSet<Operation *> tiled;
};
} // namespace

/// Whether the cache that `update` writes is state that only attention reads, as
/// keys: then its form is nobody else's concern.
static bool isPrivateKeyCache(CacheUpdateOp update) {
  auto argument = dyn_cast<BlockArgument>(update.getCache());
  auto function = argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp()) : nullptr;
  if (!function || !function.getArgAttr(argument.getArgNumber(), TerseDialect::kStateAttr) || !argument.hasOneUse())
    return false;
  return llvm::all_of(update->getUses(), [](OpOperand &use) {
    if (isa<func::ReturnOp>(use.getOwner()))
      return true;
    auto attention = dyn_cast<AttentionOp>(use.getOwner());
    return attention && canLower(attention) && &use == &attention.getKeyMutable();
  });
}

LogicalResult LowerAttention::lowerRope(RopeOp op) {
  std::optional<RopeShape> shape = RopeShape::of(op);
  if (!shape)
    return success();
  func::FuncOp kernel = getRopeKernel(getOperation(), *shape);
  if (!kernel)
    return failure();
  OpBuilder builder(op);
  Value input = relax(builder, RowView::of(op.getInput()).source, {2});
  Value cos = relax(builder, op.getCos(), {2}), sin = relax(builder, op.getSin(), {2});
  Value batch = tensor::DimOp::create(builder, op.getLoc(), input, 0);
  Value sequence = tensor::DimOp::create(builder, op.getLoc(), input, 1);
  Value out = tensor::EmptyOp::create(
      builder, op.getLoc(), {ShapedType::kDynamic, ShapedType::kDynamic, op.getType().getDimSize(2)},
      op.getType().getElementType(), ValueRange{batch, sequence});
  Value result = launch(builder, op.getLoc(), kernel, {input, cos, sin}, out);
  op.replaceAllUsesWith(castTo(builder, result, op.getType()));
  op.erase();
  return success();
}

LogicalResult LowerAttention::lowerUpdate(CacheUpdateOp op) {
  auto cache = op.getType();
  Type element = cache.getElementType();
  if (!isFloat(element) || tensorType(op.getUpdate()).getElementType() != element)
    return success();
  OpBuilder builder(op);
  UpdateShape shape{cache.getDimSize(1), cache.getDimSize(3), 0, 0, element, tiled.contains(op), std::nullopt};
  SmallVector<Value> inputs;
  auto rope = op.getUpdate().getDefiningOp<RopeOp>();
  RowView view;
  if (rope && rope->hasOneUse() && (shape.rope = RopeShape::of(rope)) && shape.rope->heads == shape.heads) {
    view = RowView::of(rope.getInput());
    inputs = {relax(builder, view.source, {2}), relax(builder, rope.getCos(), {2}), relax(builder, rope.getSin(), {2})};
  } else {
    shape.rope = std::nullopt;
    view = RowView::of(op.getUpdate());
    inputs = {relax(builder, view.source, {2})};
  }
  shape.sourceWidth = view.sourceWidth;
  shape.sourceOffset = view.offset;
  inputs.push_back(op.getPosition());
  func::FuncOp kernel = getCacheUpdateKernel(getOperation(), shape);
  if (!kernel)
    return failure();
  Value result = launch(builder, op.getLoc(), kernel, inputs, relax(builder, op.getCache(), {1, 3}));
  op.replaceAllUsesWith(castTo(builder, result, op.getType()));
  op.erase();
  if (rope && rope->use_empty())
    rope.erase();
  return success();
}

LogicalResult LowerAttention::lowerAttention(AttentionOp op) {
  if (!canLower(op))
    return success();
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto keyType = tensorType(op.getKey()), valueType = tensorType(op.getValue());
  Type element = keyType.getElementType();
  RowView query = RowView::of(op.getQuery());
  AttentionShape shape{static_cast<int64_t>(op.getNumHeads()),
                       keyType.getDimSize(1),
                       keyType.getDimSize(3),
                       valueType.getDimSize(3),
                       query.sourceWidth,
                       query.offset,
                       op.getScale().convertToDouble(),
                       op.getCausal(),
                       static_cast<bool>(op.getPadding()),
                       std::nullopt,
                       std::nullopt,
                       element};
  if (op.getWindow())
    shape.window = *op.getWindow();
  if (op.getSoftcap())
    shape.softcap = op.getSoftcap()->convertToDouble();

  Value key = relax(builder, op.getKey(), {1, 3});
  auto update = op.getKey().getDefiningOp<CacheUpdateOp>();
  if (!update || !tiled.contains(update)) {
    func::FuncOp kernel = getTileKeysKernel(getOperation(), shape.kvHeads, shape.keySize, element);
    if (!kernel)
      return failure();
    Value batch = tensor::DimOp::create(builder, loc, key, 0);
    Value last = arith::ConstantIndexOp::create(builder, loc, kTile - 1);
    Value mask = arith::ConstantIndexOp::create(builder, loc, -kTile);
    Value rows = arith::AndIOp::create(builder, loc, arith::AddIOp::create(builder, loc, op.getLength(), last), mask);
    Value out = tensor::EmptyOp::create(builder, loc, tensorType(key).getShape(), element, ValueRange{batch, rows});
    key = launch(builder, loc, kernel, {key, op.getLength()}, out);
  }

  func::FuncOp kernel = getAttentionKernel(getOperation(), shape);
  if (!kernel)
    return failure();
  Value source = relax(builder, query.source, {2});
  SmallVector<Value> inputs = {source, key, relax(builder, op.getValue(), {1, 3}), op.getLength()};
  if (Value padding = op.getPadding()) {
    auto bytes = RankedTensorType::get(tensorType(padding).getShape(), builder.getI8Type());
    inputs.push_back(relax(builder, arith::ExtUIOp::create(builder, loc, bytes, padding), {}));
  }
  Value batch = tensor::DimOp::create(builder, loc, source, 0);
  Value sequence = tensor::DimOp::create(builder, loc, source, 1);
  Value out = tensor::EmptyOp::create(builder, loc,
                                      {ShapedType::kDynamic, ShapedType::kDynamic, op.getType().getDimSize(2)}, element,
                                      ValueRange{batch, sequence});
  Value result = launch(builder, loc, kernel, inputs, out);
  op.replaceAllUsesWith(castTo(builder, result, op.getType()));
  op.erase();
  return success();
}

void LowerAttention::runOnOperation() {
  SmallVector<AttentionOp> attentions;
  SmallVector<CacheUpdateOp> updates;
  SmallVector<RopeOp> ropes;
  getOperation()->walk([&](Operation *op) {
    if (auto attention = dyn_cast<AttentionOp>(op))
      attentions.push_back(attention);
    else if (auto update = dyn_cast<CacheUpdateOp>(op))
      updates.push_back(update);
  });
  for (CacheUpdateOp update : updates)
    if (isPrivateKeyCache(update))
      tiled.insert(update);
  for (AttentionOp op : attentions)
    if (failed(lowerAttention(op)))
      return signalPassFailure();
  for (CacheUpdateOp op : updates)
    if (failed(lowerUpdate(op)))
      return signalPassFailure();
  getOperation()->walk([&](RopeOp op) { ropes.push_back(op); });
  for (RopeOp op : ropes)
    if (failed(lowerRope(op)))
      return signalPassFailure();
}
