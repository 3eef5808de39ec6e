//===- Context.cpp - a model being run --------------------------*- C++ -*-===//
#include "terse/Runtime/Context.h"

#include "terse/Runtime/OddNumbers.h"
#include "terse/Runtime/Processors.h"

#include <algorithm>
#include <cstring>

namespace terse::rt {

namespace {
const uint64_t nothing[8] = {}; ///< what pointers to empty tensors point to

std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// Bytes of a tensor; false on overflow or a negative size.
bool bytesOf(DType dtype, const std::vector<int64_t> &shape, uint64_t &bytes) {
  int64_t total = int64_t(sizeOf(dtype));
  bool empty = false;
  for (int64_t size : shape) {
    if (size < 0)
      return false;
    empty |= size == 0;
    if (size != 0 && __builtin_mul_overflow(total, size, &total))
      return false;
  }
  bytes = empty ? 0 : uint64_t(total);
  return true;
}
} // namespace

int64_t TensorView::elements() const {
  int64_t total = 1;
  for (int64_t size : shape)
    total *= size;
  return total;
}

std::optional<TensorView> defaultOf(const TensorSpec &spec) {
  if (spec.defaultValue.empty())
    return std::nullopt;
  TensorView view{spec.dtype, std::vector<int64_t>(spec.shape.size()),
                  spec.defaultValue.data()};
  for (size_t d = 0; d < spec.shape.size(); ++d)
    spec.shape[d].constant(view.shape[d]);
  return view;
}

/// The complaint about sizes that do not meet a constraint: names the first
/// input that one of them is of.
static Status violation(const Manifest &manifest,
                        const ConstraintSpec &constraint,
                        const std::vector<const std::vector<int64_t> *> &shapes,
                        const std::vector<int64_t> &values) {
  std::string where, have;
  bool tokens = false;
  for (size_t s = 0; s < manifest.symbols.size(); ++s) {
    if (!constraint.left.uses(int(s)) && !constraint.right.uses(int(s)))
      continue;
    have += (have.empty() ? "" : ", ") + manifest.symbols[s] + " = " +
            std::to_string(values[s]);
    for (size_t i = 0; i < manifest.inputs.size(); ++i)
      for (const Expr &dim : manifest.inputs[i].shape) {
        if (!dim.uses(int(s)))
          continue;
        if (where.empty())
          where = "input '" + manifest.inputs[i].name + "' of shape " +
                  shapeText(*shapes[i]) + ": ";
        tokens |= manifest.inputs[i].role == "input_ids" && dim.uses(int(s)) &&
                  &dim == &manifest.inputs[i].shape.back();
      }
  }
  // Too many tokens for the model, not for the caller's context.
  Code code = tokens && !constraint.equal ? Code::ContextFull
                                          : Code::InvalidArgument;
  return fail(code, "%sexpected %s; got %s", where.c_str(),
              constraint.text.c_str(), have.c_str());
}

Status bindSymbols(const Manifest &manifest,
                   const std::vector<const std::vector<int64_t> *> &shapes,
                   std::vector<int64_t> &values) {
  for (size_t i = 0; i < manifest.inputs.size(); ++i) {
    const TensorSpec &spec = manifest.inputs[i];
    if (shapes[i]->size() != spec.shape.size())
      return fail(Code::InvalidArgument,
                  "input '%s': expected %s; got shape %s", spec.name.c_str(),
                  describe(spec).c_str(), shapeText(*shapes[i]).c_str());
  }
  // What stands alone decides before what must be solved for, so that a
  // complaint names the tensor that a person would. Solving may need a value
  // that a later input gives: repeat while it helps.
  bool alone = true;
  for (bool progress = true; progress || alone;) {
    if (!progress)
      alone = false;
    progress = false;
    for (size_t i = 0; i < manifest.inputs.size(); ++i)
      for (size_t d = 0; d < shapes[i]->size(); ++d) {
        const Expr &expr = manifest.inputs[i].shape[d];
        int64_t solution;
        int symbol = alone && expr.asSymbol() < 0
                         ? -1
                         : expr.solve(values.data(), (*shapes[i])[d], solution);
        if (symbol >= 0) {
          values[symbol] = solution;
          progress = true;
        }
      }
  }
  for (size_t i = 0; i < manifest.inputs.size(); ++i) {
    const TensorSpec &spec = manifest.inputs[i];
    for (size_t d = 0; d < spec.shape.size(); ++d) {
      int64_t expected, got = (*shapes[i])[d];
      if (spec.shape[d].firstUnknown(values.data()) >= 0)
        return fail(Code::InvalidArgument,
                    "input '%s': no size fits dimension %zu: expected '%s'; "
                    "got %lld",
                    spec.name.c_str(), d, spec.shapeText[d].c_str(),
                    (long long)got);
      if (!spec.shape[d].evaluate(values.data(), expected) || expected != got) {
        std::string meaning = spec.shapeText[d];
        if (meaning != std::to_string(expected))
          meaning += " = " + std::to_string(expected);
        return fail(Code::InvalidArgument,
                    "input '%s': expected %s in dimension %zu; got %lld (shape "
                    "%s for %s)",
                    spec.name.c_str(), meaning.c_str(), d, (long long)got,
                    shapeText(*shapes[i]).c_str(), describe(spec).c_str());
      }
    }
  }
  for (const ConstraintSpec &constraint : manifest.constraints)
    if (!constraint.holds(values.data()))
      return violation(manifest, constraint, shapes, values);
  return Status();
}

/// An error that names the first NaN, infinity or subnormal number of the
/// input `name`, and how many of each there are.
static Status checkNumbers(const std::string &name, const TensorView &tensor) {
  const int64_t elements = tensor.elements();
  const OddNumbers odd = countOddNumbers(tensor.dtype, tensor.data, elements);
  if (odd.first < 0)
    return Status();
  std::vector<int64_t> place(tensor.shape.size());
  int64_t rest = odd.first;
  for (size_t d = place.size(); d-- > 0; rest /= tensor.shape[d])
    place[d] = rest % tensor.shape[d];
  return fail(Code::InvalidArgument,
              "input '%s': expected normal numbers and zeros; got another at "
              "%s (NaN: %lld, infinities: %lld, subnormal: %lld of %lld)",
              name.c_str(), shapeText(place).c_str(), (long long)odd.nan,
              (long long)odd.infinite, (long long)odd.subnormal,
              (long long)elements);
}

Result<std::unique_ptr<Context>>
Context::create(std::shared_ptr<const Model> model,
                const ContextOptions &options) {
  std::unique_ptr<Context> context(new Context(std::move(model), options));
  if (Status status = context->prepare(); !status.ok())
    return status;
  return context;
}

Status Context::prepare() {
  const Manifest &manifest = model_->manifest();
  if (options_.threads < 0 || options_.threads > 1024)
    return fail(Code::InvalidArgument, "expected 0 to 1024 threads; got %d",
                options_.threads);
  if (options_.capacity == 0)
    options_.capacity = manifest.context ? manifest.context : 2048;
  if (options_.capacity < 1 || options_.batch < 1)
    return fail(Code::InvalidArgument,
                "expected a capacity and a batch of at least 1; got %lld and "
                "%lld",
                (long long)options_.capacity, (long long)options_.batch);

  known_.assign(manifest.symbols.size(), -1);
  if (!manifest.states.empty()) {
    known_[manifest.past] = 0;
    // Code may keep keys in tiles; the limit stays what was asked for.
    int64_t capacity;
    if (__builtin_add_overflow(options_.capacity, TERSE_CAPACITY_MULTIPLE - 1,
                               &capacity))
      return fail(Code::OutOfMemory, "no memory for %lld positions",
                  (long long)options_.capacity);
    known_[manifest.capacity] = capacity - capacity % TERSE_CAPACITY_MULTIPLE;
    for (const TensorSpec &spec : manifest.states) {
      std::vector<int64_t> shape;
      for (size_t d = 0; d < spec.shape.size(); ++d) {
        // What is neither capacity nor fixed counts the sequences.
        int symbol = spec.shape[d].firstUnknown(known_.data());
        if (symbol >= 0)
          known_[symbol] = options_.batch;
        int64_t size;
        if (!spec.shape[d].evaluate(known_.data(), size))
          return fail(Code::BadArtifact, "state '%s' has a bad size '%s'",
                      spec.name.c_str(), spec.shapeText[d].c_str());
        shape.push_back(size);
      }
      uint64_t bytes;
      Buffer buffer;
      if (!bytesOf(spec.dtype, shape, bytes) || !buffer.reserve(bytes))
        return fail(Code::OutOfMemory, "no memory for state '%s' of shape %s",
                    spec.name.c_str(), shapeText(shape).c_str());
      statePointers_.push_back(buffer.data());
      stateBuffers_.push_back(std::move(buffer));
    }
    for (size_t i = 0; i < manifest.inputs.size(); ++i)
      if (manifest.inputs[i].role == "input_ids" &&
          !manifest.inputs[i].shape.empty())
        advanceInput_ = int(i);
    if (advanceInput_ < 0)
      return fail(Code::BadArtifact,
                  "the manifest has states but no input of role 'input_ids'");
  }

  for (const TensorSpec &spec : manifest.outputs) {
    TensorView view;
    view.dtype = spec.dtype;
    view.shape.resize(spec.shape.size());
    outputs_.push_back(std::move(view));
  }
  outputBuffers_.resize(manifest.outputs.size());
  for (const TensorSpec &spec : manifest.outputs)
    if (spec.counted >= 0)
      counts_.push_back(0);
  outputPointers_.resize(manifest.outputs.size());
  for (int64_t &count : counts_)
    outputPointers_.push_back(&count);
  inputPointers_.resize(manifest.inputs.size());
  shapes_.resize(manifest.inputs.size());
  symbols_ = known_;

  Result<std::unique_ptr<Team>> team =
      Team::create(options_.threads ? options_.threads : availableCpus(),
                   options_.pin ? Team::Placement::Pinned
                                : Team::Placement::Shared);
  if (!team.ok())
    return team.status();
  team_ = std::move(*team);
  return Status();
}

bool Context::rewind(int64_t past) {
  if (past < 0 || past > past_)
    return false;
  past_ = past;
  return true;
}

Status Context::checkInputs(const std::vector<TensorView> &inputs) {
  const Manifest &manifest = model_->manifest();
  if (inputs.size() != manifest.inputs.size())
    return fail(Code::InvalidArgument, "expected %zu inputs; got %zu",
                manifest.inputs.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorSpec &spec = manifest.inputs[i];
    if (inputs[i].dtype != spec.dtype)
      return fail(Code::InvalidArgument, "input '%s': expected %s; got %s",
                  spec.name.c_str(), describe(spec).c_str(),
                  nameOf(inputs[i].dtype));
    if (!inputs[i].data && inputs[i].elements() != 0)
      return fail(Code::InvalidArgument, "input '%s' has no data",
                  spec.name.c_str());
    if (uintptr_t(inputs[i].data) % sizeOf(spec.dtype) != 0)
      return fail(Code::InvalidArgument,
                  "input '%s' is not aligned to its elements",
                  spec.name.c_str());
    inputPointers_[i] = inputs[i].data ? inputs[i].data : nothing;
    shapes_[i] = &inputs[i].shape;
  }
  symbols_ = known_;
  if (manifest.past >= 0 && !manifest.states.empty())
    symbols_[manifest.past] = past_;
  if (Status status = bindSymbols(manifest, shapes_, symbols_); !status.ok())
    return status;
  if (manifest.logitsToKeep >= 0) {
    int64_t tokens = symbols_[manifest.tokens];
    symbols_[manifest.logitsToKeep] =
        logitsToKeep_ > 0 ? std::min(logitsToKeep_, tokens) : tokens;
  }
  return Status();
}

Status Context::sizeOutputs() {
  const Manifest &manifest = model_->manifest();
  for (size_t i = 0; i < manifest.outputs.size(); ++i) {
    const TensorSpec &spec = manifest.outputs[i];
    outputs_[i].data = nullptr;
    for (size_t d = 0; d < spec.shape.size(); ++d)
      if (!spec.shape[d].evaluate(symbols_.data(), outputs_[i].shape[d]))
        return fail(Code::InvalidArgument,
                    "output '%s': the inputs do not determine its size '%s'",
                    spec.name.c_str(), spec.shapeText[d].c_str());
    uint64_t bytes;
    if (!bytesOf(spec.dtype, outputs_[i].shape, bytes))
      return fail(Code::InvalidArgument,
                  "output '%s': impossible shape %s for these inputs",
                  spec.name.c_str(), shapeText(outputs_[i].shape).c_str());
  }
  return Status();
}

Status Context::placeOutputs(const std::vector<void *> *into) {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    uint64_t bytes = 0;
    (void)bytesOf(outputs_[i].dtype, outputs_[i].shape, bytes);
    void *place = into ? (*into)[i] : nullptr;
    if (!place) {
      if (!outputBuffers_[i].reserve(bytes, /*filledAtOnce=*/true))
        return fail(Code::OutOfMemory, "no memory for output '%s' of shape %s",
                    manifest().outputs[i].name.c_str(),
                    shapeText(outputs_[i].shape).c_str());
      place = outputBuffers_[i].data();
    }
    outputs_[i].data = outputPointers_[i] = place;
  }
  return Status();
}

size_t Context::pickEntry() const {
  const std::vector<EntrySpec> &entries = model_->manifest().entries;
  size_t best = 0, conditions = 0;
  bool found = false;
  for (size_t i = 0; i < entries.size(); ++i) {
    bool holds = std::all_of(
        entries[i].when.begin(), entries[i].when.end(),
        [&](const auto &when) { return symbols_[when.first] == when.second; });
    if (holds && (!found || entries[i].when.size() > conditions)) {
      best = i, conditions = entries[i].when.size();
      found = true;
    }
  }
  return best;
}

Status Context::shapeOutputs(const std::vector<TensorView> &inputs) {
  if (Status status = checkInputs(inputs); !status.ok())
    return status;
  return sizeOutputs();
}

Status Context::run(const std::vector<TensorView> &inputs,
                    const std::vector<void *> *into) {
  if (Status status = checkInputs(inputs); !status.ok())
    return status;
  if (options_.checkNumbers)
    for (size_t i = 0; i < inputs.size(); ++i)
      if (Status status = checkNumbers(manifest().inputs[i].name, inputs[i]);
          !status.ok())
        return status;
  int64_t added = advanceInput_ < 0 ? 0 : inputs[advanceInput_].shape.back();
  if (advanceInput_ >= 0 && added > options_.capacity - past_)
    return fail(Code::ContextFull,
                "the context is full: %lld positions and %lld new ones exceed "
                "its capacity of %lld",
                (long long)past_, (long long)added,
                (long long)options_.capacity);
  if (Status status = sizeOutputs(); !status.ok())
    return status;
  if (Status status = placeOutputs(into); !status.ok())
    return status;

  const Model::Entry &entry = model_->entries()[pickEntry()];
  for (int64_t &value : symbols_) // those that nothing depends on
    value = std::max<int64_t>(value, 0);
  TerseCall call = {};
  call.weights = model_->weights() ? model_->weights() : nothing;
  call.inputs = inputPointers_.data();
  call.outputs = outputPointers_.data();
  call.states = statePointers_.data();
  call.symbols = symbols_.data();
  call.barrier = Team::barrier;
  call.barrier_state = team_.get();
  int64_t scratch = entry.arena(&call);
  if (scratch < 0 || !arena_.reserve(uint64_t(scratch), true))
    return fail(Code::OutOfMemory, "no memory for %lld bytes of scratch",
                (long long)scratch);
  call.arena = arena_.data();
  team_->run(entry.run, &call);
  past_ += added;
  return shrinkOutputs();
}

/// Outputs whose size the run told have so many elements, one after the other.
Status Context::shrinkOutputs() {
  size_t next = 0;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const TensorSpec &spec = manifest().outputs[i];
    if (spec.counted < 0)
      continue;
    TensorView &view = outputs_[i];
    size_t axis = size_t(spec.counted), before = 1, row = sizeOf(view.dtype);
    int64_t most = view.shape[axis], count = counts_[next++];
    if (count < 0 || count > most)
      return fail(Code::Internal, "output '%s': expected 0 to %lld elements; got %lld", spec.name.c_str(),
                  (long long)most, (long long)count);
    for (size_t d = 0; d < axis; ++d)
      before *= size_t(view.shape[d]);
    for (size_t d = axis + 1; d < view.shape.size(); ++d)
      row *= size_t(view.shape[d]);
    auto *data = static_cast<char *>(outputPointers_[i]);
    for (size_t b = 1; b < before; ++b)
      std::memmove(data + b * size_t(count) * row, data + b * size_t(most) * row, size_t(count) * row);
    view.shape[axis] = count;
  }
  return Status();
}

void Context::swapOutput(size_t index, Buffer &buffer) {
  outputBuffers_[index].swap(buffer);
}

void Context::trimOutputs(uint64_t keep) {
  for (size_t i = 0; i < outputBuffers_.size(); ++i)
    if (outputBuffers_[i].capacity() > keep) {
      outputBuffers_[i] = Buffer();
      outputs_[i].data = nullptr;
    }
}

} // namespace terse::rt
