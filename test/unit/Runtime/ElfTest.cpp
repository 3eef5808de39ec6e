//===- ElfTest.cpp ----------------------------------------------*- C++ -*-===//
#include "Toy.h"

#include <cstring>
#include <elf.h>
#include <set>

using namespace terse::rt;

namespace {

TEST(ElfFile, FindsSectionsAndSymbols) {
  std::string bytes = readFile(toyPath("state"));
  auto elf = ElfFile::parse(bytes, "toy");
  ASSERT_TRUE(elf.ok()) << elf.status().message();
  EXPECT_EQ(elf->machine(), EM_X86_64);
  const ElfFile::Section *weights = elf->section(".terse.weights");
  ASSERT_TRUE(weights);
  EXPECT_EQ(weights->offset % 4096, 0u);
  EXPECT_EQ(weights->flags & SHF_ALLOC, 0u);
  std::string_view symbol;
  ASSERT_TRUE(elf->symbol("terse_manifest", symbol));
  EXPECT_EQ(symbol.substr(0, 12), "{\"format\": 1");
  EXPECT_FALSE(elf->symbol("terse_", symbol));
  EXPECT_FALSE(elf->section(".nothing"));
}

TEST(ElfFile, EveryTruncationIsAnError) {
  const std::string bytes = readFile(toyPath("state"));
  auto elf = ElfFile::parse(bytes, "toy");
  ASSERT_TRUE(elf.ok());
  std::set<uint64_t> cuts = {0, 1, 3, 4, 15, 16, 63, 64, 65, bytes.size() - 1};
  for (const ElfFile::Section &section : elf->sections())
    for (uint64_t at : {section.offset, section.offset + section.size})
      for (int64_t shift : {-1, 0, 1})
        cuts.insert(std::min<uint64_t>(at + shift, bytes.size() - 1));
  EXPECT_GT(cuts.size(), 40u);
  for (uint64_t cut : cuts) {
    std::string part = bytes.substr(0, cut);
    auto result = ElfFile::parse(part, "toy");
    EXPECT_FALSE(result.ok()) << cut;
    if (cut >= 64)
      EXPECT_ERROR(result.status(), "truncated");
  }
}

TEST(ElfFile, AnyHeaderIsSafe) {
  const std::string bytes = readFile(toyPath("state"));
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  uint32_t random = 7;
  auto next = [&] {
    return random = random * 1664525 + 1013904223, random >> 8;
  };
  const uint64_t values[] = {0,
                             1,
                             0xff,
                             0x7fffffff,
                             0xffffffff,
                             0x7fffffffffffffff,
                             0xffffffffffffffff,
                             4096};
  for (int round = 0; round < 20000; ++round) {
    std::string copy = bytes;
    // In the ELF header, a section header or a program header.
    uint64_t places[] = {
        next() % sizeof header,
        header.e_shoff + next() % (header.e_shnum * sizeof(Elf64_Shdr)),
        header.e_phoff + next() % (header.e_phnum * sizeof(Elf64_Phdr))};
    uint64_t at = places[next() % 3], value = values[next() % 8];
    size_t size = std::min<uint64_t>(1u << (next() % 4), copy.size() - at);
    std::memcpy(copy.data() + at, &value, size);
    auto elf = ElfFile::parse(copy, "toy");
    if (!elf.ok())
      continue;
    for (const ElfFile::Section &section : elf->sections())
      ASSERT_TRUE(section.size == 0 ||
                  (section.offset <= copy.size() &&
                   section.size <= copy.size() - section.offset));
    std::string_view symbol;
    if (elf->symbol("terse_manifest", symbol))
      ASSERT_TRUE(symbol.data() >= copy.data() &&
                  symbol.data() + symbol.size() <= copy.data() + copy.size());
  }
}

} // namespace
