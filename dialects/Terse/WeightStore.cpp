//===- WeightStore.cpp - data of weights, outside of the IR ---------------===//
#include "Terse/WeightStore.h"
#include "Terse/TerseDialect.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/Path.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace mlir;
using namespace terse;

//===----------------------------------------------------------------------===//
// WeightData
//===----------------------------------------------------------------------===//

WeightData::WeightData(std::vector<char> data) : owned(std::move(data)) { view = owned; }

WeightData::WeightData(WeightData &&other) noexcept { *this = std::move(other); }

WeightData &WeightData::operator=(WeightData &&other) noexcept {
  release();
  view = other.view;
  owned = std::move(other.owned);
  mapped = other.mapped;
  other.view = {};
  other.mapped = false;
  return *this;
}

WeightData::~WeightData() { release(); }

void WeightData::release() {
  if (!mapped || view.empty())
    return;
  // Only whole pages inside: neighbours may still be in use.
  uintptr_t page = 4096, begin = reinterpret_cast<uintptr_t>(view.data()), end = begin + view.size();
  begin = (begin + page - 1) / page * page;
  end = end / page * page;
  if (begin < end)
    madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

//===----------------------------------------------------------------------===//
// WeightStore
//===----------------------------------------------------------------------===//

struct WeightStore::MappedFile {
  char *data = nullptr;
  uint64_t size = 0;
  // Earlier, smaller mappings of a growing file; views into them stay valid.
  std::vector<std::pair<char *, uint64_t>> earlier;
  ~MappedFile() {
    if (data)
      munmap(data, size);
    for (auto [old, oldSize] : earlier)
      munmap(old, oldSize);
  }
};

WeightStore::WeightStore() = default;

WeightStore::~WeightStore() {
  if (spillFile >= 0)
    close(spillFile);
}

static llvm::Error fileError(llvm::StringRef path, const llvm::Twine &what) {
  return llvm::createStringError("'" + path.str() + "': " + what.str());
}

/// An error of the spill file, which may have no name: its folder says where.
static llvm::Error spillError(llvm::StringRef path, const llvm::Twine &what) {
  llvm::SmallString<128> real(path);
  char target[4096];
  ssize_t size = readlink(path.str().c_str(), target, sizeof(target));
  if (size > 0)
    real = llvm::StringRef(target, size);
  return llvm::createStringError("new weights in '" + llvm::sys::path::parent_path(real).str() + "': " + what.str());
}

llvm::Error WeightStore::setSpillFile(llvm::StringRef path) {
  std::lock_guard<std::mutex> lock(mutex);
  int fd = open(path.str().c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0)
    return spillError(path, "cannot create: " + llvm::sys::StrError());
  if (spillFile >= 0)
    close(spillFile);
  spillFile = fd;
  spillPath = path.str();
  spillSize = 0;
  return llvm::Error::success();
}

llvm::Expected<WeightStore::MappedFile *> WeightStore::map(llvm::StringRef path, uint64_t end) {
  std::unique_ptr<MappedFile> &file = files[path];
  if (file && end <= file->size)
    return file.get();
  int fd = open(path.str().c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fileError(path, "cannot open: " + llvm::sys::StrError());
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(fd);
    return fileError(path, "not a regular file");
  }
  uint64_t size = status.st_size;
  if (end > size) {
    close(fd);
    return fileError(path, "expected at least " + llvm::Twine(end) + " bytes; got " + llvm::Twine(size));
  }
  void *data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (data == MAP_FAILED)
    return fileError(path, "cannot map: " + llvm::sys::StrError());
  if (!file)
    file = std::make_unique<MappedFile>();
  else
    file->earlier.emplace_back(file->data, file->size);
  file->data = static_cast<char *>(data);
  file->size = size;
  return file.get();
}

llvm::Expected<WeightData> WeightStore::read(Attribute attr, ShapedType type) {
  if (cancelled && *cancelled)
    return llvm::createStringError("cancelled");
  std::optional<uint64_t> expected = getByteSize(type);
  if (!expected)
    return llvm::createStringError("expected a weight of static shape and whole bytes");
  if (auto file = dyn_cast<FileAttr>(attr)) {
    if (file.getBytes() != *expected)
      return fileError(file.getPath(), "expected " + llvm::Twine(*expected) + " bytes for the weight's type; got " +
                                           llvm::Twine(file.getBytes()));
    if (file.getBytes() == 0)
      return WeightData(std::vector<char>());
    uint64_t end = file.getOffset() + file.getBytes();
    if (end < file.getOffset())
      return fileError(file.getPath(), "offset and size overflow");
    llvm::SmallString<128> path(file.getPath());
    if (llvm::sys::path::is_relative(path) && !baseDirectory.empty()) {
      path = baseDirectory;
      llvm::sys::path::append(path, file.getPath());
    }
    std::lock_guard<std::mutex> lock(mutex);
    llvm::Expected<MappedFile *> mapped = map(path, end);
    if (!mapped)
      return mapped.takeError();
    return WeightData(ArrayRef<char>((*mapped)->data + file.getOffset(), file.getBytes()), /*mapped=*/true);
  }
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || blob->getData().size() != *expected)
      return llvm::createStringError("expected a resource of " + llvm::Twine(*expected) + " bytes");
    return WeightData(blob->getData(), /*mapped=*/false);
  }
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!dense)
    return llvm::createStringError("expected a file or dense elements");
  if (!dense.isSplat() && !type.getElementType().isInteger(1))
    return WeightData(dense.getRawData(), /*mapped=*/false);
  std::vector<char> copy;
  copy.reserve(*expected);
  if (type.getElementType().isInteger(1)) {
    for (bool value : dense.getValues<bool>())
      copy.push_back(value);
  } else {
    ArrayRef<char> element = dense.getRawData();
    for (int64_t i = 0, count = type.getNumElements(); i < count; ++i)
      copy.insert(copy.end(), element.begin(), element.end());
  }
  return WeightData(std::move(copy));
}

llvm::Expected<Attribute> WeightStore::add(RankedTensorType type, ArrayRef<char> bytes) {
  std::optional<uint64_t> expected = getByteSize(type);
  if (!expected || *expected != bytes.size())
    return llvm::createStringError("expected the bytes of the weight's type; got " + llvm::Twine(bytes.size()));
  std::lock_guard<std::mutex> lock(mutex);
  if (spillFile < 0)
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  uint64_t offset = (spillSize + 63) / 64 * 64;
  for (size_t done = 0; done < bytes.size();) {
    ssize_t written = pwrite(spillFile, bytes.data() + done, bytes.size() - done, offset + done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return spillError(spillPath, "cannot write: " + llvm::sys::StrError());
    done += written;
  }
  spillSize = offset + bytes.size();
  mostSpilled = std::max(mostSpilled, getSpilledSpace());
  return FileAttr::get(type.getContext(), spillPath, offset, bytes.size());
}

void WeightStore::release(Attribute data) {
  auto file = dyn_cast<FileAttr>(data);
  std::lock_guard<std::mutex> lock(mutex);
  if (!file || !isReleasing || spillFile < 0 || file.getPath() != spillPath)
    return;
  // Where the file system cannot, the space stays taken.
  (void)fallocate(spillFile, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, file.getOffset(), file.getBytes());
}

uint64_t WeightStore::getSpilledSpace() const {
  struct stat status;
  return spillFile >= 0 && fstat(spillFile, &status) == 0 ? uint64_t(status.st_blocks) * 512 : 0;
}

std::optional<uint64_t> terse::getByteSize(ShapedType type) {
  if (!type.hasStaticShape())
    return std::nullopt;
  Type element = type.getElementType();
  unsigned bits = element.isIndex() ? 64 : element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 0;
  if (bits != 1 && (bits == 0 || bits % 8 != 0))
    return std::nullopt;
  uint64_t size = bits == 1 ? 1 : bits / 8;
  for (int64_t dim : type.getShape())
    if (__builtin_mul_overflow(size, static_cast<uint64_t>(dim), &size) || size > (1ull << 62))
      return std::nullopt;
  return size;
}
