//===- Context.h - a model being run ----------------------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_CONTEXT_H
#define TERSE_RUNTIME_CONTEXT_H

#include "terse/Runtime/Model.h"
#include "terse/Runtime/Team.h"

#include <memory>
#include <optional>
#include <vector>

namespace terse::rt {

/// A tensor that someone else owns: contiguous, row-major.
struct TensorView {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  const void *data = nullptr;

  int64_t elements() const;
};

/// The value of an input where none is given; none if one must be.
std::optional<TensorView> defaultOf(const TensorSpec &spec);

struct ContextOptions {
  int threads = 0;         ///< 0: all available processors
  int64_t capacity = 0;    ///< positions that the states have room for; 0: as
                           ///< the artifact says, else 2048
  int64_t batch = 1;       ///< sequences held by the states
  bool pin = false;        ///< each thread stays on a processor of its own
  bool checkNumbers = false; ///< refuse NaN, infinities and subnormal inputs
};

/// Finds the values of a manifest's symbols. `values` has one entry per symbol,
/// those already known set and the others negative; `shapes` one per input, in
/// manifest order. Ranks and sizes must fit the manifest; a symbol has one
/// value wherever it stands. Symbols that no input determines stay negative.
Status bindSymbols(const Manifest &manifest,
                   const std::vector<const std::vector<int64_t> *> &shapes,
                   std::vector<int64_t> &values);

/// Everything that changes while a model runs: states, scratch, outputs and a
/// team of threads. One thread at a time may use a context; several contexts of
/// one model may run at once.
class Context {
public:
  static Result<std::unique_ptr<Context>>
  create(std::shared_ptr<const Model> model, const ContextOptions &options);

  const Model &model() const { return *model_; }
  const Manifest &manifest() const { return model_->manifest(); }
  int threads() const { return team_->size(); }
  int64_t capacity() const { return options_.capacity; }
  int64_t batch() const { return options_.batch; }

  /// Positions that the states hold.
  int64_t past() const { return past_; }
  /// Forgets all positions from `past` on; false if there are fewer.
  bool rewind(int64_t past);

  /// Of how many of a sequence's tokens, the last ones, the next runs give
  /// logits: 0 for all. Models that always give all do so.
  void keepLogits(int64_t tokens) { logitsToKeep_ = tokens; }

  /// Runs the model once: checks `inputs` (one per input, in manifest order)
  /// and computes all outputs. The states advance by the length of the
  /// sequence. Input data is used in place and must be aligned to its elements.
  /// `into`, if not null, has a place for each output that is large enough, or
  /// null for one that the context keeps.
  Status run(const std::vector<TensorView> &inputs,
             const std::vector<void *> *into = nullptr);
  /// The shapes that outputs have for these inputs, in `output(i).shape`; the
  /// data of the last run is gone then. Nothing is run.
  Status shapeOutputs(const std::vector<TensorView> &inputs);

  /// Output `index` of the last run; valid until the next one.
  const TensorView &output(size_t index) const { return outputs_[index]; }
  /// Exchanges the memory of an output: the caller gets the last run's data,
  /// the next run writes to `buffer`.
  void swapOutput(size_t index, Buffer &buffer);
  /// Gives back the memory of outputs larger than `keep` bytes.
  void trimOutputs(uint64_t keep);

private:
  Context(std::shared_ptr<const Model> model, const ContextOptions &options)
      : model_(std::move(model)), options_(options) {}
  Status prepare();
  Status checkInputs(const std::vector<TensorView> &inputs);
  Status sizeOutputs();
  Status placeOutputs(const std::vector<void *> *into);
  size_t pickEntry() const;
  Status shrinkOutputs();

  std::shared_ptr<const Model> model_;
  ContextOptions options_;
  std::unique_ptr<Team> team_;
  int64_t past_ = 0, logitsToKeep_ = 0;
  int advanceInput_ = -1; ///< its last dimension counts the new positions

  std::vector<Buffer> stateBuffers_, outputBuffers_;
  Buffer arena_;
  std::vector<TensorView> outputs_;

  // Kept between runs so that a run allocates nothing.
  std::vector<int64_t> known_, symbols_, counts_;
  std::vector<const std::vector<int64_t> *> shapes_;
  std::vector<const void *> inputPointers_;
  std::vector<void *> outputPointers_, statePointers_;
};

} // namespace terse::rt

#endif // TERSE_RUNTIME_CONTEXT_H
