//===- LanguageModel.cpp - token by token -----------------------*- C++ -*-===//
#include "terse/Runtime/LanguageModel.h"

#include <algorithm>
#include <cstring>

namespace terse::rt {

namespace {
/// Logits of a long prompt are most of what a run needs: so many bytes at once.
constexpr int64_t logitsBytes = 16 << 20;
constexpr int64_t longestChunk = 256;
/// Outputs of so many tokens are likely to be needed again, by drafts.
constexpr int64_t fewTokens = 16;
constexpr const char *dependsOnTokensBehind =
    "what it gives for a token depends on the tokens behind";
} // namespace

Result<std::unique_ptr<LanguageModel>>
LanguageModel::create(std::shared_ptr<const Model> model,
                      const ContextOptions &options) {
  Result<std::unique_ptr<Context>> context =
      Context::create(std::move(model), options);
  if (!context.ok())
    return context.status();
  std::unique_ptr<LanguageModel> self(new LanguageModel(std::move(*context)));
  if (Status status = self->prepare(); !status.ok())
    return status;
  return self;
}

Status LanguageModel::prepare() {
  const Manifest &manifest = context_->manifest();
  for (size_t i = 0; i < manifest.inputs.size(); ++i) {
    const TensorSpec &spec = manifest.inputs[i];
    if (spec.role == "input_ids") {
      roles_.push_back(Role::Ids);
      ids_ = int(i);
    } else if (spec.role == "past") {
      roles_.push_back(Role::Past);
      pastInputs_.push_back(int(i));
    } else if (std::optional<TensorView> otherwise = defaultOf(spec)) {
      roles_.push_back(Role::Default);
      inputs_.push_back(std::move(*otherwise));
      continue;
    } else if (spec.role == "attention_mask") {
      roles_.push_back(Role::Mask);
    } else if (spec.role == "position_ids") {
      roles_.push_back(Role::Positions);
    } else {
      return fail(Code::InvalidArgument,
                  "not a language model that can be run on tokens alone: its "
                  "input '%s' is unknown",
                  spec.name.c_str());
    }
    TensorView view;
    view.dtype = spec.dtype;
    view.shape.resize(spec.shape.size());
    inputs_.push_back(std::move(view));
  }
  for (size_t i = 0; i < manifest.outputs.size(); ++i) {
    const std::string &role = manifest.outputs[i].role;
    if (role == "logits")
      logits_ = int(i);
    else if (role == "present")
      presentOutputs_.push_back(int(i));
  }
  if (ids_ < 0 || manifest.inputs[ids_].shape.size() != 2)
    return fail(Code::InvalidArgument,
                "not a language model: no input 'input_ids' of two dimensions");
  std::vector<int64_t> unknown(manifest.symbols.size() + 1, -1);
  if (logits_ < 0 || manifest.outputs[logits_].shape.empty() ||
      !manifest.outputs[logits_].shape.back().evaluate(unknown.data(),
                                                       vocabulary_) ||
      vocabulary_ < 1)
    return fail(Code::InvalidArgument,
                "not a language model: no output 'logits' of a known number of "
                "tokens");
  if (pastInputs_.size() != presentOutputs_.size())
    return fail(Code::InvalidArgument,
                "cannot feed the cache back: %zu past inputs but %zu present "
                "outputs",
                pastInputs_.size(), presentOutputs_.size());
  DType dtype = manifest.outputs[logits_].dtype;
  float probe;
  uint64_t zero = 0;
  if (!toFloat(dtype, &zero, 1, &probe))
    return fail(Code::InvalidArgument, "logits of type %s are not supported",
                nameOf(dtype));

  memory_ = !manifest.states.empty() ? Memory::State
            : !pastInputs_.empty()   ? Memory::Feedback
                                     : Memory::None;
  pastBuffers_.resize(pastInputs_.size());
  for (Buffer &buffer : pastBuffers_)
    if (!buffer.reserve(0))
      return fail(Code::OutOfMemory, "no memory for the cache");
  inputData_.resize(manifest.inputs.size());
  chunk_ = std::clamp<int64_t>(logitsBytes / int64_t(vocabulary_ * 4), 16,
                               longestChunk);
  obstacle_ = findObstacle();
  reset();
  return Status();
}

/// Where a cache holds positions: the dimensions of past inputs that are as
/// large as there are past tokens. False if that is not so for all.
bool LanguageModel::findPastAxes() {
  const Manifest &manifest = context_->manifest();
  const std::vector<Expr> &ids = manifest.inputs[ids_].shape;
  std::vector<int64_t> sizes(manifest.symbols.size() + 1, -1);
  for (int input : pastInputs_) {
    const std::vector<Expr> &shape = manifest.inputs[input].shape;
    int axis = -1, count = 0;
    for (size_t d = 0; d < shape.size(); ++d)
      if (int symbol = shape[d].asSymbol();
          symbol >= 0 && symbol != ids[0].asSymbol()) {
        axis = int(d);
        ++count;
        sizes[symbol] = 7;
      }
    if (count != 1)
      return false;
    pastAxes_.push_back(axis);
  }
  if (ids[1].asSymbol() >= 0)
    sizes[ids[1].asSymbol()] = 5;
  for (size_t i = 0; i < pastInputs_.size(); ++i) {
    const std::vector<Expr> &shape = manifest.outputs[presentOutputs_[i]].shape;
    size_t axis = size_t(pastAxes_[i]);
    int64_t size;
    if (axis >= shape.size() || !shape[axis].evaluate(sizes.data(), size) ||
        size != 7 + 5)
      return false;
  }
  return true;
}

std::string LanguageModel::findObstacle() {
  const Manifest &manifest = context_->manifest();
  if (manifest.coupledTokens)
    return dependsOnTokensBehind;
  if (memory_ == Memory::State)
    rewinds_ = std::all_of(
        manifest.states.begin(), manifest.states.end(), [&](auto &state) {
          return std::any_of(state.shape.begin(), state.shape.end(),
                             [&](const Expr &size) {
                               return size.uses(manifest.capacity);
                             });
        });
  else
    rewinds_ = findPastAxes();
  if (!rewinds_)
    return "its past is not kept by position";
  const std::vector<Expr> &ids = manifest.inputs[ids_].shape;
  std::vector<int64_t> sizes(manifest.symbols.size() + 1, -1);
  if (int batch = ids[0].asSymbol(); batch >= 0)
    sizes[batch] = 1;
  if (ids[1].asSymbol() < 0)
    return "it takes a fixed number of tokens";
  sizes[ids[1].asSymbol()] = 5;
  if (manifest.logitsToKeep >= 0)
    sizes[manifest.logitsToKeep] = 5;
  int64_t rows = 1, size;
  for (const Expr &expr : manifest.outputs[logits_].shape)
    rows = expr.evaluate(sizes.data(), size) ? rows * size : -1;
  if (rows != 5 * vocabulary_)
    return "it gives logits after the last token only";
  return "";
}

int64_t LanguageModel::room() const {
  return memory_ == Memory::State ? context_->capacity() - past_ : INT64_MAX;
}

bool LanguageModel::rewind(int64_t past) {
  if (past == past_)
    return true;
  if (past < 0 || past > held_ || !rewinds_)
    return false;
  past_ = past;
  return true;
}

/// Before others come in their place.
void LanguageModel::dropSetAside() {
  ++version_;
  if (held_ == past_)
    return;
  (void)context_->rewind(past_);
  if (memory_ == Memory::None) {
    prefix_.resize(size_t(past_));
    lastRow_.clear();
  }
  for (size_t i = 0; i < pastInputs_.size(); ++i) {
    TensorView &view = inputs_[pastInputs_[i]];
    size_t axis = size_t(pastAxes_[i]), before = 1, row = sizeOf(view.dtype);
    for (size_t d = 0; d < axis; ++d)
      before *= size_t(view.shape[d]);
    for (size_t d = axis + 1; d < view.shape.size(); ++d)
      row *= size_t(view.shape[d]);
    size_t old = size_t(view.shape[axis]) * row, kept = size_t(past_) * row;
    auto *data = static_cast<char *>(pastBuffers_[i].data());
    for (size_t b = 1; b < before; ++b)
      std::memmove(data + b * kept, data + b * old, kept);
    view.shape[axis] = past_;
  }
  held_ = past_;
}

void LanguageModel::reset() {
  ++version_;
  past_ = held_ = 0;
  prefix_.clear();
  lastRow_.clear();
  (void)context_->rewind(0);
  // An empty cache: whatever is not fixed, nor the batch, counts positions.
  const Manifest &manifest = context_->manifest();
  for (size_t i = 0; i < pastInputs_.size(); ++i) {
    const TensorSpec &spec = manifest.inputs[pastInputs_[i]];
    int batch = manifest.inputs[ids_].shape[0].asSymbol();
    std::vector<int64_t> values(manifest.symbols.size() + 1, 0);
    if (batch >= 0)
      values[batch] = 1;
    for (size_t d = 0; d < spec.shape.size(); ++d)
      if (!spec.shape[d].evaluate(values.data(),
                                  inputs_[pastInputs_[i]].shape[d]))
        inputs_[pastInputs_[i]].shape[d] = 0;
  }
}

Status LanguageModel::eval(const int32_t *tokens, int64_t count, bool lastOnly,
                           const LogitsFn &logits) {
  for (int64_t i = 0; i < count; ++i)
    if (tokens[i] < 0 || tokens[i] >= vocabulary_)
      return fail(Code::InvalidArgument, "expected tokens of 0 to %lld; got %d",
                  (long long)vocabulary_ - 1, int(tokens[i]));
  dropSetAside();
  if (memory_ == Memory::None) {
    int64_t before = past_;
    prefix_.insert(prefix_.end(), tokens, tokens + count);
    past_ = 0;
    Status status = step(prefix_.data(), int64_t(prefix_.size()), -before,
                         lastOnly, logits);
    if (!status.ok())
      prefix_.resize(size_t(before));
    past_ = held_ = int64_t(prefix_.size());
    return status;
  }
  for (int64_t done = 0; done < count;) {
    if (done && goOn_ && !goOn_())
      return Status(Code::Cancelled, "cancelled");
    bool fewLogits = lastOnly && context_->manifest().logitsToKeep >= 0;
    int64_t part = std::min(fewLogits ? longestChunk : chunk_, count - done);
    bool last = done + part == count;
    if (!lastOnly || last) {
      if (Status status = step(tokens + done, part, done, lastOnly, logits);
          !status.ok())
        return status;
    } else if (Status status = step(tokens + done, part, done, true,
                                    [](int64_t, const float *) {});
               !status.ok()) {
      return status;
    }
    done += part;
  }
  return Status();
}

Status LanguageModel::fillInput(size_t index, const int32_t *tokens,
                                int64_t count) {
  const TensorSpec &spec = context_->manifest().inputs[index];
  TensorView &view = inputs_[index];
  const Role role = roles_[index];
  for (size_t d = 0; d < spec.shape.size(); ++d) {
    // A size of its own is the length so far for a mask, the new one otherwise.
    int64_t size;
    if (!spec.shape[d].evaluate(symbols_.data(), size))
      size = role == Role::Mask ? past_ + count : count;
    view.shape[d] = size;
  }
  int64_t elements = view.elements();
  // Room for growth, so that decoding does not allocate at each token.
  size_t words = size_t(elements) * sizeOf(spec.dtype) / 8 + 1;
  if (inputData_[index].size() < words)
    inputData_[index].resize(words + words / 2 + 64);
  void *data = inputData_[index].data();
  view.data = data;
  if (role == Role::Ids && elements != count)
    return fail(Code::InvalidArgument,
                "the model takes %lld tokens at once; got %lld",
                (long long)elements, (long long)count);
  for (int64_t i = 0; i < elements; ++i) {
    int64_t value = role == Role::Ids    ? tokens[i]
                    : role == Role::Mask ? 1
                                         : past_ + i % count;
    storeInteger(spec.dtype, data, size_t(i), value);
  }
  return Status();
}

Status LanguageModel::step(const int32_t *tokens, int64_t count, int64_t first,
                           bool lastOnly, const LogitsFn &logits) {
  const Manifest &manifest = context_->manifest();
  symbols_.assign(manifest.symbols.size() + 1, -1);
  const std::vector<Expr> &idsShape = manifest.inputs[ids_].shape;
  if (int symbol = idsShape[0].asSymbol(); symbol >= 0)
    symbols_[symbol] = 1;
  if (int symbol = idsShape[1].asSymbol(); symbol >= 0)
    symbols_[symbol] = count;
  if (memory_ == Memory::State)
    symbols_[manifest.past] = past_;
  for (int input : pastInputs_) {
    const TensorSpec &spec = manifest.inputs[input];
    for (size_t d = 0; d < spec.shape.size(); ++d)
      if (int symbol = spec.shape[d].asSymbol(); symbol >= 0)
        symbols_[symbol] = inputs_[input].shape[d];
  }
  for (size_t i = 0; i < inputs_.size(); ++i)
    if (roles_[i] != Role::Past && roles_[i] != Role::Default)
      if (Status status = fillInput(i, tokens, count); !status.ok())
        return status;
  for (size_t i = 0; i < pastInputs_.size(); ++i)
    inputs_[pastInputs_[i]].data = pastBuffers_[i].data();

  // Of tokens that were there before, the last one's are compared.
  int64_t before = std::max<int64_t>(0, -first);
  int64_t wanted = before > 0 ? count - before + 1 : lastOnly ? 1 : count;
  context_->keepLogits(wanted);
  if (Status status = context_->run(inputs_); !status.ok())
    return status;
  past_ += count;
  held_ = past_;

  const TensorView &view = context_->output(size_t(logits_));
  int64_t rows = view.elements() / vocabulary_, skipped = count - rows;
  if (rows != count && rows != wanted && !(lastOnly && rows == 1))
    return fail(Code::InvalidArgument,
                "the model gave logits for %lld tokens; expected %lld",
                (long long)rows, (long long)count);
  size_t stride = size_t(vocabulary_) * sizeOf(view.dtype);
  if (memory_ == Memory::None)
    checkLastRow(static_cast<const char *>(view.data), stride, rows,
                 before - 1 - skipped);
  for (int64_t i = lastOnly ? rows - 1 : std::max<int64_t>(0, before - skipped);
       i < rows; ++i) {
    auto *data = static_cast<const char *>(view.data) + size_t(i) * stride;
    auto *values = reinterpret_cast<const float *>(data);
    if (view.dtype != DType::F32) {
      row_.resize(size_t(vocabulary_));
      toFloat(view.dtype, data, size_t(vocabulary_), row_.data());
      values = row_.data();
    }
    logits(first + skipped + i, values);
  }
  if (memory_ == Memory::Feedback)
    feedBack();
  if (count > fewTokens)
    context_->trimOutputs(uint64_t(stride) + 4096);
  return Status();
}

/// Where all is run again, rows must come out as they did, the `known` one as
/// it is in lastRow_: with a bidirectional attention they do not.
void LanguageModel::checkLastRow(const char *data, size_t stride, int64_t rows,
                                 int64_t known) {
  if (known >= 0 && known < rows && lastRow_.size() == stride &&
      std::memcmp(lastRow_.data(), data + size_t(known) * stride, stride) != 0)
    obstacle_ = dependsOnTokensBehind;
  const char *last = data + size_t(rows - 1) * stride;
  lastRow_.assign(last, last + stride);
}

void LanguageModel::feedBack() {
  for (size_t i = 0; i < pastInputs_.size(); ++i) {
    inputs_[pastInputs_[i]].shape =
        context_->output(size_t(presentOutputs_[i])).shape;
    context_->swapOutput(size_t(presentOutputs_[i]), pastBuffers_[i]);
  }
}

} // namespace terse::rt
