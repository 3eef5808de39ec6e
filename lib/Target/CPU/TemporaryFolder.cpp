//===- TemporaryFolder.cpp - files that must not stay behind --------------===//
#include "terse/Target/TemporaryFolder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cstdlib>
#include <mutex>
#include <vector>

using namespace terse;

namespace {
struct Folders {
  std::mutex mutex;
  std::vector<std::string> paths;
};
} // namespace

// Never destroyed: a signal may come while the process exits.
static Folders &getFolders() {
  static Folders *folders = new Folders;
  return *folders;
}

llvm::Expected<TemporaryFolder>
TemporaryFolder::create(llvm::StringRef parent, llvm::StringRef prefix) {
  llvm::SmallString<128> path(parent.empty() ? "." : parent);
  llvm::sys::path::append(path, prefix + "XXXXXX");
  // The lock keeps a folder from being made and not yet known to removeAll.
  Folders &folders = getFolders();
  std::lock_guard<std::mutex> lock(folders.mutex);
  if (!mkdtemp(const_cast<char *>(path.c_str())))
    return llvm::createStringError("cannot create a temporary folder in '" +
                                   llvm::sys::path::parent_path(path) +
                                   "': " + llvm::sys::StrError());
  folders.paths.push_back(path.str().str());
  return TemporaryFolder(path.str().str());
}

TemporaryFolder::TemporaryFolder(TemporaryFolder &&other) noexcept
    : path(std::move(other.path)) {
  other.path.clear();
}

TemporaryFolder::~TemporaryFolder() {
  if (path.empty())
    return;
  Folders &folders = getFolders();
  std::lock_guard<std::mutex> lock(folders.mutex);
  llvm::sys::fs::remove_directories(path);
  llvm::erase(folders.paths, path);
}

std::string TemporaryFolder::getFile(llvm::StringRef name) const {
  llvm::SmallString<128> file(path);
  llvm::sys::path::append(file, name);
  return file.str().str();
}

void TemporaryFolder::removeAll() {
  Folders &folders = getFolders();
  std::lock_guard<std::mutex> lock(folders.mutex);
  for (const std::string &path : folders.paths) {
    // Other threads still run and may create a file meanwhile.
    for (int attempt = 0; attempt < 100 && llvm::sys::fs::exists(path);
         ++attempt)
      llvm::sys::fs::remove_directories(path);
  }
}
