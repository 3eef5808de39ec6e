//===- OutputFile.cpp - a file whose every write is checked ---------------===//
#include "OutputFile.h"

#include "terse/Target/Artifact.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/SHA256.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

using namespace terse;

static constexpr uint64_t blockSize = 2 << 20;

llvm::Error OutputFile::fail(const llvm::Twine &what, int code) const {
  return llvm::createStringError("cannot " + what + " '" + name +
                                 "': " + llvm::sys::StrError(code));
}

llvm::Expected<OutputFile> OutputFile::open(llvm::StringRef path,
                                            llvm::StringRef name) {
  int fd = ::open(path.str().c_str(), O_RDWR | O_CLOEXEC);
  OutputFile file(name.str(), fd);
  if (fd < 0)
    return file.fail("open", errno);
  return file;
}

OutputFile::OutputFile(OutputFile &&other) noexcept
    : name(std::move(other.name)), fd(other.fd),
      pending(std::move(other.pending)), position(other.position) {
  other.fd = -1;
}

OutputFile::~OutputFile() {
  if (fd >= 0)
    ::close(fd);
}

llvm::Expected<std::string> OutputFile::readAll() {
  if (llvm::Error error = flush())
    return error;
  std::string bytes;
  char buffer[1 << 16];
  for (uint64_t at = 0;;) {
    ssize_t got = ::pread(fd, buffer, sizeof(buffer), at);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail("read", errno);
    if (got == 0)
      return bytes;
    bytes.append(buffer, got);
    at += got;
  }
}

llvm::Error OutputFile::resize(uint64_t kept, uint64_t size,
                               uint64_t willBeFree) {
  if (llvm::Error error = flush())
    return error;
  struct statvfs status;
  if (::ftruncate(fd, kept) != 0 || ::ftruncate(fd, size) != 0)
    return fail("write", errno);
  // Some file systems do not know how much they hold.
  if (::fstatvfs(fd, &status) == 0 && status.f_blocks != 0 &&
      uint64_t(status.f_bavail) * status.f_frsize + willBeFree < size - kept)
    return fail("write", ENOSPC);
  return llvm::Error::success();
}

llvm::Error OutputFile::seek(uint64_t to) {
  if (llvm::Error error = flush())
    return error;
  position = to;
  return llvm::Error::success();
}

llvm::Error OutputFile::write(llvm::StringRef bytes) {
  while (!bytes.empty()) {
    uint64_t room = blockSize - (position + pending.size()) % blockSize;
    llvm::StringRef part = bytes.take_front(room);
    pending.append(part.begin(), part.end());
    bytes = bytes.drop_front(part.size());
    if (part.size() == room)
      if (llvm::Error error = flush())
        return error;
  }
  return llvm::Error::success();
}

llvm::Error OutputFile::flush() {
  for (llvm::StringRef left(pending.data(), pending.size()); !left.empty();) {
    ssize_t written = ::pwrite(fd, left.data(), left.size(), off_t(position));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return fail("write", written < 0 ? errno : ENOSPC);
    left = left.drop_front(written);
    position += uint64_t(written);
  }
  pending.clear();
  return llvm::Error::success();
}

llvm::Expected<std::string>
OutputFile::hash(llvm::ArrayRef<std::pair<uint64_t, uint64_t>> skipped) {
  if (llvm::Error error = flush())
    return error;
  llvm::SHA256 hash;
  uint8_t buffer[1 << 16];
  for (uint64_t at = 0;;) {
    if (!skipped.empty() && at >= skipped.front().first) {
      at = std::max(at, skipped.front().second);
      skipped = skipped.drop_front();
      continue;
    }
    uint64_t wanted = sizeof(buffer);
    if (!skipped.empty())
      wanted = std::min(wanted, skipped.front().first - at);
    ssize_t got = ::pread(fd, buffer, wanted, at);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail("read", errno);
    if (got == 0)
      break;
    hash.update(llvm::ArrayRef<uint8_t>(buffer, got));
    at += got;
  }
  std::array<uint8_t, 32> digest = hash.final();
  return std::string(digest.begin(), digest.end());
}

llvm::Error OutputFile::finish() {
  if (llvm::Error error = flush())
    return error;
  if (::fsync(fd) != 0)
    return fail("write", errno);
  int closed = ::close(fd);
  fd = -1;
  return closed != 0 ? fail("write", errno) : llvm::Error::success();
}

llvm::Expected<std::string> terse::hashFile(llvm::StringRef path) {
  int fd = ::open(path.str().c_str(), O_RDONLY | O_CLOEXEC);
  llvm::SHA256 hash;
  std::vector<uint8_t> buffer(1 << 20);
  ssize_t got = -1;
  while (fd >= 0 && (got = ::read(fd, buffer.data(), buffer.size())) != 0) {
    if (got < 0 && errno != EINTR)
      break;
    if (got > 0)
      hash.update(llvm::ArrayRef<uint8_t>(buffer).take_front(got));
  }
  int code = errno;
  if (fd >= 0)
    ::close(fd);
  if (got != 0)
    return llvm::createStringError("cannot read '" + path +
                                   "': " + llvm::sys::StrError(code));
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}
