//===- Npz.h - NumPy's .npy and .npz files ----------------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_RUN_NPZ_H
#define TERSE_TOOLS_TERSE_RUN_NPZ_H

#include "terse/Runtime/DType.h"
#include "terse/Runtime/MappedFile.h"
#include "terse/Runtime/Status.h"

#include <cstdint>
#include <map>
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

#endif // TERSE_TOOLS_TERSE_RUN_NPZ_H
