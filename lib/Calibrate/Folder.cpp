//===- Folder.cpp - what a calibration keeps ------------------------------===//
#include "Folder.h"

#include "terse/Support/TemporaryFile.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace terse;
namespace fs = llvm::sys::fs;

std::string CalibrationFolder::getPath(const llvm::Twine &name) const {
  llvm::SmallString<128> result(path);
  llvm::sys::path::append(result, name);
  return result.str().str();
}

std::string CalibrationFolder::getStatisticsPath(size_t block, llvm::StringRef suffix) const {
  return getPath(llvm::formatv("block-{0:3}{1}.tstats", block, suffix).str());
}

std::string CalibrationFolder::getOutputPath(size_t block, llvm::StringRef suffix) const {
  return getPath(llvm::formatv("block-{0:3}{1}.outputs", block, suffix).str());
}

llvm::Expected<bool> CalibrationFolder::open(const std::string &key) const {
  std::string keyPath = getPath("key");
  if (auto found = llvm::MemoryBuffer::getFile(keyPath)) {
    if ((*found)->getBuffer() != key)
      return llvm::createStringError("the folder '" + path +
                                     "' is of another calibration: remove it, or name another one with --calib-dir");
    return true;
  }
  if (fs::exists(path) && !fs::is_directory(path))
    return llvm::createStringError("cannot make the folder '" + path + "': there is a file");
  if (fs::is_directory(path)) {
    std::error_code error;
    if (fs::directory_iterator(path, error) != fs::directory_iterator())
      return llvm::createStringError("expected the folder '" + path + "' to be empty or of a calibration");
  }
  if (std::error_code error = fs::create_directories(path))
    return llvm::createStringError("cannot make the folder '" + path + "': " + error.message());
  llvm::Expected<TemporaryFile> file = TemporaryFile::create(path, TemporaryFile::Kind::Document);
  if (!file)
    return file.takeError();
  if (llvm::Error error = file->write(key, keyPath))
    return std::move(error);
  if (llvm::Error error = file->commit(keyPath))
    return std::move(error);
  return false;
}

void CalibrationFolder::remove() const { (void)fs::remove_directories(path); }
