//===- Sections.h - the sections of a report --------------------*- C++ -*-===//
#ifndef TERSE_LIB_REPORT_SECTIONS_H
#define TERSE_LIB_REPORT_SECTIONS_H

#include "terse/Report/CompressionReport.h"

#include "llvm/ADT/ArrayRef.h"

namespace terse::report {

/// Writes nothing where there are no data.
using SectionWriter = void (*)(const CompressionReport &, llvm::raw_ostream &);

struct Section {
  const char *id, *title;
  SectionWriter write;
};

/// In the order of the page.
llvm::ArrayRef<Section> getSections();

/// The figures that matter most, and whether the promise was kept.
void writeSummary(const CompressionReport &report, llvm::raw_ostream &os);

// CostSection.cpp
void writeCost(const CompressionReport &report, llvm::raw_ostream &os);
// FitSection.cpp
void writeFit(const CompressionReport &report, llvm::raw_ostream &os);
// LossSections.cpp
void writeBands(const CompressionReport &report, llvm::raw_ostream &os);
void writePasses(const CompressionReport &report, llvm::raw_ostream &os);
void writeLayers(const CompressionReport &report, llvm::raw_ostream &os);
// ParetoSection.cpp
void writePareto(const CompressionReport &report, llvm::raw_ostream &os);
// Sections.cpp
void writeComparison(const CompressionReport &report, llvm::raw_ostream &os);
void writeOutliers(const CompressionReport &report, llvm::raw_ostream &os);
void writeRefused(const CompressionReport &report, llvm::raw_ostream &os);
void writeIdentity(const CompressionReport &report, llvm::raw_ostream &os);
void writeFacts(const CompressionReport &report, llvm::raw_ostream &os);

/// "<figure>" with its caption; `svg` is HTML.
void writeFigure(llvm::raw_ostream &os, llvm::StringRef caption, llvm::StringRef svg);
/// Of token frequency, for people.
std::string getBandName(llvm::StringRef name);
/// Ticks of an axis of shares: no more digits than they need.
std::string formatShareTick(double share);
/// What a loss is of: "perplexity".
std::string getLossName(const CompressionReport &report);

} // namespace terse::report

#endif // TERSE_LIB_REPORT_SECTIONS_H
