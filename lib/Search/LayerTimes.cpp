//===- LayerTimes.cpp - how long a layer takes on this machine ------------===//
#include "LayerTimes.h"

#include "terse/Pipeline/Recipe.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <chrono>
#include <cmath>

using namespace terse;
using llvm::Error;
using llvm::Expected;
namespace json = llvm::json;

/// Rows of the input that stand for many.
static constexpr int64_t kPrefillRows = 64;
/// At least so many runs, and so many seconds of them, of which the fastest counts: whatever else the machine does makes them slower only.
static constexpr int kRuns = 10;
static constexpr double kSeconds = 0.2;
/// No cache is larger.
static constexpr uint64_t kMostBetween = 256u << 20;

/// A model of one layer. Times do not depend on values.
static Error writeModel(const std::string &path, int64_t n, int64_t k) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (!error) {
    stream << llvm::formatv(R"(func.func @forward(%x: tensor<?x{1}xf32> {{terse.name = "x", terse.dims = ["n", "{1}"]})
    -> (tensor<?x{0}xf32> {{terse.name = "y", terse.dims = ["n", "{0}"]}) {{
  %w = terse.weight "w" = dense<0.5> : tensor<{0}x{1}xf32> -> tensor<{0}x{1}xf32>
  %y = terse.linear %x, %w {{name = "layer"} : tensor<?x{1}xf32>, tensor<{0}x{1}xf32> -> tensor<?x{0}xf32>
  return %y : tensor<?x{0}xf32>
}
)",
                            n, k);
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  return error ? llvm::createStringError("cannot write '" + path + "': " + error.message()) : Error::success();
}

Expected<double> LayerTimes::time(const terse_model *model, int64_t rows, int64_t k) {
  terse_context_options contextOptions = TERSE_CONTEXT_OPTIONS_INIT;
  contextOptions.threads = int32_t(options.threads);
  terse_context *made = nullptr;
  if (terse_context_create(model, &contextOptions, &made) != TERSE_OK)
    return llvm::createStringError(terse_last_error());
  std::unique_ptr<terse_context, decltype(&terse_context_destroy)> context(made, terse_context_destroy);
  std::vector<float> values(rows * k);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(float(i));
  const int64_t shape[] = {rows, k};
  const terse_tensor input = {"x", TERSE_F32, 2, shape, values.data()};
  between.resize(std::min(bytesBetween, kMostBetween));
  auto getSeconds = [](std::chrono::steady_clock::time_point since) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
  };
  double best = INFINITY;
  const auto begin = std::chrono::steady_clock::now();
  for (int run = 0; run < kRuns || getSeconds(begin) < kSeconds; ++run) {
    int sum = 0;
    for (size_t i = 0; i < between.size(); i += 64)
      sum += between[i];
    volatile int read = sum;
    (void)read;
    auto start = std::chrono::steady_clock::now();
    if (terse_context_run(context.get(), &input, 1) != TERSE_OK)
      return llvm::createStringError(terse_last_error());
    best = std::min(best, getSeconds(start));
  }
  return best;
}

Expected<LayerTime> LayerTimes::measure(int64_t n, int64_t k, WeightFormat format) {
  const std::string source = trials.getNotebook().getPath("layer.mlir"), binary = trials.getNotebook().getPath("layer.so");
  if (Error error = writeModel(source, n, k))
    return std::move(error);
  // The activations and scales of the recipe; ranges of weights do not matter, nor which of them are zero.
  std::string keys = "w" + std::to_string(format.bits) + ":group-size=" + std::to_string(format.groupSize) +
                     ",head-bits=" + std::to_string(format.bits) + ",clip-search=false";
  for (llvm::StringRef part : llvm::split(llvm::StringRef(recipe).split(':').second, ','))
    if (part.starts_with("scale=") || part.starts_with("activations=float") || (part.starts_with("symmetric=") && !format.symmetric))
      keys += "," + part.str();
  if (format.symmetric)
    keys += *format.symmetric ? ",symmetric=true" : ",symmetric=false";
  if (!format.method.empty())
    keys += ",method=" + format.method;
  CompileOptions layer;
  layer.input = source;
  layer.output = binary;
  layer.startFrom = Stage::Normalize;
  layer.recipe = keys;
  if (format.isSparse)
    layer.policyRules = "layer=pattern:2:4";
  layer.levels = {trials.getLevel()};
  layer.plain = options.plain;
  layer.emulatedKernels = options.emulatedKernels;
  layer.tuning = options.tuning;
  layer.threads = options.threads;
  std::string message;
  CompileListener listener;
  listener.onMessage = [&](const Message &said) {
    if (said.kind == Message::Kind::Error)
      message = said.text;
  };
  if (!compile(layer, listener))
    return llvm::createStringError("a layer could not be compiled to be timed: " + message);
  Expected<ModelHandle> model = openArtifact(binary);
  if (!model)
    return model.takeError();
  Expected<double> one = time(model->get(), 1, k);
  if (!one)
    return one.takeError();
  Expected<double> many = time(model->get(), kPrefillRows, k);
  if (!many)
    return many.takeError();
  return LayerTime{*one, *many / double(kPrefillRows)};
}

Expected<LayerTime> LayerTimes::find(int64_t n, int64_t k, WeightFormat format) {
  std::string name = llvm::formatv("time of {0} x {1}, {2}, {3} threads, {4}", n, k, format.str(), options.threads, recipe);
  Expected<const json::Object *> found = trials.getNotebook().find(name, [&]() -> Expected<json::Object> {
    Expected<LayerTime> time = measure(n, k, format);
    if (!time)
      return time.takeError();
    return json::Object{{"decode", time->decode}, {"prefill", time->prefill}};
  });
  if (!found)
    return found.takeError();
  auto decode = (*found)->getNumber("decode"), prefill = (*found)->getNumber("prefill");
  if (!decode || !prefill)
    return llvm::createStringError("cannot read the line '" + name + "' of the search's folder: remove it");
  return LayerTime{*decode, *prefill};
}
