//===- Guard.cpp - a compile, and what it did to quality ------------------===//
#include "terse/Quality/Guard.h"

#include "FillFit.h"
#include "FillReport.h"
#include "PassLosses.h"
#include "terse/Quality/Measure.h"
#include "terse/Quality/Original.h"
#include "terse/Quality/Promise.h"

#include "terse/Runtime/FrequencyBands.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

#include <cmath>
#include <ctime>

using namespace terse;
using llvm::Error;

static bool makesArtifact(const CompileOptions &options) {
  return options.emit == EmitKind::SharedObject && !options.stopAfter && !options.preflight;
}

static Error checkOptions(const CompileOptions &options) {
  if (!options.evalText.empty()) {
    if (!makesArtifact(options))
      return llvm::createStringError("expected an artifact (--emit=so, all stages) with --eval");
    if (!llvm::sys::fs::is_regular_file(options.evalText))
      return llvm::createStringError("cannot read '" + options.evalText + "': no such file");
  } else if (!options.promises.empty()) {
    return llvm::createStringError("expected --eval with --max-loss: a text to measure the loss on");
  }
  if (options.reportFile.empty())
    return Error::success();
  if (!makesArtifact(options))
    return llvm::createStringError("expected an artifact (--emit=so, all stages) with --report=FILE");
  return checkReportPath(options.reportFile);
}

static std::string formatLoss(double loss) { return llvm::formatv("{0:f2} %", 100 * loss).str(); }

/// Runs both models on the held-out text.
static Error measureHeldOut(const CompileOptions &options, CompileListener &listener, const ModelHandle &model,
                            const ModelHandle &reference, CompressionReport &report, MeasuredLoss &loss) {
  llvm::Expected<std::vector<int32_t>> tokens = tokenizeFile(model.get(), options.evalText);
  if (!tokens)
    return tokens.takeError();
  listener.onMessage({Message::Kind::Progress, "", "measure quality on " + options.evalText});
  const terse_quality_options how = getQualityOptions(options);
  llvm::Expected<terse_perplexity> result =
      measureQuality(model.get(), reference.get(), how, *tokens, listener.cancelled);
  if (!result)
    return llvm::createStringError("'" + options.evalText + "': " + llvm::toString(result.takeError()));
  loss = MeasuredLoss(*result);
  if (Error error = checkMeasured(options.promises, loss))
    return error;
  double rates[2] = {};
  for (auto [index, handle] : {std::pair(0, reference.get()), std::pair(1, model.get())}) {
    llvm::Expected<double> rate = measureDecodeSpeed(handle, how.threads, *tokens);
    if (!rate)
      return rate.takeError();
    rates[index] = *rate;
  }

  CompressionReport::Measured &before = *report.before, &after = *report.after;
  before.perplexity = result->perplexity / result->perplexity_ratio;
  after.perplexity = result->perplexity;
  before.decodeTokensPerSecond = rates[0];
  after.decodeTokensPerSecond = rates[1];
  if (result->seconds > 0)
    after.prefillTokensPerSecond = double(result->tokens) / result->seconds;
  if (result->against_seconds > 0)
    before.prefillTokensPerSecond = double(result->tokens) / result->against_seconds;
  CompressionReport::Quality &quality = report.quality.emplace();
  quality.tokens = result->tokens;
  quality.windows = result->windows;
  quality.window = options.evalWindow;
  quality.loss = result->perplexity_ratio - 1;
  quality.kl = result->kl;
  quality.top1Agreement = result->top1_agreement;
  auto findPromise = [&](llvm::StringRef band) {
    auto promise = llvm::find_if(options.promises, [&](const LossPromise &entry) { return entry.band == band; });
    return promise == options.promises.end() ? std::nullopt : std::optional<double>(promise->loss);
  };
  quality.promisedLoss = findPromise("");
  for (int i = 0; i < TERSE_BAND_COUNT; ++i) {
    const terse_frequency_band &from = result->bands[i];
    CompressionReport::Band &band = report.bands.emplace_back();
    band.name = rt::FrequencyBands::nameOf(i);
    band.promisedLoss = findPromise(band.name);
    band.mass = from.mass;
    band.tokens = from.tokens;
    if (from.tokens == 0)
      continue;
    band.perplexityAfter = std::exp(from.nll);
    band.perplexityBefore = *band.perplexityAfter / from.perplexity_ratio;
    band.loss = from.perplexity_ratio - 1;
    band.kl = from.kl;
    band.top1Agreement = from.top1_agreement;
  }
  CompressionReport::Text &text = report.texts.emplace_back();
  text.name = llvm::sys::path::filename(options.evalText).str();
  text.role = "held-out";
  text.tokens = int64_t(tokens->size());
  text.perplexityBefore = before.perplexity;
  text.perplexityAfter = after.perplexity;
  for (auto [side, isChosen] : {std::pair(&before, false), std::pair(&after, true)}) {
    CompressionReport::Point &point = report.pareto.emplace_back();
    point.name = side->name;
    point.bytes = side->artifactBytes;
    point.loss = isChosen ? *quality.loss : 0.0;
    point.chosen = isChosen;
  }
  if (options.reportFile.empty())
    return Error::success();
  return measurePassLosses(report, options, terse_model_cpu_level(model.get()), reference.get(), *tokens, listener);
}

/// Runs both models on the texts that there are.
static Error measure(const CompileOptions &options, CompileListener &listener, const CompileRecord &record,
                     CompressionReport &report, MeasuredLoss &loss) {
  llvm::Expected<ModelHandle> model = openArtifact(options.output);
  if (!model)
    return model.takeError();
  llvm::Expected<ModelHandle> reference =
      openOriginal(options, terse_model_cpu_level(model->get()), listener,
                   [&](const std::string &path) { return fillOriginal(report, path); });
  if (!reference)
    return reference.takeError();
  if (record.calibration && record.calibration->traffic)
    if (Error error = measureFit(report, *record.calibration, model->get(), reference->get(), int32_t(options.threads), listener))
      return error;
  return options.evalText.empty() ? Error::success() : measureHeldOut(options, listener, *model, *reference, report, loss);
}

static std::string describeQuality(const CompressionReport &report) {
  const auto &before = *report.before, &after = *report.after;
  std::string text =
      llvm::formatv("quality: perplexity {0:f4} to {1:f4}, loss {2}; KL {3:f5} nats; same likeliest token {4:f2} %; by "
                    "token frequency",
                    *before.perplexity, *after.perplexity, formatLoss(*report.quality->loss), *report.quality->kl,
                    100 * *report.quality->top1Agreement)
          .str();
  for (const CompressionReport::Band &band : report.bands)
    text += " " + band.name + " " + (band.loss ? formatLoss(*band.loss) : "-");
  text += llvm::formatv("; prefill {0:f0} to {1:f0}, decode {2:f0} to {3:f0} tokens/s",
                        before.prefillTokensPerSecond.value_or(0), after.prefillTokensPerSecond.value_or(0),
                        *before.decodeTokensPerSecond, *after.decodeTokensPerSecond)
              .str();
  return text;
}

static std::string getToday() {
  char text[32];
  std::time_t now = std::time(nullptr);
  std::tm utc;
  ::gmtime_r(&now, &utc);
  std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
  return text;
}

/// Adds what a search measured on its way.
static void addSearch(CompressionReport &report, const SearchFindings &search, std::optional<Objective> objective) {
  if (objective)
    report.objective = *objective == Objective::Latency ? "latency" : *objective == Objective::Cost ? "cost" : "size";
  for (CompressionReport::Point &point : report.pareto)
    if (point.chosen)
      point.price = search.price;
  for (const SearchFindings::Point &point : search.points)
    report.pareto.push_back({point.name, point.bytes, point.loss, point.price});
  for (CompressionReport::Layer &layer : report.layers)
    for (const auto &[name, loss] : search.layerLosses)
      if (isPartOf(layer.name, name))
        layer.loss = loss;
  for (const std::string &cliff : search.cliffs)
    report.refused.push_back({"cliff", cliff});
}

Outcome terse::compileAndMeasure(const CompileOptions &options, CompileListener &listener, const SearchFindings *search) {
  auto fail = [&](Error error) {
    listener.onMessage({Message::Kind::Error, "", llvm::toString(std::move(error))});
    return Outcome();
  };
  if (Error error = checkOptions(options))
    return fail(std::move(error));
  bool hasTraffic = !options.calibration.traffic.empty() && makesArtifact(options);
  if (options.reportFile.empty() && options.evalText.empty() && !hasTraffic)
    return {compile(options, listener), ""};

  std::optional<CompileRecord> record;
  auto onDone = std::move(listener.onDone);
  listener.onDone = [&](const CompileRecord &done) { record = done; };
  bool compiled = compile(options, listener);
  listener.onDone = std::move(onDone);
  if (!compiled || !record)
    return {};
  // What is compressed already is not the original any more.
  if ((!options.evalText.empty() || hasTraffic) && record->inputStage >= Stage::Compress)
    return fail(llvm::createStringError("expected a model before the stage 'compress' with " +
                                        llvm::Twine(options.evalText.empty() ? "--traffic" : "--eval") +
                                        "; got IR behind the stage '" + getStageName(record->inputStage) + "'"));
  CompressionReport report;
  MeasuredLoss loss;
  Error error = fillIdentity(report, options, *record);
  if (!error)
    error = fillLayers(report, options, *record);
  if (!error && report.date.empty())
    report.date = getToday();
  if (!error && record->calibration)
    fillFit(report, *record->calibration);
  if (!error && (!options.evalText.empty() || hasTraffic)) {
    error = measure(options, listener, *record, report, loss);
    if (!error && report.quality)
      listener.onMessage({Message::Kind::Report, "", describeQuality(report)});
  }
  if (search)
    addSearch(report, *search, options.objective);
  if (!error && !options.reportFile.empty())
    error = writeReport(report, options.reportFile);
  if (error)
    return fail(std::move(error));
  std::string text = describeBroken(options.promises, loss);
  if (text.empty())
    return {true, ""};
  text += " (--max-loss): '" + options.output + "' is written, but breaks the promise";
  std::vector<std::pair<std::string, double>> errors = getLayerErrors(*record);
  for (size_t i = 0; i < errors.size() && i < 5; ++i)
    text += (i ? ", " : "; layers with the largest relative error: ") + errors[i].first + " (" +
            formatLoss(errors[i].second) + ")";
  return {true, text};
}
