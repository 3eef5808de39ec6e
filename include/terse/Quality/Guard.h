//===- Guard.h - a compile, and what it did to quality ----------*- C++ -*-===//
#ifndef TERSE_QUALITY_GUARD_H
#define TERSE_QUALITY_GUARD_H

#include "terse/Pipeline/Compile.h"

#include <map>

namespace terse {

/// What a search (terse/Search/Search.h) measured on its way to what is compiled, for the report.
struct SearchFindings {
  struct Point {
    std::string name;
    uint64_t bytes;
    double loss;
    std::optional<double> price = {}; ///< what the objective counts, where it is not bytes
  };
  std::vector<Point> points;                 ///< of whole models
  std::optional<double> price;               ///< of what is compiled, likewise
  std::map<std::string, double> layerLosses; ///< with one layer alone compressed, by its name
  std::vector<std::string> cliffs;           ///< where loss jumps
};

/// The fact `layer-errors` of all passes, by layer, worst first. What a pass does to a layer that another one pruned before adds to that, as
/// squares: zeros stay, and what is left is the best with them.
std::vector<std::pair<std::string, double>> getLayerErrors(const CompileRecord &record);

/// How a compile that is measured ended.
struct Outcome {
  bool isCompiled = false; ///< else a message of kind Error said why not
  /// What is to be said where the loss is above what was promised: the loss, and the layers with the largest error. Empty if the promise holds.
  std::string brokenPromise;
};

/// Compiles; then, where the options ask for it, runs the artifact and the
/// original (the same model with the recipe `keep`, compiled for this machine to
/// a file that is gone again) on held-out text, says what quality was lost and
/// writes the report. Where a promise is broken, the artifact and the report are there all the same.
Outcome compileAndMeasure(const CompileOptions &options, CompileListener &listener, const SearchFindings *search = nullptr);

} // namespace terse

#endif // TERSE_QUALITY_GUARD_H
