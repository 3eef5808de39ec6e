//===- TemporaryFile.cpp - files that must not stay behind ----------------===//
#include "terse/Support/TemporaryFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace terse;

namespace {
struct Names {
  std::mutex mutex;
  std::vector<std::string> paths;
};
} // namespace

// Never destroyed: a signal may come while the process exits.
static Names &getNames() {
  static Names *names = new Names;
  return *names;
}

static std::string getPathOf(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

/// A name in the folder of `file` that nothing has, made by `make`, which gives
/// -1 and EEXIST if something has it after all.
template <typename Make>
static int makeUnique(llvm::StringRef file, std::string &path, Make make) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    llvm::SmallString<128> name(llvm::sys::path::parent_path(file));
    llvm::sys::path::append(name, "." + llvm::sys::path::filename(file) + "." +
                                      std::to_string(::getpid()) + "-" +
                                      std::to_string(attempt));
    path = name.str().str();
    if (int result = make(path.c_str()); result >= 0 || errno != EEXIST)
      return result;
  }
  return -1;
}

static mode_t getMode(TemporaryFile::Kind kind) {
  return kind == TemporaryFile::Kind::Private    ? 0600
         : kind == TemporaryFile::Kind::Document ? 0666
                                                 : 0777;
}

llvm::Expected<TemporaryFile> TemporaryFile::create(llvm::StringRef folder,
                                                    Kind kind) {
  std::string parent = folder.empty() ? "." : folder.str();
  int fd = ::open(parent.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC,
                  getMode(kind));
  if (fd >= 0 && ::access(getPathOf(fd).c_str(), F_OK) == 0)
    return TemporaryFile(fd, getPathOf(fd), /*named=*/false);
  if (fd >= 0)
    ::close(fd);
  // The lock keeps a file from being made and not yet known to removeAll.
  Names &names = getNames();
  std::lock_guard<std::mutex> lock(names.mutex);
  std::string path;
  fd = makeUnique(parent + "/terse", path, [&](const char *name) {
    return ::open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, getMode(kind));
  });
  if (fd < 0)
    return llvm::createStringError("cannot create a temporary file in '" +
                                   parent + "': " + llvm::sys::StrError());
  names.paths.push_back(path);
  return TemporaryFile(fd, path, /*named=*/true);
}

llvm::Expected<TemporaryFile>
TemporaryFile::create(llvm::ArrayRef<char> contents) {
  int fd = ::memfd_create("terse", MFD_CLOEXEC);
  if (fd < 0)
    return llvm::createStringError("cannot create a file in memory: " +
                                   llvm::sys::StrError());
  TemporaryFile file(fd, getPathOf(fd), /*named=*/false);
  if (llvm::Error error =
          file.write({contents.data(), contents.size()}, "a file in memory"))
    return error;
  return file;
}

TemporaryFile::TemporaryFile(TemporaryFile &&other) noexcept
    : fd(other.fd), path(std::move(other.path)), named(other.named) {
  other.fd = -1;
  other.named = false;
}

TemporaryFile::~TemporaryFile() {
  if (fd >= 0)
    ::close(fd);
  if (!named)
    return;
  Names &names = getNames();
  std::lock_guard<std::mutex> lock(names.mutex);
  ::unlink(path.c_str());
  llvm::erase(names.paths, path);
}

llvm::Error TemporaryFile::write(llvm::StringRef bytes,
                                 llvm::StringRef name) const {
  while (!bytes.empty()) {
    ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return llvm::createStringError(
          "cannot write '" + name +
          "': " + llvm::sys::StrError(written < 0 ? errno : ENOSPC));
    bytes = bytes.drop_front(written);
  }
  return llvm::Error::success();
}

/// The name is on disk only when its folder is; a system that cannot sync a
/// folder has done what it can.
static void syncFolderOf(llvm::StringRef file) {
  llvm::StringRef parent = llvm::sys::path::parent_path(file);
  int folder = ::open(parent.empty() ? "." : parent.str().c_str(),
                      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

llvm::Error TemporaryFile::commit(llvm::StringRef to) {
  auto refuse = [&] {
    return llvm::createStringError("cannot write '" + to +
                                   "': " + llvm::sys::StrError());
  };
  std::string target = to.str();
  if (named) {
    if (::rename(path.c_str(), target.c_str()) != 0)
      return refuse();
    syncFolderOf(to);
    return llvm::Error::success();
  }
  // A name can be given only where there is none; to replace one, the file gets
  // another first.
  Names &names = getNames();
  std::lock_guard<std::mutex> lock(names.mutex);
  auto link = [&](const char *name) {
    return ::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW);
  };
  if (link(target.c_str()) != 0) {
    if (errno != EEXIST)
      return refuse();
    std::string other;
    if (makeUnique(to, other, link) < 0)
      return refuse();
    if (::rename(other.c_str(), target.c_str()) != 0) {
      llvm::Error error = refuse();
      ::unlink(other.c_str());
      return error;
    }
  }
  syncFolderOf(to);
  return llvm::Error::success();
}

void TemporaryFile::removeAll() {
  Names &names = getNames();
  std::lock_guard<std::mutex> lock(names.mutex);
  for (const std::string &path : names.paths)
    ::unlink(path.c_str());
}
