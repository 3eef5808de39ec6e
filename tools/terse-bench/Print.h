//===- Print.h - measurements as tables and JSON ----------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_PRINT_H
#define TERSE_TOOLS_TERSE_BENCH_PRINT_H

#include "KernelBench.h"
#include "ModelBench.h"

namespace terse::bench {

void printFloors(const std::vector<Floor> &floors);
void printFloorsJson(const FloorOptions &options,
                     const std::vector<Floor> &floors);

void printModel(const ModelOptions &options, const ModelReport &report);
void printModelJson(const ModelOptions &options, const ModelReport &report);

void printKernels(const KernelOptions &options, const KernelReport &report);
void printKernelsJson(const KernelOptions &options, const KernelReport &report);

/// What was chosen for each format and shape.
void printTuning(const std::vector<TunedTiling> &tilings);

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_PRINT_H
