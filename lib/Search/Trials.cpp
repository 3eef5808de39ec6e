//===- Trials.cpp - models that are compiled to be measured ---------------===//
#include "Trials.h"

#include "terse/Pipeline/Recipe.h"
#include "terse/Pipeline/Stages.h"
#include "terse/Quality/Original.h"
#include "terse/Target/Artifact.h"
#include "terse/Target/CPULevel.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace terse;
using llvm::Error;
using llvm::Expected;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;

//===----------------------------------------------------------------------===//
// What is known
//===----------------------------------------------------------------------===//

static json::Object toJson(const Trial &trial) {
  json::Object layers;
  for (const auto &[layer, found] : trial.layers)
    layers[layer] = json::Array{found.format.bits, found.format.groupSize, found.inputOf, found.bytes, found.error, found.n, found.k};
  json::Object tables;
  for (const auto &[table, found] : trial.tables)
    tables[table] = json::Array{found.bytes, found.error};
  json::Array bands;
  for (std::optional<double> loss : trial.loss.bands)
    bands.push_back(loss ? json::Value(*loss) : json::Value(nullptr));
  return json::Object{{"bytes", int64_t(trial.bytes)}, {"loss", trial.loss.all},    {"bands", std::move(bands)}, {"kl", trial.kl},
                      {"layers", std::move(layers)},   {"tables", std::move(tables)}};
}

/// None if a line is not whole.
static std::optional<Trial> fromJson(const json::Object *object) {
  auto bytes = object->getInteger("bytes");
  auto loss = object->getNumber("loss"), kl = object->getNumber("kl");
  const json::Object *layers = object->getObject("layers"), *tables = object->getObject("tables");
  const json::Array *bands = object->getArray("bands");
  if (!bytes || !loss || !kl || !layers || !tables || !bands || bands->size() != TERSE_BAND_COUNT)
    return std::nullopt;
  Trial trial;
  trial.bytes = *bytes;
  trial.loss.all = *loss;
  for (auto [band, value] : llvm::zip(trial.loss.bands, *bands))
    if (auto number = value.getAsNumber())
      band = *number;
  trial.kl = *kl;
  for (const auto &[layer, entry] : *layers) {
    const json::Array *fields = entry.getAsArray();
    if (!fields || fields->size() != 7)
      return std::nullopt;
    auto number = [&](size_t i) { return (*fields)[i].getAsNumber().value_or(0); };
    trial.layers[layer.str()] = {{int64_t(number(0)), int64_t(number(1))}, (*fields)[2].getAsString().value_or("").str(), number(3), number(4),
                                 int64_t(number(5)), int64_t(number(6))};
  }
  for (const auto &[table, entry] : *tables) {
    const json::Array *fields = entry.getAsArray();
    if (!fields || fields->size() != 2)
      return std::nullopt;
    trial.tables[table.str()] = {(*fields)[0].getAsNumber().value_or(0), (*fields)[1].getAsNumber().value_or(0)};
  }
  return trial;
}

/// What results depend on, beside recipes and policies.
Expected<std::string> Trials::makeKey() const {
  llvm::SmallString<128> source(options.input);
  if (fs::is_directory(source))
    llvm::sys::path::append(source, "model.onnx");
  json::Array files;
  std::vector<std::string> paths{source.str().str(), options.evalText};
  llvm::append_range(paths, options.plugins);
  for (llvm::StringRef data : options.calibration.data)
    paths.push_back(data.split(':').first.str());
  for (const std::string &path : paths) {
    Expected<std::string> hash = hashFile(path);
    if (!hash)
      return hash.takeError();
    files.push_back(*hash);
  }
  json::Array passes;
  for (const auto &[stage, pipeline] : options.extraPasses)
    passes.push_back((getStageName(stage) + ":" + pipeline).str());
  const CalibrationOptions &calibration = options.calibration;
  json::Object key{{"terse", TERSE_VERSION},
                   {"files", std::move(files)},
                   {"passes", std::move(passes)},
                   {"evaluation", json::Array{options.evalWindow, options.evalWindows}},
                   {"calibration", json::Array{json::Array(calibration.data), calibration.windows, calibration.window,
                                               calibration.seed ? int64_t(*calibration.seed) : -1, calibration.fromOriginal}},
                   {"plain", options.plain},
                   {"level", level},
                   {"keep_cache_io", options.keepCacheIO}};
  return llvm::formatv("{0}", json::Value(std::move(key))).str();
}

/// What is measured is what will be run here: the best of the artifact's levels that this machine has.
Error Trials::findLevel() {
  for (const CPULevel &known : getCPULevels()) {
    if (options.levels.empty() || llvm::is_contained(options.levels, known.name))
      level = known.name.str();
    if (known.name == getHostLevel().name)
      break;
  }
  return level.empty() ? llvm::createStringError("expected a CPU level that this machine has among '" + llvm::join(options.levels, ",") +
                                                 "', to measure the loss on")
                       : Error::success();
}

Error Trials::open() {
  if (Error error = findLevel())
    return error;
  folder = options.searchFolder.empty() ? options.output + ".search" : options.searchFolder;
  Expected<std::string> key = makeKey();
  if (!key)
    return key.takeError();
  if (Error error = notebook.open(folder, *key))
    return error;
  if (notebook.size() > 0)
    listener.onMessage({Message::Kind::Progress, "", "search: goes on with " + std::to_string(notebook.size()) + " findings of '" + folder + "'"});
  return Error::success();
}

void Trials::close() {
  for (const char *name : {"trial.so", "normalized.mlir", "normalized.mlir.weights"})
    (void)fs::remove(notebook.getPath(name));
  if (options.searchFolder.empty())
    (void)fs::remove_directories(folder);
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

namespace {
/// Passes on errors and cancellation of a compile, not what it says.
struct InnerListener : CompileListener {
  explicit InnerListener(CompileListener &outer) {
    onMessage = [this, &outer](const Message &message) {
      if (message.kind == Message::Kind::Error)
        outer.onMessage(message);
      cancelled = outer.cancelled.load();
    };
    onDone = [this](const CompileRecord &done) { record = done; };
    cancelled = outer.cancelled.load();
  }
  CompileRecord record;
};
} // namespace

/// The options of what is not the end of it.
static CompileOptions makeInner(const CompileOptions &options) {
  CompileOptions inner = options;
  inner.reportFile.clear();
  inner.evalText.clear();
  inner.calibration.traffic.clear();
  inner.promises.clear();
  inner.report = false;
  inner.dumpIRFolder.clear();
  return inner;
}

/// The original, and the model up to where compression begins.
Error Trials::prepare() {
  if (original)
    return Error::success();
  Expected<ModelHandle> opened = openOriginal(options, level, listener);
  if (!opened)
    return opened.takeError();
  Expected<std::vector<int32_t>> read = tokenizeFile(opened->get(), options.evalText);
  if (!read)
    return read.takeError();
  tokens = std::move(*read);
  InnerListener inner(listener);
  CompileOptions normalize = makeInner(options);
  normalize.recipe = "keep";
  normalize.groupSize.reset();
  normalize.policyRules.clear();
  normalize.calibration.data.clear();
  normalize.stopAfter = Stage::Normalize;
  normalize.output = notebook.getPath("normalized.mlir");
  if (!compile(normalize, inner))
    return llvm::createStringError("the search could not begin");
  original = std::move(*opened);
  return Error::success();
}

Expected<CompileOptions> Trials::makeOptions(const std::string &recipe, const std::string &rules) const {
  CompileOptions inner = makeInner(options);
  inner.input = notebook.getPath("normalized.mlir");
  inner.startFrom = Stage::Normalize;
  inner.recipe = recipe;
  inner.groupSize.reset();
  inner.policyRules = rules;
  inner.levels = {level};
  Expected<Recipe> parsed = parseRecipe(recipe);
  if (!parsed)
    return parsed.takeError();
  if (!parsed->needsStatistics)
    inner.calibration.data.clear();
  inner.calibration.statistics.clear();
  inner.calibration.folder = notebook.getPath("calibration");
  return inner;
}

/// What passes recorded of what they rounded.
static void readFacts(const CompileRecord &record, Trial &trial) {
  auto visit = [&](llvm::StringRef name, llvm::function_ref<void(const json::Object &)> read) {
    for (const CompileRecord::Fact &fact : record.facts)
      if (const json::Object *object = fact.name == name ? fact.value.getAsObject() : nullptr)
        read(*object);
  };
  visit("layers", [&](const json::Object &layers) {
    for (const auto &[name, entry] : layers) {
      const json::Object *layer = entry.getAsObject();
      const json::Array *shape = layer ? layer->getArray("shape") : nullptr;
      if (shape && shape->size() == 2)
        trial.layers[name.str()] = {{layer->getInteger("bits").value_or(0), layer->getInteger("group_size").value_or(0)},
                                    layer->getString("input_of").value_or(name).str(),
                                    layer->getNumber("bytes").value_or(0),
                                    0,
                                    (*shape)[0].getAsInteger().value_or(0),
                                    (*shape)[1].getAsInteger().value_or(0)};
    }
  });
  visit("tables", [&](const json::Object &tables) {
    for (const auto &[name, bytes] : tables)
      trial.tables[name.str()] = {bytes.getAsNumber().value_or(0), 0};
  });
  visit("layer-errors", [&](const json::Object &errors) {
    for (auto &[name, layer] : trial.layers)
      layer.error = errors.getNumber(name).value_or(0);
    for (auto &[name, table] : trial.tables)
      table.error = errors.getNumber(name).value_or(0);
  });
}

Expected<Trial> Trials::measureRounding(const std::string &recipe, const std::string &rules) {
  if (Error error = prepare())
    return std::move(error);
  Expected<CompileOptions> rounding = makeOptions(recipe, rules);
  if (!rounding)
    return rounding.takeError();
  rounding->output = notebook.getPath("rounded.mlir");
  rounding->stopAfter = Stage::Compress;
  InnerListener inner(listener);
  bool isCompiled = compile(*rounding, inner);
  for (const char *name : {"rounded.mlir", "rounded.mlir.weights"})
    (void)fs::remove(notebook.getPath(name));
  if (!isCompiled)
    return llvm::createStringError("a trial of the search could not be compiled");
  Trial trial;
  readFacts(inner.record, trial);
  return trial;
}

Expected<Trial> Trials::measure(const std::string &recipe, const std::string &rules) {
  if (Error error = prepare())
    return std::move(error);
  Expected<CompileOptions> trialOptions = makeOptions(recipe, rules);
  if (!trialOptions)
    return trialOptions.takeError();
  trialOptions->output = notebook.getPath("trial.so");
  InnerListener inner(listener);
  if (!compile(*trialOptions, inner))
    return llvm::createStringError("a trial of the search could not be compiled");
  Expected<ModelHandle> model = openArtifact(trialOptions->output);
  if (!model)
    return model.takeError();
  Expected<terse_perplexity> quality = measureQuality(model->get(), original.get(), getQualityOptions(options), tokens, listener.cancelled);
  if (!quality)
    return quality.takeError();
  Trial trial;
  trial.loss = MeasuredLoss(*quality);
  if (Error error = checkMeasured(options.promises, trial.loss))
    return std::move(error);
  trial.kl = quality->kl;
  if (std::error_code error = fs::file_size(trialOptions->output, trial.bytes))
    return llvm::createStringError("cannot read '" + trialOptions->output + "': " + error.message());
  readFacts(inner.record, trial);
  return trial;
}

Expected<Trial> Trials::find(const std::string &name, llvm::function_ref<Expected<Trial>()> measure) {
  Expected<const json::Object *> found = notebook.find(name, [&]() -> Expected<json::Object> {
    Expected<Trial> trial = measure();
    if (!trial)
      return trial.takeError();
    return toJson(*trial);
  });
  if (!found)
    return found.takeError();
  std::optional<Trial> trial = fromJson(*found);
  if (!trial)
    return llvm::createStringError("cannot read a trial in '" + folder + "': remove the folder, or name another one with --search-dir");
  return std::move(*trial);
}

Expected<Trial> Trials::run(const std::string &recipe, const std::string &rules, const std::string &what) {
  ++numTrials;
  Expected<Trial> trial = find(recipe + " " + rules, [&] { return measure(recipe, rules); });
  if (!trial)
    return trial.takeError();
  listener.onMessage({Message::Kind::Progress, "",
                      llvm::formatv("search: trial {0}, {1}: loss {2:f2} %, KL {3:f5}, {4:f2} MB", numTrials, what, 100 * trial->loss.all,
                                    trial->kl, trial->bytes / 1e6)
                          .str()});
  return trial;
}

Expected<Trial> Trials::round(const std::string &recipe, const std::string &rules, const std::string &what) {
  Expected<Trial> trial = find("rounding " + recipe + " " + rules, [&] { return measureRounding(recipe, rules); });
  if (!trial)
    return trial.takeError();
  listener.onMessage({Message::Kind::Progress, "", "search: rounded " + what});
  return trial;
}
