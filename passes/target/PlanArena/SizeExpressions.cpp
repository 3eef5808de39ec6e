//===- SizeExpressions.cpp - sizes in terms of the arguments --------------===//
#include "SizeExpressions.h"

#include "Terse/TerseDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace terse;
using namespace terse::arena;

Value SizeExpressions::insert(OperationState &state) {
  std::vector<void *> operands;
  for (Value operand : state.operands)
    operands.push_back(operand.getAsOpaquePointer());
  Attribute attrs = state.attributes.getDictionary(b.getContext());
  Key key{const_cast<void *>(state.name.getAsOpaquePointer()), attrs.getAsOpaquePointer(), operands};
  Value &value = inserted[key];
  if (value)
    return value;
  Operation *op = b.create(state);
  SmallVector<Value> folded;
  if (succeeded(b.tryFold(op, folded)) && folded.size() == 1 && folded.front() != op->getResult(0)) {
    op->erase();
    IntegerAttr constantValue;
    if (matchPattern(folded.front(), m_Constant(&constantValue)) && folded.front().getType().isIndex()) {
      // One constant operation for one constant.
      Value unique = constant(constantValue.getInt());
      if (unique != folded.front() && folded.front().use_empty())
        folded.front().getDefiningOp()->erase();
      return inserted[key] = unique;
    }
    return inserted[key] = folded.front();
  }
  return inserted[key] = op->getResult(0);
}

Value SizeExpressions::constant(int64_t value) {
  Key key{nullptr, b.getIndexAttr(value).getAsOpaquePointer(), {}};
  Value &entry = inserted[key];
  if (!entry)
    entry = arith::ConstantIndexOp::create(b, value);
  return entry;
}

/// A buffer that a loop carries in place is as large as the one it starts with
/// (or smaller, if it passes on parts of it).
Value SizeExpressions::copyCarriedDim(BlockArgument buffer, int64_t dim) {
  auto loop = dyn_cast<scf::ForOp>(buffer.getOwner()->getParentOp());
  if (!loop)
    return {};
  Value next = loop.getTiedLoopYieldedValue(buffer)->get();
  while (auto view = next.getDefiningOp<ViewLikeOpInterface>())
    next = view.getViewSource();
  return next == buffer ? copyDim(loop.getTiedLoopInit(buffer)->get(), dim) : Value();
}

Value SizeExpressions::copyDim(Value buffer, int64_t dim) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dim))
    return constant(type.getDimSize(dim));
  auto dynamicOperand = [&](ValueRange sizes) { return copy(sizes[type.getDynamicDimIndex(dim)]); };
  Operation *op = buffer.getDefiningOp();
  if (!op) {
    auto it = copies.find(buffer);
    if (it == copies.end())
      return copyCarriedDim(cast<BlockArgument>(buffer), dim);
    OperationState state(b.getLoc(), memref::DimOp::getOperationName());
    state.addOperands({it->second, constant(dim)});
    state.addTypes(b.getIndexType());
    return insert(state);
  }
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return copyCarriedDim(loop.getTiedLoopRegionIterArg(cast<OpResult>(buffer)), dim);
  if (auto alloc = dyn_cast<memref::AllocOp>(op))
    return dynamicOperand(alloc.getDynamicSizes());
  if (auto view = dyn_cast<memref::ViewOp>(op))
    return dynamicOperand(view.getSizes());
  if (auto cast = dyn_cast<memref::CastOp>(op))
    return copyDim(cast.getSource(), dim);
  if (auto expand = dyn_cast<memref::ExpandShapeOp>(op))
    return dynamicOperand(expand.getOutputShape());
  if (auto collapse = dyn_cast<memref::CollapseShapeOp>(op)) {
    Value product = constant(1);
    ReassociationIndices sources = collapse.getReassociationIndices()[dim];
    for (int64_t from : sources) {
      Value size = copyDim(collapse.getSrc(), from);
      if (!size)
        return {};
      product = binary<arith::MulIOp>(product, size);
    }
    return product;
  }
  if (auto subview = dyn_cast<memref::SubViewOp>(op)) {
    // The result may lack dimensions of size 1.
    llvm::SmallBitVector dropped = subview.getDroppedDims();
    int64_t kept = 0;
    for (auto [i, size] : llvm::enumerate(subview.getMixedSizes())) {
      if (dropped.test(i))
        continue;
      if (kept++ == dim)
        return isa<Attribute>(size) ? constant(*getConstantIntValue(size)) : copy(cast<Value>(size));
    }
  }
  return {};
}

Value SizeExpressions::copy(Value value) {
  auto it = copies.find(value);
  if (it != copies.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions() || op->getNumResults() != 1)
    return {};
  if (auto known = getConstantIntValue(value); known && value.getType().isIndex())
    return copies[value] = constant(*known);
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    std::optional<int64_t> index = dim.getConstantIndex();
    Value size = index ? copyDim(dim.getSource(), *index) : Value();
    return copies[value] = size;
  }
  if (!isPure(op))
    return {};
  OperationState state(b.getLoc(), op->getName());
  for (Value operand : op->getOperands()) {
    Value copied = copy(operand);
    if (!copied)
      return {};
    state.operands.push_back(copied);
  }
  state.attributes = op->getAttrs();
  state.addTypes(op->getResultTypes());
  return copies[value] = insert(state);
}

int64_t SizeExpressions::estimate(Value value) {
  constexpr int64_t typical = 256;
  auto it = estimates.find(value);
  if (it != estimates.end())
    return it->second;
  auto compute = [&]() -> int64_t {
    if (auto known = getConstantIntValue(value))
      return *known;
    Operation *op = value.getDefiningOp();
    if (!op)
      return typical;
    if (auto dim = dyn_cast<memref::DimOp>(op)) {
      auto argument = dyn_cast<BlockArgument>(dim.getSource());
      auto function = argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp()) : func::FuncOp();
      auto names = function ? function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), TerseDialect::kDimsAttr)
                            : ArrayAttr();
      std::optional<int64_t> index = dim.getConstantIndex();
      if (names && index && *index < static_cast<int64_t>(names.size()))
        if (auto name = dyn_cast<StringAttr>(names[*index]); name && name.getValue().contains_insensitive("batch"))
          return 1;
      return typical;
    }
    if (op->getNumOperands() != 2)
      return op->getNumOperands() == 1 ? estimate(op->getOperand(0)) : typical;
    double a = estimate(op->getOperand(0)), b = estimate(op->getOperand(1));
    double result =
        llvm::TypeSwitch<Operation *, double>(op)
            .Case<arith::AddIOp>([&](auto) { return a + b; })
            .Case<arith::SubIOp>([&](auto) { return std::max(a - b, 1.0); })
            .Case<arith::MulIOp>([&](auto) { return a * b; })
            .Case<arith::DivUIOp, arith::DivSIOp, arith::CeilDivUIOp, arith::CeilDivSIOp, arith::FloorDivSIOp>(
                [&](auto) { return b ? a / b : a; })
            .Case<arith::MinUIOp, arith::MinSIOp>([&](auto) { return std::min(a, b); })
            .Default([&](Operation *) { return std::max(a, b); });
    return static_cast<int64_t>(std::min(result, 1e15));
  };
  int64_t result = compute();
  return estimates[value] = result;
}
