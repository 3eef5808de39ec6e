//===- Fuzz.h - what fuzz targets share -------------------------*- C++ -*-===//
//
// A target is one function of bytes. The preset asan links it to libFuzzer;
// elsewhere Replay.cpp runs it once for each file that it is given, so that
// what fuzzing found stays tested in every build.
//
//===----------------------------------------------------------------------===//
#ifndef TERSE_TEST_FUZZ_FUZZ_H
#define TERSE_TEST_FUZZ_FUZZ_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace terse::fuzz {

/// Says what is wrong and stops as a crash does.
#define TERSE_FUZZ_CHECK(condition, message)                                   \
  do {                                                                         \
    if (!(condition)) {                                                        \
      std::fprintf(stderr, "%s: %s\n", #condition,                             \
                   std::string(message).c_str());                              \
      std::abort();                                                            \
    }                                                                          \
  } while (0)

/// A folder in memory that is gone when the process ends normally.
class ScratchFolder {
public:
  ScratchFolder();
  ~ScratchFolder();
  /// Writes a file, and returns its path.
  std::string write(const char *name, std::string_view bytes) const;

private:
  std::string path_;
};

} // namespace terse::fuzz

#endif // TERSE_TEST_FUZZ_FUZZ_H
