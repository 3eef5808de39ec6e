//===- WeightStore.h - data of weights, outside of the IR -------*- C++ -*-===//
#ifndef TERSE_WEIGHTSTORE_H
#define TERSE_WEIGHTSTORE_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace terse {

/// Bytes of one weight: a view into a mapped file, or a small copy. Pages of
/// the view are given back to the system when it is destroyed, so that walking
/// over all weights of a model never holds more than one of them in memory.
class WeightData {
public:
  WeightData() = default;
  WeightData(llvm::ArrayRef<char> view, bool mapped) : view(view), mapped(mapped) {}
  explicit WeightData(std::vector<char> owned);
  WeightData(WeightData &&other) noexcept;
  WeightData &operator=(WeightData &&other) noexcept;
  ~WeightData();

  llvm::ArrayRef<char> bytes() const { return view; }
  /// The bytes as values of T; the data are as aligned as they lie in their
  /// file, so this is only for reading by memcpy-like means on x86.
  template <typename T>
  llvm::ArrayRef<T> as() const {
    return {reinterpret_cast<const T *>(view.data()), view.size() / sizeof(T)};
  }

private:
  void release();
  llvm::ArrayRef<char> view;
  std::vector<char> owned;
  bool mapped = false;
};

/// Reads weights from the files that `#terse.file` names, by mapping, and
/// appends new ones to a spill file. One store per context. Thread-safe.
class WeightStore {
public:
  WeightStore();
  ~WeightStore();

  /// Relative paths of `#terse.file` are relative to this directory.
  void setBaseDirectory(llvm::StringRef directory) { baseDirectory = directory.str(); }
  llvm::StringRef getBaseDirectory() const { return baseDirectory; }

  /// New weights are appended to this file, which is created (truncated) now.
  /// Without a spill file new weights are kept in attributes of the IR.
  llvm::Error setSpillFile(llvm::StringRef path);

  /// Reading fails once `flag` is true: passes over all weights then end early.
  void setCancellation(const std::atomic<bool> *flag) { cancelled = flag; }

  /// Data of `attr`, a `#terse.file` or an elements attribute of type `type`.
  llvm::Expected<WeightData> read(mlir::Attribute attr, mlir::ShapedType type);

  /// Stores data of a new weight of type `type` (row-major, little-endian).
  llvm::Expected<mlir::Attribute> add(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

  /// Gives back the disk space of data that `add` stored and that nothing will
  /// read again. Does nothing for other data.
  void release(mlir::Attribute data);
  /// With false `release` does nothing: data serve another module too.
  void setReleasing(bool releasing) { isReleasing = releasing; }
  /// Bytes on disk that data stored by `add` take.
  uint64_t getSpilledSpace() const;
  /// The most that it has been.
  uint64_t getMostSpilledSpace() const { return mostSpilled; }

private:
  struct MappedFile;
  llvm::Expected<MappedFile *> map(llvm::StringRef path, uint64_t end);

  std::mutex mutex;
  const std::atomic<bool> *cancelled = nullptr;
  std::atomic<bool> isReleasing{true};
  std::string baseDirectory;
  std::string spillPath;
  int spillFile = -1;
  uint64_t spillSize = 0, mostSpilled = 0;
  llvm::StringMap<std::unique_ptr<MappedFile>> files;
};

/// Bytes of a dense tensor of this type (i1 one byte an element); none for
/// dynamic shapes, sub-byte integers, or sizes beyond 2^62.
std::optional<uint64_t> getByteSize(mlir::ShapedType type);

} // namespace terse

#endif // TERSE_WEIGHTSTORE_H
