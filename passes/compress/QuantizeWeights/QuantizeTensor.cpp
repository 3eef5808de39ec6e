//===- QuantizeTensor.cpp - codes of one weight ---------------------------===//
#include "QuantizeTensor.h"
#include "compress/Weights/FloatStorage.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Threading.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace terse;

namespace {
/// Results for a block of rows.
struct RowBlock {
  RowRounding::Status status = RowRounding::Ok;
  int64_t failedRow = 0;
  RoundingErrors errors;
};
} // namespace

constexpr int64_t kRowsPerBlock = 32;

/// The values [count, k] of codes.
template <typename Zero>
static std::vector<float> decodeRows(const RoundingOptions &options, int64_t k, ArrayRef<uint8_t> codes, ArrayRef<float> scales, ArrayRef<Zero> zeros) {
  int64_t count = codes.size() / k, numGroups = scales.size() / count;
  std::vector<float> values(codes.size());
  for (size_t i = 0; i < values.size(); ++i) {
    size_t group = i / k * numGroups + i % k / options.groupSize;
    values[i] = (options.table.empty() ? codes[i] - static_cast<float>(zeros[group]) : options.table[codes[i]]) * scales[group];
  }
  return values;
}

/// Rounds the rows of a block. The row at which it failed is returned.
static int64_t roundRows(const RoundingOptions &options, const TensorRounding &rounding, int64_t k, ArrayRef<float> rows,
                         MutableArrayRef<uint8_t> codes, MutableArrayRef<float> scales, MutableArrayRef<float> rowScales,
                         MutableArrayRef<uint8_t> zeroPoints, MutableArrayRef<float> floatZeros, RowBlock &block) {
  int64_t count = rows.size() / k, numGroups = scales.size() / count;
  if (rounding.problem) {
    SecondOrderOptions all{options, rounding.numSweeps, true, rounding.keepsZeros};
    SecondOrderRounding rounder(all, *rounding.problem);
    block.status = rounder.round(rows, count, codes, scales, zeroPoints);
    block.errors = rounder.errors;
    for (int64_t row = 0; row < count; ++row)
      rowScales[row] = rounder.getRowScale(row);
    return rounder.getFailedRow();
  }
  auto roundAll = [&](auto rounder, auto zeros) -> int64_t {
    for (int64_t row = 0; row < count; ++row) {
      block.status = rounder.round(rows.slice(row * k, k), codes.slice(row * k, k), scales.slice(row * numGroups, numGroups),
                                   zeros.slice(row * numGroups, numGroups));
      if (block.status != RowRounding::Ok)
        return row;
      rowScales[row] = rounder.getRowScale();
    }
    if (rounding.measured)
      block.errors = measureErrors(rows, decodeRows<typename decltype(zeros)::value_type>(options, k, codes, scales, zeros), *rounding.measured);
    block.errors.squaredError = rounder.getSquaredError();
    block.errors.squaredNorm = rounder.getSquaredNorm();
    return 0;
  };
  if (rounding.isHalfQuadratic)
    return roundAll(HalfQuadraticRounding(options, k, rounding.keepsZeros), floatZeros);
  return roundAll(RowRounding(options, k), zeroPoints);
}

/// Scales as multiples of those of their rows.
static void storeMultiples(ArrayRef<float> scales, ArrayRef<float> rowScales, char *bytes) {
  int64_t numGroups = scales.size() / rowScales.size();
  for (size_t i = 0; i < scales.size(); ++i) {
    float rowScale = rowScales[i / numGroups];
    bytes[i] = rowScale != 0 ? std::lrint(scales[i] / rowScale) : 0;
  }
}

/// The type of scales of this format.
static Type getScaleType(MLIRContext *context, ScaleFormat format) {
  switch (format) {
  case ScaleFormat::F32:
    return Float32Type::get(context);
  case ScaleFormat::F16:
    return Float16Type::get(context);
  case ScaleFormat::I8:
    return IntegerType::get(context, 8);
  }
}

FailureOr<QuantizedTensor> terse::quantizeTensor(RoundingSource source, Operation *user, StringRef name,
                                                 const TensorRounding &rounding) {
  WeightOp weight = source.weight;
  MLIRContext *context = weight.getContext();
  WeightStore &store = context->getLoadedDialect<TerseDialect>()->getWeightStore();
  FailureOr<WeightRows> opened = WeightRows::open(source, rounding.reductionAxis, user, name);
  if (failed(opened))
    return failure();
  const WeightRows &reader = *opened;
  int64_t k = reader.getRowSize(), n = reader.getNumRows();
  const RoundingOptions &asked = rounding.options;
  // A group that is a whole row is a scale per channel.
  int64_t group = asked.groupSize >= k ? 0 : asked.groupSize;
  RoundingOptions options = asked;
  options.groupSize = group ? group : k;
  // One scale needs no other.
  if (!group && asked.scales == ScaleFormat::I8)
    options.scales = ScaleFormat::F16;
  Type scaleType = getScaleType(context, options.scales);
  QuantizedTensor result;
  result.scheme = SchemeAttr::get(context, IntegerType::get(context, asked.bits), group, scaleType,
                                  rounding.isHalfQuadratic ? ZeroPoint::Float
                                  : asked.isSymmetric      ? ZeroPoint::None
                                                           : ZeroPoint::Integer,
                                  rounding.codebook);
  options.table = result.scheme.getTable();
  result.rows = n;
  result.columns = k;
  int64_t rowBytes = result.scheme.getRowBytes(k), numGroups = result.scheme.getNumGroups(k);
  Type zeroType = result.scheme.getZeroType();
  int64_t scaleBytes = scaleType.getIntOrFloatBitWidth() / 8;
  int64_t zeroBytes = result.scheme.isSymmetric() ? 0 : zeroType.getIntOrFloatBitWidth() / 8;
  std::vector<char> codes(n * rowBytes), scales(n * numGroups * scaleBytes), zeroPoints(n * numGroups * zeroBytes);
  std::vector<float> rowScales(n);

  static_assert(kRowsPerBlock == kLanes);
  std::vector<RowBlock> blocks((n + kRowsPerBlock - 1) / kRowsPerBlock);
  parallelFor(context, 0, blocks.size(), [&](size_t index) {
    RowBlock &block = blocks[index];
    int64_t begin = index * kRowsPerBlock, count = std::min(n - begin, kRowsPerBlock);
    std::vector<float> rows(count * k), groupScales(count * numGroups), floatZeros(count * numGroups);
    std::vector<uint8_t> rowCodes(count * k), rowZeros(count * numGroups);
    reader.read(begin, begin + count, rows.data());
    MutableArrayRef<float> scalesOfRows = MutableArrayRef(rowScales).slice(begin, count);
    int64_t failed = roundRows(options, rounding, k, rows, rowCodes, groupScales, scalesOfRows, rowZeros, floatZeros, block);
    if (block.status != RowRounding::Ok) {
      block.failedRow = begin + failed;
      return;
    }
    for (int64_t row = 0; row < count; ++row)
      packCodes(ArrayRef<uint8_t>(rowCodes).slice(row * k, k), asked.bits,
                {reinterpret_cast<uint8_t *>(codes.data()) + (begin + row) * rowBytes, static_cast<size_t>(rowBytes)});
    char *itsScales = scales.data() + begin * numGroups * scaleBytes, *itsZeros = zeroPoints.data() + begin * numGroups * zeroBytes;
    if (result.scheme.hasRowScales())
      storeMultiples(groupScales, scalesOfRows, itsScales);
    else
      storeFloats(groupScales, scaleType, itsScales);
    if (isa<FloatType>(zeroType))
      storeFloats(floatZeros, zeroType, itsZeros);
    else if (zeroBytes)
      memcpy(itsZeros, rowZeros.data(), count * numGroups);
  });
  for (const RowBlock &block : blocks) {
    if (block.status == RowRounding::NotFinite)
      return user->emitError() << "expected finite weights; got NaN or infinity in output channel " << block.failedRow
                               << " of layer '" << name << "'";
    if (block.status == RowRounding::ScaleOverflow)
      return user->emitError() << "expected scales within the range of " << scaleType << "; got a larger one in output channel "
                               << block.failedRow << " of layer '" << name << "'";
    result.errors += block.errors;
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
  if (result.scheme.hasRowScales()) {
    FailureOr<WeightOp> rowScalesOp = add("row_scales", {n, 1}, builder.getF32Type(), storeFloats(rowScales, builder.getF32Type()));
    if (failed(rowScalesOp))
      return failure();
    result.rowScales = *rowScalesOp;
  }
  if (zeroBytes) {
    FailureOr<WeightOp> zerosOp = add("zero_points", {n, numGroups}, zeroType, zeroPoints);
    if (failed(zerosOp))
      return failure();
    result.zeroPoints = *zerosOp;
  }
  result.bytesBefore = reader.getBytes();
  return result;
}

Value QuantizedTensor::dequantize(Type element) {
  for (DequantizeOp value : values)
    if (value.getType().getElementType() == element)
      return value;
  WeightOp last = zeroPoints ? zeroPoints : rowScales ? rowScales : scales;
  OpBuilder builder(last.getContext());
  builder.setInsertionPointAfter(last);
  values.push_back(DequantizeOp::create(builder, last.getLoc(), RankedTensorType::get({rows, columns}, element),
                                        codes, scales, rowScales ? rowScales.getResult() : Value(),
                                        zeroPoints ? zeroPoints.getResult() : Value(), scheme));
  return values.back();
}
