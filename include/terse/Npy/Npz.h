//===- Npz.h - NumPy's .npy and .npz files ----------------------*- C++ -*-===//
#ifndef TERSE_NPY_NPZ_H
#define TERSE_NPY_NPZ_H

#include "terse/Runtime/DType.h"
#include "terse/Runtime/MappedFile.h"
#include "terse/Runtime/Status.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace terse::npy {

/// An array in C order and the machine's byte order.
struct Array {
  rt::DType dtype = rt::DType::F32;
  std::vector<int64_t> shape;
  rt::Buffer data;
  uint64_t bytes = 0;
};

/// Parses the bytes of a .npy file (format versions 1 to 3), either order and
/// byte order. A two-byte void type is taken as bf16, as ml_dtypes writes it.
/// `name` is for messages.
rt::Result<Array> parseNpy(std::string_view bytes, const std::string &name);
rt::Result<Array> readNpy(const std::string &path);

/// Reads all arrays of a .npz file, stored or deflated, by name without the
/// ".npy" of the archive's members. Checksums are compared.
rt::Result<std::map<std::string, Array>> readNpz(const std::string &path);

struct ArrayHead {
  std::string name;
  rt::DType dtype = rt::DType::F32;
  std::vector<int64_t> shape;
};

/// What a .npz file has, in its order; the data is not read.
rt::Result<std::vector<ArrayHead>> readNpzHeads(const std::string &path);

/// An array of a .npz file of which parts are read at a time.
class ArrayFile : public ArrayHead {
public:
  /// Bytes of an element of the leading dimension.
  uint64_t rowBytes() const;
  /// Writes elements [first, first + count) of the leading dimension to `to`, in
  /// C order and the machine's byte order. What has no dimension is one element.
  rt::Status read(int64_t first, int64_t count, void *to) const;

private:
  friend rt::Result<std::vector<ArrayFile>> openNpz(const std::string &path,
                                                    const std::string &folder);
  std::shared_ptr<const rt::File> file_;
  uint64_t begin_ = 0;
  bool swapped_ = false, fortran_ = false;
};

/// The arrays of a .npz file, in its order; none of them is held in memory. A deflated
/// one is unpacked to a file without a name in `folder`. Checksums are compared.
rt::Result<std::vector<ArrayFile>> openNpz(const std::string &path,
                                           const std::string &folder);

/// What to write; the data is the caller's.
struct Item {
  std::string name;
  rt::DType dtype;
  std::vector<int64_t> shape;
  const void *data;
};

/// Writes a .npz file, uncompressed, in place of whatever `path` was: the name
/// changes hands when all is written. bf16 is written as f32, which holds it
/// exactly and NumPy can read.
rt::Status writeNpz(const std::string &path, const std::vector<Item> &items);

} // namespace terse::npy

#endif // TERSE_NPY_NPZ_H
