//===- LowerLinear.cpp - layers with packed weights to kernels ------------===//
#include "Kernels.h"
#include "terse/Kernels/Rows.h"
#include "terse/Passes.h"
#include "terse/Support/CPULevel.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace terse {
#define GEN_PASS_DEF_LOWERLINEAR
#include "kernel/LowerLinear/LowerLinear.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;
using namespace terse::linear;

static const Level levels[] = {
    {"baseline", "x86_maddwd", "x86_maddwd", "x86_maddwd", "", "", false},
    {"avx2", "x86_maddubs", "x86_maddubs_signed", "x86_maddwd", "x86_maddubs_biased", "", true},
    {"avx512vnni", "x86_vnni", "x86_vnni", "x86_vnni", "", "", true},
    {"avx512bf16", "x86_vnni", "x86_vnni", "x86_vnni", "", "x86_bf16", true},
};

const Level *linear::findLevel(StringRef name) {
  const Level *it = llvm::find_if(levels, [&](const Level &level) { return level.name == name; });
  return it == std::end(levels) ? nullptr : it;
}

template <typename Op> static kernel::TilingAttr getTiling(Op op) {
  if (kernel::TilingAttr tiling = op.getTilingAttr())
    return tiling;
  return kernel::TilingAttr::get(op.getContext(), 1, 0, 2, 1, 2, 1, 1, 1, 0, 0, 0);
}

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

static bool isFloat16(Value value) {
  Type element = tensorType(value).getElementType();
  return element.isF16() || element.isBF16();
}

/// Whether reading these weights takes long beside taking a ticket.
static bool takesLong(Value weights) {
  constexpr int64_t kLongBytes = 512 << 10;
  RankedTensorType type = tensorType(weights);
  return type.getNumElements() * type.getElementTypeBitWidth() / 8 >= kLongBytes;
}

/// Whether the layer's kernels read rounded rows: then it is the rounding that reads the input.
static bool readsRounded(kernel::QLinearOp op, const Level &) { return op.roundsInput(); }
static bool readsRounded(kernel::LinearOp op, const Level &target) {
  return !target.bf16.empty() && tensorType(op.getWeight()).getElementType().isBF16();
}

/// layer(extend(x)) -> layer(x), truncate(layer(x)) -> layer(x) of the narrow type, where nothing else reads the layer.
template <typename Op> static void fuseConversions(Op op, const Level &target) {
  if (auto extend = op.getInput().template getDefiningOp<arith::ExtFOp>(); extend && readsRounded(op, target) && isFloat16(extend.getIn())) {
    op.getInputMutable().assign(extend.getIn());
    if (extend->use_empty()) // else a norm that it reads would seem to have another reader
      extend.erase();
  }
  if (op.getResidual() || !op->hasOneUse())
    return;
  auto truncate = dyn_cast<arith::TruncFOp>(*op->user_begin());
  if (!truncate || truncate.getRoundingmodeAttr() || !isFloat16(truncate.getResult()))
    return;
  op.getResult().setType(cast<RankedTensorType>(truncate.getType()));
  truncate.replaceAllUsesWith(op.getResult());
  truncate.erase();
}

/// The input's rows in f32, for kernels that do not read rounded ones.
static Value toWideRows(OpBuilder &builder, Value input) {
  if (isFloat16(input))
    input = arith::ExtFOp::create(builder, input.getLoc(), tensorType(input).clone(builder.getF32Type()), input);
  return toRows(builder, input);
}

/// x + layer(y) -> layer(y, residual x), where nothing else reads the layer.
template <typename Op> static void fuseResidual(Op op) {
  if (op.getResidual() || !op->hasOneUse())
    return;
  auto add = dyn_cast<arith::AddFOp>(*op->user_begin());
  if (!add)
    return;
  Value other = add.getLhs() == op.getResult() ? add.getRhs() : add.getLhs();
  // The layer then runs where the sum was: all it needs is there.
  if (other == op.getResult())
    return;
  op->moveBefore(add);
  op.getResidualMutable().assign(other);
  add.replaceAllUsesWith(op.getResult());
  add.erase();
}

static bool isTensorGrid(GridAttr grid) { return grid && grid.getKind() == GridKind::Tensor; }

/// Whether activations may be -128.
static bool takesAnyCode(GridAttr grid) { return grid && grid.getKind() != GridKind::Token; }

static QuantizedRows getRows(kernel::QLinearOp layer, const Level &target) {
  kernel::PackedLayout layout = layer.getLayout();
  kernel::TilingAttr tiling = getTiling(layer);
  SchemeAttr scheme = layer.getScheme();
  return {layout, isBiased(target, tiling, layout, scheme) ? tiling.getUnpackedFrom() : 0,
          getSumFactor(layer.getContext(), target, layout, scheme, takesAnyCode(layer.getGridAttr()))};
}

/// The norm that makes `input`, if all that reads it reads the same rounded rows: then its result need not exist.
static NormOp findFusedNorm(Value input, llvm::function_ref<bool(OpOperand &)> readsThem) {
  auto norm = input.getDefiningOp<NormOp>();
  if (!norm || !NormSource::canWrite(norm))
    return nullptr;
  return llvm::all_of(norm->getUses(), readsThem) ? norm : nullptr;
}

namespace {
/// What a kernel that rounds rows reads: `input`, or what the norm that makes it reads. The builder moves right behind the input, so
/// that every reader of it can use the result.
struct RowSource {
  RowSource(OpBuilder &builder, Value input, NormOp producer) {
    builder.setInsertionPointAfterValue(input);
    operands.push_back(toRows(builder, producer ? producer.getInput() : input));
    if (producer) {
      norm.emplace(producer);
      llvm::append_range(operands, norm->getParameters(producer));
    }
    count = tensor::DimOp::create(builder, input.getLoc(), operands.front(), 0);
  }
  const NormSource *getNorm() const { return norm ? &*norm : nullptr; }
  Type getElement() const { return tensorType(operands.front()).getElementType(); }

  std::optional<NormSource> norm;
  SmallVector<Value> operands; ///< rows first, then the norm's parameters
  Value count;                 ///< of rows
};

struct LowerLinear : terse::impl::LowerLinearBase<LowerLinear> {
  using LowerLinearBase::LowerLinearBase;

  void runOnOperation() override;

private:
  /// Rounded rows: codes, sums, scales, zero points if the grid has them.
  using Rounded = std::array<Value, 4>;
  FailureOr<Value> roundFloats(OpBuilder &builder, Value input, const Level &target);
  FailureOr<Rounded> round(OpBuilder &builder, Value input, const QuantizedRows &rows, GridAttr grid, const Level &target);
  LogicalResult lower(kernel::QLinearOp op, const Level &target);
  LogicalResult lower(kernel::LinearOp op, const Level &target);
  void replace(Operation *op, func::FuncOp callee, SmallVector<Value> inputs, Value bias, Value residual, bool tickets);

  std::map<std::tuple<void *, const void *, decltype(std::declval<QuantizedRows>().key())>, Rounded> rounded;
  llvm::DenseMap<Value, Value> roundedFloats;
};
} // namespace

FailureOr<LowerLinear::Rounded> LowerLinear::round(OpBuilder &builder, Value input, const QuantizedRows &rows, GridAttr grid,
                                                    const Level &target) {
  Rounded &known = rounded[{input.getAsOpaquePointer(), grid.getAsOpaquePointer(), rows.key()}];
  if (known[0])
    return known;
  // The grid of a whole tensor needs a norm's result twice.
  NormOp producer = isTensorGrid(grid) ? NormOp() : findFusedNorm(input, [&](OpOperand &use) {
    auto layer = dyn_cast<kernel::QLinearOp>(use.getOwner());
    return layer && &use == &layer.getInputMutable() && layer.getGridAttr() == grid &&
           getRows(layer, target).key() == rows.key();
  });
  OpBuilder::InsertionGuard guard(builder);
  RowSource from(builder, input, producer);
  func::FuncOp callee = getQuantizeRowsKernel(getOperation(), rows, from.getElement(), from.getNorm(), grid, target.fma);
  func::FuncOp ranges = isTensorGrid(grid) ? getRowRangesKernel(getOperation(), rows.k, from.getElement()) : nullptr;
  if (!callee || (isTensorGrid(grid) && !ranges))
    return failure();
  Location loc = input.getLoc();
  SmallVector<Value> &inputs = from.operands;
  auto empty = [&](ArrayRef<int64_t> shape, Type type) -> Value {
    return tensor::EmptyOp::create(builder, loc, shape, type, ValueRange{from.count});
  };
  auto launchOn = [&](func::FuncOp kernel, ArrayRef<Value> inputs, ArrayRef<Value> outputs) {
    return kernel::LaunchOp::create(builder, loc, TypeRange(ValueRange(outputs)), kernel.getSymName(), inputs, outputs,
                                    /*serial=*/false);
  };
  auto floats = [&] { return empty({ShapedType::kDynamic}, builder.getF32Type()); };
  if (ranges) {
    auto launch = launchOn(ranges, inputs, {floats(), floats()});
    llvm::append_range(inputs, launch.getResults());
  } else if (grid && grid.getKind() == GridKind::Fixed) {
    for (double value : {grid.getScale().getValueAsDouble(), static_cast<double>(grid.getZero())})
      inputs.push_back(arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value)));
  }
  SmallVector<Value> outputs = {empty({ShapedType::kDynamic, rows.depth()}, builder.getI8Type()),
                                empty({ShapedType::kDynamic, rows.groups()}, builder.getI32Type()),
                                floats()};
  if (grid && grid.hasZero())
    outputs.push_back(floats());
  auto launch = launchOn(callee, inputs, outputs);
  llvm::copy(launch.getResults(), known.begin());
  return known;
}

FailureOr<Value> LowerLinear::roundFloats(OpBuilder &builder, Value input, const Level &target) {
  Value &known = roundedFloats[input];
  if (known)
    return known;
  NormOp producer = findFusedNorm(input, [&](OpOperand &use) {
    auto layer = dyn_cast<kernel::LinearOp>(use.getOwner());
    return layer && &use == &layer.getInputMutable() && readsRounded(layer, target);
  });
  int64_t k = tensorType(input).getShape().back();
  OpBuilder::InsertionGuard guard(builder);
  RowSource from(builder, input, producer);
  func::FuncOp callee = getRoundRowsKernel(getOperation(), k, from.getElement(), from.getNorm());
  if (!callee)
    return failure();
  Location loc = input.getLoc();
  Value out = tensor::EmptyOp::create(builder, loc, {ShapedType::kDynamic, getRoundedDepth(k)}, builder.getBF16Type(),
                                      ValueRange{from.count});
  known = kernel::LaunchOp::create(builder, loc, TypeRange{out.getType()}, callee.getSymName(), from.operands, ValueRange{out},
                                   /*serial=*/false)
              .getResult(0);
  return known;
}

void LowerLinear::replace(Operation *op, func::FuncOp callee, SmallVector<Value> inputs, Value bias, Value residual, bool tickets) {
  OpBuilder builder(op);
  Location loc = op->getLoc();
  auto type = tensorType(op->getResult(0));
  if (bias)
    inputs.push_back(bias);
  if (residual)
    inputs.push_back(toRows(builder, residual));
  Value count = tensor::DimOp::create(builder, loc, inputs.front(), 0);
  Value out = tensor::EmptyOp::create(builder, loc, {ShapedType::kDynamic, type.getShape().back()}, type.getElementType(),
                                      ValueRange{count});
  SmallVector<Value> outputs = {out};
  if (tickets) {
    Value none = arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(0));
    outputs.push_back(tensor::FromElementsOp::create(builder, loc, none));
  }
  Value result = kernel::LaunchOp::create(builder, loc, TypeRange(ValueRange(outputs)), callee.getSymName(), inputs, outputs,
                                          /*serial=*/false)
                     .getResult(0);
  // A norm that is computed with the rounding must not live on for its sizes.
  Value like = op->getOperand(0);
  while (auto norm = like.getDefiningOp<NormOp>())
    like = norm.getInput();
  op->getResult(0).replaceAllUsesWith(fromRows(builder, result, type, like));
  op->erase();
}

LogicalResult LowerLinear::lower(kernel::QLinearOp op, const Level &target) {
  OpBuilder builder(op);
  kernel::PackedLayout layout = op.getLayout();
  GridAttr grid = op.getGridAttr();
  bool hasZero = grid && grid.hasZero();
  bool tickets = takesLong(op.getCodes());
  Epilogue epilogue{op.getType().getElementType(), static_cast<bool>(op.getBias()), static_cast<bool>(op.getResidual()), hasZero, tickets};
  SmallVector<Value> inputs;
  func::FuncOp callee;
  Value zeros;
  if (op.roundsInput()) {
    FailureOr<Rounded> rows = round(builder, op.getInput(), getRows(op, target), grid, target);
    if (failed(rows))
      return failure();
    inputs.append(rows->begin(), rows->begin() + 3);
    zeros = (*rows)[3];
    callee = getQLinearKernel(getOperation(), target, getTiling(op), layout, op.getScheme(), epilogue, takesAnyCode(grid));
  } else {
    inputs.push_back(toWideRows(builder, op.getInput()));
    callee = getWeightOnlyKernel(getOperation(), target, getTiling(op), layout, op.getScheme(), epilogue);
  }
  if (!callee)
    return failure();
  inputs.append({op.getCodes(), op.getScales()});
  if (op.getRowScales())
    inputs.push_back(op.getRowScales());
  if (op.getZeroPoints())
    inputs.push_back(op.getZeroPoints());
  if (hasZero)
    inputs.append({zeros, op.getColumnSums()});
  replace(op, callee, inputs, op.getBias(), op.getResidual(), tickets);
  return success();
}

LogicalResult LowerLinear::lower(kernel::LinearOp op, const Level &target) {
  OpBuilder builder(op);
  bool rounds = readsRounded(op, target), tickets = takesLong(op.getWeight());
  func::FuncOp callee = getLinearKernel(getOperation(), getTiling(op), op.getType().getShape().back(),
                                        tensorType(op.getInput()).getShape().back(), tensorType(op.getWeight()).getElementType(),
                                        rounds ? StringRef(target.bf16) : StringRef(),
                                        {op.getType().getElementType(), static_cast<bool>(op.getBias()), static_cast<bool>(op.getResidual()), /*zero=*/false, tickets});
  if (!callee)
    return failure();
  FailureOr<Value> rows = rounds ? roundFloats(builder, op.getInput(), target) : toWideRows(builder, op.getInput());
  if (failed(rows))
    return failure();
  replace(op, callee, {*rows, op.getWeight()}, op.getBias(), op.getResidual(), tickets);
  return success();
}

void LowerLinear::runOnOperation() {
  const Level *target = findLevel(level);
  if (!target) {
    getOperation().emitError("expected the level ") << listCPULevels() << "; got '" << level << "'";
    return signalPassFailure();
  }
  rounded.clear();
  roundedFloats.clear();
  SmallVector<Operation *> layers;
  getOperation()->walk([&](Operation *op) {
    if (isa<kernel::QLinearOp, kernel::LinearOp>(op))
      layers.push_back(op);
  });
  auto fuse = [&](auto op) {
    fuseConversions(op, *target);
    fuseResidual(op);
  };
  for (Operation *op : layers)
    if (auto qlinear = dyn_cast<kernel::QLinearOp>(op))
      fuse(qlinear);
    else
      fuse(cast<kernel::LinearOp>(op));
  for (Operation *op : layers)
    if (failed(isa<kernel::QLinearOp>(op) ? lower(cast<kernel::QLinearOp>(op), *target)
                                          : lower(cast<kernel::LinearOp>(op), *target)))
      return signalPassFailure();
  getOperation()->walk([](NormOp norm) {
    if (norm->use_empty())
      norm.erase();
  });
}
