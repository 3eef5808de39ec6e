//===- ModelFile.cpp - an ONNX file and the data it refers to -------------===//
#include "ModelFile.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <climits>
#include <cstring>

using namespace mlir;
using namespace terse::importer;
namespace path = llvm::sys::path;

unsigned terse::importer::getElementBits(int dtype) {
  switch (dtype) {
  case onnx::TensorProto::INT4:
  case onnx::TensorProto::UINT4:
    return 4;
  case onnx::TensorProto::INT2:
  case onnx::TensorProto::UINT2:
    return 2;
  default:
    return 8 * getElementSize(dtype);
  }
}

unsigned terse::importer::getElementSize(int dtype) {
  switch (dtype) {
  case onnx::TensorProto::BOOL:
  case onnx::TensorProto::INT8:
  case onnx::TensorProto::UINT8:
    return 1;
  case onnx::TensorProto::INT16:
  case onnx::TensorProto::UINT16:
  case onnx::TensorProto::FLOAT16:
  case onnx::TensorProto::BFLOAT16:
    return 2;
  case onnx::TensorProto::INT32:
  case onnx::TensorProto::UINT32:
  case onnx::TensorProto::FLOAT:
    return 4;
  case onnx::TensorProto::INT64:
  case onnx::TensorProto::UINT64:
  case onnx::TensorProto::DOUBLE:
    return 8;
  default:
    return 0;
  }
}

std::string terse::importer::getTypeName(int dtype) {
  if (!onnx::TensorProto_DataType_IsValid(dtype))
    return "type " + std::to_string(dtype);
  return StringRef(onnx::TensorProto_DataType_Name(static_cast<onnx::TensorProto_DataType>(dtype))).lower();
}

std::unique_ptr<ModelFile> ModelFile::open(StringRef name, MLIRContext *context) {
  std::unique_ptr<ModelFile> file(new ModelFile(FileLineColLoc::get(context, name, 0, 0)));
  llvm::SmallString<256> real;
  if (std::error_code error = llvm::sys::fs::real_path(name, real)) {
    emitError(file->location) << "cannot open the model: " << error.message();
    return nullptr;
  }
  if (!llvm::sys::fs::is_regular_file(real)) {
    emitError(file->location) << "cannot open the model: not a regular file";
    return nullptr;
  }
  file->path = real.str().str();
  file->directory = path::parent_path(real).str();
  auto buffer = llvm::MemoryBuffer::getFile(real, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    emitError(file->location) << "cannot read the model: " << buffer.getError().message();
    return nullptr;
  }
  file->buffer = std::move(*buffer);
  file->mapped[file->path] = file->buffer.get();

  llvm::Expected<std::string> stripped = stripRawData(file->buffer->getBuffer());
  if (!stripped) {
    emitError(file->location) << llvm::toString(stripped.takeError());
    return nullptr;
  }
  if (stripped->size() > INT_MAX) {
    emitError(file->location) << "expected at most 2 GiB of nodes and typed tensor data; got " << stripped->size()
                              << " bytes";
    return nullptr;
  }
  google::protobuf::io::ArrayInputStream stream(stripped->data(), static_cast<int>(stripped->size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(INT_MAX);
  if (!file->model.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage()) {
    emitError(file->location) << "not a valid ONNX file: its message cannot be parsed";
    return nullptr;
  }
  return file;
}

llvm::Expected<const llvm::MemoryBuffer *> ModelFile::mapExternal(StringRef relative, std::string &absolute) {
  ExternalFile &file = externals[relative];
  if (!file.buffer && file.absolute.empty()) {
    auto refuse = [&](const Twine &why) {
      return llvm::createStringError("external data '" + relative.str() + "': " + why.str());
    };
    if (relative.empty() || relative.contains('\0') || path::is_absolute(relative))
      return refuse("expected a path relative to the model's folder");
    for (auto it = path::begin(relative), end = path::end(relative); it != end; ++it)
      if (*it == "..")
        return refuse("expected a path inside of the model's folder");
    llvm::SmallString<256> joined(directory), real;
    path::append(joined, relative);
    if (std::error_code error = llvm::sys::fs::real_path(joined, real))
      return refuse(error.message());
    // A symbolic link may lead outside; the model's own folder was resolved too.
    llvm::SmallString<256> prefix(directory);
    if (!StringRef(prefix).ends_with("/"))
      prefix += "/";
    if (!real.str().starts_with(prefix))
      return refuse("expected a path inside of the model's folder");
    if (!llvm::sys::fs::is_regular_file(real))
      return refuse("not a regular file");
    if (!mapped.count(real)) {
      auto buffer = llvm::MemoryBuffer::getFile(real, /*IsText=*/false, /*RequiresNullTerminator=*/false);
      if (!buffer)
        return refuse(buffer.getError().message());
      file.buffer = std::move(*buffer);
      mapped[real] = file.buffer.get();
    }
    file.absolute = real.str().str();
  }
  absolute = file.absolute;
  return mapped[absolute];
}

/// The product of the dimensions; nothing if one is negative or it overflows.
static std::optional<uint64_t> countElements(const onnx::TensorProto &tensor) {
  uint64_t count = 1;
  for (int64_t dim : tensor.dims())
    if (dim < 0 || __builtin_mul_overflow(count, static_cast<uint64_t>(dim), &count) || count > (1ull << 48))
      return std::nullopt;
  return count;
}

/// Copies a typed field to elements of type To.
template <typename To, typename Field>
static bool copyField(const Field &field, uint64_t count, std::vector<char> &copy) {
  if (static_cast<uint64_t>(field.size()) != count)
    return false;
  copy.resize(count * sizeof(To));
  for (uint64_t i = 0; i < count; ++i) {
    To value = static_cast<To>(field.Get(i));
    std::memcpy(copy.data() + i * sizeof(To), &value, sizeof(To));
  }
  return true;
}

static bool copyTyped(const onnx::TensorProto &tensor, uint64_t count, std::vector<char> &copy) {
  switch (tensor.data_type()) {
  case onnx::TensorProto::FLOAT:
    return copyField<float>(tensor.float_data(), count, copy);
  case onnx::TensorProto::DOUBLE:
    return copyField<double>(tensor.double_data(), count, copy);
  case onnx::TensorProto::INT64:
    return copyField<int64_t>(tensor.int64_data(), count, copy);
  case onnx::TensorProto::UINT64:
    return copyField<uint64_t>(tensor.uint64_data(), count, copy);
  case onnx::TensorProto::UINT32:
    return copyField<uint32_t>(tensor.uint64_data(), count, copy);
  case onnx::TensorProto::INT32:
    return copyField<int32_t>(tensor.int32_data(), count, copy);
  case onnx::TensorProto::INT16:
  case onnx::TensorProto::UINT16:
  case onnx::TensorProto::FLOAT16: // as bits, in both 16-bit float types
  case onnx::TensorProto::BFLOAT16:
    return copyField<uint16_t>(tensor.int32_data(), count, copy);
  case onnx::TensorProto::BOOL:
  case onnx::TensorProto::INT8:
  case onnx::TensorProto::UINT8:
    return copyField<uint8_t>(tensor.int32_data(), count, copy);
  case onnx::TensorProto::INT4: // bytes of several values each
  case onnx::TensorProto::UINT4:
    return copyField<uint8_t>(tensor.int32_data(), (count + 1) / 2, copy);
  case onnx::TensorProto::INT2:
  case onnx::TensorProto::UINT2:
    return copyField<uint8_t>(tensor.int32_data(), (count + 3) / 4, copy);
  default:
    return false;
  }
}

llvm::Expected<TensorData> ModelFile::locate(const onnx::TensorProto &tensor) {
  unsigned elementBits = getElementBits(tensor.data_type());
  if (elementBits == 0)
    return llvm::createStringError("tensors of " + getTypeName(tensor.data_type()) + " are not supported");
  std::optional<uint64_t> count = countElements(tensor);
  if (!count)
    return llvm::createStringError("expected dimensions of 0 or more with a product below 2^48");
  uint64_t bytes = (*count * elementBits + 7) / 8;
  if (tensor.has_segment())
    return llvm::createStringError("tensors in segments are not supported");

  TensorData data;
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    StringRef relative;
    uint64_t offset = 0;
    std::optional<uint64_t> length;
    for (const auto &entry : tensor.external_data()) {
      uint64_t value = 0;
      if (entry.key() == "location")
        relative = entry.value();
      else if (entry.key() == "offset" || entry.key() == "length") {
        if (StringRef(entry.value()).getAsInteger(10, value))
          return llvm::createStringError("expected an integer as external data's " + entry.key() + "; got '" +
                                         entry.value() + "'");
        if (entry.key() == "offset")
          offset = value;
        else
          length = value;
      }
    }
    llvm::Expected<const llvm::MemoryBuffer *> file = mapExternal(relative, data.path);
    if (!file)
      return file.takeError();
    uint64_t size = (*file)->getBufferSize();
    if (length && *length != bytes)
      return llvm::createStringError("expected external data of " + Twine(bytes) + " bytes for its shape; got " +
                                     Twine(*length));
    if (offset > size || bytes > size - offset)
      return llvm::createStringError("external data '" + relative.str() + "': expected " + Twine(bytes) +
                                     " bytes at " + Twine(offset) + "; the file has " + Twine(size));
    data.range = {offset, bytes};
    return data;
  }
  if (tensor.has_raw_data()) {
    std::optional<FileRange> range = decodeRange(tensor.raw_data());
    if (!range || range->size != bytes)
      return llvm::createStringError("expected " + Twine(bytes) + " bytes of data for its shape; got " +
                                     Twine(range ? range->size : 0));
    data.path = path;
    data.range = *range;
    return data;
  }
  if (!copyTyped(tensor, *count, data.copy))
    return llvm::createStringError("expected " + Twine(*count) + " values for its shape in the field of its type");
  return data;
}

llvm::Expected<ArrayRef<char>> ModelFile::read(const TensorData &data) {
  if (data.path.empty())
    return ArrayRef<char>(data.copy);
  auto it = mapped.find(data.path);
  if (it == mapped.end() || data.range.offset + data.range.size > it->second->getBufferSize())
    return llvm::createStringError("'" + data.path + "' is not mapped");
  return ArrayRef<char>(it->second->getBufferStart() + data.range.offset, data.range.size);
}
