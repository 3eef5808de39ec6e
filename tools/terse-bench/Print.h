//===- Print.h - measurements as tables and JSON ----------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_PRINT_H
#define TERSE_TOOLS_TERSE_BENCH_PRINT_H

#include "ModelBench.h"

namespace terse::bench {

void printFloors(const std::vector<Floor> &floors);
void printFloorsJson(const FloorOptions &options,
                     const std::vector<Floor> &floors);

void printModel(const ModelOptions &options, const ModelReport &report);
void printModelJson(const ModelOptions &options, const ModelReport &report);

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_PRINT_H
