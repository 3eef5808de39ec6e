//===- Samples.h - inputs of a model that are no tokens ---------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_SAMPLES_H
#define TERSE_LIB_CALIBRATE_SAMPLES_H

#include "terse/Analysis/ModelInputs.h"
#include "terse/Npy/Npz.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/SHA256.h"

#include <optional>

namespace terse {

/// Which samples of a file are taken: the first ones, or as many drawn without putting them back, or spread over the file
/// (fewer will do).
struct SampleChoice {
  int64_t wanted = 0;
  std::optional<uint64_t> seed;
  bool isSpread = false;
};

/// Samples in .npz files: arrays that are called as the model's inputs are, with the samples along the leading dimension. An array
/// has as many dimensions as its input, whose first one then counts samples, or one more: then each sample is all of the input, and
/// samples of that file are run one by one. Arrays are read from their files when they are needed, a few samples at a time.
class Samples {
public:
  explicit Samples(llvm::ArrayRef<ModelInput> inputs) : inputs(inputs.begin(), inputs.end()) {}

  /// Takes samples of a file, and adds them to `hash`. `label` is for messages, `folder` for what has to be unpacked.
  llvm::Error add(llvm::StringRef label, const std::string &path, llvm::StringRef folder, const SampleChoice &choice,
                  llvm::SHA256 &hash);

  int64_t size() const { return numSamples; }

  /// How many samples of a file would be run together; `symbols` gets the sizes of the inputs then. Data is not read.
  static llvm::Expected<int64_t> findSizes(llvm::StringRef label, const std::string &path, llvm::ArrayRef<ModelInput> inputs,
                                           llvm::StringMap<int64_t> &symbols);

  /// Samples of one file that are run together.
  struct Part {
    size_t file;
    std::vector<int64_t> rows; ///< of the arrays
  };
  llvm::ArrayRef<Part> getParts() const { return parts; }

  /// What a part has for an input: its data, in `storage`, and its shape. False if the file has no such array.
  llvm::Expected<bool> read(const Part &part, llvm::StringRef input, std::vector<int64_t> &shape, std::vector<uint64_t> &storage) const;

private:
  struct Array {
    npy::ArrayFile file;
    bool isWhole; ///< a sample is all of the input
  };
  struct File {
    std::string label;
    llvm::StringMap<Array> arrays;
    int64_t count = 0;  ///< samples
    int64_t atOnce = 0; ///< samples that are run together; 0: not known yet
    bool isFixed = false;
  };
  /// Sizes of dimensions that have a name, and the array that has it.
  using NamedSizes = llvm::StringMap<std::pair<int64_t, std::string>>;
  /// Checks shapes and types; how many samples there are and are run together goes to `file`, which arrays are whole inputs to the result.
  llvm::Expected<std::vector<bool>> check(File &file, llvm::ArrayRef<const npy::ArrayHead *> heads, NamedSizes &sizes) const;
  llvm::Expected<bool> check(File &file, const npy::ArrayHead &head, NamedSizes &sizes) const;
  llvm::Error checkMissing(const File &file, llvm::ArrayRef<const npy::ArrayHead *> heads) const;
  llvm::Error choose(const File &file, const SampleChoice &choice, std::vector<int64_t> &rows) const;

  std::vector<ModelInput> inputs;
  std::vector<File> files;
  std::vector<Part> parts;
  int64_t numSamples = 0;
};

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_SAMPLES_H
