//===- Peers.h - beside other engines ---------------------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_PEERS_H
#define TERSE_TOOLS_TERSE_BENCH_PEERS_H

#include "Floors.h"

#include <string>
#include <vector>

namespace terse::bench {

/// Becomes the Python program `peers/peers.py`, given these arguments and what
/// it must know of this machine and program. Returns only when that fails.
rt::Status runPeers(const FloorOptions &options,
                    std::vector<std::string> arguments);

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_PEERS_H
