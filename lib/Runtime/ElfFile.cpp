//===- ElfFile.cpp - bounds-checked view of an ELF file ---------*- C++ -*-===//
#include "terse/Runtime/ElfFile.h"

#include <cstring>
#include <elf.h>

namespace terse::rt {

template <typename T> bool ElfFile::read(uint64_t offset, T &value) const {
  if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset)
    return false;
  std::memcpy(&value, bytes_.data() + offset, sizeof(T));
  return true;
}

namespace {
/// The string that starts at `offset` of a string table; false if it does not
/// end in it.
bool stringAt(std::string_view table, uint64_t offset, std::string_view &text) {
  if (offset >= table.size())
    return false;
  size_t end = table.find('\0', offset);
  if (end == std::string_view::npos)
    return false;
  text = table.substr(offset, end - offset);
  return true;
}

bool fits(uint64_t offset, uint64_t size, uint64_t total) {
  return offset <= total && size <= total - offset;
}
} // namespace

Result<ElfFile> ElfFile::parse(std::string_view bytes,
                               const std::string &name) {
  ElfFile file;
  file.bytes_ = bytes;
  if (Status status = file.parse(name); !status.ok())
    return status;
  return file;
}

Status ElfFile::parse(const std::string &name) {
  auto truncated = [&](const char *what, uint64_t end) {
    return fail(Code::BadArtifact,
                "'%s' is truncated or damaged: %s should end at byte %llu; the "
                "file has %llu",
                name.c_str(), what, (unsigned long long)end,
                (unsigned long long)bytes_.size());
  };
  auto damaged = [&](const char *what) {
    return fail(Code::BadArtifact, "'%s' is damaged: %s", name.c_str(), what);
  };

  if (bytes_.empty())
    return fail(Code::BadArtifact, "'%s' is empty", name.c_str());
  size_t magic = std::min<size_t>(bytes_.size(), SELFMAG);
  if (std::memcmp(bytes_.data(), ELFMAG, magic) != 0)
    return fail(Code::BadArtifact, "'%s' is not an artifact: not an ELF file",
                name.c_str());
  Elf64_Ehdr header;
  if (!read(0, header))
    return truncated("the ELF header", sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB)
    return fail(Code::Unsupported,
                "'%s' was built for another machine: not a 64-bit "
                "little-endian ELF file",
                name.c_str());
  if (header.e_type != ET_DYN && header.e_type != ET_EXEC)
    return fail(Code::BadArtifact,
                "'%s' is not an artifact: expected a shared object or an "
                "executable; got ELF type %u",
                name.c_str(), unsigned(header.e_type));
  machine_ = header.e_machine;

  // Segments: what the loader will map.
  if (header.e_phnum && header.e_phentsize != sizeof(Elf64_Phdr))
    return damaged("bad size of a program header");
  for (uint32_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    uint64_t at = i * uint64_t(sizeof segment);
    if (__builtin_add_overflow(at, header.e_phoff, &at) || !read(at, segment))
      return truncated("the program header table",
                       header.e_phoff + header.e_phnum * sizeof segment);
    if (!fits(segment.p_offset, segment.p_filesz, bytes_.size()))
      return truncated("a segment", segment.p_offset + segment.p_filesz);
    if (segment.p_type == PT_LOAD)
      segments_.push_back(
          {segment.p_offset, segment.p_vaddr, segment.p_filesz});
  }

  // Sections.
  if (header.e_shoff == 0 || header.e_shnum == 0)
    return fail(Code::BadArtifact,
                "'%s' is not an artifact: it has no section headers "
                "(was it stripped of them?)",
                name.c_str());
  if (header.e_shentsize != sizeof(Elf64_Shdr))
    return damaged("bad size of a section header");
  std::vector<Elf64_Shdr> headers(header.e_shnum);
  for (uint32_t i = 0; i < header.e_shnum; ++i) {
    uint64_t at = i * uint64_t(sizeof(Elf64_Shdr));
    if (__builtin_add_overflow(at, header.e_shoff, &at) ||
        !read(at, headers[i]))
      return truncated("the section header table",
                       header.e_shoff + header.e_shnum * sizeof(Elf64_Shdr));
    if (headers[i].sh_type != SHT_NOBITS && headers[i].sh_type != SHT_NULL &&
        !fits(headers[i].sh_offset, headers[i].sh_size, bytes_.size()))
      return truncated("a section", headers[i].sh_offset + headers[i].sh_size);
  }
  auto contents = [&](uint32_t index, std::string_view &text) {
    if (index >= headers.size() || headers[index].sh_type == SHT_NOBITS ||
        headers[index].sh_type == SHT_NULL)
      return false;
    text = bytes_.substr(headers[index].sh_offset, headers[index].sh_size);
    return true;
  };
  std::string_view names;
  if (!contents(header.e_shstrndx, names))
    return damaged("no section name table");
  for (const Elf64_Shdr &section : headers) {
    std::string_view text;
    if (!stringAt(names, section.sh_name, text))
      return damaged("a section name lies outside the name table");
    // Those without bytes in the file may claim any place in it.
    bool empty = section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL;
    sections_.push_back({text, section.sh_type, section.sh_flags,
                         empty ? 0 : section.sh_offset,
                         empty ? 0 : section.sh_size});
  }

  // Dynamic symbols.
  for (uint32_t i = 0; i < headers.size(); ++i) {
    if (headers[i].sh_type != SHT_DYNSYM)
      continue;
    std::string_view table, strings;
    if (!contents(i, table) || !contents(headers[i].sh_link, strings))
      return damaged("bad dynamic symbol table");
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.size();
         at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, table.data() + at, sizeof symbol);
      std::string_view text;
      if (!stringAt(strings, symbol.st_name, text))
        return damaged("a symbol name lies outside the string table");
      if (symbol.st_shndx != SHN_UNDEF)
        symbols_.push_back({text, symbol.st_value, symbol.st_size});
    }
  }
  return Status();
}

bool ElfFile::symbol(std::string_view name, std::string_view &bytes) const {
  for (const Symbol &symbol : symbols_) {
    if (symbol.name != name)
      continue;
    for (const Segment &segment : segments_) {
      if (symbol.address < segment.address)
        continue;
      uint64_t offset = symbol.address - segment.address;
      if (!fits(offset, symbol.size, segment.size))
        continue;
      bytes = bytes_.substr(segment.offset + offset, symbol.size);
      return true;
    }
  }
  return false;
}

const ElfFile::Section *ElfFile::section(std::string_view name) const {
  for (const Section &section : sections_)
    if (section.name == name)
      return &section;
  return nullptr;
}

} // namespace terse::rt
