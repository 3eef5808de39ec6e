//===- PassLosses.cpp - what each pass adds to the loss -------------------===//
#include "PassLosses.h"

#include "FillReport.h"

#include "terse/Pipeline/Recipe.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace terse;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

static StringRef getPassName(StringRef pass) { return pass.split('{').first.trim(); }

/// Passes that leave the function as it is, but for rounding of floats.
static bool keepsFunction(StringRef pass) {
  return llvm::is_contained({"terse-assign-policy", "terse-rotate-hadamard", "terse-smooth-outliers", "terse-awq-scale", "terse-fold-scales"},
                            getPassName(pass));
}

/// Whether a pass may read statistics of layers' inputs; one that is not known may.
static bool mayNeedStatistics(StringRef pass) {
  if (pass.contains("gptq") || pass.contains("static") || pass.contains("stats="))
    return true;
  return !llvm::is_contained({"terse-assign-policy", "terse-rotate-hadamard", "terse-fold-scales", "terse-quantize-weights",
                              "terse-quantize-activations", "terse-convert-weights", "terse-prune-magnitude"},
                             getPassName(pass));
}

namespace {
/// A file beside the output that goes in the end.
struct BesideOutput {
  llvm::SmallString<128> path;
  ~BesideOutput() {
    if (!path.empty())
      llvm::sys::fs::remove(path);
  }
};
} // namespace

/// The first `count` passes of the compression, measured.
static Error measureBeginning(CompressionReport::Pass &pass, const CompileOptions &options, size_t count, bool calibrates, const std::string &level,
                              const terse_model *original, const std::vector<int32_t> &tokens, CompileListener &listener) {
  BesideOutput file;
  if (std::error_code error = llvm::sys::fs::createUniqueFile(options.output + ".pass-%%%%%%.so", file.path))
    return llvm::createStringError("cannot write beside '" + options.output + "': " + error.message());
  CompileOptions beginning = options;
  beginning.output = file.path.str().str();
  beginning.passLimit = count;
  beginning.levels = {level};
  beginning.report = false;
  beginning.reportFile.clear();
  beginning.evalText.clear();
  beginning.promises.clear();
  beginning.dumpIRFolder.clear();
  llvm::erase_if(beginning.extraPasses, [](const auto &extra) { return extra.first == Stage::Compress; });
  beginning.calibration.traffic.clear();
  beginning.calibration.statistics.clear();
  beginning.calibration.folder.clear();
  beginning.calibration.keepFolder = false;
  if (!calibrates)
    beginning.calibration.data.clear();
  CompileListener inner;
  inner.onMessage = [&](const Message &message) {
    if (message.kind == Message::Kind::Error || message.kind == Message::Kind::Progress)
      listener.onMessage(message);
    inner.cancelled = listener.cancelled.load();
  };
  if (!compile(beginning, inner))
    return llvm::createStringError("the passes up to '" + pass.name + "' could not be compiled alone (--skip-pass-losses leaves them out)");
  Expected<ModelHandle> model = openArtifact(beginning.output);
  if (!model)
    return model.takeError();
  Expected<terse_perplexity> quality = measureQuality(model->get(), original, getQualityOptions(options), tokens, listener.cancelled);
  if (!quality)
    return quality.takeError();
  pass.loss = quality->perplexity_ratio - 1;
  Expected<uint64_t> bytes = sumWeightBytes(beginning.output);
  if (!bytes)
    return bytes.takeError();
  pass.bytes = *bytes;
  return Error::success();
}

Error terse::measurePassLosses(CompressionReport &report, const CompileOptions &options, const std::string &level, const terse_model *original,
                               const std::vector<int32_t> &tokens, CompileListener &listener) {
  std::vector<std::string> passes = splitPasses(report.pipeline);
  const size_t numLimited = passes.size();
  for (const auto &[stage, pipeline] : options.extraPasses)
    if (stage == Stage::Compress)
      passes.push_back(pipeline);
  std::optional<size_t> last;
  for (auto [i, pass] : llvm::enumerate(passes)) {
    CompressionReport::Pass &entry = report.passes.emplace_back();
    entry.name = i < numLimited ? getPassName(pass).str() : pass;
    entry.keepsFunction = keepsFunction(pass);
    if (!entry.keepsFunction)
      last = i;
  }
  if (!last)
    return Error::success();
  report.passes[*last].loss = report.quality->loss;
  report.passes[*last].bytes = report.after->weightBytes;
  bool calibrates = false, isKnown = true;
  double before = 0;
  for (size_t i = 0; i <= *last; ++i) {
    CompressionReport::Pass &entry = report.passes[i];
    calibrates |= mayNeedStatistics(passes[i]);
    if (entry.keepsFunction)
      continue;
    if (i < *last && i < numLimited && !options.skipPassLosses) {
      listener.onMessage({Message::Kind::Progress, "", "measure the loss after " + entry.name});
      if (Error error = measureBeginning(entry, options, i + 1, calibrates, level, original, tokens, listener))
        return error;
    }
    // What follows one that was not measured adds an unknown part.
    if (entry.loss && isKnown)
      entry.added = *entry.loss - before;
    isKnown = entry.loss.has_value();
    before = entry.loss.value_or(0);
  }
  return Error::success();
}
