//===- Shares.h - which part of a layer a thread computes -------*- C++ -*-===//
#ifndef TERSE_KERNEL_SHARES_H
#define TERSE_KERNEL_SHARES_H

#include <cstdint>

namespace terse::kernel {

/// Of `blocks` blocks of a large layer's results, how many threads take one after the other as they come to them. Those
/// before are split evenly, thread 0 first.
inline int64_t getTakenBlocks(int64_t blocks) { return blocks / 4; }

} // namespace terse::kernel

#endif // TERSE_KERNEL_SHARES_H
