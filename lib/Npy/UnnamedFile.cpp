//===- UnnamedFile.cpp - a file that goes with its descriptor ---*- C++ -*-===//
#include "UnnamedFile.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace terse::npy {

using namespace rt;

UnnamedFile::~UnnamedFile() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

Status UnnamedFile::create(const std::string &folder) {
  std::string path = folder + "/.terse-XXXXXX";
  descriptor_ = ::mkostemp(path.data(), O_CLOEXEC);
  if (descriptor_ < 0)
    return fail(Code::Io, "cannot make a file in '%s': %s", folder.c_str(),
                std::strerror(errno));
  ::unlink(path.c_str());
  folder_ = folder;
  return Status();
}

Status UnnamedFile::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail(Code::Io, "cannot write to '%s': %s", folder_.c_str(),
                  std::strerror(written < 0 ? errno : EIO));
    bytes.remove_prefix(size_t(written));
  }
  return Status();
}

Result<File> UnnamedFile::reopen() const {
  return File::open("/proc/self/fd/" + std::to_string(descriptor_));
}

} // namespace terse::npy
