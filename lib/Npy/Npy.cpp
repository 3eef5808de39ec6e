//===- Npy.cpp - one array --------------------------------------*- C++ -*-===//
//
// Format: numpy.lib.format, https://numpy.org/neps/nep-0001-npy-format.html
//
//===----------------------------------------------------------------------===//
#include "Layout.h"

#include "terse/Npy/Npz.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace terse::npy {

using namespace rt;

namespace {

/// The header: a Python dictionary literal with three known keys.
class Header {
public:
  explicit Header(std::string_view text) : text_(text) {}

  bool parse() {
    if (!take('{'))
      return false;
    while (!take('}')) {
      std::string key;
      if (!quoted(key) || !take(':'))
        return false;
      if (key == "descr"           ? !quoted(descr)
          : key == "fortran_order" ? !boolean(fortran)
          : key == "shape"         ? !tuple()
                                   : true)
        return false;
      seen_ += key == "descr" ? 1 : key == "shape" ? 100 : 10;
      if (!take(',') && peek() != '}')
        return false;
    }
    return seen_ == 111;
  }

  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;

private:
  char peek() {
    while (at_ < text_.size() && std::isspace((unsigned char)text_[at_]))
      ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c)
      return false;
    ++at_;
    return true;
  }
  bool quoted(std::string &value) {
    char quote = peek();
    if (quote != '\'' && quote != '"')
      return false;
    size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos)
      return false;
    value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return true;
  }
  bool boolean(bool &value) {
    peek();
    for (auto [word, meaning] : {std::pair{"True", true}, {"False", false}})
      if (text_.substr(at_, std::strlen(word)) == word) {
        at_ += std::strlen(word);
        value = meaning;
        return true;
      }
    return false;
  }
  bool tuple() {
    if (!take('('))
      return false;
    while (!take(')')) {
      int64_t value = 0;
      size_t begin = (peek(), at_);
      for (; at_ < text_.size() && std::isdigit((unsigned char)text_[at_]);
           ++at_)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text_[at_] - '0', &value))
          return false;
      if (at_ == begin)
        return false;
      shape.push_back(value);
      if (!take(',') && peek() != ')')
        return false;
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  int seen_ = 0;
};

bool parseDescr(const std::string &descr, DType &dtype, bool &swapped) {
  if (descr.size() < 3)
    return false;
  swapped = descr[0] == '>';
  if (!std::strchr("<>|=", descr[0]))
    return false;
  std::string_view kind = std::string_view(descr).substr(1);
  constexpr std::pair<const char *, DType> kinds[] = {
      {"f4", DType::F32},  {"f2", DType::F16}, {"V2", DType::BF16},
      {"f8", DType::F64},  {"i1", DType::I8},  {"u1", DType::U8},
      {"i2", DType::I16},  {"u2", DType::U16}, {"i4", DType::I32},
      {"u4", DType::U32},  {"i8", DType::I64}, {"u8", DType::U64},
      {"b1", DType::Bool},
  };
  for (auto [name, value] : kinds)
    if (kind == name) {
      dtype = value;
      return true;
    }
  return false;
}

} // namespace

void copyRows(const Layout &layout, const char *from, int64_t first,
              int64_t count, char *to) {
  const std::vector<int64_t> &shape = layout.shape;
  size_t size = sizeOf(layout.dtype), rowSize = 1;
  for (size_t d = 1; d < shape.size(); ++d)
    rowSize *= size_t(shape[d]);
  size_t total = rowSize * size_t(count);
  if (total == 0)
    return;
  if (layout.fortran && shape.size() > 1) {
    std::vector<size_t> index(shape.size(), 0), stride(shape.size());
    size_t step = 1;
    for (size_t d = 0; d < shape.size(); ++d) {
      stride[d] = step;
      step *= size_t(shape[d]);
    }
    index[0] = size_t(first);
    for (size_t i = 0; i < total; ++i) {
      size_t at = 0;
      for (size_t d = 0; d < shape.size(); ++d)
        at += index[d] * stride[d];
      std::memcpy(to + i * size, from + at * size, size);
      for (size_t d = shape.size(); d-- > 0;) {
        if (++index[d] < size_t(shape[d]) || d == 0)
          break;
        index[d] = 0;
      }
    }
  } else {
    std::memcpy(to, from + size_t(first) * rowSize * size, total * size);
  }
  if (layout.swapped)
    for (size_t at = 0; at < total * size; at += size)
      std::reverse(to + at, to + at + size);
}

Result<Layout> parseLayout(std::string_view bytes, uint64_t size,
                           const std::string &name) {
  auto bad = [&](const char *what) {
    return fail(Code::InvalidArgument, "'%s': %s", name.c_str(), what);
  };
  if (bytes.substr(0, 6) != std::string_view("\x93NUMPY", 6))
    return bad("not a .npy file");
  if (bytes.size() < 12)
    return bad("truncated .npy file");
  unsigned version = (unsigned char)bytes[6];
  if (version < 1 || version > 3)
    return bad("unknown version of the .npy format");
  size_t length = 0, begin = version == 1 ? 10 : 12;
  for (size_t i = begin; i-- > 8;)
    length = length << 8 | (unsigned char)bytes[i];
  if (length > bytes.size() - begin)
    return bad("truncated .npy file");
  Header header(bytes.substr(begin, length));
  if (!header.parse())
    return bad("bad header of a .npy file");
  Layout layout;
  if (!parseDescr(header.descr, layout.dtype, layout.swapped))
    return fail(Code::InvalidArgument, "'%s': unsupported element type '%s'",
                name.c_str(), header.descr.c_str());
  layout.fortran = header.fortran;
  layout.shape = header.shape;
  layout.begin = begin + length;
  int64_t total = int64_t(sizeOf(layout.dtype));
  for (int64_t dim : layout.shape)
    if (__builtin_mul_overflow(total, dim, &total))
      return bad("impossible shape");
  layout.bytes = uint64_t(total);
  if (size < layout.begin || size - layout.begin < layout.bytes)
    return bad("truncated .npy file");
  return layout;
}

Result<Array> parseNpy(std::string_view bytes, const std::string &name) {
  Result<Layout> layout = parseLayout(bytes, bytes.size(), name);
  if (!layout.ok())
    return layout.status();
  Array array;
  array.dtype = layout->dtype;
  array.shape = layout->shape;
  array.bytes = layout->bytes;
  if (!array.data.reserve(array.bytes))
    return fail(Code::OutOfMemory, "'%s': no memory for %llu bytes",
                name.c_str(), (unsigned long long)array.bytes);
  if (array.bytes)
    copyRows(*layout, bytes.data() + layout->begin, 0,
             array.shape.empty() ? 1 : array.shape[0],
             static_cast<char *>(array.data.data()));
  return array;
}

Result<Array> readNpy(const std::string &path) {
  Result<Mapping> bytes = mapFile(path);
  if (!bytes.ok())
    return bytes.status();
  return parseNpy(bytes->text(), path);
}

} // namespace terse::npy
