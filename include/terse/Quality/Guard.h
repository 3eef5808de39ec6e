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
  };
  std::vector<Point> points;                 ///< of whole models
  std::map<std::string, double> layerLosses; ///< with one layer alone compressed, by its name
  std::vector<std::string> cliffs;           ///< where loss jumps
};

/// Compiles; then, where the options ask for it, runs the artifact and the
/// original (the same model with the recipe `keep`, compiled for this machine to
/// a file that is gone again) on held-out text, says what quality was lost and
/// writes the report. False if the compile failed, or if the loss is above what
/// was promised: then the artifact and the report are there all the same, and a
/// message of kind Error names the loss and the layers with the largest error.
bool compileAndMeasure(const CompileOptions &options, CompileListener &listener, const SearchFindings *search = nullptr);

} // namespace terse

#endif // TERSE_QUALITY_GUARD_H
