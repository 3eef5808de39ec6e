//===- WireFormat.cpp - a model without its tensors' bytes ----------------===//
#include "WireFormat.h"

#include <cstring>

using namespace terse::importer;

namespace {

// Messages that lead to a TensorProto, and their fields, as in onnx.proto.
enum class Message { Model, Graph, Node, Attribute, Function, SparseTensor, Tensor, Other };

Message fieldMessage(Message message, uint64_t field) {
  switch (message) {
  case Message::Model: // graph, functions
    return field == 7 ? Message::Graph : field == 25 ? Message::Function : Message::Other;
  case Message::Graph: // node, initializer, sparse_initializer
    return field == 1 ? Message::Node : field == 5 ? Message::Tensor : field == 15 ? Message::SparseTensor : Message::Other;
  case Message::Node: // attribute
    return field == 5 ? Message::Attribute : Message::Other;
  case Message::Attribute: // t and tensors, g and graphs, sparse_tensor(s)
    return field == 5 || field == 10    ? Message::Tensor
           : field == 6 || field == 11  ? Message::Graph
           : field == 22 || field == 23 ? Message::SparseTensor
                                        : Message::Other;
  case Message::Function: // node, attribute_proto
    return field == 7 ? Message::Node : field == 11 ? Message::Attribute : Message::Other;
  case Message::SparseTensor: // values, indices
    return field == 1 || field == 2 ? Message::Tensor : Message::Other;
  default:
    return Message::Other;
  }
}

constexpr uint64_t kTensorRawData = 9;
// Protobuf itself stops at 100 messages inside of each other.
constexpr unsigned kDeepest = 100;

class Stripper {
public:
  Stripper(llvm::StringRef file) : file(file) {}

  /// Copies the message in [position, end) to `out`.
  llvm::Error strip(Message message, uint64_t position, uint64_t end, unsigned depth, std::string &out) {
    if (depth > kDeepest)
      return malformed(position, "messages are nested too deeply");
    while (position < end) {
      uint64_t start = position, tag, value;
      if (!readVarint(position, end, tag) || tag >> 3 == 0)
        return malformed(start, "expected a field");
      switch (tag & 7) {
      case 0: // varint
        if (!readVarint(position, end, value))
          return malformed(start, "expected an integer");
        break;
      case 1: // 64 bits
      case 5: // 32 bits
        value = (tag & 7) == 1 ? 8 : 4;
        if (end - position < value)
          return malformed(start, "a number is cut off");
        position += value;
        break;
      case 2: { // bytes
        if (!readVarint(position, end, value) || value > end - position)
          return malformed(start, "a field is longer than what holds it");
        uint64_t field = tag >> 3;
        if (message == Message::Tensor && field == kTensorRawData) {
          writeVarint(tag, out);
          writeVarint(2 * sizeof(uint64_t), out);
          uint64_t range[2] = {position, value};
          out.append(reinterpret_cast<const char *>(range), sizeof(range));
          position += value;
          continue;
        }
        Message inner = fieldMessage(message, field);
        if (inner != Message::Other) {
          std::string stripped;
          if (llvm::Error error = strip(inner, position, position + value, depth + 1, stripped))
            return error;
          writeVarint(tag, out);
          writeVarint(stripped.size(), out);
          out += stripped;
          position += value;
          continue;
        }
        position += value;
        break;
      }
      default: // groups are not in ONNX's schema
        return malformed(start, "unknown wire type");
      }
      out.append(file.data() + start, position - start);
    }
    return llvm::Error::success();
  }

private:
  llvm::Error malformed(uint64_t position, const char *what) {
    return llvm::createStringError("not a valid ONNX file: at byte " + std::to_string(position) + ": " + what);
  }

  bool readVarint(uint64_t &position, uint64_t end, uint64_t &value) {
    value = 0;
    for (unsigned shift = 0; shift < 70 && position < end; shift += 7) {
      uint8_t byte = file[position++];
      if (shift < 64)
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return true;
    }
    return false;
  }

  static void writeVarint(uint64_t value, std::string &out) {
    for (; value >= 0x80; value >>= 7)
      out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  }

  llvm::StringRef file;
};

} // namespace

llvm::Expected<std::string> terse::importer::stripRawData(llvm::StringRef model) {
  std::string out;
  if (llvm::Error error = Stripper(model).strip(Message::Model, 0, model.size(), 0, out))
    return std::move(error);
  return out;
}

std::optional<FileRange> terse::importer::decodeRange(llvm::StringRef stripped) {
  FileRange range;
  if (stripped.size() != sizeof(range))
    return std::nullopt;
  std::memcpy(&range.offset, stripped.data(), sizeof(uint64_t));
  std::memcpy(&range.size, stripped.data() + sizeof(uint64_t), sizeof(uint64_t));
  return range;
}
