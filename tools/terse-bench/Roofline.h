//===- Roofline.h - measurements as a picture -------------------*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_BENCH_ROOFLINE_H
#define TERSE_TOOLS_TERSE_BENCH_ROOFLINE_H

#include "KernelBench.h"
#include "ModelBench.h"

namespace terse::bench {

/// One run: where its work lies between memory and arithmetic, and how fast it
/// was.
struct RooflinePoint {
  std::string series; ///< points of one colour: "w4g32", "step, 2 threads"
  std::string label;  ///< "5632 x 2048, 8 rows"
  int64_t mark;       ///< rows or tokens, beside the point
  double intensity;   ///< operations a byte
  double rate;        ///< GOPS
  double fraction;    ///< of the floor
};

std::vector<RooflinePoint> pointsOf(const KernelReport &report);
std::vector<RooflinePoint> pointsOf(const ModelReport &report);

/// An SVG picture, by the roofline model (Williams et al., 2009): rates over
/// operations a byte, both logarithmic, under the floors' roofs.
std::string drawRoofline(const std::string &title,
                         const std::vector<Floor> &floors,
                         const std::vector<RooflinePoint> &points);

} // namespace terse::bench

#endif // TERSE_TOOLS_TERSE_BENCH_ROOFLINE_H
