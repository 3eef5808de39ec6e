//===- ScratchFolder.cpp - a folder in memory -------------------*- C++ -*-===//
#include "Fuzz.h"

#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

using namespace terse::fuzz;

ScratchFolder::ScratchFolder() {
  for (const char *parent : {"/dev/shm", "/tmp"}) {
    path_ = std::string(parent) + "/terse-fuzz-XXXXXX";
    if (::mkdtemp(path_.data()))
      return;
  }
  TERSE_FUZZ_CHECK(false, "cannot create a temporary folder");
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::write(const char *name,
                                 std::string_view bytes) const {
  std::string file = path_ + "/" + name;
  int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  TERSE_FUZZ_CHECK(descriptor >= 0, file);
  TERSE_FUZZ_CHECK(::write(descriptor, bytes.data(), bytes.size()) ==
                       ssize_t(bytes.size()),
                   file);
  ::close(descriptor);
  return file;
}
