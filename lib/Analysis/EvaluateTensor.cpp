//===- EvaluateTensor.cpp - elements of tensor and constant operations ----===//
#include "terse/Analysis/ElementEvaluator.h"
#include "Frame.h"

#include "Terse/TerseDialect.h"

using namespace mlir;
using namespace terse;

/// Row-major position of `index` in a tensor of `shape`.
static std::optional<int64_t> flatten(ArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  int64_t position = 0;
  for (auto [i, size] : llvm::zip_equal(index, shape))
    if (llvm::MulOverflow(position, size, position) || llvm::AddOverflow(position, i, position))
      return std::nullopt;
  return position;
}

static Element readAttribute(Attribute attribute, ArrayRef<int64_t> index) {
  auto dense = dyn_cast<DenseElementsAttr>(attribute);
  if (!dense)
    return Element::unknown();
  int64_t position = 0;
  if (!dense.isSplat()) {
    std::optional<int64_t> flat = flatten(index, dense.getType().getShape());
    if (!flat)
      return Element::invalid();
    position = *flat;
  }
  if (isa<FloatType>(dense.getElementType())) {
    APFloat value = dense.isSplat() ? dense.getSplatValue<APFloat>() : dense.getValues<APFloat>()[position];
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    return Element::real(value.convertToDouble());
  }
  if (!dense.getElementType().isIntOrIndex())
    return Element::unknown();
  APInt value = dense.isSplat() ? dense.getSplatValue<APInt>() : dense.getValues<APInt>()[position];
  return Element::integer(value.getBitWidth() == 1 ? int64_t(value.getZExtValue()) : value.getSExtValue());
}

/// One number of a weight in a file.
static Element readWeight(WeightOp weight, ArrayRef<int64_t> index) {
  auto type = weight.getType();
  if (isa<ElementsAttr>(weight.getData()))
    return readAttribute(weight.getData(), index);
  std::optional<int64_t> position = flatten(index, type.getShape());
  WeightStore &store = cast<TerseDialect>(weight->getDialect())->getWeightStore();
  llvm::Expected<WeightData> data = store.read(weight.getData(), type);
  if (!data || !position) {
    llvm::consumeError(data.takeError());
    return Element::unknown();
  }
  unsigned bits = type.getElementTypeBitWidth(), bytes = bits == 1 ? 1 : bits / 8;
  ArrayRef<char> all = data->bytes();
  if (!type.getElementType().isIntOrFloat() || bytes > 8 || uint64_t(*position + 1) * bytes > all.size())
    return Element::unknown();
  uint64_t raw = 0;
  std::memcpy(&raw, all.data() + *position * bytes, bytes);
  if (auto floatType = dyn_cast<FloatType>(type.getElementType())) {
    APFloat value(floatType.getFloatSemantics(), APInt(bits, raw, false, true));
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    return Element::real(value.convertToDouble());
  }
  return Element::integer(bits == 1 ? int64_t(raw & 1) : bits == 64 ? int64_t(raw) : llvm::SignExtend64(raw, bits));
}

Element ElementEvaluator::computeTensorOp(Operation *op, Value value, ArrayRef<int64_t> index) {
  if (isScalarOp(op) && isa<RankedTensorType>(value.getType()))
    return evaluateScalarOp(
        op,
        [&](unsigned i) {
          Value operand = op->getOperand(i);
          return isa<RankedTensorType>(operand.getType()) ? evaluate(operand, index) : scalar(operand, nullptr);
        },
        environment.assumeNoNaN);
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return readAttribute(constant.getValue(), index);
  if (auto weight = dyn_cast<WeightOp>(op))
    return readWeight(weight, index);
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return computeLinalg(linalgOp, value, index);
  if (isa<MatmulOp>(op))
    return computeMatmul(op, index);

  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    Index source;
    unsigned next = 0;
    for (auto [i, pair] : llvm::enumerate(llvm::zip_equal(slice.getMixedOffsets(), slice.getMixedStrides()))) {
      std::optional<int64_t> start = offset(std::get<0>(pair)), stride = offset(std::get<1>(pair));
      if (!start || !stride)
        return Element::unknown();
      source.push_back(*start + (dropped.test(i) ? 0 : index[next++] * *stride));
    }
    return evaluate(slice.getSource(), source);
  }
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    llvm::SmallBitVector dropped = insert.getDroppedDims();
    Index source;
    bool inside = true;
    for (auto [i, pair] : llvm::enumerate(
             llvm::zip_equal(insert.getMixedOffsets(), insert.getMixedSizes(), insert.getMixedStrides()))) {
      std::optional<int64_t> start = offset(std::get<0>(pair)), size = offset(std::get<1>(pair)),
                             stride = offset(std::get<2>(pair));
      if (!start || !size || !stride || *stride < 1)
        return Element::unknown();
      int64_t distance = index[i] - *start;
      inside &= distance >= 0 && distance % *stride == 0 && distance / *stride < *size;
      if (!dropped.test(i))
        source.push_back(distance / *stride);
    }
    return inside ? evaluate(insert.getSource(), source) : evaluate(insert.getDest(), index);
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    Index source(index);
    for (Value input : concat.getInputs()) {
      std::optional<int64_t> size = getSize(input, concat.getDim());
      if (!size)
        return Element::unknown();
      if (source[concat.getDim()] < *size)
        return evaluate(input, source);
      source[concat.getDim()] -= *size;
    }
    return Element::invalid();
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    std::optional<Index> shape = getShape(collapse.getSrc());
    if (!shape)
      return Element::unknown();
    Index source(shape->size());
    for (auto [group, position] : llvm::zip_equal(collapse.getReassociationIndices(), index)) {
      int64_t rest = position;
      for (int64_t dim : llvm::reverse(group)) {
        if ((*shape)[dim] <= 0)
          return Element::invalid();
        source[dim] = rest % (*shape)[dim];
        rest /= (*shape)[dim];
      }
    }
    return evaluate(collapse.getSrc(), source);
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    std::optional<Index> shape = getShape(value);
    if (!shape)
      return Element::unknown();
    Index source;
    for (const ReassociationIndices &group : expand.getReassociationIndices()) {
      int64_t position = 0;
      for (int64_t dim : group)
        if (llvm::MulOverflow(position, (*shape)[dim], position) ||
            llvm::AddOverflow(position, index[dim], position))
          return Element::invalid();
      source.push_back(position);
    }
    return evaluate(expand.getSrc(), source);
  }
  if (isa<tensor::CastOp>(op))
    return evaluate(op->getOperand(0), index);
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return scalar(splat.getInput(), nullptr);
  if (auto elements = dyn_cast<tensor::FromElementsOp>(op)) {
    std::optional<int64_t> position = flatten(index, elements.getType().getShape());
    return position ? scalar(elements.getElements()[*position], nullptr) : Element::invalid();
  }
  if (auto pad = dyn_cast<tensor::PadOp>(op)) {
    Index source;
    bool inside = true;
    for (auto [i, low] : llvm::enumerate(pad.getMixedLowPad())) {
      std::optional<int64_t> before = offset(low), size = getSize(pad.getSource(), i);
      if (!before || !size)
        return Element::unknown();
      source.push_back(index[i] - *before);
      inside &= source.back() >= 0 && source.back() < *size;
    }
    if (inside)
      return evaluate(pad.getSource(), source);
  }
  if (isa<tensor::PadOp, tensor::GenerateOp>(op)) {
    Frame frame;
    frame.ivs = Index(index);
    frame.body = &op->getRegion(0).front();
    frame.argument = [&](BlockArgument argument) { return Element::integer(frame.ivs[argument.getArgNumber()]); };
    return scalar(frame.body->getTerminator()->getOperand(0), &frame);
  }
  if (auto insert = dyn_cast<tensor::InsertOp>(op)) {
    for (auto [position, i] : llvm::zip_equal(insert.getIndices(), index)) {
      std::optional<int64_t> number = scalar(position, nullptr).getInteger();
      if (!number)
        return Element::unknown();
      if (*number != i)
        return evaluate(insert.getDest(), index);
    }
    return scalar(insert.getScalar(), nullptr);
  }
  return Element::unknown();
}
