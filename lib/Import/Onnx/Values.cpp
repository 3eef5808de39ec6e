//===- Values.cpp - tensors of a run and their SSA values -----------------===//
#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"


using namespace mlir;
using namespace terse;
using namespace terse::importer;

static std::optional<int64_t> countStatic(ArrayRef<Dim> dims) {
  int64_t count = 1;
  for (const Dim &dim : dims) {
    auto size = dim.constant();
    if (!size || __builtin_mul_overflow(count, *size, &count))
      return std::nullopt;
  }
  return count;
}

Tensor *Importer::make(DType dtype, ArrayRef<Dim> dims) {
  Tensor &t = tensors.emplace_back();
  t.dtype = dtype;
  for (const Dim &dim : dims)
    t.dims.push_back(symbols.resolve(dim));
  return &t;
}

Tensor *Importer::make(DType dtype, ArrayRef<Dim> dims, Value value) {
  if (!value)
    return failed ? nullptr : error("cannot be imported in this form");
  Tensor *t = make(dtype, dims);
  t->value = value;
  return t;
}

Tensor *Importer::fromInts(DType dtype, ArrayRef<Dim> dims, ArrayRef<Dim> ints) {
  Tensor *t = make(dtype, dims);
  t->ints.emplace();
  for (const Dim &dim : ints)
    t->ints->push_back(symbols.resolve(dim));
  return t;
}

Tensor *Importer::fromFloats(DType dtype, ArrayRef<Dim> dims, ArrayRef<double> floats) {
  Tensor *t = make(dtype, dims);
  t->floats = SmallVector<double>(floats);
  return t;
}

Tensor *Importer::fromPattern(DType dtype, ArrayRef<Dim> dims, ArrayRef<Dim> pattern) {
  Tensor *t = make(dtype, dims);
  SmallVector<Dim> resolved;
  for (const Dim &dim : pattern)
    resolved.push_back(symbols.resolve(dim));
  // A coordinate in a dimension of size 1 is 0.
  for (Dim &dim : resolved)
    dim = dim.substitute([&](SymbolId id) -> std::optional<Dim> {
      if (id < t->dims.size() && t->dims[id].isConstant(1))
        return Dim(0);
      return std::nullopt;
    });
  std::optional<int64_t> count = countStatic(t->dims);
  if (!count || *count > options.largestFolded) {
    t->pattern = resolved;
    return t;
  }
  t->ints.emplace();
  SmallVector<int64_t> coordinates(t->dims.size(), 0);
  for (int64_t i = 0; i < *count; ++i) {
    int64_t rest = i;
    for (size_t d = t->dims.size(); d-- > 0;) {
      coordinates[d] = rest % *t->dims[d].constant();
      rest /= *t->dims[d].constant();
    }
    const Dim &dim = resolved.size() == 1 ? resolved[0] : resolved[coordinates.back()];
    t->ints->push_back(dim.substitute([&](SymbolId id) -> std::optional<Dim> {
      if (id < coordinates.size())
        return Dim(coordinates[id]);
      return std::nullopt;
    }));
  }
  return t;
}

Tensor *Importer::fromFill(DType dtype, ArrayRef<Dim> dims, double fill) {
  if (!isFloat(dtype))
    return fromPattern(dtype, dims, {Dim(static_cast<int64_t>(fill))});
  Tensor *t = make(dtype, dims);
  t->fill = fill;
  std::optional<int64_t> count = countStatic(t->dims);
  if (count && *count <= options.largestFolded)
    t->floats = SmallVector<double>(*count, fill);
  return t;
}

Tensor *Importer::scalar(DType dtype, double value) { return fromFill(dtype, {}, value); }

static TypedAttr literalAttribute(Type type, double value) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    if (value >= 0x1p63)
      return IntegerAttr::get(type, APInt::getSignedMaxValue(integer.getWidth()));
    return IntegerAttr::get(type, APInt(integer.getWidth(), static_cast<int64_t>(value), /*isSigned=*/true,
                                        /*implicitTrunc=*/true));
  }
  return FloatAttr::get(type, value);
}

Value Importer::literal(OpBuilder &builder, DType dtype, double value) {
  return arith::ConstantOp::create(builder, loc, literalAttribute(elementType(dtype), value));
}

static DenseElementsAttr denseIntegers(RankedTensorType type, ArrayRef<Dim> values) {
  unsigned width = type.getElementTypeBitWidth();
  SmallVector<APInt> elements;
  for (const Dim &value : values)
    elements.emplace_back(width, *value.constant(), /*isSigned=*/true, /*implicitTrunc=*/true);
  return DenseElementsAttr::get(type, elements);
}

static DenseElementsAttr denseFloats(RankedTensorType type, ArrayRef<double> values) {
  SmallVector<APFloat> elements;
  for (double value : values) {
    APFloat element(value);
    bool inexact;
    element.convert(cast<FloatType>(type.getElementType()).getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
    elements.push_back(element);
  }
  return DenseElementsAttr::get(type, elements);
}

Value Importer::value(Tensor *t) {
  if (!t)
    return {};
  if (t->value)
    return t->value;
  RankedTensorType resultType = type(t);
  auto isConstant = [](const Dim &dim) { return dim.constant().has_value(); };
  auto splat = [&](double constant) -> Value {
    TypedAttr attribute = literalAttribute(resultType.getElementType(), constant);
    if (resultType.hasStaticShape())
      return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(resultType, attribute));
    SmallVector<Value> sizes;
    for (const Dim &dim : t->dims)
      if (!dim.constant())
        sizes.push_back(index(dim));
    if (failed)
      return {};
    return tensor::SplatOp::create(b, loc, literal(b, t->dtype, constant), resultType, sizes);
  };
  auto fromIndex = [&](OpBuilder &builder, Value v) -> Value {
    return arith::IndexCastOp::create(builder, loc, resultType.getElementType(), v);
  };

  if (t->coded) {
    int rows = t->transposed ? 1 : 0;
    if (!t->coded->canBeRows(rows))
      rows = 1 - rows;
    t->value = dequantize(*t->coded, rows);
    if (t->value && (rows == 1) != t->transposed) {
      Tensor *swapped = transpose(make(t->dtype, {t->dims[1], t->dims[0]}, t->value), {1, 0});
      t->value = swapped ? swapped->value : Value();
    }
  } else if (t->initializer) {
    t->value = weight(t);
    if (t->value && t->transposed) {
      // The value is of the swapped shape; `weight` made the one in the file.
      Tensor *stored = make(t->dtype, {t->dims[1], t->dims[0]}, t->value);
      Tensor *swapped = transpose(stored, {1, 0});
      t->value = swapped ? swapped->value : Value();
    }
  } else if (t->ints && llvm::all_of(*t->ints, isConstant)) {
    t->value = arith::ConstantOp::create(b, loc, denseIntegers(resultType, *t->ints));
  } else if (t->ints) {
    SmallVector<Value> elements;
    for (const Dim &dim : *t->ints) {
      if (symbols.usesPadded(symbols.resolve(dim))) {
        error("a size that depends on values is read as a number");
        return {};
      }
      Value v = index(dim);
      if (!v)
        return {};
      elements.push_back(fromIndex(b, v));
    }
    t->value = tensor::FromElementsOp::create(b, loc, resultType, elements);
  } else if (t->fill) {
    t->value = splat(*t->fill);
  } else if (t->floats) {
    t->value = arith::ConstantOp::create(b, loc, denseFloats(resultType, *t->floats));
  } else if (t->pattern && t->pattern->size() == 1 && isConstant(t->pattern->front())) {
    t->value = splat(*t->pattern->front().constant());
  } else if (t->pattern) {
    SmallVector<Dim> pattern = *t->pattern;
    Tensor *made = generate(t->dtype, t->dims, [&](OpBuilder &builder, ValueRange coordinates) -> Value {
      Value result = evaluate(builder, pattern[0], coordinates);
      for (size_t i = 1; i < pattern.size() && result; ++i) {
        Value here = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, coordinates.back(),
                                           arith::ConstantIndexOp::create(builder, loc, i));
        Value other = evaluate(builder, pattern[i], coordinates);
        if (!other)
          return {};
        result = arith::SelectOp::create(builder, loc, here, other, result);
      }
      return result ? fromIndex(builder, result) : Value();
    });
    t->value = made ? made->value : Value();
  }
  return t->value;
}

std::optional<Dims> Importer::ints(Tensor *t, const char *what) {
  if (t && t->ints)
    return Dims(t->ints->begin(), t->ints->end());
  if (t && what)
    error(Twine(what) + " must be known when the model is compiled");
  return std::nullopt;
}

std::optional<SmallVector<int64_t>> Importer::constants(Tensor *t, const char *what) {
  std::optional<Dims> known = ints(t, what);
  if (!known)
    return std::nullopt;
  SmallVector<int64_t> result;
  for (const Dim &dim : *known) {
    auto constant = dim.constant();
    if (!constant) {
      if (what)
        error(Twine(what) + " must be constant; got " + symbols.print(dim));
      return std::nullopt;
    }
    result.push_back(*constant);
  }
  return result;
}

std::optional<double> Importer::constantFloat(Tensor *t) {
  if (!t)
    return std::nullopt;
  if (t->fill)
    return t->fill;
  if (t->floats && !t->floats->empty() && llvm::all_equal(*t->floats))
    return t->floats->front();
  if (t->pattern && t->pattern->size() == 1)
    if (auto constant = t->pattern->front().constant())
      return *constant;
  if (t->ints && !t->ints->empty() && llvm::all_equal(*t->ints))
    if (auto constant = t->ints->front().constant())
      return *constant;
  return std::nullopt;
}

std::optional<Dims> Importer::sizes(Tensor *t, const char *what, bool nonNegative) {
  if (!t)
    return std::nullopt;
  if (t->ints)
    return Dims(t->ints->begin(), t->ints->end());
  std::optional<int64_t> count = countStatic(t->dims);
  if (!count || *count > 16 || t->rank() > 1 || !isInteger(t->dtype)) {
    error(Twine(what) + " must be a small integer vector of known length");
    return std::nullopt;
  }
  Value source = value(t);
  if (!source)
    return std::nullopt;
  Dims result;
  for (int64_t i = 0; i < *count; ++i) {
    Dim dim = symbols.opaque((t->name.empty() ? "value" : t->name) + "[" + std::to_string(i) + "]", nonNegative);
    SymbolId id = *dim.asSymbol();
    if (!symbolValues[id]) {
      SmallVector<Value> position;
      if (t->rank())
        position.push_back(indexConstant(i));
      Value element = tensor::ExtractOp::create(b, loc, source, position);
      symbolValues[id] = arith::IndexCastOp::create(b, loc, b.getIndexType(), element);
    }
    result.push_back(dim);
  }
  return result;
}
