//===- RotateWeights.cpp - linear maps of the channels of weights -----------===//
#include "RotateWeights.h"

#include "Terse/LayerAttributes.h"
#include "compress/Weights/FloatStorage.h"
#include "normalize/Algebra/Algebra.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/Threading.h"

#include <atomic>
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace terse;

void ChannelMap::apply(MutableArrayRef<double> channels) const {
  MutableArrayRef<double> own = channels.slice(begin, count);
  if (gains)
    for (int64_t i = 0; i < count; ++i)
      own[i] *= (*gains)[i];
  if (isCentred) {
    double mean = std::accumulate(own.begin(), own.end(), 0.0) / count;
    for (double &value : own)
      value -= mean;
  }
  for (int64_t i = 0; rotation && i < count; i += rotation->getSize())
    rotation->apply(own.slice(i, rotation->getSize()));
}

/// The rows (`isLast`) or the columns of the matrix `values`, [rows, columns], some at a time.
static void mapAxis(MLIRContext *context, MutableArrayRef<float> values, int64_t columns, bool isLast, ArrayRef<ChannelMap> maps) {
  if (maps.empty())
    return;
  constexpr int64_t kAtOnce = 32;
  const int64_t rows = values.size() / columns, lines = isLast ? rows : columns, length = isLast ? columns : rows;
  parallelFor(context, 0, (lines + kAtOnce - 1) / kAtOnce, [&](size_t block) {
    const int64_t begin = block * kAtOnce, count = std::min(kAtOnce, lines - begin);
    std::vector<double> buffer(count * length);
    auto place = [&](int64_t line, int64_t i) -> float & { return values[isLast ? (begin + line) * columns + i : i * columns + begin + line]; };
    // Memory in its order, either way.
    for (int64_t i = 0; i < count * length; ++i) {
      int64_t line = isLast ? i / length : i % count, at = isLast ? i % length : i / count;
      buffer[line * length + at] = place(line, at);
    }
    for (int64_t line = 0; line < count; ++line)
      for (const ChannelMap &map : maps)
        map.apply(MutableArrayRef(buffer).slice(line * length, length));
    for (int64_t i = 0; i < count * length; ++i) {
      int64_t line = isLast ? i / length : i % count, at = isLast ? i % length : i / count;
      place(line, at) = buffer[line * length + at];
    }
  });
}

/// Floats as a new weight, which are all finite if those of `type` are.
static FailureOr<WeightOp> storeWeight(ArrayRef<float> values, RankedTensorType type, StringRef name, Operation *user) {
  Type element = type.getElementType();
  std::vector<char> bytes;
  ArrayRef<char> data(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
  if (!element.isF32()) {
    bytes = storeFloats(values, element);
    data = bytes;
  }
  constexpr size_t kAtOnce = 4096;
  const size_t width = element.getIntOrFloatBitWidth() / 8;
  std::vector<float> stored(kAtOnce);
  for (size_t begin = 0; begin < values.size(); begin += kAtOnce) {
    size_t count = std::min(kAtOnce, values.size() - begin);
    loadFloats(data.data() + begin * width, element, count, stored.data());
    if (!llvm::all_of(ArrayRef(stored).take_front(count), [](float value) { return std::isfinite(value); }))
      return user->emitError() << "expected rotated values of the weight '" << name << "' within the range of " << element;
  }
  WeightStore &store = user->getContext()->getLoadedDialect<TerseDialect>()->getWeightStore();
  llvm::Expected<Attribute> added = store.add(type, data);
  if (!added)
    return user->emitError() << "cannot store the weight '" << name << "': " << llvm::toString(added.takeError());
  OpBuilder builder(user);
  return WeightOp::create(builder, user->getLoc(), type, builder.getStringAttr(name), *added);
}

FailureOr<WeightOp> terse::mapWeight(Value source, ArrayRef<ChannelMap> first, ArrayRef<ChannelMap> last, Operation *user) {
  source = stripCasts(source);
  FailureOr<std::vector<float>> values = readFloats(source, user);
  if (failed(values))
    return failure();
  auto type = cast<RankedTensorType>(source.getType());
  mapAxis(user->getContext(), *values, type.getShape().back(), /*isLast=*/true, last);
  mapAxis(user->getContext(), *values, type.getShape().back(), /*isLast=*/false, first);
  auto weight = source.getDefiningOp<WeightOp>();
  return storeWeight(*values, type, weight ? (weight.getName() + ".rotated").str() : "rotated", user);
}

/// The weight times `input`, [K], added to `bias`, [N].
static LogicalResult addProduct(LinearOp linear, ArrayRef<float> input, std::vector<double> &bias) {
  FailureOr<std::vector<float>> weight = readFloats(linear.getWeight(), linear);
  if (failed(weight))
    return failure();
  const bool isTransposed = int64_t(linear.getReductionAxis()) == 0;
  const int64_t k = input.size(), n = bias.size();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j)
      bias[i] += double((*weight)[isTransposed ? j * n + i : i * k + j]) * input[j];
  return success();
}

static LogicalResult mapBias(LinearOp linear, const LayerMap &map) {
  if (!linear.getBias() && !map.inputBias)
    return success();
  std::vector<double> bias(cast<RankedTensorType>(linear.getType()).getShape().back());
  RankedTensorType type = RankedTensorType::get(bias.size(), getElementTypeOrSelf(linear.getType()));
  std::string name = getNameOfLayer(linear) + ".bias";
  if (linear.getBias()) {
    FailureOr<std::vector<float>> values = readFloats(linear.getBias(), linear);
    if (failed(values))
      return failure();
    bias.assign(values->begin(), values->end());
    type = cast<RankedTensorType>(linear.getBias().getType());
  }
  if (map.inputBias && failed(addProduct(linear, *map.inputBias, bias)))
    return failure();
  for (const ChannelMap &outputs : map.outputs)
    outputs.apply(bias);
  FailureOr<WeightOp> fresh = storeWeight(std::vector<float>(bias.begin(), bias.end()), type, name + ".rotated", linear);
  if (failed(fresh))
    return failure();
  linear.getBiasMutable().assign(fresh->getResult());
  return success();
}

LogicalResult terse::mapLayer(LinearOp linear, const LayerMap &map) {
  linear.setName(getNameOfLayer(linear));
  if (failed(mapBias(linear, map)))
    return failure();
  bool isTransposed = int64_t(linear.getReductionAxis()) == 0;
  FailureOr<WeightOp> weight = mapWeight(linear.getWeight(), isTransposed ? map.inputs : map.outputs, isTransposed ? map.outputs : map.inputs, linear);
  if (failed(weight))
    return failure();
  OpBuilder builder(linear);
  linear.getWeightMutable().assign(castElements(builder, *weight, getElementTypeOrSelf(linear.getWeight())));
  return success();
}
