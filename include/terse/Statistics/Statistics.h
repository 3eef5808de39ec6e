//===- Statistics.h - what calibration saw of activations -------*- C++ -*-===//
#ifndef TERSE_STATISTICS_STATISTICS_H
#define TERSE_STATISTICS_STATISTICS_H

#include "terse/Support/Safetensors.h"

namespace terse {

/// Statistics of one value [tokens, K] over all tokens of a calibration. Views into a file or the caller's memory; empty
/// where not recorded.
struct TapStatistics {
  std::string name;
  int64_t size = 0;  ///< K
  int64_t count = 0; ///< tokens
  llvm::ArrayRef<float> absMax, absMean, mean; ///< [K]
  /// Values by size, over -limit .. limit in equal steps.
  std::vector<int64_t> histogram;
  float limit = 0;
  /// Mean of x x^T, [K, K], symmetric.
  llvm::ArrayRef<float> secondMoment;

  /// The tensors of a file that hold this, and their data in the same order.
  void list(std::vector<SafetensorsEntry> &entries, std::vector<llvm::ArrayRef<char>> &data) const;
};

/// Bins of a histogram.
constexpr int64_t kHistogramBins = 2048;

/// A statistics file (lib/Statistics/README.md).
class Statistics {
public:
  static llvm::Expected<Statistics> open(llvm::StringRef path);

  /// The statistics of the input of the layer `layer`. Errors name the file and the layer: none recorded, or not of `size`
  /// channels.
  llvm::Expected<TapStatistics> find(llvm::StringRef layer, int64_t size) const;
  bool contains(llvm::StringRef layer) const { return layers.count(layer); }

  const SafetensorsFile &getFile() const { return file; }
  /// From names of layers to names of taps.
  const llvm::StringMap<std::string> &getLayers() const { return layers; }
  /// Mean cosines of what spans of blocks of a kind ("block", "sublayer") take and give, by their first layers' names.
  const llvm::StringMap<double> &getSimilarities(llvm::StringRef kind) const;

  /// All taps, in the order of the file.
  std::vector<TapStatistics> getTaps() const;

private:
  explicit Statistics(SafetensorsFile file) : file(std::move(file)) {}
  llvm::Error readTap(llvm::StringRef name, TapStatistics &tap) const;
  SafetensorsFile file;
  llvm::Error readSimilarities(llvm::StringRef text);
  llvm::StringMap<std::string> layers;
  llvm::StringMap<llvm::StringMap<double>> similarities;
};

/// The key of the metadata that has similarities.
inline constexpr char kSimilarityMetadata[] = "similarity";

/// Metadata of a statistics file.
std::map<std::string, std::string> makeStatisticsMetadata(const llvm::StringMap<std::string> &layers,
                                                          std::map<std::string, std::string> more);

} // namespace terse

#endif // TERSE_STATISTICS_STATISTICS_H
