//===- Initializers.cpp - tensors that the file holds ---------------------===//
#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cstring>

using namespace mlir;
using namespace terse;
using namespace terse::importer;

template <typename T>
static T load(const char *data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

static double loadFloat(DType dtype, const char *data) {
  switch (dtype) {
  case onnx::TensorProto::FLOAT:
    return load<float>(data);
  case onnx::TensorProto::DOUBLE:
    return load<double>(data);
  default: {
    const auto &semantics =
        dtype == onnx::TensorProto::FLOAT16 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat();
    return llvm::APFloat(semantics, llvm::APInt(16, load<uint16_t>(data))).convertToDouble();
  }
  }
}

static int64_t loadInteger(DType dtype, const char *data) {
  switch (dtype) {
  case onnx::TensorProto::BOOL:
    return *data != 0;
  case onnx::TensorProto::INT8:
    return load<int8_t>(data);
  case onnx::TensorProto::UINT8:
    return load<uint8_t>(data);
  case onnx::TensorProto::INT16:
    return load<int16_t>(data);
  case onnx::TensorProto::UINT16:
    return load<uint16_t>(data);
  case onnx::TensorProto::INT32:
    return load<int32_t>(data);
  case onnx::TensorProto::UINT32:
    return load<uint32_t>(data);
  default:
    return load<int64_t>(data);
  }
}

/// Value `i` of a type smaller than a byte: the first one in the lowest bits.
static int64_t loadCode(ArrayRef<char> bytes, int64_t i, unsigned bits, bool isSigned) {
  int64_t code = (static_cast<uint8_t>(bytes[i * bits / 8]) >> (i * bits % 8)) & ((1 << bits) - 1);
  return isSigned && code >> (bits - 1) ? code - (1 << bits) : code;
}

Tensor *Importer::fromProto(const onnx::TensorProto &proto) {
  llvm::Expected<TensorData> data = file.locate(proto);
  if (!data)
    return error("tensor '" + Twine(proto.name()) + "': " + llvm::toString(data.takeError()));
  Tensor *t = make(proto.data_type(), {});
  t->name = proto.name();
  t->initializer = &proto;
  for (int64_t dim : proto.dims())
    t->dims.push_back(dim);
  unsigned elementSize = getElementSize(t->dtype), bits = getElementBits(t->dtype);
  int64_t count = 1;
  for (int64_t dim : proto.dims())
    count *= dim;
  if (count > options.largestFolded)
    return t;
  llvm::Expected<ArrayRef<char>> bytes = file.read(*data);
  if (!bytes)
    return error("tensor '" + Twine(proto.name()) + "': " + llvm::toString(bytes.takeError()));
  if (isFloat(t->dtype))
    t->floats.emplace();
  else
    t->ints.emplace();
  for (int64_t i = 0; i < count; ++i) {
    if (bits < 8) {
      t->ints->push_back(loadCode(*bytes, i, bits, !isUnsigned(t->dtype)));
      continue;
    }
    const char *element = bytes->data() + i * elementSize;
    if (isFloat(t->dtype))
      t->floats->push_back(loadFloat(t->dtype, element));
    else
      t->ints->push_back(loadInteger(t->dtype, element));
  }
  if (t->floats && count == 1)
    t->fill = t->floats->front();
  return t;
}

/// Names that exporters make up for tensors that had none.
static bool isAnonymous(StringRef name) {
  StringRef stem = name.rtrim("0123456789");
  return stem.empty() || stem.starts_with("onnx::") ||
         (stem.size() < name.size() && (stem == "val_" || stem == "_v_" || stem == "v_" || stem == "_val_"));
}

std::string Importer::scope() {
  if (!current)
    return "";
  for (const onnx::StringStringEntryProto &entry : current->proto.metadata_props()) {
    // PyTorch: ['', 'model', 'model.layers.0', ..., 'linear']; the last is the node.
    if (entry.key() != "pkg.torch.onnx.name_scopes")
      continue;
    SmallVector<StringRef> scopes;
    StringRef(entry.value()).trim("[]").split(scopes, ", ");
    if (scopes.size() >= 2)
      return scopes[scopes.size() - 2].trim("'\"").str();
  }
  StringRef name = current->proto.name();
  if (!name.contains('/'))
    return "";
  std::string path = name.rsplit('/').first.ltrim('/').str();
  std::replace(path.begin(), path.end(), '/', '.');
  return path;
}

std::string Importer::weightName(const Tensor *t) {
  std::string name = t->name;
  if (isAnonymous(name))
    if (std::string layer = scope(); !layer.empty())
      name = layer + ".weight";
  std::string unique = name;
  for (unsigned i = 1; !weightNames.insert(unique).second; ++i)
    unique = name + "_" + std::to_string(i);
  return unique;
}

/// An initializer's value: a weight that points into the file, or a constant.
Value Importer::weight(Tensor *t, bool alwaysWeight) {
  Value &made = initializerValues[{t->initializer, alwaysWeight}];
  if (made)
    return made;
  llvm::Expected<TensorData> data = file.locate(*t->initializer);
  if (!data) {
    error("tensor '" + Twine(t->name) + "': " + llvm::toString(data.takeError()));
    return {};
  }
  if (getElementBits(t->dtype) < 8) {
    error("tensor '" + Twine(t->name) + "' of " + getTypeName(t->dtype) + " is only supported as the codes of a matrix");
    return {};
  }
  SmallVector<int64_t> shape(t->initializer->dims().begin(), t->initializer->dims().end());
  auto resultType = RankedTensorType::get(shape, elementType(t->dtype));
  bool small = data->size() <= options.largestConstant && !alwaysWeight;
  OpBuilder builder(prologueEnd);
  builder.setInsertionPointAfter(prologueEnd);
  Attribute attribute;
  if (!data->path.empty())
    attribute = FileAttr::get(b.getContext(), data->path, data->range.offset, data->range.size);
  if (data->path.empty() || small || isBool(t->dtype)) {
    llvm::Expected<ArrayRef<char>> bytes = file.read(*data);
    if (!bytes) {
      error("tensor '" + Twine(t->name) + "': " + llvm::toString(bytes.takeError()));
      return {};
    }
    if (small || isBool(t->dtype)) {
      DenseElementsAttr dense;
      if (isBool(t->dtype)) {
        SmallVector<bool> bits;
        for (char byte : *bytes)
          bits.push_back(byte != 0);
        dense = DenseElementsAttr::get(resultType, bits);
      } else {
        dense = DenseElementsAttr::getFromRawBuffer(resultType, *bytes);
      }
      return made = arith::ConstantOp::create(builder, loc, dense);
    }
    return made = makeWeight("copy of " + Twine(t->name), resultType, weightName(t), [&](MutableArrayRef<char> to) {
      llvm::copy(*bytes, to.begin());
      return true;
    });
  }
  return made = WeightOp::create(builder, loc, resultType, b.getStringAttr(weightName(t)), attribute);
}
