//===- Folder.h - what a calibration keeps ----------------------*- C++ -*-===//
#ifndef TERSE_LIB_CALIBRATE_FOLDER_H
#define TERSE_LIB_CALIBRATE_FOLDER_H

#include "llvm/Support/Error.h"

#include <string>

namespace terse {

/// The folder of a calibration: for each block its statistics and its outputs, of the data called `suffix`.
class CalibrationFolder {
public:
  explicit CalibrationFolder(std::string path) : path(std::move(path)) {}

  /// Makes it, or takes up what it has: true. A folder of something else than what `key` says is refused.
  llvm::Expected<bool> open(const std::string &key) const;
  std::string getPath(const llvm::Twine &name) const;
  std::string getStatisticsPath(size_t block, llvm::StringRef suffix) const;
  std::string getOutputPath(size_t block, llvm::StringRef suffix) const;
  void remove() const;

private:
  std::string path;
};

} // namespace terse

#endif // TERSE_LIB_CALIBRATE_FOLDER_H
