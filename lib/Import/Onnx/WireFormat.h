//===- WireFormat.h - a model without its tensors' bytes --------*- C++ -*-===//
//
// Protobuf copies every bytes field. To import a model of any size in little
// memory, its file is first walked in wire format and copied without the
// tensors' raw data; each is replaced by the place where it lies in the file.
#ifndef TERSE_IMPORT_ONNX_WIREFORMAT_H
#define TERSE_IMPORT_ONNX_WIREFORMAT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>

namespace terse::importer {

/// Where bytes lie in a file.
struct FileRange {
  uint64_t offset = 0, size = 0;
};

/// A serialized `onnx.ModelProto` in which the `raw_data` of every tensor is
/// an encoded FileRange (`decodeRange`) of `model` instead of the data.
/// Fails on bytes that are no protobuf message.
llvm::Expected<std::string> stripRawData(llvm::StringRef model);

/// The range that a stripped `raw_data` holds.
std::optional<FileRange> decodeRange(llvm::StringRef stripped);

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_WIREFORMAT_H
