//===- Trials.cpp - models that are compiled to be measured ---------------===//
#include "Trials.h"

#include "terse/Pipeline/Recipe.h"
#include "terse/Pipeline/Stages.h"
#include "terse/Quality/Original.h"
#include "terse/Target/Artifact.h"
#include "terse/Target/CPULevel.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace terse;
using llvm::Error;
using llvm::Expected;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;

std::string Trials::getPath(llvm::StringRef name) const {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

//===----------------------------------------------------------------------===//
// What is known
//===----------------------------------------------------------------------===//

static json::Value toJson(const std::string &name, const Trial &trial) {
  json::Object layers;
  for (const auto &[layer, found] : trial.layers)
    layers[layer] = json::Array{found.format.bits, found.format.groupSize, found.inputOf, found.bytes, found.error};
  json::Array bands;
  for (std::optional<double> loss : trial.loss.bands)
    bands.push_back(loss ? json::Value(*loss) : json::Value(nullptr));
  return json::Object{{"name", name},           {"bytes", int64_t(trial.bytes)}, {"loss", trial.loss.all}, {"bands", std::move(bands)},
                      {"kl", trial.kl}, {"layers", std::move(layers)}};
}

static std::optional<std::pair<std::string, Trial>> fromJson(const json::Value &value) {
  const json::Object *object = value.getAsObject();
  if (!object)
    return std::nullopt;
  auto name = object->getString("name");
  auto bytes = object->getInteger("bytes");
  auto loss = object->getNumber("loss"), kl = object->getNumber("kl");
  const json::Object *layers = object->getObject("layers");
  const json::Array *bands = object->getArray("bands");
  if (!name || !bytes || !loss || !kl || !layers || !bands || bands->size() != TERSE_BAND_COUNT)
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
    if (!fields || fields->size() != 5)
      return std::nullopt;
    auto number = [&](size_t i) { return (*fields)[i].getAsNumber().value_or(0); };
    trial.layers[layer.str()] = {{int64_t(number(0)), int64_t(number(1))}, (*fields)[2].getAsString().value_or("").str(), number(3), number(4)};
  }
  return std::pair(name->str(), trial);
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
                   {"keep_cache_io", options.keepCacheIO}};
  return llvm::formatv("{0}", json::Value(std::move(key))).str();
}

/// A line that was not written whole, the last one, is left aside.
Error Trials::readKnown(const std::string &key) {
  auto file = llvm::MemoryBuffer::getFile(getPath("trials.jsonl"), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return Error::success();
  auto [first, rest] = (*file)->getBuffer().split('\n');
  if (first != key)
    return llvm::createStringError("the folder '" + folder + "' is of another search: remove it, or name another one with --search-dir");
  while (!rest.empty()) {
    auto [line, after] = rest.split('\n');
    Expected<json::Value> value = json::parse(line);
    if (!value)
      llvm::consumeError(value.takeError());
    else if (auto trial = fromJson(*value))
      known[trial->first] = trial->second;
    rest = after;
  }
  listener.onMessage({Message::Kind::Progress, "", "search: goes on with " + std::to_string(known.size()) + " trials of '" + folder + "'"});
  return Error::success();
}

Error Trials::writeLine(const std::string &line) const {
  std::error_code error;
  llvm::raw_fd_ostream stream(getPath("trials.jsonl"), error, fs::CD_OpenAlways, fs::FA_Write, fs::OF_Append);
  if (!error) {
    stream << line << "\n";
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  return error ? llvm::createStringError("cannot write '" + getPath("trials.jsonl") + "': " + error.message()) : Error::success();
}

Error Trials::open() {
  folder = options.searchFolder.empty() ? options.output + ".search" : options.searchFolder;
  if (std::error_code error = fs::create_directories(folder))
    return llvm::createStringError("cannot make the folder '" + folder + "': " + error.message());
  Expected<std::string> key = makeKey();
  if (!key)
    return key.takeError();
  if (fs::exists(getPath("trials.jsonl")))
    return readKnown(*key);
  std::error_code error;
  fs::directory_iterator first(folder, error);
  if (first != fs::directory_iterator())
    return llvm::createStringError("expected the folder '" + folder + "' to be empty or of a search");
  return writeLine(*key);
}

void Trials::close() {
  for (const char *name : {"trial.so", "normalized.mlir"})
    (void)fs::remove(getPath(name));
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
  Expected<ModelHandle> opened = openOriginal(options, getHostLevel().name.str(), listener);
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
  normalize.output = getPath("normalized.mlir");
  if (!compile(normalize, inner))
    return llvm::createStringError("the search could not begin");
  original = std::move(*opened);
  return Error::success();
}

Expected<Trial> Trials::measure(const std::string &recipe, const std::string &rules) {
  if (Error error = prepare())
    return std::move(error);
  InnerListener inner(listener);
  CompileOptions trialOptions = makeInner(options);
  trialOptions.input = getPath("normalized.mlir");
  trialOptions.startFrom = Stage::Normalize;
  trialOptions.output = getPath("trial.so");
  trialOptions.recipe = recipe;
  trialOptions.groupSize.reset();
  trialOptions.policyRules = rules;
  trialOptions.levels = {getHostLevel().name.str()};
  Expected<Recipe> parsed = parseRecipe(recipe);
  if (!parsed)
    return parsed.takeError();
  if (!parsed->needsStatistics)
    trialOptions.calibration.data.clear();
  trialOptions.calibration.statistics.clear();
  trialOptions.calibration.folder = getPath("calibration");
  if (!compile(trialOptions, inner))
    return llvm::createStringError("a trial of the search could not be compiled");
  Expected<ModelHandle> model = openArtifact(trialOptions.output);
  if (!model)
    return model.takeError();
  terse_quality_options how = TERSE_QUALITY_OPTIONS_INIT;
  how.threads = int32_t(options.threads);
  how.window = options.evalWindow;
  how.max_windows = options.evalWindows;
  Expected<terse_perplexity> quality = measureQuality(model->get(), original.get(), how, tokens, listener.cancelled);
  if (!quality)
    return quality.takeError();
  Trial trial;
  trial.loss = MeasuredLoss(*quality);
  if (Error error = checkMeasured(options.promises, trial.loss))
    return std::move(error);
  trial.kl = quality->kl;
  if (std::error_code error = fs::file_size(trialOptions.output, trial.bytes))
    return llvm::createStringError("cannot read '" + trialOptions.output + "': " + error.message());
  for (const CompileRecord::Fact &fact : inner.record.facts)
    if (const json::Object *layers = fact.name == "layers" ? fact.value.getAsObject() : nullptr)
      for (const auto &[name, entry] : *layers)
        if (const json::Object *layer = entry.getAsObject())
          trial.layers[name.str()] = {{layer->getInteger("bits").value_or(0), layer->getInteger("group_size").value_or(0)},
                                      layer->getString("input_of").value_or(name).str(),
                                      layer->getNumber("bytes").value_or(0),
                                      0};
  for (const CompileRecord::Fact &fact : inner.record.facts)
    if (const json::Object *errors = fact.name == "layer-errors" ? fact.value.getAsObject() : nullptr)
      for (auto &[name, layer] : trial.layers)
        layer.error = errors->getNumber(name).value_or(0);
  return trial;
}

Expected<Trial> Trials::run(const std::string &recipe, const std::string &rules, const std::string &what) {
  std::string name = recipe + " " + rules;
  ++numTrials;
  auto found = known.find(name);
  if (found == known.end()) {
    Expected<Trial> trial = measure(recipe, rules);
    if (!trial)
      return trial;
    if (Error error = writeLine(llvm::formatv("{0}", toJson(name, *trial)).str()))
      return std::move(error);
    found = known.insert({name, *trial}).first;
  }
  const Trial &trial = found->second;
  listener.onMessage({Message::Kind::Progress, "",
                      llvm::formatv("search: trial {0}, {1}: loss {2:f2} %, KL {3:f5}, {4:f2} MB", numTrials, what, 100 * trial.loss.all, trial.kl,
                                    trial.bytes / 1e6)
                          .str()});
  return trial;
}
