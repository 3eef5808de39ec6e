//===- InputScales.h - scales of the channels of layers' inputs -*- C++ -*-===//
#ifndef TERSE_COMPRESS_INPUTSCALES_H
#define TERSE_COMPRESS_INPUTSCALES_H

#include "compress/Weights/LayerStatistics.h"
#include "compress/Weights/WeightRows.h"

namespace terse {

/// Linear layers with constant float weights that read one value, [..., k].
struct InputGroup {
  mlir::Value input;
  int64_t k;
  llvm::SmallVector<LinearLike> layers;
  std::vector<std::string> names; ///< of the layers

  mlir::Operation *front() const { return layers.front(); }
  /// The weight of a layer. Fails with a message.
  mlir::FailureOr<WeightRows> openWeight(size_t layer) const;
};

/// What a pass on layers' inputs is told.
struct ScalingRequest {
  llvm::StringRef pass; ///< its argument
  std::string layers, exclude, stats;
  bool head = false;        ///< also the layer whose result is the model's
  bool onlyAbsorbed = true; ///< only inputs whose producer can take on the scales
};

/// What was chosen for a group.
/// The groups of layers that the request and the layers' policies choose, but for those with a layer that is frozen, in codes or not chosen: of
/// these `numLeft` are not frozen. Fails with a message, at a layer or naming the pass.
mlir::LogicalResult findInputGroups(mlir::ModuleOp module, const ScalingRequest &request, std::vector<InputGroup> &groups, int64_t &numLeft);

struct ChosenScales {
  std::vector<float> scales; ///< [k], all above 0: the input is divided by them, columns of the weights are multiplied
  double alpha = 0;
};

/// For each of these groups `choose` gives scales, and both sides are scaled by `terse.scale_channels`. The function of the model stays, but for the
/// rounding of floats. Records facts. Fails with a message, at a layer or naming the pass.
mlir::LogicalResult scaleInputs(mlir::ModuleOp module, const ScalingRequest &request,
                                llvm::function_ref<mlir::FailureOr<ChosenScales>(InputGroup &, LayerStatistics &)> choose);

/// alpha = 0, 0.05 .. 1: what is tried where it is to be found.
std::vector<double> getCandidateAlphas();

} // namespace terse

#endif // TERSE_COMPRESS_INPUTSCALES_H
