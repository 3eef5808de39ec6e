//===- Access.cpp - where elements come from ------------------------------===//
#include "terse/Analysis/Access.h"

#include "Terse/TerseDialect.h"
#include "terse/Analysis/DimExpression.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace terse;

/// Points that a property is tested at, beside the corners.
static constexpr unsigned kSamples = 40;

Probes::Probes(func::FuncOp function, const Environment &base) {
  static constexpr int64_t kSizes[][8] = {{3, 5, 7, 11, 13, 17, 19, 23}, {29, 13, 4, 9, 6, 31, 14, 25}};
  for (const auto &sizes : kSizes) {
    Environment environment = base;
    unsigned next = 0;
    for (const std::string &symbol : getDimSymbols(function))
      environment.symbols.try_emplace(symbol, next < 8 ? sizes[next] : sizes[next % 8] + 30 * int64_t(next)), ++next;
    // A function may take small sizes only (a table of few positions).
    for (int64_t divisor = 2; divisor <= 32 && !satisfiesConstraints(function, environment.symbols); ++divisor)
      for (const std::string &symbol : getDimSymbols(function))
        if (!base.symbols.count(symbol))
          environment.symbols[symbol] = std::max<int64_t>(1, environment.symbols[symbol] * (divisor - 1) / divisor);
    all.push_back(std::make_unique<ElementEvaluator>(std::move(environment)));
  }
}

bool Probes::forAll(llvm::function_ref<std::optional<Index>(ElementEvaluator &)> extents,
                    llvm::function_ref<bool(ElementEvaluator &, ArrayRef<int64_t>)> holds) {
  for (auto &evaluator : all) {
    std::optional<Index> space = extents(*evaluator);
    if (!space)
      return false;
    std::vector<Index> points = samplePoints(*space, kSamples);
    if (points.empty())
      return false;
    for (const Index &point : points)
      if (!holds(*evaluator, point))
        return false;
  }
  return true;
}

std::vector<Index> terse::samplePoints(ArrayRef<int64_t> extents, unsigned count) {
  std::vector<Index> points;
  if (llvm::any_of(extents, [](int64_t e) { return e < 1; }) || extents.size() > 16)
    return points;
  unsigned corners = 1u << std::min<size_t>(extents.size(), 5);
  for (unsigned corner = 0; corner < corners; ++corner) {
    Index point;
    for (auto [i, extent] : llvm::enumerate(extents))
      point.push_back(i < 5 && corner >> i & 1 ? extent - 1 : 0);
    points.push_back(point);
  }
  uint64_t state = 0x9e3779b97f4a7c15u;
  for (unsigned i = 0; i < count; ++i) {
    Index point;
    for (int64_t extent : extents) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      point.push_back(int64_t((state >> 33) % uint64_t(extent)));
    }
    points.push_back(point);
  }
  return points;
}

std::optional<int64_t> Access::getDimOf(unsigned c) const {
  std::optional<int64_t> dim;
  for (auto [k, stride] : llvm::enumerate(strides[c])) {
    if (stride == 0)
      continue;
    if (dim)
      return std::nullopt;
    dim = k;
  }
  return dim;
}

std::optional<Access> terse::fitAccess(Probes &probes,
                                       llvm::function_ref<std::optional<Index>(ElementEvaluator &)> extents,
                                       llvm::function_ref<Element(ElementEvaluator &, ArrayRef<int64_t>)> element) {
  std::optional<Access> result;
  for (auto &evaluator : probes.evaluators()) {
    std::optional<Index> space = extents(*evaluator);
    if (!space)
      return std::nullopt;
    auto read = [&](ArrayRef<int64_t> point) -> std::optional<std::pair<ElementEvaluator::Token, double>> {
      Element e = element(*evaluator, point);
      const Element::Term *term = e.getSingleTerm();
      if (!term || term->tokens.size() != 1)
        return std::nullopt;
      return std::make_pair(evaluator->getToken(term->tokens[0]), term->factor);
    };
    Index point(space->size(), 0);
    auto origin = read(point);
    if (!origin)
      return std::nullopt;
    Access access;
    access.base = origin->first.base;
    access.factor = origin->second;
    access.offset = origin->first.index;
    for (auto [c, extent] : llvm::enumerate(*space)) {
      Index stride(access.offset.size(), 0);
      if (extent > 1) {
        point[c] = 1;
        auto moved = read(point);
        point[c] = 0;
        if (!moved || moved->first.base != access.base)
          return std::nullopt;
        for (size_t k = 0; k < stride.size(); ++k)
          stride[k] = moved->first.index[k] - access.offset[k];
      }
      access.strides.push_back(stride);
    }
    for (const Index &sample : samplePoints(*space, kSamples)) {
      auto found = read(sample);
      if (!found || found->first.base != access.base || found->second != access.factor)
        return std::nullopt;
      for (size_t k = 0; k < access.offset.size(); ++k) {
        int64_t expected = access.offset[k];
        for (size_t c = 0; c < sample.size(); ++c)
          expected += access.strides[c][k] * sample[c];
        if (found->first.index[k] != expected)
          return std::nullopt;
      }
    }
    for (size_t k = 0; k < access.offset.size(); ++k) {
      int64_t last = access.offset[k];
      for (size_t c = 0; c < space->size(); ++c)
        last += access.strides[c][k] * ((*space)[c] - 1);
      access.whole.push_back(access.offset[k] == 0 && evaluator->getSize(access.base, k) == last + 1);
    }
    if (result && !(*result == access))
      return std::nullopt;
    result = access;
  }
  return result;
}

std::optional<Access> terse::fitAccess(Probes &probes, Value tensor) {
  return fitAccess(
      probes, [&](ElementEvaluator &evaluator) { return evaluator.getShape(tensor); },
      [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) { return evaluator.evaluate(tensor, point); });
}

std::vector<Value> terse::collectSources(Value value, const Environment &environment, size_t limit) {
  llvm::SetVector<Value> found;
  found.insert(value);
  for (size_t i = 0; i < found.size() && found.size() < limit; ++i) {
    Operation *op = found[i].getDefiningOp();
    if (!op || environment.barriers.contains(found[i]) || (environment.isBarrier && environment.isBarrier(op)))
      continue;
    bool isLooked = isScalarOp(op) ||
                    isa<linalg::LinalgOp, tensor::ExtractSliceOp, tensor::ConcatOp, tensor::CollapseShapeOp,
                        tensor::ExpandShapeOp, tensor::CastOp, tensor::PadOp, tensor::InsertSliceOp>(op);
    if (!isLooked)
      continue;
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        found.insert(operand);
  }
  return std::vector<Value>(found.begin(), found.end());
}

Value terse::asValue(OpBuilder &builder, Location loc, OpFoldResult value) {
  if (auto v = dyn_cast<Value>(value))
    return v;
  return arith::ConstantIndexOp::create(builder, loc, cast<IntegerAttr>(cast<Attribute>(value)).getInt());
}

SmallVector<OpFoldResult> terse::buildShape(OpBuilder &builder, Location loc, Value tensor) {
  SmallVector<OpFoldResult> shape;
  for (int64_t i = 0, e = cast<RankedTensorType>(tensor.getType()).getRank(); i < e; ++i)
    shape.push_back(buildDim(builder, loc, tensor, i));
  return shape;
}

OpFoldResult terse::buildDim(OpBuilder &builder, Location loc, Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  Operation *op = tensor.getDefiningOp();
  auto ask = [&]() -> OpFoldResult { return tensor::DimOp::create(builder, loc, tensor, dim).getResult(); };
  auto combine = [&](ValueRange parts, bool product) -> OpFoldResult {
    Value result = parts.front();
    for (Value part : parts.drop_front())
      result = product ? Value(arith::MulIOp::create(builder, loc, result, part))
                       : Value(arith::AddIOp::create(builder, loc, result, part));
    return result;
  };
  if (!op)
    return ask();
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return empty.getMixedSizes()[dim];
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return splat.getDynamicSizes()[type.getDynamicDimIndex(dim)];
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    return buildDim(builder, loc, destination.getDpsInits()[cast<OpResult>(tensor).getResultNumber()], dim);
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return expand.getMixedOutputShape()[dim];
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    int64_t next = 0;
    for (auto [i, size] : llvm::enumerate(slice.getMixedSizes()))
      if (!dropped.test(i) && next++ == dim)
        return size;
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    if (int64_t(concat.getDim()) != dim)
      return buildDim(builder, loc, concat.getInputs().front(), dim);
    SmallVector<Value> parts;
    for (Value input : concat.getInputs())
      parts.push_back(asValue(builder, loc, buildDim(builder, loc, input, dim)));
    return combine(parts, false);
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    SmallVector<Value> parts;
    ReassociationIndices sources = collapse.getReassociationIndices()[dim];
    for (int64_t source : sources)
      parts.push_back(asValue(builder, loc, buildDim(builder, loc, collapse.getSrc(), source)));
    return combine(parts, true);
  }
  if (auto matmul = dyn_cast<MatmulOp>(op))
    return buildDim(builder, loc, dim == type.getRank() - 1 ? matmul.getRhs() : matmul.getLhs(), dim);
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return buildDim(builder, loc, select.getTrueValue(), dim);
  if (isa<TerseDialect, arith::ArithDialect, math::MathDialect>(op->getDialect()) || isa<tensor::CastOp>(op))
    if (op->getNumOperands() > 0)
      if (auto operand = dyn_cast<RankedTensorType>(op->getOperand(0).getType()); operand && dim < operand.getRank())
        return buildDim(builder, loc, op->getOperand(0), dim);
  return ask();
}
