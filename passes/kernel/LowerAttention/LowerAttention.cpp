//===- LowerAttention.cpp - attention, RoPE and KV cache to kernels -------===//
#include "Kernel/KernelDialect.h"
#include "Kernels.h"
#include "Terse/CachedRow.h"
#include "terse/Analysis/CacheRole.h"
#include "terse/Passes.h"
#include "terse/Support/CPULevel.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace terse {
#define GEN_PASS_DEF_LOWERATTENTION
#include "kernel/LowerAttention/LowerAttention.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;
using namespace terse::attention;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

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
  Value launchUpdate(OpBuilder &builder, Location loc, Value rows, Value position, Value starts, Value cache, bool tiled, int64_t bits = 0);
  Value tileKeys(OpBuilder &builder, AttentionOp op);
  LogicalResult lowerRope(RopeOp op);

  /// Updates whose cache holds tiles of keys.
  DenseSet<Operation *> tiled;
  /// Rows that attention kernels compute together.
  bool hasWideRegisters = false; ///< of 512 bits, with VNNI
  KernelRows rowsTogether;
};
} // namespace

/// The order of codes in a cache is that of its readers.
static LogicalResult verifyCodedCache(AttentionOp op, Value cache, CacheRole role) {
  auto update = cache.getDefiningOp<CacheUpdateOp>();
  if (update && getCacheRole(update) == role)
    return success();
  return op.emitOpError("expected the quantized cache of ") << (role == CacheRole::Key ? "keys" : "values")
         << " to be state that nothing else reads, and sizes and elements that there is a kernel for";
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

/// i64 [B], as kernels take it.
static Value widenStarts(OpBuilder &builder, Location loc, Value starts) {
  auto type = RankedTensorType::get(tensorType(starts).getShape(), builder.getI64Type());
  Value wide = type == starts.getType() ? starts : arith::ExtSIOp::create(builder, loc, type, starts).getResult();
  return relax(builder, wide, {});
}

/// Writes rows [B, S, KV * D] into a cache; a rotation that nothing else reads is done on the way.
Value LowerAttention::launchUpdate(OpBuilder &builder, Location loc, Value rows, Value position, Value starts,
                                   Value cache, bool tiled, int64_t bits) {
  auto type = tensorType(cache);
  int64_t size = bits ? getCachedRowSize(type.getDimSize(3), bits) : type.getDimSize(3);
  UpdateShape shape{type.getDimSize(1), size, 0, 0, tensorType(rows).getElementType(), tiled, bits, bool(starts), std::nullopt};
  SmallVector<Value> inputs;
  auto rope = rows.getDefiningOp<RopeOp>();
  RowView view = RowView::of(rows);
  if (rope && rope->hasOneUse() && (shape.rope = RopeShape::of(rope)) && shape.rope->heads == shape.heads) {
    view = RowView::of(rope.getInput());
    inputs = {relax(builder, view.source, {2}), relax(builder, rope.getCos(), {2}), relax(builder, rope.getSin(), {2})};
  } else {
    shape.rope = std::nullopt;
    inputs = {relax(builder, view.source, {2})};
  }
  shape.sourceWidth = view.sourceWidth;
  shape.sourceOffset = view.offset;
  inputs.push_back(position);
  if (starts)
    inputs.push_back(widenStarts(builder, loc, starts));
  func::FuncOp kernel = getCacheUpdateKernel(getOperation(), shape);
  return kernel ? launch(builder, loc, kernel, inputs, relax(builder, cache, {1, 3})) : Value();
}

LogicalResult LowerAttention::lowerUpdate(CacheUpdateOp op) {
  if (!hasKernel(op))
    return success();
  OpBuilder builder(op);
  Value result = launchUpdate(builder, op.getLoc(), op.getUpdate(), op.getPosition(), op.getStarts(), op.getCache(),
                              tiled.contains(op), op.getBits().value_or(0));
  if (!result)
    return failure();
  op.replaceAllUsesWith(castTo(builder, result, op.getType()));
  Operation *rows = op.getUpdate().getDefiningOp();
  op.erase();
  if (rows && isOpTriviallyDead(rows))
    rows->erase();
  return success();
}

/// The rows [B, T, heads * size] that a tensor [B, heads, T, size] is a transpose of; null if it is not.
static Value findTokenRows(Value heads) {
  auto transpose = heads.getDefiningOp<linalg::TransposeOp>();
  if (!transpose || !llvm::equal(transpose.getPermutation(), ArrayRef<int64_t>{0, 2, 1, 3}))
    return {};
  auto expand = transpose.getInput().getDefiningOp<tensor::ExpandShapeOp>();
  if (!expand || expand.getSrcType().getRank() != 3 || expand.getSrcType().isDynamicDim(2) ||
      expand.getReassociationIndices().back().size() != 2)
    return {};
  return expand.getSrc();
}

/// The keys of `op` in tiles.
Value LowerAttention::tileKeys(OpBuilder &builder, AttentionOp op) {
  Location loc = op.getLoc();
  auto update = op.getKey().getDefiningOp<CacheUpdateOp>();
  Value key = relax(builder, op.getKey(), {1, 3});
  if (update && tiled.contains(update))
    return key;
  Value batch = tensor::DimOp::create(builder, loc, op.getKey(), 0);
  Value last = arith::ConstantIndexOp::create(builder, loc, kTile - 1);
  Value mask = arith::ConstantIndexOp::create(builder, loc, -kTile);
  Value rows = arith::AndIOp::create(builder, loc, arith::AddIOp::create(builder, loc, op.getLength(), last), mask);
  auto type = tensorType(key);
  Value out = tensor::EmptyOp::create(builder, loc, type.getShape(), type.getElementType(), ValueRange{batch, rows});
  if (Value tokens = findTokenRows(op.getKey()))
    return launchUpdate(builder, loc, tokens, arith::ConstantIndexOp::create(builder, loc, 0), Value(), out, true);
  func::FuncOp kernel = getTileKeysKernel(getOperation(), type.getDimSize(1), type.getDimSize(3), type.getElementType());
  return kernel ? launch(builder, loc, kernel, {key, op.getLength()}, out) : Value();
}

/// A vector of the heads as f32.
static Value toFloats(OpBuilder &builder, Location loc, Value vector, int64_t heads) {
  auto type = RankedTensorType::get({heads}, builder.getF32Type());
  vector = castTo(builder, vector, RankedTensorType::get({heads}, tensorType(vector).getElementType()));
  unsigned width = tensorType(vector).getElementTypeBitWidth();
  if (width > 32)
    return arith::TruncFOp::create(builder, loc, type, vector);
  return width < 32 ? arith::ExtFOp::create(builder, loc, type, vector).getResult() : vector;
}

LogicalResult LowerAttention::lowerAttention(AttentionOp op) {
  if (!hasKernel(op))
    return success();
  OpBuilder builder(op);
  Location loc = op.getLoc();
  AttentionShape shape{};
  shape.element = op.getType().getElementType();
  shape.heads = op.getNumHeads();
  shape.kvHeads = tensorType(op.getKey()).getDimSize(1);
  shape.keySize = op.getKeySize();
  shape.valueSize = op.getValueSize();
  shape.keyBits = op.getKeyBits().value_or(0);
  shape.valueBits = op.getValueBits().value_or(0);
  shape.scale = op.getScale().convertToDouble();
  shape.causal = op.getCausal();
  if (op.getWindow())
    shape.window = *op.getWindow();
  if (op.getSoftcap())
    shape.softcap = op.getSoftcap()->convertToDouble();
  KernelRows rows = rowsTogether;
  if (hasWideRegisters && (shape.keyBits || shape.valueBits)) {
    shape.instruction = "x86_vnni";
    rows.many = rows.few; // two sums each
  }
  RowView query = RowView::of(op.getQuery());
  shape.sourceWidth = query.sourceWidth;
  shape.sourceOffset = query.offset;
  Value source = relax(builder, query.source, {2}), values = relax(builder, op.getValue(), {1, 3});
  if (Value tokens = findTokenRows(op.getValue())) {
    RowView view = RowView::of(tokens);
    values = relax(builder, view.source, {2});
    shape.valueWidth = view.sourceWidth;
    shape.valueOffset = view.offset;
  }

  Value keys = tileKeys(builder, op);
  if (!keys)
    return failure();
  SmallVector<Value> inputs = {source, keys, values, op.getLength()};
  if ((shape.starts = bool(op.getStarts())))
    inputs.push_back(widenStarts(builder, loc, op.getStarts()));
  if (Value padding = op.getPadding()) {
    shape.padding = true;
    auto bytes = RankedTensorType::get(tensorType(padding).getShape(), builder.getI8Type());
    inputs.push_back(relax(builder, arith::ExtUIOp::create(builder, loc, bytes, padding), {}));
  }
  if (Value bias = op.getBias()) {
    shape.bias = tensorType(bias).getElementType();
    inputs.push_back(relax(builder, bias, {}));
  }
  if ((shape.slopes = bool(op.getSlopes())))
    inputs.push_back(toFloats(builder, loc, op.getSlopes(), shape.heads));
  if ((shape.sinks = bool(op.getSinks())))
    inputs.push_back(toFloats(builder, loc, op.getSinks(), shape.heads));

  func::FuncOp kernel = getAttentionKernel(getOperation(), shape, rows);
  if (!kernel)
    return failure();
  Value batch = tensor::DimOp::create(builder, loc, source, 0);
  Value sequence = tensor::DimOp::create(builder, loc, source, 1);
  Value out = tensor::EmptyOp::create(builder, loc,
                                      {ShapedType::kDynamic, ShapedType::kDynamic, op.getType().getDimSize(2)},
                                      shape.element, ValueRange{batch, sequence});
  Value result = launch(builder, loc, kernel, inputs, out);
  op.replaceAllUsesWith(castTo(builder, result, op.getType()));
  op.erase();
  return success();
}

void LowerAttention::runOnOperation() {
  const CPULevel *target = findCPULevel(level);
  if (!target) {
    getOperation().emitError("expected the level ") << listCPULevels() << "; got '" << level << "'";
    return signalPassFailure();
  }
  // Sums of 16 lanes of so many rows leave registers for what is added to them.
  hasWideRegisters = target->vectorWidth == 512;
  rowsTogether = hasWideRegisters ? KernelRows{8, 16} : KernelRows{4, 4};
  SmallVector<AttentionOp> attentions;
  SmallVector<CacheUpdateOp> updates;
  SmallVector<RopeOp> ropes;
  getOperation()->walk([&](Operation *op) {
    if (auto attention = dyn_cast<AttentionOp>(op))
      attentions.push_back(attention);
    else if (auto update = dyn_cast<CacheUpdateOp>(op))
      updates.push_back(update);
  });
  for (AttentionOp op : attentions)
    if ((op.getKeyBits() && failed(verifyCodedCache(op, op.getKey(), CacheRole::Key))) ||
        (op.getValueBits() && failed(verifyCodedCache(op, op.getValue(), CacheRole::Value))))
      return signalPassFailure();
  for (CacheUpdateOp update : updates)
    if (getCacheRole(update) == CacheRole::Key)
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
