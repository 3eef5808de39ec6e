//===- ShrinkPart.cpp - takes units out of a part of a model ----------------===//
#include "Terse/LayerAttributes.h"
#include "compress/PruneStructured/Structure.h"
#include "compress/Weights/FloatStorage.h"
#include "compress/Weights/LayerStatistics.h"
#include "compress/Weights/WeightRows.h"
#include "normalize/Algebra/Algebra.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace terse;

FailureOr<std::vector<float>> terse::readWeight(LinearOp layer) {
  int64_t axis = layer.getReductionAxis();
  FailureOr<WeightRows> rows = WeightRows::open(getRoundingSource(layer.getWeight(), axis), axis, layer, getNameOfLayer(layer));
  if (failed(rows))
    return failure();
  std::vector<float> values(rows->getNumRows() * rows->getRowSize());
  rows->read(0, rows->getNumRows(), values.data());
  return values;
}

/// Sets dimension `dim` of a tensor's type.
static void resize(Value value, int64_t dim, int64_t size) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] = size;
  value.setType(type.clone(shape));
}

/// The channels of `units`, of so many channels each.
static SmallVector<int64_t> getChannels(ArrayRef<int64_t> units, int64_t size) {
  SmallVector<int64_t> channels;
  for (int64_t unit : units)
    for (int64_t i = 0; i < size; ++i)
      channels.push_back(unit * size + i);
  return channels;
}

static std::string getWeightName(Value value) {
  auto weight = stripCasts(value).getDefiningOp<WeightOp>();
  return (weight ? weight.getName().str() : "constant") + ".pruned";
}

/// A weight for `layer` in the place of `old` and of its type.
static FailureOr<Value> replace(LinearOp layer, Value old, ArrayRef<int64_t> shape, ArrayRef<float> values) {
  auto type = RankedTensorType::get(shape, getElementTypeOrSelf(stripCasts(old).getType()));
  FailureOr<WeightOp> weight = addWeight(layer, getWeightName(old), type, values);
  if (failed(weight))
    return failure();
  OpBuilder builder(layer);
  return castElements(builder, *weight, getElementTypeOrSelf(old.getType()));
}

static LogicalResult shrinkProducer(LinearOp layer, ArrayRef<int64_t> channels) {
  FailureOr<std::vector<float>> weights = readWeight(layer);
  if (failed(weights))
    return failure();
  const int64_t k = layer.getReductionSize(), count = channels.size();
  std::vector<float> kept;
  kept.reserve(count * k);
  for (int64_t channel : channels)
    kept.insert(kept.end(), weights->begin() + channel * k, weights->begin() + (channel + 1) * k);
  FailureOr<Value> weight = replace(layer, layer.getWeight(), {count, k}, kept);
  if (failed(weight))
    return failure();
  if (layer.getBias()) {
    FailureOr<std::vector<float>> all = readFloats(layer.getBias(), layer);
    if (failed(all))
      return failure();
    std::vector<float> some;
    for (int64_t channel : channels)
      some.push_back((*all)[channel]);
    FailureOr<Value> bias = replace(layer, layer.getBias(), {count}, some);
    if (failed(bias))
      return failure();
    layer.getBiasMutable().assign(*bias);
  }
  layer.replaceWeight(*weight);
  return success();
}

static LogicalResult shrinkWriter(LinearOp layer, ArrayRef<int64_t> channels, ArrayRef<float> weights) {
  const int64_t n = layer.getOutputChannels(), count = channels.size(), k = layer.getReductionSize();
  FailureOr<Value> weight = replace(layer, layer.getWeight(), {n, count}, weights);
  if (failed(weight))
    return failure();
  layer->setAttr(kKeptChannelsAttr, composeKeptChannels(layer, k, channels));
  layer.replaceWeight(*weight);
  return success();
}

/// The cache that the runtime keeps, as an argument and a result of the function.
static void shrinkCache(CacheUpdateOp update, int64_t numHeads) {
  auto cache = cast<BlockArgument>(update.getCache());
  auto function = cast<func::FuncOp>(cache.getOwner()->getParentOp());
  OpBuilder builder(function);
  auto setDims = [&](ArrayAttr dims) {
    SmallVector<Attribute> sizes(dims.begin(), dims.end());
    sizes[1] = builder.getStringAttr(std::to_string(numHeads));
    return builder.getArrayAttr(sizes);
  };
  resize(cache, 1, numHeads);
  resize(update.getResult(), 1, numHeads);
  if (auto dims = function.getArgAttrOfType<ArrayAttr>(cache.getArgNumber(), "terse.dims"))
    function.setArgAttr(cache.getArgNumber(), "terse.dims", setDims(dims));
  Operation *terminator = cache.getOwner()->getTerminator();
  for (OpOperand &operand : terminator->getOpOperands())
    if (operand.get() == update.getResult())
      if (auto dims = function.getResultAttrOfType<ArrayAttr>(operand.getOperandNumber(), "terse.dims"))
        function.setResultAttr(operand.getOperandNumber(), "terse.dims", setDims(dims));
  function.setType(builder.getFunctionType(cache.getOwner()->getArgumentTypes(), terminator->getOperandTypes()));
}

LogicalResult terse::shrinkPart(const PrunablePart &part, ArrayRef<int64_t> units, ArrayRef<float> weights) {
  const int64_t numUnits = part.numUnits, kept = units.size();
  LinearOp writer = part.writer;
  if (failed(shrinkWriter(writer, getChannels(units, part.getWriterUnit()), weights)))
    return failure();
  for (LinearOp producer : part.producers)
    if (failed(shrinkProducer(producer, getChannels(units, PrunablePart::getUnit(producer, numUnits)))))
      return failure();
  for (RopeOp rope : part.ropes)
    rope.setNumHeads(rope.getNumHeads() / numUnits * kept);
  for (CacheUpdateOp update : part.caches)
    shrinkCache(update, kept);
  if (AttentionOp attention = part.attention)
    attention.setNumHeads(attention.getNumHeads() / numUnits * kept);
  for (auto [value, unit] : part.values)
    resize(value, cast<RankedTensorType>(value.getType()).getRank() - 1, unit * kept);
  return success();
}
