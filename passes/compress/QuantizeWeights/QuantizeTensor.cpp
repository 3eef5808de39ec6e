//===- QuantizeTensor.cpp - codes of one weight ---------------------------===//
#include "QuantizeTensor.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Threading.h"

#include <cstring>

using namespace mlir;
using namespace terse;

/// `count` values at `source`, of type `element`, as floats.
static void loadFloats(const char *source, Type element, int64_t count, float *values) {
  auto load = [&](auto convert, auto example) {
    for (int64_t i = 0; i < count; ++i) {
      memcpy(&example, source + i * sizeof(example), sizeof(example));
      values[i] = convert(example);
    }
  };
  if (element.isF32())
    memcpy(values, source, count * sizeof(float));
  else if (element.isF64())
    load([](double value) { return static_cast<float>(value); }, double());
  else if (element.isBF16())
    load(bfloatToFloat, uint16_t());
  else
    halvesToFloats(reinterpret_cast<const uint16_t *>(source), count, values);
}

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

namespace {
/// Codes of a weight that is quantized already, and what they mean.
struct CodeReader {
  SchemeAttr scheme;
  int64_t k;
  WeightData codes, scales, zeros;
  bool hasZeros = false;

  /// Fails with a message at `user`.
  static FailureOr<CodeReader> open(DequantizeOp op, Operation *user);
  /// Row `row` as floats.
  void read(int64_t row, MutableArrayRef<float> values) const;
  int64_t size() const { return codes.bytes().size() + scales.bytes().size() + zeros.bytes().size(); }
};

/// Results for a block of rows.
struct RowBlock {
  RowRounding::Status status = RowRounding::Ok;
  int64_t failedRow = 0;
  double squaredError = 0, squaredNorm = 0;
};
} // namespace

FailureOr<CodeReader> CodeReader::open(DequantizeOp op, Operation *user) {
  WeightStore &store = op.getContext()->getLoadedDialect<TerseDialect>()->getWeightStore();
  CodeReader reader{op.getScheme(), op.getType().getShape().back(), {}, {}, {}};
  auto load = [&](Value part, WeightData &data) -> LogicalResult {
    DenseElementsAttr constant;
    auto weight = part.getDefiningOp<WeightOp>();
    if (!weight && !matchPattern(part, m_Constant(&constant)))
      return user->emitError() << "expected codes, scales and zero points that are constants";
    llvm::Expected<WeightData> read = store.read(weight ? weight.getData() : constant, cast<ShapedType>(part.getType()));
    if (!read)
      return user->emitError() << "cannot read codes: " << llvm::toString(read.takeError());
    data = std::move(*read);
    return success();
  };
  if (failed(load(op.getCodes(), reader.codes)) || failed(load(op.getScales(), reader.scales)))
    return failure();
  reader.hasZeros = static_cast<bool>(op.getZeroPoints());
  if (reader.hasZeros && failed(load(op.getZeroPoints(), reader.zeros)))
    return failure();
  return reader;
}

void CodeReader::read(int64_t row, MutableArrayRef<float> values) const {
  std::vector<uint8_t> unpacked(k);
  unpackCodes(codes.as<uint8_t>().slice(row * scheme.getRowBytes(k), scheme.getRowBytes(k)), scheme.getBits(), unpacked);
  auto number = [&](const WeightData &data, int64_t i) {
    if (scheme.getScale().isF32())
      return data.as<float>()[i];
    uint16_t half = data.as<uint16_t>()[i];
    return scheme.getScale().isBF16() ? bfloatToFloat(half) : halfToFloat(half);
  };
  int64_t groups = scheme.getNumGroups(k);
  for (int64_t j = 0; j < k; ++j) {
    int64_t group = row * groups + j / scheme.getGroupSize(k);
    float zero = !hasZeros                                 ? 1 << (scheme.getBits() - 1)
                 : scheme.getZero() == ZeroPoint::Float ? number(zeros, group)
                                                           : zeros.as<uint8_t>()[group];
    values[j] = (unpacked[j] - zero) * number(scales, group);
  }
}

FailureOr<QuantizedTensor> terse::quantizeTensor(RoundingSource source, Operation *user, StringRef name,
                                                 const TensorRounding &rounding) {
  WeightOp weight = source.weight;
  MLIRContext *context = weight.getContext();
  WeightStore &store = context->getLoadedDialect<TerseDialect>()->getWeightStore();
  RankedTensorType type = source.getType();
  bool transposed = rounding.reductionAxis == 0;
  int64_t k = type.getDimSize(rounding.reductionAxis), n = type.getNumElements() / k;
  Type element = type.getElementType();
  const RoundingOptions &asked = rounding.options;
  // A group that is a whole row is a scale per channel.
  int64_t group = asked.groupSize >= k ? 0 : asked.groupSize;
  RoundingOptions options = asked;
  options.groupSize = group ? group : k;

  std::optional<CodeReader> reader;
  if (source.coded) {
    FailureOr<CodeReader> opened = CodeReader::open(source.coded, user);
    if (failed(opened))
      return failure();
    reader.emplace(std::move(*opened));
  }
  llvm::Expected<WeightData> data = store.read(weight.getData(), weight.getType());
  if (!data)
    return user->emitError() << "cannot read the weight of layer '" << name << "': " << llvm::toString(data.takeError());

  FloatType scaleType = Float32Type::get(context);
  if (asked.hasHalfScales)
    scaleType = Float16Type::get(context);
  QuantizedTensor result;
  result.scheme = SchemeAttr::get(context, IntegerType::get(context, asked.bits), group, scaleType,
                                  asked.isSymmetric ? ZeroPoint::None : ZeroPoint::Integer);
  result.rows = n;
  result.columns = k;
  int64_t rowBytes = result.scheme.getRowBytes(k), numGroups = result.scheme.getNumGroups(k);
  int64_t scaleBytes = asked.hasHalfScales ? 2 : 4;
  std::vector<char> codes(n * rowBytes), scales(n * numGroups * scaleBytes), zeroPoints(asked.isSymmetric ? 0 : n * numGroups);

  constexpr int64_t kRowsPerBlock = 32;
  std::vector<RowBlock> blocks((n + kRowsPerBlock - 1) / kRowsPerBlock);
  parallelFor(context, 0, blocks.size(), [&](size_t index) {
    RowBlock &block = blocks[index];
    int64_t begin = index * kRowsPerBlock, end = std::min(n, begin + kRowsPerBlock);
    std::vector<float> rows((end - begin) * k), rowScales(numGroups);
    std::vector<uint8_t> rowCodes(k), rowZeros(numGroups);
    if (reader)
      for (int64_t row = begin; row < end; ++row)
        reader->read(row, MutableArrayRef<float>(rows).slice((row - begin) * k, k));
    else
      loadRows(data->bytes().data(), element, transposed, n, k, begin, end, rows.data());
    RowRounding rounder(options, k);
    for (int64_t row = begin; row < end; ++row) {
      block.status = rounder.round(ArrayRef<float>(rows).slice((row - begin) * k, k), rowCodes, rowScales, rowZeros);
      if (block.status != RowRounding::Ok) {
        block.failedRow = row;
        return;
      }
      packCodes(rowCodes, asked.bits, {reinterpret_cast<uint8_t *>(codes.data()) + row * rowBytes, static_cast<size_t>(rowBytes)});
      for (int64_t g = 0; g < numGroups; ++g) {
        char *scale = scales.data() + (row * numGroups + g) * scaleBytes;
        uint16_t half = floatToHalf(rowScales[g]);
        memcpy(scale, asked.hasHalfScales ? static_cast<void *>(&half) : &rowScales[g], scaleBytes);
      }
      if (!asked.isSymmetric)
        memcpy(zeroPoints.data() + row * numGroups, rowZeros.data(), numGroups);
    }
    block.squaredError = rounder.getSquaredError();
    block.squaredNorm = rounder.getSquaredNorm();
  });
  for (const RowBlock &block : blocks) {
    if (block.status == RowRounding::NotFinite)
      return user->emitError() << "expected finite weights; got NaN or infinity in output channel " << block.failedRow
                               << " of layer '" << name << "'";
    if (block.status == RowRounding::ScaleOverflow)
      return user->emitError() << "expected scales within the range of " << scaleType << "; got a larger one in output channel "
                               << block.failedRow << " of layer '" << name << "'";
    result.squaredError += block.squaredError;
    result.squaredNorm += block.squaredNorm;
  }

  OpBuilder builder(context);
  builder.setInsertionPointAfter(weight);
  auto add = [&](StringRef suffix, ArrayRef<int64_t> shape, Type elementType, ArrayRef<char> bytes) -> FailureOr<WeightOp> {
    auto newType = RankedTensorType::get(shape, elementType);
    llvm::Expected<Attribute> attr = store.add(newType, bytes);
    if (!attr)
      return user->emitError() << "cannot store codes of layer '" << name << "': " << llvm::toString(attr.takeError());
    result.bytesAfter += bytes.size();
    auto op = WeightOp::create(builder, weight.getLoc(), newType, builder.getStringAttr(weight.getName() + "." + suffix), *attr);
    return op;
  };
  FailureOr<WeightOp> codesOp = add("codes", {n, rowBytes}, builder.getI8Type(), codes);
  if (failed(codesOp))
    return failure();
  FailureOr<WeightOp> scalesOp = add("scales", {n, numGroups}, scaleType, scales);
  if (failed(scalesOp))
    return failure();
  result.codes = *codesOp;
  result.scales = *scalesOp;
  if (!asked.isSymmetric) {
    FailureOr<WeightOp> zerosOp = add("zero_points", {n, numGroups}, builder.getI8Type(), zeroPoints);
    if (failed(zerosOp))
      return failure();
    result.zeroPoints = *zerosOp;
  }
  result.bytesBefore = reader ? reader->size() : data->bytes().size();
  return result;
}

Value QuantizedTensor::dequantize(Type element) {
  for (DequantizeOp value : values)
    if (value.getType().getElementType() == element)
      return value;
  WeightOp last = zeroPoints ? zeroPoints : scales;
  OpBuilder builder(last.getContext());
  builder.setInsertionPointAfter(last);
  values.push_back(DequantizeOp::create(builder, last.getLoc(), RankedTensorType::get({rows, columns}, element),
                                        codes, scales, zeroPoints ? zeroPoints.getResult() : Value(), scheme));
  return values.back();
}
