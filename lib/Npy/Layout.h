//===- Layout.h - how an array lies in a .npy file --------------*- C++ -*-===//
#ifndef TERSE_LIB_NPY_LAYOUT_H
#define TERSE_LIB_NPY_LAYOUT_H

#include "terse/Runtime/DType.h"
#include "terse/Runtime/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terse::npy {

struct Layout {
  rt::DType dtype = rt::DType::F32;
  bool swapped = false; ///< bytes of an element, against the machine's order
  bool fortran = false; ///< the first index runs fastest
  std::vector<int64_t> shape;
  uint64_t begin = 0; ///< of the data, in bytes
  uint64_t bytes = 0; ///< of the data
};

/// Parses the head of a .npy file of `size` bytes, of which `bytes` are the
/// first, and makes sure that there is room for the data.
rt::Result<Layout> parseLayout(std::string_view bytes, uint64_t size,
                               const std::string &name);

/// Copies rows [first, first + count), elements of the leading dimension, from
/// an array's data to C order and the machine's byte order. An array without
/// dimensions is one row.
void copyRows(const Layout &layout, const char *from, int64_t first,
              int64_t count, char *to);

} // namespace terse::npy

#endif // TERSE_LIB_NPY_LAYOUT_H
