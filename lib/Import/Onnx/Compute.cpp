//===- Compute.cpp - elementwise, loops, reductions, products -------------===//
#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

Tensor *Importer::elementwise(DType result, ArrayRef<Tensor *> inputs, Build build) {
  return elementwise(result, inputs, nullptr, nullptr, build);
}

Tensor *Importer::elementwise(DType result, ArrayRef<Tensor *> inputs, IntFold ints, FloatFold floats, Build build) {
  Dims dims;
  for (Tensor *t : inputs) {
    if (!t)
      return nullptr;
    auto common = broadcastDims(dims, t->dims);
    if (!common)
      return nullptr;
    dims = *common;
  }
  if (ints && llvm::none_of(inputs, [](Tensor *t) { return isFloat(t->dtype); }) && !isFloat(result))
    if (Tensor *folded = foldInts(result, inputs, dims, ints))
      return folded;
  if (floats && isFloat(result) && llvm::all_of(inputs, [](Tensor *t) { return isFloat(t->dtype); }))
    if (Tensor *folded = foldFloats(result, inputs, dims, floats))
      return folded;
  SmallVector<Value> operands;
  for (Tensor *t : inputs) {
    Value operand = value(broadcast(t, dims));
    if (!operand)
      return nullptr;
    operands.push_back(operand);
  }
  return make(result, dims, build(b, operands));
}

Tensor *Importer::generate(DType dtype, ArrayRef<Dim> given, Build build) {
  Dims dims(given.begin(), given.end());
  Value init = empty(dtype, dims);
  if (failed)
    return nullptr;
  bool complete = true;
  auto op = linalg::GenericOp::create(
      b, loc, TypeRange{init.getType()}, ValueRange{}, ValueRange{init},
      ArrayRef<AffineMap>{b.getMultiDimIdentityMap(dims.size())},
      SmallVector<utils::IteratorType>(dims.size(), utils::IteratorType::parallel),
      [&](OpBuilder &builder, Location at, ValueRange) {
        SmallVector<Value> coordinates;
        for (size_t i = 0; i < dims.size(); ++i)
          coordinates.push_back(linalg::IndexOp::create(builder, at, i));
        Value result = build(builder, coordinates);
        complete &= static_cast<bool>(result);
        linalg::YieldOp::create(builder, at, result ? result : literal(builder, dtype, 0));
      });
  if (!complete)
    return failed ? nullptr : error("cannot be imported in this form");
  return make(dtype, dims, op.getResult(0));
}

Tensor *Importer::shared(ArrayRef<Tensor *> tensors, ArrayRef<Dim> dims, llvm::function_ref<Tensor *()> build) {
  std::vector<Dim> resolved;
  for (const Dim &dim : dims)
    resolved.push_back(symbols.resolve(dim));
  Tensor *&t = sharedTensors[{std::vector<Tensor *>(tensors.begin(), tensors.end()), resolved}];
  if (!t)
    t = build();
  return t;
}

Value Importer::element(OpBuilder &builder, Tensor *t, ValueRange coordinates) {
  if (t->fill)
    return literal(builder, t->dtype, *t->fill);
  if (t->pattern && t->pattern->size() == 1) {
    Value i = evaluate(builder, t->pattern->front(), coordinates);
    return i ? arith::IndexCastOp::create(builder, loc, elementType(t->dtype), i).getResult() : Value();
  }
  if (!t->value) {
    error("an element was asked for before its tensor was a value");
    return {};
  }
  return tensor::ExtractOp::create(builder, loc, t->value, coordinates);
}

Value Importer::safeIndex(OpBuilder &builder, Value i, Value size) {
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  Value negative = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, i, zero);
  Value wrapped = arith::AddIOp::create(builder, loc, i, size);
  Value counted = arith::SelectOp::create(builder, loc, negative, wrapped, i);
  Value last = arith::SubIOp::create(builder, loc, size, one);
  Value below = arith::MinSIOp::create(builder, loc, counted, last);
  return arith::MaxSIOp::create(builder, loc, below, zero);
}

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

Value Importer::castElement(OpBuilder &builder, Value v, DType from, DType to) {
  if (from == to)
    return v;
  auto target = [&](Type element) -> Type {
    auto shaped = dyn_cast<RankedTensorType>(v.getType());
    return shaped ? Type(shaped.clone(element)) : element;
  };
  Type wanted = elementType(to);
  unsigned toWidth = wanted.getIntOrFloatBitWidth(), fromWidth = elementType(from).getIntOrFloatBitWidth();
  if (isFloat(from) && isFloat(to)) {
    if (toWidth == fromWidth) { // f16 and bf16
      v = arith::ExtFOp::create(builder, loc, target(builder.getF32Type()), v);
      return arith::TruncFOp::create(builder, loc, target(wanted), v);
    }
    if (toWidth > fromWidth)
      return arith::ExtFOp::create(builder, loc, target(wanted), v);
    return arith::TruncFOp::create(builder, loc, target(wanted), v);
  }
  if (isFloat(to)) {
    if (isUnsigned(from) || isBool(from))
      return arith::UIToFPOp::create(builder, loc, target(wanted), v);
    return arith::SIToFPOp::create(builder, loc, target(wanted), v);
  }
  if (isFloat(from)) {
    if (to == onnx::TensorProto::UINT64)
      return arith::FPToUIOp::create(builder, loc, target(wanted), v);
    if (toWidth == 64 || to == onnx::TensorProto::INT32)
      return arith::FPToSIOp::create(builder, loc, target(wanted), v);
    // Narrow types wrap around, as the conversion by way of int does in C.
    v = arith::FPToSIOp::create(builder, loc, target(builder.getI64Type()), v);
    return arith::TruncIOp::create(builder, loc, target(wanted), v);
  }
  if (toWidth == fromWidth)
    return v;
  if (toWidth < fromWidth)
    return arith::TruncIOp::create(builder, loc, target(wanted), v);
  if (isUnsigned(from) || isBool(from))
    return arith::ExtUIOp::create(builder, loc, target(wanted), v);
  return arith::ExtSIOp::create(builder, loc, target(wanted), v);
}

/// An integer wrapped around to the range of a type.
static int64_t wrapTo(DType dtype, int64_t v) {
  unsigned bits = 8 * getElementSize(dtype);
  if (bits >= 64)
    return v;
  uint64_t low = static_cast<uint64_t>(v) & ((1ull << bits) - 1);
  if (!isUnsigned(dtype) && (low >> (bits - 1)))
    low |= ~0ull << bits;
  return static_cast<int64_t>(low);
}

Tensor *Importer::cast(Tensor *t, DType dtype) {
  if (!t || t->dtype == dtype)
    return t;
  if (!getElementSize(dtype))
    return error("cast to " + getTypeName(dtype) + " is not supported");
  if (t->integers && !isFloat(dtype))
    return cast(t->integers, dtype);
  if (t->fill || t->floats) {
    // Literals: exact up to the rounding of the target.
    if (isFloat(dtype))
      return elementwise(
          dtype, {t}, nullptr, [](ArrayRef<double> v) { return v[0]; },
          [&](OpBuilder &builder, ValueRange v) { return castElement(builder, v[0], t->dtype, dtype); });
    auto convert = [&](double v) {
      if (isBool(dtype))
        return static_cast<int64_t>(v != 0);
      return std::abs(v) < 9.2e18 ? wrapTo(dtype, static_cast<int64_t>(v)) : INT64_MIN;
    };
    if (t->floats) {
      SmallVector<Dim> ints;
      for (double v : *t->floats)
        ints.push_back(convert(v));
      return fromInts(dtype, t->dims, ints);
    }
    return fromPattern(dtype, t->dims, {Dim(convert(*t->fill))});
  }
  bool known = t->ints && llvm::all_of(*t->ints, [](const Dim &dim) { return dim.constant().has_value(); });
  if (known && isFloat(dtype)) {
    SmallVector<double> floats;
    for (const Dim &dim : *t->ints)
      floats.push_back(static_cast<double>(*dim.constant()));
    Tensor *wide = fromFloats(onnx::TensorProto::DOUBLE, t->dims, floats);
    return cast(wide, dtype);
  }
  if (t->pattern && t->pattern->size() == 1 && t->pattern->front().constant() && isFloat(dtype))
    return cast(fromFill(onnx::TensorProto::DOUBLE, t->dims, *t->pattern->front().constant()), dtype);
  if (isBool(dtype)) {
    return elementwise(
        dtype, {t, scalar(t->dtype, 0)},
        [&](ArrayRef<Dim> v) -> std::optional<Dim> {
          auto zero = symbols.equal(symbols.resolve(v[0]), Dim(0));
          return zero ? std::optional<Dim>(Dim(*zero ? 0 : 1)) : std::nullopt;
        },
        nullptr, [&](OpBuilder &builder, ValueRange v) -> Value {
          if (isFloat(t->dtype))
            return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNE, v[0], v[1]);
          return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, v[0], v[1]);
        });
  }
  Tensor *result = elementwise(
      dtype, {t},
      [&](ArrayRef<Dim> v) -> std::optional<Dim> {
        if (auto constant = v[0].constant())
          return Dim(wrapTo(dtype, *constant));
        return v[0]; // sizes and positions fit into any type that exporters cast them to
      },
      nullptr, [&](OpBuilder &builder, ValueRange v) { return castElement(builder, v[0], t->dtype, dtype); });
  if (result && (t->ints || t->pattern) && (dtype == onnx::TensorProto::FLOAT || dtype == onnx::TensorProto::DOUBLE))
    result->integers = t;
  return result;
}

//===----------------------------------------------------------------------===//
// Reductions and products
//===----------------------------------------------------------------------===//

Tensor *Importer::reduce(Tensor *t, ArrayRef<int64_t> axes, double initial, Build combine) {
  if (!t || axes.empty())
    return t;
  Dims dims;
  for (int64_t i = 0; i < t->rank(); ++i)
    if (!llvm::is_contained(axes, i))
      dims.push_back(t->dims[i]);
  Value v = value(t), start = literal(b, t->dtype, initial);
  Value init = empty(t->dtype, dims);
  if (!v || failed)
    return nullptr;
  init = linalg::FillOp::create(b, loc, ValueRange{start}, ValueRange{init}).getResult(0);
  auto op = linalg::ReduceOp::create(b, loc, ValueRange{v}, ValueRange{init}, axes,
                                     [&](OpBuilder &builder, Location at, ValueRange arguments) {
                                       linalg::YieldOp::create(builder, at, combine(builder, arguments));
                                     });
  return make(t->dtype, dims, op->getResult(0));
}

Tensor *Importer::matmul(Tensor *lhs, Tensor *rhs) {
  if (!lhs || !rhs)
    return nullptr;
  if (lhs->dtype != rhs->dtype)
    return error("expected operands of one type; got " + getTypeName(lhs->dtype) + " and " + getTypeName(rhs->dtype));
  if (lhs->rank() == 0 || rhs->rank() == 0)
    return error("expected operands of rank 1 or more");
  // Vectors are matrices of one row or column, which the result has not.
  if (lhs->rank() == 1) {
    Tensor *product = matmul(unsqueeze(lhs, {0}), rhs);
    if (!product)
      return nullptr;
    Dims dims = product->dims;
    dims.erase(dims.end() - std::min<size_t>(dims.size(), rhs->rank() == 1 ? 1 : 2));
    return reshape(product, dims);
  }
  if (rhs->rank() == 1) {
    Tensor *product = matmul(lhs, unsqueeze(rhs, {1}));
    if (!product)
      return nullptr;
    Dims dims = product->dims;
    dims.pop_back();
    return reshape(product, dims);
  }
  if (!unify(lhs->dims.back(), rhs->dims[rhs->rank() - 2], "sizes to sum over"))
    return nullptr;

  // A layer: the right side is a matrix of the file.
  if ((rhs->initializer || rhs->coded) && rhs->rank() == 2 && isFloat(rhs->dtype)) {
    Dims dims(lhs->dims.begin(), lhs->dims.end() - 1);
    dims.push_back(rhs->dims[1]);
    int64_t reductionAxis = rhs->transposed ? 1 : 0;
    Value input = value(lhs), matrix;
    if (rhs->coded) {
      int columns = rhs->transposed ? 0 : 1; // the matrix's axis of output channels
      bool byChannel = rhs->coded->canBeRows(columns);
      matrix = dequantize(*rhs->coded, byChannel ? columns : 1 - columns);
      reductionAxis = byChannel ? 1 : 0;
    } else {
      matrix = weight(rhs, /*alwaysWeight=*/true);
    }
    if (!input || !matrix)
      return nullptr;
    std::string name = scope();
    if (name.empty())
      name = StringRef(rhs->name).rsplit(".weight").first.str();
    return make(lhs->dtype, dims,
                LinearOp::create(b, loc, type(lhs->dtype, dims), input, matrix, Value(),
                                 b.getI64IntegerAttr(reductionAxis), b.getStringAttr(name)));
  }

  Dims lhsBatch(lhs->dims.begin(), lhs->dims.end() - 2), rhsBatch(rhs->dims.begin(), rhs->dims.end() - 2);
  Dim m = lhs->dims[lhs->rank() - 2], k = lhs->dims.back(), n = rhs->dims.back();
  auto batch = broadcastDims(lhsBatch, rhsBatch);
  if (!batch)
    return nullptr;
  Dims dims = *batch;
  dims.append({m, n});
  // One matrix for all of the batch: its rows are rows of one product.
  bool shared = llvm::all_of(rhsBatch, [&](const Dim &dim) { return symbols.resolve(dim).isConstant(1); });
  if (shared && !lhsBatch.empty() && lhsBatch.size() >= rhsBatch.size() && product(lhsBatch) != Dim(1)) {
    Dims rows{product(lhsBatch) * m, k};
    return reshape(matmul(reshape(lhs, rows), reshape(rhs, {k, n})), dims);
  }
  Dims lhsDims = *batch, rhsDims = *batch;
  lhsDims.append({m, k});
  rhsDims.append({k, n});
  Value l = value(broadcast(lhs, lhsDims)), r = value(broadcast(rhs, rhsDims));
  if (!l || !r)
    return nullptr;
  return make(lhs->dtype, dims, MatmulOp::create(b, loc, type(lhs->dtype, dims), l, r));
}
