//===- Sizes.cpp - types, and sizes as SSA values -------------------------===//
#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

Type Importer::elementType(DType dtype) {
  switch (dtype) {
  case onnx::TensorProto::FLOAT:
    return b.getF32Type();
  case onnx::TensorProto::FLOAT16:
    return b.getF16Type();
  case onnx::TensorProto::BFLOAT16:
    return b.getBF16Type();
  case onnx::TensorProto::DOUBLE:
    return b.getF64Type();
  case onnx::TensorProto::BOOL:
    return b.getI1Type();
  default:
    return b.getIntegerType(std::max(8 * getElementSize(dtype), 8u)); // smaller ones are a byte each when computed
  }
}

RankedTensorType Importer::type(DType dtype, ArrayRef<Dim> dims) {
  SmallVector<int64_t> shape;
  for (const Dim &dim : dims) {
    std::optional<int64_t> constant = symbols.resolve(dim).constant();
    shape.push_back(constant ? std::max<int64_t>(*constant, 0) : ShapedType::kDynamic);
  }
  return RankedTensorType::get(shape, elementType(dtype));
}

OpBuilder Importer::builderAfter(ValueRange operands) {
  OpBuilder builder(prologueEnd);
  Operation *latest = nullptr;
  for (Value operand : operands)
    if (Operation *op = operand.getDefiningOp())
      if (op->getBlock() == prologueEnd->getBlock() && (!latest || latest->isBeforeInBlock(op)))
        latest = op;
  // What depends only on inputs' sizes stays together at the start.
  if (latest && prologueEnd->isBeforeInBlock(latest))
    builder.setInsertionPointAfter(latest);
  return builder;
}

Value Importer::indexConstant(int64_t constant) {
  Value &value = indices[Dim(constant)];
  if (!value) {
    OpBuilder builder(prologueEnd);
    value = arith::ConstantIndexOp::create(builder, file.getLocation(), constant);
  }
  return value;
}

Value Importer::combine(SymbolId id, Value lhs, Value rhs, OpBuilder &builder) {
  switch (symbols.getKind(id)) {
  case Symbols::Kind::FloorDiv:
    return arith::FloorDivSIOp::create(builder, loc, lhs, rhs);
  case Symbols::Kind::Max:
    return arith::MaxSIOp::create(builder, loc, lhs, rhs);
  default:
    return arith::MinSIOp::create(builder, loc, lhs, rhs);
  }
}

/// The value of a symbol: computed from its operands, or from the size of an
/// input in which it occurs.
Value Importer::symbolValue(SymbolId id) {
  if (Value known = symbolValues[id])
    return known;
  if (llvm::is_contained(solving, id))
    return {};
  Symbols::Kind kind = symbols.getKind(id);
  if (kind == Symbols::Kind::Padded)
    return symbolValues[id] = index(symbols.getOperands(id).first);
  if (kind == Symbols::Kind::FloorDiv || kind == Symbols::Kind::Max || kind == Symbols::Kind::Min) {
    auto [lhs, rhs] = symbols.getOperands(id);
    Value l = index(lhs), r = index(rhs);
    if (!l || !r)
      return {};
    OpBuilder builder = builderAfter({l, r});
    return symbolValues[id] = combine(id, l, r, builder);
  }
  solving.push_back(id);
  Value result;
  // First an input's size that is the symbol itself, then one that can be solved.
  for (bool solve : {false, true}) {
    for (const InputSize &size : inputSizes) {
      Dim dim = symbols.resolve(size.dim);
      auto term = dim.terms().find({id});
      if (solve ? term == dim.terms().end() : dim.asSymbol() != id)
        continue;
      int64_t coefficient = term->second;
      Dim rest = dim - Dim::symbol(id) * Dim(coefficient);
      Value subtrahend;
      if (!rest.isConstant(0)) {
        if (rest.uses([&](SymbolId used) { return used == id; }) || !(subtrahend = index(rest)))
          continue;
      }
      OpBuilder builder(prologueEnd);
      Location at = file.getLocation();
      result = tensor::DimOp::create(builder, at, function.getArgument(size.argument), size.axis);
      if (subtrahend)
        result = arith::SubIOp::create(builder, at, result, subtrahend);
      if (coefficient != 1)
        result = arith::DivSIOp::create(builder, at, result, indexConstant(coefficient));
      break;
    }
    if (result)
      break;
  }
  solving.pop_back();
  return symbolValues[id] = result;
}

Value Importer::index(const Dim &unresolved) {
  Dim dim = symbols.resolve(unresolved);
  if (auto constant = dim.constant())
    return indexConstant(*constant);
  if (Value known = indices[dim])
    return known;
  Value sum;
  for (const auto &[monomial, coefficient] : dim.terms()) {
    Value product;
    if (coefficient != 1 || monomial.empty())
      product = indexConstant(coefficient);
    for (SymbolId id : monomial) {
      Value factor = symbolValue(id);
      if (!factor) {
        if (solving.empty())
          error("size '" + symbols.print(Dim::symbol(id)) + "' cannot be found from the sizes of the inputs");
        return {};
      }
      if (!product) {
        product = factor;
        continue;
      }
      OpBuilder builder = builderAfter({product, factor});
      product = arith::MulIOp::create(builder, file.getLocation(), product, factor);
    }
    if (!sum) {
      sum = product;
      continue;
    }
    OpBuilder builder = builderAfter({sum, product});
    sum = arith::AddIOp::create(builder, file.getLocation(), sum, product);
  }
  return indices[dim] = sum;
}

OpFoldResult Importer::fold(const Dim &dim) {
  if (auto constant = symbols.resolve(dim).constant())
    return b.getIndexAttr(*constant);
  Value value = index(dim);
  return value ? OpFoldResult(value) : OpFoldResult(b.getIndexAttr(0));
}

SmallVector<OpFoldResult> Importer::fold(ArrayRef<Dim> dims) {
  SmallVector<OpFoldResult> result;
  for (const Dim &dim : dims)
    result.push_back(fold(dim));
  return result;
}

Value Importer::empty(DType dtype, ArrayRef<Dim> dims) {
  return tensor::EmptyOp::create(b, loc, fold(dims), elementType(dtype));
}

std::optional<int64_t> Importer::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    error("expected an axis in " + Twine(-rank) + ".." + Twine(rank - 1) + "; got " + Twine(axis));
    return std::nullopt;
  }
  return axis < 0 ? axis + rank : axis;
}

std::optional<SmallVector<int64_t>> Importer::axes(ArrayRef<int64_t> given, int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t one : given) {
    auto checked = axis(one, rank);
    if (!checked)
      return std::nullopt;
    result.push_back(*checked);
  }
  llvm::sort(result);
  if (std::adjacent_find(result.begin(), result.end()) != result.end()) {
    error("expected different axes");
    return std::nullopt;
  }
  return result;
}

bool Importer::unify(const Dim &lhs, const Dim &rhs, const Twine &what) {
  if (symbols.unify(lhs, rhs))
    return true;
  error("expected " + what + " to be equal; got " + symbols.print(symbols.resolve(lhs)) + " and " +
        symbols.print(symbols.resolve(rhs)));
  return false;
}

std::optional<Dims> Importer::broadcastDims(ArrayRef<Dim> lhs, ArrayRef<Dim> rhs) {
  if (lhs.size() < rhs.size())
    std::swap(lhs, rhs);
  Dims result(lhs.begin(), lhs.end());
  size_t shift = lhs.size() - rhs.size();
  // Exporters write min(1, n) where they mean 1; beside a size of at most so many it is as good.
  auto isOne = [&](const Dim &dim, const Dim &beside) {
    Dim resolved = symbols.resolve(dim);
    auto symbol = symbols.usesPadded(symbols.resolve(beside)) ? resolved.asSymbol() : std::nullopt;
    bool least = symbol && symbols.getKind(*symbol) == Symbols::Kind::Min;
    return resolved.isConstant(1) || (least && (symbols.getOperands(*symbol).first.isConstant(1) ||
                                                symbols.getOperands(*symbol).second.isConstant(1)));
  };
  for (const auto &[i, dim] : llvm::enumerate(rhs)) {
    Dim &other = result[i + shift];
    if (isOne(dim, other))
      continue;
    if (isOne(other, dim))
      other = dim;
    else if (!unify(other, dim, "broadcast sizes"))
      return std::nullopt;
    other = symbols.resolve(other);
  }
  return result;
}

Dim Importer::product(ArrayRef<Dim> dims) {
  Dim result(1);
  for (const Dim &dim : dims)
    result = result * dim;
  return symbols.resolve(result);
}
