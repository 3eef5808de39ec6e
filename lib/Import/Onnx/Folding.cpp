//===- Folding.cpp - contents that are known at import --------------------===//
//
// Functions here return null, without an error, when they do not know enough.
#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// Sizes of a tensor whose elements are enumerated here.
static std::optional<SmallVector<int64_t>> staticShape(ArrayRef<Dim> dims, int64_t most) {
  SmallVector<int64_t> shape;
  int64_t count = 1;
  for (const Dim &dim : dims) {
    auto size = dim.constant();
    if (!size || *size < 0 || __builtin_mul_overflow(count, *size, &count) || count > most)
      return std::nullopt;
    shape.push_back(*size);
  }
  return shape;
}

static int64_t countOf(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

static SmallVector<int64_t> unravel(int64_t linear, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> coordinates(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    coordinates[d] = linear % shape[d];
    linear /= shape[d];
  }
  return coordinates;
}

/// Position in a tensor that is broadcast (right-aligned) to `coordinates`.
static int64_t ravelBroadcast(ArrayRef<int64_t> coordinates, ArrayRef<int64_t> shape) {
  int64_t linear = 0;
  size_t shift = coordinates.size() - shape.size();
  for (size_t d = 0; d < shape.size(); ++d)
    linear = linear * shape[d] + (shape[d] == 1 ? 0 : coordinates[d + shift]);
  return linear;
}

static Dim mapCoordinates(const Dim &dim, llvm::function_ref<std::optional<Dim>(SymbolId)> map) {
  return dim.substitute([&](SymbolId id) -> std::optional<Dim> {
    if (id >= Symbols::kCoordinates)
      return std::nullopt;
    return map(id);
  });
}

/// The tensor's elements as polynomials of coordinates, if they can be had so.
static std::optional<SmallVector<Dim>> patternOf(const Tensor *t) {
  if (t->pattern)
    return t->pattern;
  if (!t->ints || t->ints->empty())
    return std::nullopt;
  if (llvm::all_equal(*t->ints))
    return SmallVector<Dim>{t->ints->front()};
  auto last = t->dims.back().constant();
  if (last && *last == static_cast<int64_t>(t->ints->size()))
    return t->ints;
  return std::nullopt;
}

Tensor *Importer::foldInts(DType dtype, ArrayRef<Tensor *> inputs, ArrayRef<Dim> dims, IntFold fold) {
  auto shape = staticShape(dims, options.largestFolded);
  if (shape && llvm::all_of(inputs, [](Tensor *t) { return t->ints.has_value(); })) {
    SmallVector<SmallVector<int64_t>> shapes;
    for (Tensor *t : inputs)
      shapes.push_back(*staticShape(t->dims, options.largestFolded));
    SmallVector<Dim> result;
    for (int64_t i = 0, e = countOf(*shape); i < e; ++i) {
      SmallVector<int64_t> coordinates = unravel(i, *shape);
      SmallVector<Dim> operands;
      for (auto [t, own] : llvm::zip(inputs, shapes))
        operands.push_back((*t->ints)[ravelBroadcast(coordinates, own)]);
      std::optional<Dim> element = fold(operands);
      if (!element)
        return nullptr;
      result.push_back(*element);
    }
    return fromInts(dtype, dims, result);
  }

  SmallVector<SmallVector<Dim>> patterns;
  size_t length = 1;
  for (Tensor *t : inputs) {
    auto pattern = patternOf(t);
    if (!pattern || dims.size() > Symbols::kCoordinates)
      return nullptr;
    SymbolId shift = dims.size() - t->rank();
    for (Dim &dim : *pattern)
      dim = mapCoordinates(dim, [&](SymbolId id) { return Dim::symbol(id + shift); });
    if (pattern->size() != 1 && length != 1 && pattern->size() != length)
      return nullptr;
    length = std::max(length, pattern->size());
    patterns.push_back(*pattern);
  }
  SmallVector<Dim> result;
  for (size_t i = 0; i < length; ++i) {
    SmallVector<Dim> operands;
    for (const auto &pattern : patterns)
      operands.push_back(pattern.size() == 1 ? pattern[0] : pattern[i]);
    std::optional<Dim> element = fold(operands);
    if (!element)
      return nullptr;
    result.push_back(*element);
  }
  return fromPattern(dtype, dims, result);
}

/// `value` rounded to a value of the type.
static double roundTo(DType dtype, double value) {
  if (dtype == onnx::TensorProto::DOUBLE)
    return value;
  if (dtype == onnx::TensorProto::FLOAT)
    return static_cast<float>(value);
  APFloat rounded(value);
  bool inexact;
  rounded.convert(dtype == onnx::TensorProto::FLOAT16 ? APFloat::IEEEhalf() : APFloat::BFloat(),
                  APFloat::rmNearestTiesToEven, &inexact);
  return rounded.convertToDouble();
}

Tensor *Importer::foldFloats(DType dtype, ArrayRef<Tensor *> inputs, ArrayRef<Dim> dims, FloatFold fold) {
  auto isFill = [](Tensor *t) { return t->fill || (t->floats && !t->floats->empty() && llvm::all_equal(*t->floats)); };
  if (llvm::all_of(inputs, isFill)) {
    SmallVector<double> operands;
    for (Tensor *t : inputs)
      operands.push_back(t->fill ? *t->fill : t->floats->front());
    return fromFill(dtype, dims, roundTo(dtype, fold(operands)));
  }
  auto shape = staticShape(dims, options.largestFolded);
  if (!shape || !llvm::all_of(inputs, [](Tensor *t) { return t->floats.has_value(); }))
    return nullptr;
  SmallVector<double> result;
  for (int64_t i = 0, e = countOf(*shape); i < e; ++i) {
    SmallVector<int64_t> coordinates = unravel(i, *shape);
    SmallVector<double> operands;
    for (Tensor *t : inputs)
      operands.push_back((*t->floats)[ravelBroadcast(coordinates, *staticShape(t->dims, options.largestFolded))]);
    result.push_back(roundTo(dtype, fold(operands)));
  }
  return fromFloats(dtype, dims, result);
}

Tensor *Importer::foldMove(Tensor *t, ArrayRef<Dim> dims,
                           llvm::function_ref<SmallVector<int64_t>(ArrayRef<int64_t>)> source) {
  if (t->fill)
    return fromFill(t->dtype, dims, *t->fill);
  if (t->pattern && t->pattern->size() == 1 && t->pattern->front().constant())
    return fromPattern(t->dtype, dims, *t->pattern);
  auto shape = staticShape(dims, options.largestFolded), own = staticShape(t->dims, options.largestFolded);
  if (!shape || !own || (!t->ints && !t->floats))
    return nullptr;
  SmallVector<Dim> ints;
  SmallVector<double> floats;
  for (int64_t i = 0, e = countOf(*shape); i < e; ++i) {
    int64_t from = ravelBroadcast(source(unravel(i, *shape)), *own);
    if (t->ints)
      ints.push_back((*t->ints)[from]);
    else
      floats.push_back((*t->floats)[from]);
  }
  return t->ints ? fromInts(t->dtype, dims, ints) : fromFloats(t->dtype, dims, floats);
}

Tensor *Importer::foldReshape(Tensor *t, ArrayRef<Dim> dims) {
  if (t->fill)
    return fromFill(t->dtype, dims, *t->fill);
  if (t->ints)
    return fromInts(t->dtype, dims, *t->ints);
  if (t->floats)
    return fromFloats(t->dtype, dims, *t->floats);
  if (!t->pattern || dims.size() > Symbols::kCoordinates)
    return nullptr;
  // Dimensions of size 1 come and go; coordinates of the others move along.
  SmallVector<SymbolId> from, to;
  for (SymbolId i = 0; i < t->dims.size(); ++i)
    if (!t->dims[i].isConstant(1))
      from.push_back(i);
  for (SymbolId i = 0; i < dims.size(); ++i)
    if (!symbols.resolve(dims[i]).isConstant(1))
      to.push_back(i);
  bool constant = t->pattern->size() == 1 && t->pattern->front().constant();
  if (constant)
    return fromPattern(t->dtype, dims, *t->pattern);
  if (from.size() != to.size())
    return nullptr;
  for (auto [i, j] : llvm::zip(from, to))
    if (symbols.resolve(t->dims[i]) != symbols.resolve(dims[j]))
      return nullptr;
  // One polynomial for each index of the last dimension: it must stay the last.
  if (t->pattern->size() != 1 && (from.empty() || from.back() + 1 != t->dims.size() || to.back() + 1 != dims.size()))
    return nullptr;
  SmallVector<Dim> pattern;
  for (const Dim &dim : *t->pattern)
    pattern.push_back(mapCoordinates(dim, [&](SymbolId id) -> std::optional<Dim> {
      for (auto [i, j] : llvm::zip(from, to))
        if (i == id)
          return Dim::symbol(j);
      return Dim(0);
    }));
  return fromPattern(t->dtype, dims, pattern);
}

Tensor *Importer::foldConcat(ArrayRef<Tensor *> inputs, int64_t axis, ArrayRef<Dim> dims) {
  auto shape = staticShape(dims, options.largestFolded);
  if (shape && (llvm::all_of(inputs, [](Tensor *t) { return t->ints.has_value(); }) ||
                llvm::all_of(inputs, [](Tensor *t) { return t->floats.has_value(); }))) {
    SmallVector<Dim> ints;
    SmallVector<double> floats;
    for (int64_t i = 0, e = countOf(*shape); i < e; ++i) {
      SmallVector<int64_t> coordinates = unravel(i, *shape);
      for (Tensor *t : inputs) {
        auto own = *staticShape(t->dims, options.largestFolded);
        if (coordinates[axis] >= own[axis]) {
          coordinates[axis] -= own[axis];
          continue;
        }
        int64_t from = ravelBroadcast(coordinates, own);
        if (t->ints)
          ints.push_back((*t->ints)[from]);
        else
          floats.push_back((*t->floats)[from]);
        break;
      }
    }
    return inputs[0]->ints ? fromInts(inputs[0]->dtype, dims, ints) : fromFloats(inputs[0]->dtype, dims, floats);
  }
  // Coordinates put side by side: one polynomial for each index of the last.
  if (axis + 1 != static_cast<int64_t>(dims.size()))
    return nullptr;
  SmallVector<Dim> pattern;
  for (Tensor *t : inputs) {
    auto part = patternOf(t);
    auto last = t->dims.back().constant();
    if (!part || !last || *last > options.largestFolded)
      return nullptr;
    for (int64_t i = 0; i < *last; ++i) {
      const Dim &dim = part->size() == 1 ? part->front() : (*part)[i];
      if (dim.uses([&](SymbolId id) { return id == static_cast<SymbolId>(axis); }))
        return nullptr;
      pattern.push_back(dim);
    }
  }
  return fromPattern(inputs[0]->dtype, dims, pattern);
}

Value Importer::evaluate(OpBuilder &builder, const Dim &unresolved, ValueRange coordinates) {
  Dim dim = symbols.resolve(unresolved), outer;
  Value sum;
  auto plus = [&](Value term) { sum = sum ? arith::AddIOp::create(builder, loc, sum, term).getResult() : term; };
  for (const auto &[monomial, coefficient] : dim.terms()) {
    Dim rest(coefficient);
    Value product;
    for (SymbolId id : monomial) {
      if (id >= Symbols::kCoordinates) {
        rest = rest * Dim::symbol(id);
        continue;
      }
      product = product ? arith::MulIOp::create(builder, loc, product, coordinates[id]).getResult() : coordinates[id];
    }
    if (!product) {
      outer = outer + rest;
      continue;
    }
    if (!rest.isConstant(1)) {
      Value factor = index(rest);
      if (!factor)
        return {};
      product = arith::MulIOp::create(builder, loc, product, factor);
    }
    plus(product);
  }
  if (!outer.isConstant(0) || !sum) {
    Value constant = index(outer);
    if (!constant)
      return {};
    plus(constant);
  }
  return sum;
}
