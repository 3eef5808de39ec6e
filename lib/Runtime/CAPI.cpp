//===- CAPI.cpp - the C interface of models and contexts --------*- C++ -*-===//
#include "CAPI.h"

#include "terse/Runtime/Describe.h"

#include <cstddef>

using namespace terse::rt;

namespace {

Status parseLevel(const terse_model_options *given,
                  std::optional<CpuLevel> &level) {
  terse_model_options options = TERSE_MODEL_OPTIONS_INIT;
  if (Status status = readOptions(given, options); !status.ok())
    return status;
  CpuLevel value;
  if (!options.cpu_level)
    return Status();
  if (!parseCpuLevel(options.cpu_level, value))
    return fail(Code::InvalidArgument,
                "expected CPU level %s; got '%s'", listCpuLevels().c_str(),
                options.cpu_level);
  level = value;
  return Status();
}

terse_status tensorInfo(const std::vector<TensorSpec> &specs, size_t index,
                        terse_tensor_info *info) {
  if (index >= specs.size())
    return invalid("no tensor of this index");
  const TensorSpec &spec = specs[index];
  *info = {spec.name.c_str(), spec.role.c_str(), terse_dtype(spec.dtype),
           spec.shape.size()};
  return TERSE_OK;
}

const char *dimension(const std::vector<TensorSpec> &specs, size_t index,
                      size_t at) {
  if (index >= specs.size() || at >= specs[index].shapeText.size())
    return nullptr;
  return specs[index].shapeText[at].c_str();
}

Status needContext(terse_context &self) {
  if (self.language)
    return Status(Code::InvalidArgument,
                  "this context is used for terse_eval; expected another one "
                  "for terse_context_run");
  if (self.context)
    return Status();
  auto created = Context::create(self.model, self.options);
  if (created.ok())
    self.context = std::move(*created);
  return created.status();
}

/// Puts the inputs in the order of the manifest.
Status readInputs(terse_context &self, const terse_tensor *inputs,
                  size_t count) {
  if (Status status = needContext(self); !status.ok())
    return status;
  if (count && !inputs)
    return missing("inputs");
  const Manifest &manifest = self.model->manifest();
  self.inputs.resize(manifest.inputs.size());
  std::vector<bool> given(manifest.inputs.size());
  for (size_t i = 0; i < count; ++i) {
    const terse_tensor &tensor = inputs[i];
    int index = tensor.name ? Manifest::find(manifest.inputs, tensor.name) : -1;
    if (index < 0)
      return fail(Code::InvalidArgument, "the model has no input '%s'",
                  tensor.name ? tensor.name : "(null)");
    if (given[index])
      return fail(Code::InvalidArgument, "input '%s' is given twice",
                  tensor.name);
    if (!terse_dtype_size(tensor.dtype) || (tensor.rank && !tensor.shape))
      return fail(Code::InvalidArgument, "input '%s' is not a tensor",
                  tensor.name);
    given[index] = true;
    self.inputs[index].dtype = DType(tensor.dtype);
    self.inputs[index].shape.assign(tensor.shape, tensor.shape + tensor.rank);
    self.inputs[index].data = tensor.data;
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i])
      continue;
    std::optional<TensorView> otherwise = defaultOf(manifest.inputs[i]);
    if (!otherwise)
      return fail(Code::InvalidArgument, "input '%s' is missing",
                  manifest.inputs[i].name.c_str());
    self.inputs[i] = std::move(*otherwise);
  }
  return Status();
}

/// Checks that outputs of the sizes that the context knows fit the buffers.
Status placeOutputs(terse_context &self, const terse_buffer *buffers,
                    size_t count) {
  const std::vector<TensorSpec> &specs = self.model->manifest().outputs;
  if (count != specs.size() || (count && !buffers))
    return fail(Code::InvalidArgument,
                "expected %zu buffers, one for each output; got %zu",
                specs.size(), count);
  self.places.assign(count, nullptr);
  for (size_t i = 0; i < count; ++i) {
    if (!buffers[i].data)
      continue;
    size_t element = sizeOf(specs[i].dtype);
    uint64_t bytes = uint64_t(self.context->output(i).elements()) * element;
    if (buffers[i].bytes < bytes)
      return fail(Code::InvalidArgument,
                  "output '%s': expected a buffer of %llu bytes; got %zu",
                  specs[i].name.c_str(), (unsigned long long)bytes,
                  buffers[i].bytes);
    if (uintptr_t(buffers[i].data) % element != 0)
      return fail(Code::InvalidArgument,
                  "output '%s': the buffer is not aligned to its elements",
                  specs[i].name.c_str());
    self.places[i] = buffers[i].data;
  }
  return Status();
}

} // namespace

uint32_t terse_api_version(void) {
  return TERSE_API_VERSION_MAJOR << 16 | TERSE_API_VERSION_MINOR;
}

terse_status terse_check_version(uint32_t version) {
  uint32_t own = terse_api_version();
  if (version >> 16 == own >> 16 && version <= own)
    return TERSE_OK;
  return report(fail(Code::Unsupported,
                     "the program was compiled for version %u.%u of Terse's C "
                     "interface; this library has %u.%u",
                     version >> 16, version & 0xffff, own >> 16, own & 0xffff));
}

const char *terse_version(void) { return TERSE_VERSION; }
const char *terse_last_error(void) { return lastError.c_str(); }

terse_status terse_model_open(const char *path,
                              const terse_model_options *options,
                              terse_model **model) {
  return guarded([&]() -> Status {
    std::optional<CpuLevel> level;
    if (Status status = parseLevel(options, level); !status.ok())
      return status;
    if (!path || !model)
      return Status(Code::InvalidArgument, "expected a path and a result");
    auto opened = Model::open(path, level);
    if (opened.ok())
      *model = new terse_model{*opened};
    return opened.status();
  });
}

terse_status terse_model_open_self(const terse_model_options *options,
                                   terse_model **model) {
  return guarded([&]() -> Status {
    std::optional<CpuLevel> level;
    if (Status status = parseLevel(options, level); !status.ok())
      return status;
    if (!model)
      return missing("a result");
    auto opened = Model::openSelf(level);
    if (opened.ok())
      *model = new terse_model{*opened};
    return opened.status();
  });
}

void terse_model_close(terse_model *model) { delete model; }

const char *terse_model_manifest(const terse_model *model) {
  return model->model->manifest().text.c_str();
}

const char *terse_model_cpu_level(const terse_model *model) {
  return nameOf(model->model->level());
}

terse_status terse_describe(const char *path, int verify, terse_text_fn emit,
                            void *user) {
  return guarded([&]() -> Status {
    if (!path || !emit)
      return missing("a path and a function that receives the text");
    auto artifact = openChecked(path, verify != 0);
    if (!artifact.ok())
      return artifact.status();
    std::string text = describeArtifact(*artifact, verify != 0);
    emit(user, text.c_str(), text.size());
    return Status();
  });
}

terse_status terse_model_verify(const terse_model *model) {
  return guarded([&] { return model->model->verify(); });
}

size_t terse_dtype_size(terse_dtype dtype) {
  return int(dtype) >= 0 && int(dtype) <= int(DType::Bool)
             ? sizeOf(DType(dtype))
             : 0;
}

size_t terse_model_input_count(const terse_model *model) {
  return model->model->manifest().inputs.size();
}

size_t terse_model_output_count(const terse_model *model) {
  return model->model->manifest().outputs.size();
}

terse_status terse_model_input(const terse_model *model, size_t index,
                               terse_tensor_info *info) {
  return tensorInfo(model->model->manifest().inputs, index, info);
}

terse_status terse_model_output(const terse_model *model, size_t index,
                                terse_tensor_info *info) {
  return tensorInfo(model->model->manifest().outputs, index, info);
}

const char *terse_model_input_dim(const terse_model *model, size_t index,
                                  size_t at) {
  return dimension(model->model->manifest().inputs, index, at);
}

const char *terse_model_output_dim(const terse_model *model, size_t index,
                                   size_t at) {
  return dimension(model->model->manifest().outputs, index, at);
}

terse_status terse_context_create(const terse_model *model,
                                  const terse_context_options *given,
                                  terse_context **context) {
  return guarded([&]() -> Status {
    if (!model || !context)
      return missing("a model and a result");
    terse_context_options options = TERSE_CONTEXT_OPTIONS_INIT;
    if (Status status = readOptions(given, options); !status.ok())
      return status;
    std::unique_ptr<terse_context> self(new terse_context);
    self->model = model->model;
    self->options.threads = options.threads;
    self->options.capacity = options.capacity;
    if (options.batch)
      self->options.batch = options.batch;
    self->options.pin = options.pin != 0;
    self->options.checkNumbers = options.check_inputs != 0;
    *context = self.release();
    return Status();
  });
}

void terse_context_destroy(terse_context *context) { delete context; }

terse_status terse_context_run(terse_context *context,
                               const terse_tensor *inputs, size_t count) {
  return terse_context_run_into(context, inputs, count, nullptr, 0);
}

terse_status terse_context_run_into(terse_context *context,
                                    const terse_tensor *inputs, size_t count,
                                    const terse_buffer *buffers,
                                    size_t bufferCount) {
  return guarded([&]() -> Status {
    if (!context)
      return missing("a context");
    if (Status status = readInputs(*context, inputs, count); !status.ok())
      return status;
    if (!buffers && !bufferCount)
      return context->context->run(context->inputs);
    if (Status status = context->context->shapeOutputs(context->inputs);
        !status.ok())
      return status;
    if (Status status = placeOutputs(*context, buffers, bufferCount);
        !status.ok())
      return status;
    return context->context->run(context->inputs, &context->places);
  });
}

terse_status terse_context_output_sizes(terse_context *context,
                                        const terse_tensor *inputs,
                                        size_t count, int64_t *sizes) {
  return guarded([&]() -> Status {
    if (!context || !sizes)
      return missing("a context and a result");
    if (Status status = readInputs(*context, inputs, count); !status.ok())
      return status;
    if (Status status = context->context->shapeOutputs(context->inputs);
        !status.ok())
      return status;
    for (size_t i = 0; i < context->model->manifest().outputs.size(); ++i)
      for (int64_t size : context->context->output(i).shape)
        *sizes++ = size;
    return Status();
  });
}

terse_status terse_context_output(const terse_context *context, size_t index,
                                  terse_tensor *output) {
  const std::vector<TensorSpec> &specs = context->model->manifest().outputs;
  if (index >= specs.size() || !context->context ||
      !context->context->output(index).data)
    return invalid("no output of this index, or the model has not run");
  const TensorView &view = context->context->output(index);
  *output = {specs[index].name.c_str(), terse_dtype(view.dtype),
             view.shape.size(), view.shape.data(), view.data};
  return TERSE_OK;
}

terse_status terse_context_on_part(terse_context *context, terse_go_on_fn goOn,
                                   void *user) {
  return guarded([&]() -> Status {
    if (!context)
      return missing("a context");
    context->goOn = nullptr;
    if (goOn)
      context->goOn = [=] { return goOn(user) == 0; };
    if (context->language)
      context->language->setGoOn(context->goOn);
    return Status();
  });
}
