//===- ModelFile.h - an ONNX file and the data it refers to -----*- C++ -*-===//
#ifndef TERSE_IMPORT_ONNX_MODELFILE_H
#define TERSE_IMPORT_ONNX_MODELFILE_H

#include "WireFormat.h"

#include "mlir/IR/Attributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"

#include "onnx-ml.pb.h"

#include <memory>
#include <string>
#include <vector>

namespace terse::importer {

/// The place of a tensor's values, row-major and little-endian: bytes of a
/// file, or a copy where the model holds them in typed fields.
struct TensorData {
  std::string path; // absolute; empty for a copy
  FileRange range;
  std::vector<char> copy;
  uint64_t size() const { return path.empty() ? copy.size() : range.size; }
};

/// An ONNX model file, mapped, with its message parsed without tensor data.
/// Everything that the file says about sizes and places is checked here.
class ModelFile {
public:
  /// Opens and parses; null after a diagnostic at the file's location.
  static std::unique_ptr<ModelFile> open(llvm::StringRef path, mlir::MLIRContext *context);

  onnx::ModelProto model;
  mlir::Location getLocation() const { return location; }
  llvm::StringRef getPath() const { return path; }

  /// Finds the values of a tensor, of the size that its shape and type say.
  llvm::Expected<TensorData> locate(const onnx::TensorProto &tensor);
  /// The bytes at a place that `locate` gave. Valid as long as this and `data`.
  llvm::Expected<llvm::ArrayRef<char>> read(const TensorData &data);
  /// Data of weights that were made of the file's tensors, by what they are: kept over the runs of an import.
  llvm::StringMap<mlir::Attribute> made;

private:
  ModelFile(mlir::Location location) : location(location) {}
  llvm::Expected<const llvm::MemoryBuffer *> mapExternal(llvm::StringRef relative, std::string &absolute);

  mlir::Location location;
  std::string path, directory; // absolute, symbolic links resolved
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  struct ExternalFile {
    std::string absolute;
    std::unique_ptr<llvm::MemoryBuffer> buffer;
  };
  llvm::StringMap<ExternalFile> externals; // by location as written
  llvm::StringMap<const llvm::MemoryBuffer *> mapped; // by absolute path
};

/// Bytes of one element of an ONNX data type; 0 if Terse does not know it as a type of values.
unsigned getElementSize(int dtype);
/// Bits of one element in a file, of the types of codes smaller than a byte too; 0 if Terse does not know it.
unsigned getElementBits(int dtype);
/// Its name as ONNX writes it, for messages.
std::string getTypeName(int dtype);

/// A node after functions are inlined.
struct FlatNode {
  onnx::NodeProto proto;
  /// Versions of the operator sets, by domain ("" for ai.onnx).
  const llvm::StringMap<int64_t> *opsets;
};

/// The nodes of the model's graph in order, calls of model-local functions
/// replaced by the functions' nodes under unique names. `opsets` keeps what the
/// nodes point to alive.
mlir::LogicalResult inlineFunctions(const ModelFile &file, std::vector<FlatNode> &nodes,
                                    std::vector<std::unique_ptr<llvm::StringMap<int64_t>>> &opsets);

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_MODELFILE_H
