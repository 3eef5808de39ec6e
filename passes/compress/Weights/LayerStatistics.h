//===- LayerStatistics.h - what calibration saw, for passes -----*- C++ -*-===//
#ifndef TERSE_COMPRESS_LAYERSTATISTICS_H
#define TERSE_COMPRESS_LAYERSTATISTICS_H

#include "terse/Numerics/Cholesky.h"
#include "terse/Statistics/Statistics.h"

#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace terse {

/// On a layer whose input has lost channels since it was measured (`terse-prune-structured`): `of`, how many there were, and those `kept`, in
/// order.
inline constexpr llvm::StringLiteral kKeptChannelsAttr = "terse.kept_channels";

/// That attribute for `layer`, of whose input, of `k` channels now, `channels` are kept.
mlir::DictionaryAttr composeKeptChannels(mlir::Operation *layer, int64_t k, llvm::ArrayRef<int64_t> channels);

enum class Measure { AbsMax, AbsMean, SecondMoment };

/// A statistics file while a pass walks over layers. Layers that share an input follow each other, so the feedback of the last one
/// is kept.
class LayerStatistics {
public:
  /// Opens the file `path`, if that is empty the one that the module names (`terse.statistics`), if there is none nothing. Fails with
  /// a message at the module.
  mlir::LogicalResult open(mlir::ModuleOp module, llvm::StringRef path);
  bool isOpen() const { return file != nullptr; }
  bool contains(llvm::StringRef layer) const { return file && file->contains(layer); }

  /// The statistics of the input, of `k` channels, of `layer`, with the `needed` ones. Where that input was scaled since
  /// (`terse.scale_channels`) they are scaled too, and have no histogram; so it is where channels were removed since
  /// (`terse.kept_channels`). Valid until the next call. Fails with a message at `user`.
  mlir::FailureOr<TapStatistics> find(mlir::Operation *user, llvm::StringRef layer, int64_t k, llvm::ArrayRef<Measure> needed);

  /// How errors of a layer with these statistics are made good: with channels in the order of their size, or as they are.
  mlir::FailureOr<const ErrorFeedback *> getFeedback(mlir::Operation *user, llvm::StringRef layer, const TapStatistics &tap,
                                                     double damping, bool bySize);

private:
  /// What was measured, of the channels that are left or as it is when they are multiplied.
  struct ChangedTap {
    std::string name;
    std::vector<float> absMax, absMean, mean, secondMoment;

    void putInto(TapStatistics &tap) const;
  };
  llvm::Expected<TapStatistics> findKept(mlir::Operation *user, llvm::StringRef layer, int64_t k);
  mlir::LogicalResult scale(mlir::Operation *user, TapStatistics &tap);

  std::shared_ptr<const Statistics> file; // passes are copied
  std::string feedbackOf; ///< tap and options
  ErrorFeedback feedback;
  ChangedTap kept, scaled; ///< the last ones
};

/// The mean of the diagonal of the second moments.
double getMeanSquare(const TapStatistics &tap);

} // namespace terse

#endif // TERSE_COMPRESS_LAYERSTATISTICS_H
