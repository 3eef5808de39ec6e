//===- Codes.cpp - tensors that the file holds in codes -------------------===//
//
// Weights that were quantized stay so: their codes become those of `terse.dequantize`, [N, K] in a little-endian
// bit stream, unsigned. Where they lie so in the file, as MatMulNBits has them, the file is named; else they are moved,
// never rounded again.
#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Threading.h"

#include <cstring>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

/// Code `i` of a bit stream whose codes do not cross bytes.
static int64_t loadCode(ArrayRef<char> bytes, int64_t i, unsigned bits) {
  return (static_cast<uint8_t>(bytes[i * bits / 8]) >> (i * bits % 8)) & ((1 << bits) - 1);
}

static WeightStore &getStore(MLIRContext *context) {
  return context->getLoadedDialect<TerseDialect>()->getWeightStore();
}

/// What the made weights of a matrix depend on.
static std::string getKey(const CodedMatrix &m, const Tensor *part, int axis) {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << part->initializer << ' ' << axis << ' ' << m.bits << ' ' << m.isSigned;
  for (const int64_t *values : {m.sizes, m.blocks, m.codeStrides, m.scaleStrides, m.zeroStrides})
    os << ' ' << values[0] << ' ' << values[1];
  os << ' ' << llvm::hash_combine_range(m.order);
  return key;
}

std::optional<WeightData> Importer::read(Tensor *t) {
  auto fail = [&](llvm::Error why) -> std::optional<WeightData> {
    error("tensor '" + Twine(t->name) + "': " + llvm::toString(std::move(why)));
    return std::nullopt;
  };
  llvm::Expected<TensorData> data = file.locate(*t->initializer);
  if (!data)
    return fail(data.takeError());
  if (data->path.empty())
    return WeightData(std::move(data->copy));
  // Through the store, which gives the pages back.
  auto bytes = RankedTensorType::get(static_cast<int64_t>(data->range.size), b.getI8Type());
  llvm::Expected<WeightData> view = getStore(b.getContext())
                                        .read(FileAttr::get(b.getContext(), data->path, data->range.offset, data->range.size), bytes);
  if (!view)
    return fail(view.takeError());
  return std::move(*view);
}

Value Importer::makeWeight(const Twine &key, RankedTensorType type, StringRef name,
                           llvm::function_ref<bool(MutableArrayRef<char>)> write) {
  Value &value = madeWeights[key.str()];
  if (value)
    return value;
  Attribute &data = file.made[key.str()];
  if (!data) {
    std::vector<char> bytes(*getByteSize(type));
    if (!write(bytes))
      return {};
    llvm::Expected<Attribute> stored = getStore(b.getContext()).add(type, bytes);
    if (!stored) {
      error("weight '" + name + "': " + llvm::toString(stored.takeError()));
      return {};
    }
    data = *stored;
  }
  OpBuilder builder(prologueEnd);
  builder.setInsertionPointAfter(prologueEnd);
  return value = WeightOp::create(builder, loc, type, b.getStringAttr(name), data);
}

Tensor *Importer::fromCodes(CodedMatrix matrix, bool transposed) {
  matrices.push_back(std::move(matrix));
  const CodedMatrix &m = matrices.back();
  Tensor *t = make(m.dtype, {Dim(m.sizes[transposed ? 1 : 0]), Dim(m.sizes[transposed ? 0 : 1])});
  t->name = m.codes->name;
  t->coded = &m;
  t->transposed = transposed;
  return t;
}

/// Codes [N, row bytes]: those of the file where they lie so, else moved.
Value Importer::packCodes(const CodedMatrix &m, int axis, const std::string &name) {
  int64_t n = m.sizes[axis], k = m.sizes[1 - axis], rowBytes = (k * m.bits + 7) / 8;
  int64_t rowStride = m.codeStrides[axis], columnStride = m.codeStrides[1 - axis];
  auto type = RankedTensorType::get({n, rowBytes}, b.getI8Type());
  std::string key = "codes " + getKey(m, m.codes, axis);
  bool inPlace = !m.isSigned && m.order.empty() && columnStride == 1 && rowStride * m.bits == rowBytes * 8;
  if (inPlace && !file.made.count(key)) {
    llvm::Expected<TensorData> data = file.locate(*m.codes->initializer);
    if (data && !data->path.empty())
      file.made[key] = FileAttr::get(b.getContext(), data->path, data->range.offset, n * rowBytes);
    else
      llvm::consumeError(data.takeError());
  }
  return makeWeight(key, type, name, [&](MutableArrayRef<char> to) {
    std::optional<WeightData> data = read(m.codes);
    if (!data)
      return false;
    ArrayRef<char> from = data->bytes();
    int64_t flip = m.isSigned ? 1 << (m.bits - 1) : 0;
    // Blocks of rows, so that a file whose rows are along k is read in its order.
    constexpr int64_t kRowsPerBlock = 64;
    parallelFor(b.getContext(), 0, (n + kRowsPerBlock - 1) / kRowsPerBlock, [&](size_t block) {
      int64_t begin = block * kRowsPerBlock, end = std::min(n, begin + kRowsPerBlock);
      for (int64_t j = 0; j < k; ++j) {
        int64_t column = m.order.empty() ? j : m.order[j];
        for (int64_t row = begin; row < end; ++row) {
          int64_t code = loadCode(from, row * rowStride + column * columnStride, m.bits) ^ flip;
          to[row * rowBytes + j * m.bits / 8] |= static_cast<char>(code << (j * m.bits % 8));
        }
      }
    });
    return true;
  });
}

/// Floats of the file as [N, groups].
Value Importer::packFloats(Tensor *t, const std::string &key, int64_t n, int64_t groups, int64_t rowStride, int64_t groupStride) {
  auto type = RankedTensorType::get({n, groups}, elementType(t->dtype));
  std::optional<WeightData> data = read(t);
  if (!data)
    return {};
  int64_t size = getElementSize(t->dtype);
  if (rowStride == 0 && groupStride == 0) { // one for all
    OpBuilder builder(prologueEnd);
    builder.setInsertionPointAfter(prologueEnd);
    return arith::ConstantOp::create(builder, loc, DenseElementsAttr::getFromRawBuffer(type, data->bytes().take_front(size)));
  }
  bool inPlace = (groupStride == 1 || groups == 1) && rowStride == groups;
  if (inPlace && !file.made.count(key)) {
    llvm::Expected<TensorData> place = file.locate(*t->initializer);
    if (place && !place->path.empty())
      file.made[key] = FileAttr::get(b.getContext(), place->path, place->range.offset, n * groups * size);
    else
      llvm::consumeError(place.takeError());
  }
  return makeWeight(key, type, weightName(t), [&](MutableArrayRef<char> to) {
    for (int64_t row = 0; row < n; ++row)
      for (int64_t group = 0; group < groups; ++group)
        std::memcpy(to.data() + (row * groups + group) * size,
                    data->bytes().data() + (row * rowStride + group * groupStride) * size, size);
    return true;
  });
}

/// Zero points [N, groups] in unsigned codes; a null value if all are the middle.
std::optional<Value> Importer::packZeros(const CodedMatrix &m, int axis, int64_t groups) {
  int64_t n = m.sizes[axis], middle = 1 << (m.bits - 1), flip = m.isSigned ? middle : 0;
  auto type = RankedTensorType::get({n, groups}, b.getI8Type());
  auto splat = [&](int64_t zero) -> Value {
    if (zero == middle)
      return {};
    OpBuilder builder(prologueEnd);
    builder.setInsertionPointAfter(prologueEnd);
    return arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, static_cast<int8_t>(zero)));
  };
  if (!m.zeros)
    return splat((m.defaultZero ^ flip) & ((1 << m.bits) - 1));
  int64_t rowStride = m.zeroStrides[axis], groupStride = m.zeroStrides[1 - axis];
  if (isFloat(m.zeros->dtype))
    return packFloats(m.zeros, "zeros " + getKey(m, m.zeros, axis), n, groups, rowStride, groupStride);
  std::optional<WeightData> data = read(m.zeros);
  if (!data)
    return std::nullopt;
  std::vector<char> zeros(n * groups);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t group = 0; group < groups; ++group)
      zeros[row * groups + group] = loadCode(data->bytes(), row * rowStride + group * groupStride, m.bits) ^ flip;
  if (llvm::all_equal(zeros))
    return splat(zeros.empty() ? middle : static_cast<uint8_t>(zeros.front()));
  return makeWeight("zeros " + getKey(m, m.zeros, axis), type, weightName(m.zeros), [&](MutableArrayRef<char> to) {
    llvm::copy(zeros, to.begin());
    return true;
  });
}

Value Importer::dequantize(const CodedMatrix &m, int axis) {
  Value &known = madeWeights["values " + getKey(m, m.codes, axis) + " " + std::to_string(m.dtype)];
  if (known)
    return known;
  int64_t n = m.sizes[axis], k = m.sizes[1 - axis], block = std::min(m.blocks[1 - axis], k);
  int64_t groups = block ? (k + block - 1) / block : 0;
  Value codes = packCodes(m, axis, weightName(m.codes));
  Value scales = packFloats(m.scales, "scales " + getKey(m, m.scales, axis), n, groups, m.scaleStrides[axis], m.scaleStrides[1 - axis]);
  std::optional<Value> zeros = packZeros(m, axis, groups);
  if (!codes || !scales || !zeros)
    return {};
  auto scheme = SchemeAttr::get(b.getContext(), b.getIntegerType(m.bits), block == k ? 0 : block,
                                elementType(m.scales->dtype),
                                !*zeros                              ? ZeroPoint::None
                                : m.zeros && isFloat(m.zeros->dtype) ? ZeroPoint::Float
                                                                     : ZeroPoint::Integer,
                                Codebook::Linear);
  SmallVector<Value> parts{codes, scales};
  if (*zeros)
    parts.push_back(*zeros);
  OpBuilder builder = builderAfter(parts);
  return known = DequantizeOp::create(builder, loc, RankedTensorType::get({n, k}, elementType(m.dtype)), codes, scales,
                                      Value(), *zeros, scheme);
}

std::pair<Value, Value> Importer::codesAndZeros(const CodedMatrix &m, int axis) {
  Value codes = packCodes(m, axis, weightName(m.codes));
  std::optional<Value> zeros = packZeros(m, axis, 1);
  return zeros ? std::pair(codes, *zeros) : std::pair(Value(), Value());
}

Tensor *Importer::embed(Tensor *table, Tensor *indices, ArrayRef<Dim> dims) {
  if (!table->coded->canBeRows(0))
    return error("a table whose rows share scales is not supported");
  Value ids = value(indices), values = dequantize(*table->coded, 0);
  if (!ids || !values)
    return nullptr;
  return make(table->dtype, dims,
              EmbeddingOp::create(b, loc, type(table->dtype, dims), ids, values,
                                  b.getStringAttr(StringRef(table->name).rsplit(".weight").first)));
}

Tensor *Importer::decodeVector(Tensor *codes, Tensor *scale, Tensor *zero, DType dtype) {
  std::optional<WeightData> from = read(codes), scales = read(scale);
  std::optional<WeightData> zeros = zero ? read(zero) : WeightData();
  if (!from || !scales || !zeros)
    return nullptr;
  int64_t count = *codes->dims[0].constant(), size = getElementSize(codes->dtype);
  auto load = [&](const WeightData &data, int64_t i) -> int64_t {
    int32_t wide = 0;
    std::memcpy(&wide, data.bytes().data() + i * size, size);
    if (isUnsigned(codes->dtype) || size == 4)
      return wide;
    return size == 1 ? static_cast<int8_t>(wide) : static_cast<int16_t>(wide);
  };
  int64_t scaleStride = scale->rank() ? 1 : 0, zeroStride = zero && zero->rank() ? 1 : 0;
  Tensor *t = make(dtype, {Dim(count)});
  t->name = codes->name;
  std::string key = llvm::formatv("vector {0} {1} {2}", codes->initializer, scale->initializer, zero ? zero->initializer : nullptr);
  t->value = makeWeight(key, type(t), weightName(codes), [&](MutableArrayRef<char> to) {
    for (int64_t i = 0; i < count; ++i) {
      float factor;
      std::memcpy(&factor, scales->bytes().data() + i * scaleStride * sizeof(float), sizeof(float));
      float value = static_cast<float>(load(*from, i) - (zero ? load(*zeros, i * zeroStride) : 0)) * factor;
      std::memcpy(to.data() + i * sizeof(float), &value, sizeof(float));
    }
    return true;
  });
  return t->value ? t : nullptr;
}
