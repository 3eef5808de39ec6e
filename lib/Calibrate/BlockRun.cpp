//===- BlockRun.cpp - one block over all windows --------------------------===//
#include "BlockRun.h"

#include "terse/Support/DimExpr.h"
#include "terse/Support/TemporaryFile.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace terse;
using llvm::StringRef;

namespace {
struct CloseModel {
  void operator()(terse_model *model) const { terse_model_close(model); }
};
struct DestroyContext {
  void operator()(terse_context *context) const { terse_context_destroy(context); }
};

llvm::Error fail(const llvm::Twine &why) { return llvm::createStringError("calibration: " + why); }

/// Parts of a file that runBlock wrote.
class Parts {
public:
  llvm::Error open(StringRef path) {
    auto mapped = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false, /*IsVolatile=*/true);
    if (!mapped)
      return fail("cannot read '" + path + "': " + mapped.getError().message());
    buffer = std::move(*mapped);
    rest = buffer->getBuffer();
    return llvm::Error::success();
  }
  llvm::Error next(std::vector<int64_t> &shape, const void *&data, size_t elementBytes) {
    auto take = [&](size_t bytes) {
      const char *at = bytes <= rest.size() ? rest.data() : nullptr;
      rest = rest.drop_front(std::min(bytes, rest.size()));
      return at;
    };
    int64_t rank = 0;
    const char *at = take(8);
    if (at)
      memcpy(&rank, at, 8);
    at = at && rank >= 0 && rank < 16 ? take(rank * 8) : nullptr;
    uint64_t bytes = elementBytes;
    shape.resize(at ? rank : 0);
    for (int64_t &size : shape) {
      memcpy(&size, at, 8);
      at += 8;
      if (size < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes))
        return fail("damaged file '" + buffer->getBufferIdentifier() + "'");
    }
    data = at ? take(bytes) : nullptr;
    return data ? llvm::Error::success() : fail("damaged file '" + buffer->getBufferIdentifier() + "'");
  }

private:
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  StringRef rest;
};

/// An input of the block.
struct Input {
  terse_tensor_info info;
  std::vector<std::string> dims;
  bool hasDefault = false, isGiven = false;
  std::vector<int64_t> shape;
  std::vector<uint64_t> storage;
  const void *data = nullptr;
};
} // namespace

/// Writes `value` as element `index` of an array of type `dtype`; false if the type is no whole number, bool or float.
static bool storeElement(terse_dtype dtype, void *array, size_t index, int64_t value) {
  auto store = [&](auto example) {
    example = static_cast<decltype(example)>(value);
    memcpy(static_cast<char *>(array) + index * sizeof(example), &example, sizeof(example));
    return true;
  };
  switch (dtype) {
  case TERSE_I64:
    return store(int64_t());
  case TERSE_I32:
    return store(int32_t());
  case TERSE_BOOL:
  case TERSE_U8:
  case TERSE_I8:
    return store(uint8_t());
  case TERSE_F32:
    return store(float());
  default:
    return false;
  }
}

static size_t countElements(const terse_tensor &tensor) {
  size_t elements = 1;
  for (size_t d = 0; d < tensor.rank; ++d)
    elements *= tensor.shape[d];
  return elements;
}

llvm::Expected<Rows> terse::readRows(const terse_tensor &tensor, std::vector<float> &storage) {
  Rows rows;
  size_t count = countElements(tensor);
  rows.size = tensor.rank ? tensor.shape[tensor.rank - 1] : 0;
  if (rows.size == 0)
    return fail("expected channels in '" + StringRef(tensor.name) + "'");
  rows.count = count / rows.size;
  rows.values = static_cast<const float *>(tensor.data);
  if (tensor.dtype == TERSE_F32)
    return rows;
  storage.resize(count);
  rows.values = storage.data();
  const auto *halves = static_cast<const uint16_t *>(tensor.data);
  const auto *doubles = static_cast<const double *>(tensor.data);
  for (size_t i = 0; i < count; ++i) {
    if (tensor.dtype == TERSE_F64)
      storage[i] = static_cast<float>(doubles[i]);
    else if (tensor.dtype == TERSE_BF16 || tensor.dtype == TERSE_F16)
      storage[i] = llvm::APFloat(tensor.dtype == TERSE_F16 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat(),
                                 llvm::APInt(16, halves[i]))
                       .convertToFloat();
    else
      return fail("expected '" + StringRef(tensor.name) + "' to be of a float type");
  }
  return rows;
}

namespace {
class Runner {
public:
  Runner(const BlockRun &run, OutputReader read) : run(run), read(read) {}

  llvm::Error execute(llvm::function_ref<llvm::Error(double)> onPart) {
    if (llvm::Error error = open())
      return error;
    const Samples *samples = run.data->samples.get();
    size_t numWindows = run.data->windows.size(), numParts = samples ? samples->getParts().size() : llvm::divideCeil(numWindows, batch);
    for (size_t i = 0; i < numParts; ++i) {
      Part part;
      if (samples) {
        part.samples = &samples->getParts()[i];
      } else {
        part.first = i * batch;
        part.batch = std::min<size_t>(batch, numWindows - part.first);
        part.length = run.data->windows[part.first].size();
      }
      if (llvm::Error error = runPart(part))
        return error;
      if (llvm::Error error = onPart(static_cast<double>(i + 1) / numParts))
        return error;
    }
    return file ? file->commit(run.output) : llvm::Error::success();
  }

private:
  /// What is run together.
  struct Part {
    const Samples::Part *samples = nullptr;
    size_t first = 0; ///< of the windows, where there are no samples
    /// Of the token ids; a part of samples without such has neither.
    int64_t batch = 0, length = 0;
  };

  llvm::Error open() {
    terse_model *opened = nullptr;
    if (terse_model_open(run.artifact.c_str(), nullptr, &opened) != TERSE_OK)
      return fail(terse_last_error());
    model.reset(opened);
    llvm::Expected<llvm::json::Value> manifest = llvm::json::parse(terse_model_manifest(opened));
    if (!manifest)
      return manifest.takeError();
    const llvm::json::Array *described = manifest->getAsObject() ? manifest->getAsObject()->getArray("inputs") : nullptr;
    const Input *ids = nullptr;
    inputs.resize(terse_model_input_count(opened));
    for (auto [i, input] : llvm::enumerate(inputs)) {
      terse_model_input(opened, i, &input.info);
      for (size_t d = 0; d < input.info.rank; ++d)
        input.dims.push_back(terse_model_input_dim(opened, i, d));
      const llvm::json::Object *object = described && i < described->size() ? (*described)[i].getAsObject() : nullptr;
      input.hasDefault = object && object->get("default");
      if (StringRef(input.info.role) == "input_ids")
        ids = &input;
    }
    if (ids)
      idsDims = ids->dims;
    if (!run.data->samples) {
      if (idsDims.size() != 2)
        return fail("expected a model with an input 'input_ids' of two dimensions (other models are calibrated with the arrays of a .npz file)");
      batch = getWindowsAtOnce(run.data->windows.front().size());
      if (int64_t fixed; !StringRef(ids->dims[0]).getAsInteger(10, fixed))
        batch = fixed;
      if (batch < 1 || run.data->windows.size() % (ids->dims[0] == std::to_string(batch) ? batch : 1) != 0)
        return fail("expected a multiple of " + llvm::Twine(batch) + " windows, which the model takes at once");
    }
    if (!run.input.empty())
      if (llvm::Error error = parts.open(run.input))
        return error;
    if (!run.output.empty()) {
      llvm::Expected<TemporaryFile> made =
          TemporaryFile::create(llvm::sys::path::parent_path(run.output), TemporaryFile::Kind::Document);
      if (!made)
        return made.takeError();
      file.emplace(std::move(*made));
    }
    return llvm::Error::success();
  }

  /// Shapes and data of all inputs.
  llvm::Error fillInputs(Part &part) {
    // First what there is, as it says how many tokens there are.
    for (Input &input : inputs) {
      StringRef name = input.info.name;
      input.isGiven = name == "block_input";
      if (input.isGiven) {
        if (llvm::Error error = parts.next(input.shape, input.data, terse_dtype_size(input.info.dtype)))
          return error;
      } else if (part.samples) {
        llvm::Expected<bool> there = run.data->samples->read(*part.samples, name, input.shape, input.storage);
        if (!there)
          return there.takeError();
        input.isGiven = *there;
        input.data = input.storage.data();
        if (*there && StringRef(input.info.role) == "input_ids" && input.shape.size() == 2) {
          part.batch = input.shape[0];
          part.length = input.shape[1];
        }
      }
    }
    for (Input &input : inputs)
      if (!input.isGiven && !input.hasDefault)
        if (llvm::Error error = fillFromTokens(part, input))
          return error;
    return llvm::Error::success();
  }

  /// An input that follows from how many tokens there are, or the tokens themselves.
  llvm::Error fillFromTokens(const Part &part, Input &input) {
    StringRef role = input.info.role;
    bool isToken = (role == "input_ids" && !part.samples) || role == "attention_mask" || role == "position_ids";
    if ((!isToken && role != "past") || part.length == 0)
      return fail("cannot run the model on tokens alone: its input '" + StringRef(input.info.name) + "' is unknown");
    llvm::StringMap<int64_t> symbols;
    symbols["past"] = 0;
    symbols[idsDims[0]] = part.batch;
    symbols[idsDims[1]] = part.length;
    input.isGiven = true;
    input.shape.clear();
    size_t elements = 1;
    for (const std::string &dim : input.dims) {
      std::optional<DimExpr> parsed = DimExpr::parse(dim);
      std::optional<int64_t> size = parsed ? parsed->evaluate([&](StringRef symbol) -> std::optional<int64_t> {
        auto it = symbols.find(symbol);
        return it == symbols.end() ? std::nullopt : std::optional<int64_t>(it->second);
      })
                                           : std::nullopt;
      // A size of its own counts all positions so far, or those of an empty cache.
      input.shape.push_back(size.value_or(role == "past" ? 0 : part.length));
      elements *= input.shape.back();
    }
    input.storage.resize(elements * terse_dtype_size(input.info.dtype) / 8 + 1);
    input.data = input.storage.data();
    for (size_t i = 0; i < elements; ++i) {
      int64_t value = role == "input_ids"      ? run.data->windows[part.first + i / part.length][i % part.length]
                      : role == "position_ids" ? i % part.length
                                               : 1;
      if (!storeElement(input.info.dtype, input.storage.data(), i, value))
        return fail("cannot fill the input '" + StringRef(input.info.name) + "' of this type");
    }
    return llvm::Error::success();
  }

  llvm::Error runPart(Part &part) {
    if (llvm::Error error = fillInputs(part))
      return error;
    if (!context || part.batch != contextBatch || part.length > contextLength) {
      terse_context_options options = TERSE_CONTEXT_OPTIONS_INIT;
      options.threads = run.threads;
      // Without tokens there are no states that these would be sizes of.
      if (part.length) {
        options.capacity = part.length;
        options.batch = part.batch;
      }
      terse_context *created = nullptr;
      context.reset();
      if (terse_context_create(model.get(), &options, &created) != TERSE_OK)
        return fail(terse_last_error());
      context.reset(created);
      contextBatch = part.batch;
      contextLength = part.length;
    }
    std::vector<terse_tensor> given;
    for (const Input &input : inputs)
      if (input.isGiven)
        given.push_back({input.info.name, input.info.dtype, input.shape.size(), input.shape.data(), input.data});
    terse_reset(context.get());
    if (terse_context_run(context.get(), given.data(), given.size()) != TERSE_OK)
      return fail(terse_last_error());
    for (size_t i = 0, e = terse_model_output_count(model.get()); i < e; ++i) {
      terse_tensor output;
      if (terse_context_output(context.get(), i, &output) != TERSE_OK)
        return fail(terse_last_error());
      if (file && StringRef(output.name) == "block_output")
        if (llvm::Error error = writePart(output))
          return error;
      if (llvm::Error error = read(i, output))
        return error;
    }
    return llvm::Error::success();
  }

  llvm::Error writePart(const terse_tensor &output) {
    std::string head(8 * (1 + output.rank), '\0');
    int64_t rank = output.rank;
    memcpy(head.data(), &rank, 8);
    memcpy(head.data() + 8, output.shape, 8 * output.rank);
    if (llvm::Error error = file->write(head, run.output))
      return error;
    return file->write(StringRef(static_cast<const char *>(output.data), countElements(output) * terse_dtype_size(output.dtype)),
                       run.output);
  }

  const BlockRun &run;
  OutputReader read;
  std::unique_ptr<terse_model, CloseModel> model;
  std::unique_ptr<terse_context, DestroyContext> context;
  int64_t contextBatch = 0, contextLength = 0;
  int64_t batch = 1; ///< windows that are run together
  std::vector<Input> inputs;
  std::vector<std::string> idsDims;
  Parts parts;
  std::optional<TemporaryFile> file;
};
} // namespace

llvm::Error terse::runBlock(const BlockRun &run, OutputReader read, llvm::function_ref<llvm::Error(double)> onPart) {
  return Runner(run, read).execute(onPart);
}
