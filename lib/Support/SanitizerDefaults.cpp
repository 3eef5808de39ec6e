//===- SanitizerDefaults.cpp - AddressSanitizer in programs with MLIR -----===//
//
// LLVM's allocators mark what they have not given out as poisoned, in code that
// is inlined here but not in the packaged libMLIR, which knows nothing of the
// marks: half of them would be wrong. A pass manager that a diagnostic stops
// leaves allocations to the exit.
//
//===----------------------------------------------------------------------===//

extern "C" __attribute__((visibility("default"))) const char *
__asan_default_options() {
  return "allow_user_poisoning=0:detect_leaks=0";
}
