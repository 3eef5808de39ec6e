//===- Trials.cpp - models that are compiled to be measured ---------------===//
#include "Trials.h"

#include "terse/Pipeline/Recipe.h"
#include "terse/Pipeline/Stages.h"
#include "terse/Quality/Original.h"
#include "terse/Target/Artifact.h"
#include "terse/Support/CPULevel.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

using namespace terse;
using llvm::Error;
using llvm::Expected;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;

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
                   {"tuning", options.tuning},
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

/// Whether passes ask for statistics: what a recipe says, or rules.
static bool needStatistics(const Recipe &recipe, llvm::StringRef rules) {
  return recipe.needsStatistics || rules.contains(",method:gptq") || askForZeros(rules);
}

Expected<CompileOptions> Trials::makeOptions(const std::string &recipe, const std::string &rules, bool isAsShipped) const {
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
  if (!isAsShipped && hasStatistics())
    inner.statistics = statistics;
  if (!inner.statistics.empty() || !needStatistics(*parsed, rules))
    inner.calibration.data.clear();
  inner.calibration.statistics.clear();
  // What an interrupted calibration has measured is of one trial.
  llvm::SHA256 hash;
  hash.update(recipe + " " + rules);
  inner.calibration.folder = notebook.getPath("calibration-" + llvm::toHex(hash.final(), /*LowerCase=*/true).substr(0, 16));
  inner.calibration.keepFolder = false;
  return inner;
}

Error Trials::calibrateOriginal(const std::string &recipe) {
  // Rotations are the only thing before calibration. Rounded to 8 bits each block is done at once, and the next one does not see it.
  llvm::StringRef rotation = findRecipeKey(recipe, "rotate").value_or("none");
  const std::string path = notebook.getPath(("original-" + rotation + ".tstats").str());
  if (!fs::exists(path)) {
    if (Error error = prepare())
      return error;
    listener.onMessage({Message::Kind::Progress, "", "search: calibrates the original"});
    Expected<CompileOptions> measured = makeOptions(("w8:rotate=" + rotation).str(), "", /*isAsShipped=*/true);
    if (!measured)
      return measured.takeError();
    measured->calibration = options.calibration;
    measured->calibration.traffic.clear();
    measured->calibration.fromOriginal = true;
    measured->calibration.statistics = path;
    measured->calibration.folder = path + ".calibration";
    measured->calibration.keepFolder = false;
    if (Error error = compileToRounded(*measured).takeError())
      return error;
  }
  statistics = path;
  return Error::success();
}

/// Whether no kernel gains by 2:4.
static bool storesZeros(llvm::StringRef recipe) {
  return findRecipeKey(recipe, "activations") == "float" || findRecipeKey(recipe, "format") == "nf4";
}

/// Up to the end of compression.
Expected<CompileRecord> Trials::compileToRounded(CompileOptions rounding) {
  rounding.output = notebook.getPath("rounded.mlir");
  rounding.stopAfter = Stage::Compress;
  InnerListener inner(listener);
  bool isCompiled = compile(rounding, inner);
  for (const char *name : {"rounded.mlir", "rounded.mlir.weights"})
    (void)fs::remove(notebook.getPath(name));
  if (!isCompiled)
    return llvm::createStringError("a trial of the search could not be compiled");
  return std::move(inner.record);
}

Expected<Trial> Trials::measureRounding(const std::string &recipe, const std::string &rules) {
  if (Error error = prepare())
    return std::move(error);
  Expected<CompileOptions> rounding = makeOptions(recipe, rules, /*isAsShipped=*/false);
  if (!rounding)
    return rounding.takeError();
  Expected<CompileRecord> record = compileToRounded(std::move(*rounding));
  if (!record)
    return record.takeError();
  Trial trial;
  readFacts(*record, storesZeros(recipe), trial);
  return trial;
}

Expected<Trial> Trials::measure(const std::string &recipe, const std::string &rules, bool isAsShipped) {
  if (Error error = prepare())
    return std::move(error);
  Expected<CompileOptions> trialOptions = makeOptions(recipe, rules, isAsShipped);
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
  readFacts(inner.record, storesZeros(recipe), trial);
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
  std::optional<Trial> trial = readTrial(**found);
  if (!trial)
    return llvm::createStringError("cannot read a trial in '" + folder + "': remove the folder, or name another one with --search-dir");
  return std::move(*trial);
}

/// Of a trial in the notebook.
std::string Trials::getName(const std::string &recipe, const std::string &rules, bool isAsShipped) const {
  return (hasStatistics() && !isAsShipped ? "by the original: " : "") + recipe + " " + rules;
}

Expected<Trial> Trials::run(const std::string &recipe, const std::string &rules, const std::string &what) {
  return find(recipe, rules, what, /*isAsShipped=*/false);
}

Expected<Trial> Trials::runAsShipped(const std::string &recipe, const std::string &rules, const std::string &what) {
  return find(recipe, rules, what, /*isAsShipped=*/true);
}

Expected<Trial> Trials::find(const std::string &recipe, const std::string &rules, const std::string &what, bool isAsShipped) {
  ++numTrials;
  Expected<Trial> trial = find(getName(recipe, rules, isAsShipped), [&] { return measure(recipe, rules, isAsShipped); });
  if (!trial)
    return trial.takeError();
  listener.onMessage({Message::Kind::Progress, "",
                      llvm::formatv("search: trial {0}, {1}: loss {2:f2} %, KL {3:f5}, {4:f2} MB", numTrials, what, 100 * trial->loss.all, trial->kl,
                                    trial->bytes / 1e6)
                          .str()});
  return trial;
}

Expected<Trial> Trials::round(const std::string &recipe, const std::string &rules, const std::string &what) {
  Expected<Trial> trial = find("rounding " + getName(recipe, rules, /*isAsShipped=*/false), [&] { return measureRounding(recipe, rules); });
  if (!trial)
    return trial.takeError();
  listener.onMessage({Message::Kind::Progress, "", "search: rounded " + what});
  return trial;
}
