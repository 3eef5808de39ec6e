//===- Search.h - the bits of each layer under a promised loss --*- C++ -*-===//
#ifndef TERSE_SEARCH_SEARCH_H
#define TERSE_SEARCH_SEARCH_H

#include "terse/Pipeline/Compile.h"

namespace terse {

/// What tersec, the C interface and Python call: `compileAndMeasure`, and, where losses are promised (`promises`), what keeps it:
///
/// - of a recipe that quantizes and breaks the promise, layers get more bits, those with the largest error first, until it holds;
/// - of the recipe `auto`, bits and group of each layer are chosen by measured sensitivity: the smallest model that holds it.
///
/// Trials are compiled for this machine's CPU level alone and measured on the held-out text. What they showed is kept in the search's folder,
/// so that an interrupted search goes on; it ends with the same bytes. False if the compile failed or the promise does not hold: then the best
/// artifact is written all the same.
bool compileWithinLoss(const CompileOptions &options, CompileListener &listener);

} // namespace terse

#endif // TERSE_SEARCH_SEARCH_H
