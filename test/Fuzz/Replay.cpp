//===- Replay.cpp - runs a fuzz target on files -----------------*- C++ -*-===//
#include "Fuzz.h"

#include <cstring>
#include <fstream>
#include <iterator>

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    TERSE_FUZZ_CHECK(file.good() || file.eof(), argv[i]);
    std::fprintf(stderr, "%s\n", argv[i]);
    // On the heap and no larger, as libFuzzer gives it.
    std::string exact(bytes);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(exact.data()),
                           exact.size());
  }
  return argc > 1 ? 0 : 1;
}
