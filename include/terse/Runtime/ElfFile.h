//===- ElfFile.h - bounds-checked view of an ELF file -----------*- C++ -*-===//
#ifndef TERSE_RUNTIME_ELFFILE_H
#define TERSE_RUNTIME_ELFFILE_H

#include "terse/Runtime/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terse::rt {

/// The sections and dynamic symbols of a 64-bit little-endian ELF file in
/// memory. Nothing in the file is trusted: all offsets, sizes and indices are
/// checked, and everything that the loader or the runtime will touch is known
/// to lie in the file (a short one would raise SIGBUS when mapped).
class ElfFile {
public:
  struct Section {
    std::string_view name;
    uint32_t type;
    uint64_t flags, offset, size;
  };

  /// `bytes` must outlive the view. `name` is for messages.
  static Result<ElfFile> parse(std::string_view bytes, const std::string &name);

  /// Bytes of symbol `name` as they lie in the file; false if there is none.
  bool symbol(std::string_view name, std::string_view &bytes) const;
  const Section *section(std::string_view name) const;
  const std::vector<Section> &sections() const { return sections_; }
  /// The ELF machine number; 62 is x86-64.
  uint16_t machine() const { return machine_; }
  std::string_view bytes() const { return bytes_; }

private:
  struct Segment {
    uint64_t offset, address, size;
  };
  struct Symbol {
    std::string_view name;
    uint64_t address, size;
  };
  Status parse(const std::string &name);
  template <typename T> bool read(uint64_t offset, T &value) const;

  std::string_view bytes_;
  uint16_t machine_ = 0;
  std::vector<Section> sections_;
  std::vector<Segment> segments_;
  std::vector<Symbol> symbols_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_ELFFILE_H
