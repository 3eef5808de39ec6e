//===- Spans.cpp - how much blocks of a model do --------------------------===//
#include "Spans.h"

#include "Taps.h"

#include "Terse/LayerAttributes.h"
#include "terse/Analysis/Blocks.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace terse;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;

/// Of files in the folder.
static constexpr llvm::StringLiteral kSuffix = ".span";

namespace {
/// Blocks that are run together.
struct Step {
  size_t first, count;
  bool isSpan;
};
} // namespace

/// All blocks up to the end of the last span.
static std::vector<Step> findSteps(ArrayRef<ModelBlock> blocks) {
  std::vector<Step> steps;
  size_t done = 0;
  for (const BlockSpan &span : findSpans(blocks, SpanKind::Block)) {
    for (; done < span.first; ++done)
      steps.push_back({done, 1, false});
    steps.push_back({span.first, span.count, true});
    done = span.first + span.count;
  }
  return steps;
}

static json::Object describe(const Step &step, ArrayRef<ModelBlock> blocks, const SpanSimilarity &similarity) {
  auto getName = [&](size_t block) { return getNameOfLayer(ModelBlock(blocks[block]).layers.front()); };
  json::Object sublayers;
  for (auto [i, cosine] : llvm::enumerate(similarity.getSteps()))
    sublayers[getName(step.first + i)] = cosine;
  return json::Object{{getSpanKindName(SpanKind::Block), json::Object{{getName(step.first), similarity.getWhole()}}},
                      {getSpanKindName(SpanKind::Sublayer), std::move(sublayers)}};
}

/// A file with nothing but similarities.
static llvm::Error write(const std::string &path, std::map<std::string, std::string> more, const json::Object &similarity) {
  more[kSimilarityMetadata] = llvm::formatv("{0}", json::Value(json::Object(similarity)));
  return writeStatistics(path, {}, std::move(more), {}, {});
}

llvm::Expected<json::Object> terse::measureSpans(const CalibrationContext &context, const CalibrationStream &stream,
                                                 const std::map<std::string, std::string> &described) {
  ModuleOp module = context.module;
  std::vector<ModelBlock> blocks = findBlocks(module.lookupSymbol<func::FuncOp>(TerseDialect::kEntryName));
  std::vector<Step> steps = findSteps(blocks);
  const CalibrationFolder &folder = context.folder;
  for (auto [i, step] : llvm::enumerate(steps)) {
    std::string path = folder.getStatisticsPath(i, kSuffix);
    if (fs::exists(path))
      continue;
    if (llvm::Error error = context.compile(step.first, step.count, TapsAt::Blocks))
      return std::move(error);
    SpanSimilarity similarity(getNameOfLayer(blocks[step.first].layers.front()), step.count);
    auto read = [&, isSpan = step.isSpan](size_t, const terse_tensor &output) {
      return isSpan ? similarity.read(output) : llvm::Error::success();
    };
    std::string what = llvm::formatv("part {0} of {1}: compare what it takes and gives", i + 1, steps.size());
    if (llvm::Error error = context.run(stream, what, i ? folder.getOutputPath(i - 1, kSuffix) : "",
                                        i + 1 < steps.size() ? folder.getOutputPath(i, kSuffix) : "", read))
      return std::move(error);
    if (llvm::Error error = write(path, described, step.isSpan ? describe(step, blocks, similarity) : json::Object()))
      return std::move(error);
    if (i)
      (void)fs::remove(folder.getOutputPath(i - 1, kSuffix));
  }
  json::Object all;
  for (size_t i = 0; i < steps.size(); ++i) {
    llvm::Expected<Statistics> measured = Statistics::open(folder.getStatisticsPath(i, kSuffix));
    if (!measured)
      return measured.takeError();
    for (SpanKind kind : {SpanKind::Block, SpanKind::Sublayer})
      for (const auto &span : measured->getSimilarities(getSpanKindName(kind))) {
        json::Value &known = all.try_emplace(getSpanKindName(kind), json::Object()).first->second;
        (*known.getAsObject())[span.first().str()] = span.second;
      }
  }
  std::string path = folder.getPath("spans.tstats");
  if (llvm::Error error = write(path, described, all))
    return std::move(error);
  module->setAttr(kStatisticsAttr, StringAttr::get(module.getContext(), path));
  return all;
}
