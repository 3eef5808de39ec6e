//===- ArtifactTest.cpp - opening artifacts, good and bad -------*- C++ -*-===//
#include "Toy.h"

#include <cstring>
#include <elf.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

using namespace terse::rt;

namespace {

/// A file that is gone when the test ends.
struct Scratch {
  std::string path;
  explicit Scratch(const std::string &bytes) {
    char name[] = "/tmp/terse-test-XXXXXX";
    int descriptor = ::mkstemp(name);
    path = name;
    EXPECT_EQ(::write(descriptor, bytes.data(), bytes.size()),
              ssize_t(bytes.size()));
    ::close(descriptor);
  }
  ~Scratch() { ::unlink(path.c_str()); }
};

Status openBytes(const std::string &bytes) {
  Scratch file(bytes);
  return Model::open(file.path).status();
}

TEST(Artifact, Opens) {
  auto model = openToy("state");
  EXPECT_EQ(model->level(), bestLevel());
  EXPECT_EQ(uintptr_t(model->weights()) % 4096, 0u);
  EXPECT_TRUE(model->verify().ok());
  EXPECT_EQ(model->entries().size(), 2u);
  EXPECT_TRUE(ArtifactFile::hasManifest(toyPath("state")));
  EXPECT_FALSE(ArtifactFile::hasManifest("/proc/self/exe"));
}

TEST(Artifact, TruncatedAtEverySectionBoundary) {
  const std::string bytes = readFile(toyPath("state"));
  auto elf = ElfFile::parse(bytes, "toy");
  ASSERT_TRUE(elf.ok());
  int cuts = 0;
  for (const ElfFile::Section &section : elf->sections())
    for (uint64_t end : {section.offset, section.offset + section.size})
      if (end > 0 && end < bytes.size()) {
        EXPECT_ERROR(openBytes(bytes.substr(0, end)), "truncated");
        ++cuts;
      }
  EXPECT_GT(cuts, 20);
}

TEST(Artifact, WhatIsNone) {
  EXPECT_ERROR(Model::open("/nonexistent.so").status(), "No such file");
  EXPECT_ERROR(Model::open("/tmp").status(), "not a regular file");
  EXPECT_ERROR(openBytes(""), "is empty");
  EXPECT_ERROR(openBytes("\x08\x07onnx"), "is not an artifact");
  EXPECT_ERROR(openBytes(std::string(100, 'x')), "is not an artifact");
  EXPECT_ERROR(Model::open("/proc/self/exe").status(),
               "it exports no 'terse_abi_version'");
}

TEST(Artifact, OtherMachines) {
  std::string bytes = readFile(toyPath("state"));
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.e_machine = EM_AARCH64;
  std::string arm = bytes;
  std::memcpy(arm.data(), &header, sizeof header);
  EXPECT_ERROR(openBytes(arm), "expected x86-64; got ELF machine 183");
  std::string narrow = bytes;
  narrow[EI_CLASS] = ELFCLASS32;
  EXPECT_ERROR(openBytes(narrow), "another machine");
}

TEST(Artifact, OtherVersion) {
  std::string bytes = readFile(toyPath("state"));
  auto elf = ElfFile::parse(bytes, "toy");
  std::string_view version;
  ASSERT_TRUE(elf->symbol("terse_abi_version", version));
  bytes[version.data() - bytes.data()] = 9;
  EXPECT_ERROR(openBytes(bytes), "artifact version 9; this runtime reads");
}

TEST(Artifact, DamagedWeightsAreFound) {
  std::string bytes = readFile(toyPath("state"));
  auto elf = ElfFile::parse(bytes, "toy");
  bytes[elf->section(".terse.weights")->offset + 1000] ^= 1;
  Scratch file(bytes);
  auto model = Model::open(file.path);
  ASSERT_TRUE(model.ok());
  EXPECT_ERROR((*model)->verify(), "expected weights of SHA-256");
}

TEST(Artifact, DamagedCodeIsFound) {
  std::string bytes = readFile(toyPath("state"));
  auto elf = ElfFile::parse(bytes, "toy");
  bytes[elf->section(".text")->offset + 100] ^= 1;
  Scratch file(bytes);
  auto artifact = ArtifactFile::open(file.path);
  ASSERT_TRUE(artifact.ok());
  EXPECT_ERROR(artifact->verify(), "expected code and tables of SHA-256");
  EXPECT_ERROR(Model::open(file.path).status(),
               "expected code and tables of SHA-256");
}

TEST(Artifact, AnAlteredByteIsRefused) {
  const std::string bytes = readFile(toyPath("state"));
  auto elf = ElfFile::parse(bytes, "toy");
  const ElfFile::Section weights = *elf->section(TERSE_SECTION_WEIGHTS);
  // Many places in the code, tables, manifest, names and headers.
  for (size_t at = 0; at < bytes.size(); at += 97) {
    if (at >= weights.offset && at < weights.offset + weights.size)
      continue;
    std::string changed = bytes;
    changed[at] ^= 4;
    EXPECT_FALSE(openBytes(changed).ok()) << "byte " << at;
  }
  std::string text = bytes;
  text.replace(text.find("\"keep\""), 6, "\"kept\"");
  EXPECT_ERROR(openBytes(text), "expected a manifest of SHA-256");
  std::string unsealed = bytes;
  for (size_t at = 0;
       (at = unsealed.find(TERSE_SECTION_SEAL, at)) != std::string::npos;)
    unsealed[at + 1] = 'T';
  EXPECT_ERROR(openBytes(unsealed), "expected a section '.terse.seal'");
}

TEST(Artifact, DamagedManifest) {
  std::string bytes = readFile(toyPath("state"));
  bytes.replace(bytes.find("{\"format\": 1"), 12, "{\"format\": 7");
  EXPECT_ERROR(openBytes(bytes), "bad manifest: expected format 1; got 7");
}

TEST(Artifact, MissingWeights) {
  std::string bytes = readFile(toyPath("state"));
  size_t at = 0, found = 0;
  while ((at = bytes.find(".terse.weights", at)) != std::string::npos) {
    bytes[at + 1] = 'T';
    ++found;
  }
  ASSERT_GE(found, 1u);
  EXPECT_ERROR(openBytes(bytes), "no section '.terse.weights'");
}

TEST(Artifact, Levels) {
  // A level that the artifact has and the machine has not cannot be forced, a
  // lesser one can.
  for (int i = 0; i < cpuLevelCount; ++i) {
    auto opened = Model::open(toyPath("state"), CpuLevel(i));
    if (CpuLevel(i) <= bestLevel()) {
      ASSERT_TRUE(opened.ok());
      EXPECT_EQ((*opened)->level(), CpuLevel(i));
    } else {
      EXPECT_ERROR(opened.status(), "this processor cannot run");
    }
  }
}

TEST(Artifact, UnknownLevel) {
  // Of a newer compiler, for a processor that this runtime does not know: the
  // best level of those that it does.
  auto opened = Model::open(toyPath("future"));
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_EQ((*opened)->level(), CpuLevel::Baseline);
  EXPECT_ERROR(Model::open(toyPath("future"), CpuLevel::Avx512Bf16).status(),
               "has no code for CPU level avx512bf16; it has baseline, avx1024");
}

TEST(Artifact, ReplacedWhileInUse) {
  Scratch file(readFile(toyPath("state")));
  auto first = Model::open(file.path);
  ASSERT_TRUE(first.ok());
  // As compilers replace files: another one takes the name.
  Scratch other(readFile(toyPath("other")));
  ASSERT_EQ(::rename(other.path.c_str(), file.path.c_str()), 0);
  auto second = Model::open(file.path);
  if (!second.ok()) {
    EXPECT_ERROR(second.status(), "has changed on disk");
    return;
  }
  EXPECT_NE((*second)->manifest().weightsHash,
            (*first)->manifest().weightsHash);
}

TEST(Artifact, NoneInThisProgram) {
  EXPECT_FALSE(Model::haveSelf());
  EXPECT_ERROR(Model::openSelf().status(), "no model is linked");
}

} // namespace
