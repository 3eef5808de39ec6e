//===- WeightRows.cpp - rows of a layer's weight as floats ------------------===//
#include "compress/Weights/WeightRows.h"
#include "compress/Rounding/Rounding.h"
#include "compress/Weights/FloatStorage.h"
#include "normalize/Algebra/Algebra.h"

#include "mlir/IR/Matchers.h"

#include <cstring>

using namespace mlir;
using namespace terse;

/// Copies rows begin .. end of the [N, K] view of a weight to floats. `data` is
/// [N, K], or [K, N] when `transposed`.
static void loadRows(const char *data, Type element, bool transposed, int64_t n, int64_t k, int64_t begin, int64_t end,
                     float *rows) {
  int64_t width = element.getIntOrFloatBitWidth() / 8, count = end - begin;
  if (!transposed)
    return loadFloats(data + begin * k * width, element, count * k, rows);
  // Memory is read in its order, and written a cache line at a time.
  constexpr int64_t kDepth = 16;
  std::vector<float> tile(kDepth * count);
  for (int64_t i = 0; i < k; i += kDepth) {
    int64_t depth = std::min(kDepth, k - i);
    for (int64_t d = 0; d < depth; ++d)
      loadFloats(data + ((i + d) * n + begin) * width, element, count, tile.data() + d * count);
    for (int64_t j = 0; j < count; ++j)
      for (int64_t d = 0; d < depth; ++d)
        rows[j * k + i + d] = tile[d * count + j];
  }
}

RoundingSource terse::getRoundingSource(Value value, int64_t reductionAxis) {
  value = stripCasts(value);
  auto scaled = value.getDefiningOp<ScaleChannelsOp>();
  if (scaled && (int64_t(scaled.getAxis()) != reductionAxis || !isConstantFloats(scaled.getScale())))
    return {};
  if (scaled)
    value = stripCasts(scaled.getInput());
  auto coded = value.getDefiningOp<DequantizeOp>();
  RoundingSource source{(coded ? coded.getCodes() : value).getDefiningOp<WeightOp>(), coded, scaled};
  if (!source.weight || source.getType().getNumElements() == 0 || (coded && (reductionAxis != 1 || coded.getType().getRank() != 2)) ||
      (!coded && !isa<FloatType>(source.getType().getElementType())))
    return {};
  return source;
}

FailureOr<WeightRows> WeightRows::open(RoundingSource source, int64_t reductionAxis, Operation *user, StringRef name) {
  WeightStore &store = user->getContext()->getLoadedDialect<TerseDialect>()->getWeightStore();
  RankedTensorType type = source.getType();
  WeightRows rows;
  rows.k = type.getDimSize(reductionAxis);
  rows.n = type.getNumElements() / rows.k;
  rows.isTransposed = reductionAxis == 0;
  rows.element = type.getElementType();
  auto load = [&](Value part, WeightData &data) -> LogicalResult {
    DenseElementsAttr constant;
    auto weight = part.getDefiningOp<WeightOp>();
    if (!weight && !matchPattern(part, m_Constant(&constant)))
      return user->emitError() << "expected codes, scales and zero points that are constants";
    llvm::Expected<WeightData> read = store.read(weight ? weight.getData() : constant, cast<ShapedType>(part.getType()));
    if (!read)
      return user->emitError() << "cannot read the weight of layer '" << name << "': " << llvm::toString(read.takeError());
    data = std::move(*read);
    return success();
  };
  if (failed(load(source.weight, rows.data)))
    return failure();
  if (source.scaled) {
    FailureOr<std::vector<float>> factors = readFloats(source.scaled.getScale(), user);
    if (failed(factors))
      return failure();
    rows.channelScales = std::move(*factors);
  }
  if (DequantizeOp coded = source.coded) {
    rows.scheme = coded.getScheme();
    rows.hasZeros = static_cast<bool>(coded.getZeroPoints());
    if (failed(load(coded.getScales(), rows.scales)) ||
        (coded.getRowScales() && failed(load(coded.getRowScales(), rows.rowScales))) ||
        (rows.hasZeros && failed(load(coded.getZeroPoints(), rows.zeros))))
      return failure();
  }
  return rows;
}

void WeightRows::read(int64_t begin, int64_t end, float *rows) const {
  if (!scheme)
    loadRows(data.bytes().data(), element, isTransposed, n, k, begin, end, rows);
  for (int64_t row = begin; row < end; ++row) {
    float *values = rows + (row - begin) * k;
    if (scheme)
      decode(row, values);
    for (size_t j = 0; j < channelScales.size(); ++j)
      values[j] *= channelScales[j];
  }
}

void WeightRows::decode(int64_t row, float *values) const {
  std::vector<uint8_t> unpacked(k);
  unpackCodes(data.as<uint8_t>().slice(row * scheme.getRowBytes(k), scheme.getRowBytes(k)), scheme.getBits(), unpacked);
  auto number = [&](const WeightData &data, Type type, int64_t i) -> float {
    if (type.isInteger(8))
      return data.as<int8_t>()[i];
    if (type.isF32())
      return data.as<float>()[i];
    uint16_t half = data.as<uint16_t>()[i];
    return type.isBF16() ? bfloatToFloat(half) : halfToFloat(half);
  };
  int64_t groups = scheme.getNumGroups(k);
  for (int64_t j = 0; j < k; ++j) {
    int64_t group = row * groups + j / scheme.getGroupSize(k);
    float scale = number(scales, scheme.getScale(), group);
    if (scheme.hasRowScales())
      scale *= rowScales.as<float>()[row];
    float level = !hasZeros                              ? scheme.getLevel(unpacked[j])
                  : scheme.getZero() == ZeroPoint::Float ? unpacked[j] - number(zeros, scheme.getZeroType(), group)
                                                         : unpacked[j] - zeros.as<uint8_t>()[group];
    values[j] = level * scale;
  }
}
