//===- WeightPacker.cpp - packed copies of weights ------------------------===//
#include "WeightPacker.h"

#include "compress/Rounding/Rounding.h"

#include "mlir/IR/Threading.h"

using namespace mlir;
using namespace terse;
using namespace terse::kernel;

std::optional<ConstantTensor> ConstantTensor::get(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape())
    return std::nullopt;
  if (auto weight = value.getDefiningOp<WeightOp>())
    return ConstantTensor{weight.getData(), type, weight.getName()};
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    return ConstantTensor{constant.getValue(), type, ""};
  return std::nullopt;
}

FailureOr<WeightData> WeightPacker::read(const ConstantTensor &source) {
  llvm::Expected<WeightData> data = store.read(source.data, source.type);
  if (!data)
    return emitError(builder.getUnknownLoc(), "cannot read weight '") << source.name << "': " << llvm::toString(data.takeError());
  return std::move(*data);
}

FailureOr<Value> WeightPacker::addWeight(const ConstantTensor &source, Key key, RankedTensorType type,
                                         ArrayRef<char> bytes) {
  llvm::Expected<Attribute> data = store.add(type, bytes);
  if (!data)
    return emitError(builder.getUnknownLoc(), "cannot store packed weight '")
           << source.name << "': " << llvm::toString(data.takeError());
  if (last)
    builder.setInsertionPointAfter(last);
  else
    builder.setInsertionPointToStart(&block);
  last = WeightOp::create(builder, builder.getUnknownLoc(), type, source.name, *data);
  packed[key] = last;
  packedBytes += bytes.size();
  return Value(last);
}

FailureOr<bool> WeightPacker::areTwoOfFour(const ConstantTensor &codes, const PackedLayout &layout) {
  FailureOr<WeightData> data = read(codes);
  if (failed(data))
    return failure();
  int64_t rowBytes = codes.type.getDimSize(1);
  std::vector<uint8_t> row(layout.k);
  for (int64_t i = 0; i < layout.n; ++i) { // the first row tells nearly always
    unpackCodes(data->as<uint8_t>().slice(i * rowBytes, rowBytes), layout.bits, row);
    if (!isTwoOfFour(layout, row))
      return false;
  }
  return true;
}

FailureOr<Value> WeightPacker::packCodes(const ConstantTensor &codes, const PackedLayout &layout) {
  auto type = RankedTensorType::get({getNumPanels(layout.n), layout.getPanelBytes()}, builder.getI8Type());
  Key key{codes.data, type, 2 * layout.group + layout.sparse};
  if (Value value = packed.lookup(key))
    return value;
  FailureOr<WeightData> data = read(codes);
  if (failed(data))
    return failure();
  ArrayRef<uint8_t> source = data->as<uint8_t>();
  int64_t rowBytes = codes.type.getDimSize(1), panelBytes = layout.getPanelBytes();
  std::vector<char> bytes(type.getNumElements());
  parallelFor(builder.getContext(), 0, type.getDimSize(0), [&](size_t index) {
    int64_t panel = index;
    std::vector<uint8_t> unpacked(kPanelColumns * layout.k, layout.sparse ? layout.getZeroCode() : 0);
    for (int64_t i = 0; i < kPanelColumns && panel * kPanelColumns + i < layout.n; ++i)
      unpackCodes(source.slice((panel * kPanelColumns + i) * rowBytes, rowBytes), layout.bits,
                  MutableArrayRef(unpacked).slice(i * layout.k, layout.k));
    packPanel(layout, unpacked, {reinterpret_cast<uint8_t *>(bytes.data()) + panel * panelBytes, size_t(panelBytes)});
  });
  return addWeight(codes, key, type, bytes);
}

/// Copies elements of T: source[column * columnStride + row * rowStride] goes to
/// panel column / 16, row, column % 16; where `together` rows lie in one, to panel, row / together, column % 16,
/// row % together.
template <typename T>
static void copyToPanels(ArrayRef<char> source, int64_t columns, int64_t rows, int64_t columnStride, int64_t rowStride,
                         int64_t together, MutableArrayRef<char> target) {
  int64_t packedRows = (rows + together - 1) / together;
  for (int64_t panel = 0; panel < getNumPanels(columns); ++panel)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < kPanelColumns && panel * kPanelColumns + i < columns; ++i)
        std::memcpy(target.data() + (((panel * packedRows + row / together) * kPanelColumns + i) * together + row % together) * sizeof(T),
                    source.data() + ((panel * kPanelColumns + i) * columnStride + row * rowStride) * sizeof(T),
                    sizeof(T));
}

FailureOr<Value> WeightPacker::transpose(const ConstantTensor &source, int64_t columns, int64_t rows,
                                         int64_t columnStride, int64_t rowStride, RankedTensorType type) {
  Key key{source.data, type, rowStride};
  if (Value value = packed.lookup(key))
    return value;
  FailureOr<WeightData> data = read(source);
  if (failed(data))
    return failure();
  unsigned width = type.getElementTypeBitWidth();
  std::vector<char> bytes(type.getNumElements() * width / 8);
  auto copy = width == 8 ? copyToPanels<uint8_t> : width == 16 ? copyToPanels<uint16_t> : copyToPanels<uint32_t>;
  copy(data->bytes(), columns, rows, columnStride, rowStride, type.getShape().back() / kPanelColumns, bytes);
  return addWeight(source, key, type, bytes);
}

FailureOr<Value> WeightPacker::packGroups(const ConstantTensor &groups) {
  int64_t n = groups.type.getDimSize(0), numGroups = groups.type.getDimSize(1);
  auto type = RankedTensorType::get({getNumPanels(n), numGroups, kPanelColumns}, groups.type.getElementType());
  return transpose(groups, n, numGroups, numGroups, 1, type);
}

FailureOr<Value> WeightPacker::packPairedZeros(const ConstantTensor &zeros) {
  int64_t n = zeros.type.getDimSize(0), groups = zeros.type.getDimSize(1), half = kPanelColumns / 2;
  auto type = RankedTensorType::get({getNumPanels(n), groups, half}, builder.getI8Type());
  Key key{zeros.data, type, 1};
  if (Value value = packed.lookup(key))
    return value;
  FailureOr<WeightData> data = read(zeros);
  if (failed(data))
    return failure();
  std::vector<char> bytes(type.getNumElements());
  for (int64_t row = 0; row < n; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      int64_t column = row % kPanelColumns, at = (row / kPanelColumns * groups + group) * half + column % half;
      bytes[at] |= data->as<uint8_t>()[row * groups + group] << (column < half ? 0 : 4);
    }
  return addWeight(zeros, key, type, bytes);
}

/// Value `i` of numbers of this type.
static float loadNumber(ArrayRef<char> data, Type type, int64_t i) {
  if (type.isInteger(8))
    return static_cast<int8_t>(data[i]);
  auto element = cast<FloatType>(type);
  unsigned width = element.getWidth();
  uint64_t bits = 0;
  std::memcpy(&bits, data.data() + i * width / 8, width / 8);
  llvm::APFloat value(element.getFloatSemantics(), llvm::APInt(width, bits));
  bool losesInfo;
  value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return value.convertToFloat();
}

FailureOr<Value> WeightPacker::packColumnSums(const ConstantTensor &codes, const ConstantTensor &scales,
                                              const ConstantTensor *rowScales, const ConstantTensor *zeros, SchemeAttr scheme,
                                              int64_t k) {
  int64_t n = codes.type.getDimSize(0), rowBytes = codes.type.getDimSize(1), groups = scheme.getNumGroups(k);
  auto type = RankedTensorType::get({getNumPanels(n), kPanelColumns}, builder.getF32Type());
  // Layers share sums where they share codes and scales.
  Attribute none = builder.getUnitAttr();
  Key key{builder.getArrayAttr({codes.data, scales.data, rowScales ? rowScales->data : none, zeros ? zeros->data : none}), type, 2};
  if (Value value = packed.lookup(key))
    return value;
  FailureOr<WeightData> codeData = read(codes), scaleData = read(scales), rowData = WeightData(), zeroData = WeightData();
  if (rowScales)
    rowData = read(*rowScales);
  if (zeros)
    zeroData = read(*zeros);
  if (failed(codeData) || failed(scaleData) || failed(rowData) || failed(zeroData))
    return failure();
  std::vector<float> sums(type.getNumElements());
  std::vector<uint8_t> row(k);
  for (int64_t i = 0; i < n; ++i) {
    unpackCodes(codeData->as<uint8_t>().slice(i * rowBytes, rowBytes), scheme.getBits(), row);
    double sum = 0;
    for (int64_t group = 0; group < groups; ++group) {
      int64_t begin = group * scheme.getGroupSize(k), end = std::min(k, begin + scheme.getGroupSize(k)), total = 0;
      for (int64_t j = begin; j < end; ++j)
        total += zeros ? row[j] : scheme.getLevel(row[j]);
      double zero = 0;
      if (zeros)
        zero = isa<FloatType>(zeros->type.getElementType())
                   ? loadNumber(zeroData->bytes(), zeros->type.getElementType(), i * groups + group)
                   : zeroData->as<uint8_t>()[i * groups + group];
      sum += (total - zero * (end - begin)) * loadNumber(scaleData->bytes(), scales.type.getElementType(), i * groups + group);
    }
    sums[i] = rowScales ? sum * rowData->as<float>()[i] : sum;
  }
  return addWeight({codes.data, codes.type, builder.getStringAttr(codes.name + ".sums").getValue()}, key, type,
                   ArrayRef<char>(reinterpret_cast<char *>(sums.data()), sums.size() * sizeof(float)));
}

FailureOr<Value> WeightPacker::packFloat(const ConstantTensor &weight, int64_t reductionAxis) {
  int64_t k = weight.type.getDimSize(reductionAxis), n = weight.type.getDimSize(1 - reductionAxis);
  Type element = weight.type.getElementType();
  auto type = RankedTensorType::get(getFloatShape(n, k, element), element);
  return reductionAxis ? transpose(weight, n, k, k, 1, type) : transpose(weight, n, k, 1, n, type);
}

FailureOr<Value> WeightPacker::packColumns(const ConstantTensor &source) {
  int64_t n = source.type.getDimSize(0);
  auto type = RankedTensorType::get({getNumPanels(n), kPanelColumns}, builder.getF32Type());
  Key key{source.data, type, 0};
  if (Value value = packed.lookup(key))
    return value;
  FailureOr<WeightData> data = read(source);
  if (failed(data))
    return failure();
  std::vector<float> values(type.getNumElements());
  for (int64_t i = 0; i < n; ++i)
    values[i] = loadNumber(data->bytes(), source.type.getElementType(), i);
  return addWeight(source, key, type, {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)});
}
