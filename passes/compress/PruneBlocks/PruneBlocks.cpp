//===- PruneBlocks.cpp - leaves out layers of a model ---------------------===//
#include "compress/PruneBlocks/RemoveSpan.h"

#include "Terse/LayerAttributes.h"
#include "compress/Weights/LayerNames.h"
#include "compress/Weights/Policy.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"
#include "terse/Statistics/Statistics.h"
#include "terse/Support/Share.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

namespace terse {
#define GEN_PASS_DEF_PRUNEBLOCKS
#include "compress/PruneBlocks/PruneBlocks.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct PruneBlocks : terse::impl::PruneBlocksBase<PruneBlocks> {
  using PruneBlocksBase::PruneBlocksBase;

  /// Values are checked with the text: a pipeline that cannot run is refused before any work.
  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(PruneBlocksBase::initializeOptions(text, error)))
      return failure();
    return parseOptions([&](const Twine &what) { return error(getArgument() + ": " + what); });
  }

  void runOnOperation() override {
    if (failed(run()))
      signalPassFailure();
  }

private:
  struct Candidate {
    size_t first; ///< block of the span
    double similarity;
  };

  LogicalResult parseOptions(function_ref<LogicalResult(const Twine &)> error) {
    std::optional<double> parsed = parseProperShare(share);
    if (!parsed)
      return error("expected a share of 0 or more and less than 1, such as 25%; got '" + share + "'");
    part = *parsed;
    if (unit != "block" && unit != "sublayer")
      return error("expected a unit of block or sublayer; got '" + unit + "'");
    kind = unit == "block" ? SpanKind::Block : SpanKind::Sublayer;
    return LayerNames(layers, exclude).check(error);
  }

  LogicalResult refuse(const Twine &what) { return emitError(UnknownLoc::get(&getContext())) << getArgument() << ": " << what; }

  LogicalResult run() {
    auto refused = [&](const Twine &what) { return refuse(what); };
    if (failed(parseOptions(refused))) // made without a text, too
      return failure();
    auto function = getOperation().lookupSymbol<func::FuncOp>(TerseDialect::kEntryName);
    if (!function || function.isExternal())
      return getOperation().emitError("expected a function @forward");
    std::vector<ModelBlock> blocks = findBlocks(function);
    std::vector<BlockSpan> spans = findSpans(blocks, kind);
    std::vector<Candidate> candidates;
    if (failed(findCandidates(blocks, spans, candidates)))
      return failure();
    const int64_t wanted = static_cast<int64_t>(part * spans.size() + 1e-9);
    std::vector<std::string> removed;
    int64_t parameters = countParameters(function);
    for (const Candidate &candidate : candidates) {
      if (static_cast<int64_t>(removed.size()) == wanted)
        break;
      const BlockSpan span = *llvm::find_if(spans, [&](const BlockSpan &other) { return other.first == candidate.first; });
      if (std::optional<std::string> reason = removeSpan(function, span)) {
        left[span.name] = *reason;
        continue;
      }
      // The next one takes what this one took.
      for (BlockSpan &other : spans)
        if (other.input == span.output)
          other.input = span.input;
      removed.push_back(llvm::formatv("{0} ({1:f4})", span.name, candidate.similarity));
    }
    report(spans.size(), removed, parameters - countParameters(function));
    return success();
  }

  /// Those that may go, the most alike first.
  LogicalResult findCandidates(ArrayRef<ModelBlock> blocks, ArrayRef<BlockSpan> spans, std::vector<Candidate> &candidates) {
    LayerNames firsts(layers, ""), all("", exclude);
    std::optional<Statistics> statistics;
    if (failed(openStatistics(statistics)))
      return failure();
    for (const BlockSpan &span : spans) {
      bool isAsked = firsts.contains(span.name);
      for (const ModelBlock &block : blocks.slice(span.first, span.count))
        for (LinearLike layer : block.layers) {
          isAsked &= all.contains(getNameOfLayer(layer)) && !isFrozen(layer);
          FailureOr<Policy> policy = getPolicy(layer);
          if (failed(policy))
            return failure();
          if (policy->keep && isAsked) {
            left[span.name] = "the policy of layer '" + getNameOfLayer(layer) + "' keeps it";
            isAsked = false;
          }
        }
      if (!isAsked)
        continue;
      const llvm::StringMap<double> &similarities = statistics->getSimilarities(getSpanKindName(kind));
      auto found = similarities.find(span.name);
      if (found == similarities.end())
        return refuse("the statistics '" + statistics->getFile().getPath() + "' do not say how alike what the " + getSpanKindName(kind) + " of layer '" +
                      span.name + "' takes and gives are (a recipe with prune=blocks:SHARE has it measured)");
      candidates.push_back({span.first, found->second});
    }
    llvm::sort(candidates, [](const Candidate &a, const Candidate &b) {
      return std::pair(a.similarity, a.first) > std::pair(b.similarity, b.first);
    });
    return firsts.checkUsed([&](const Twine &what) { return refuse(what); });
  }

  LogicalResult openStatistics(std::optional<Statistics> &statistics) {
    std::string path = stats;
    if (auto named = getOperation()->getAttrOfType<StringAttr>(kStatisticsAttr); named && path.empty())
      path = named.str();
    if (path.empty())
      return refuse("expected statistics of how alike what blocks take and give are; got no file of statistics (stats=FILE)");
    llvm::Expected<Statistics> opened = Statistics::open(path);
    if (!opened)
      return emitError(UnknownLoc::get(&getContext())) << llvm::toString(opened.takeError());
    statistics.emplace(std::move(*opened));
    return success();
  }

  static int64_t countParameters(func::FuncOp function) {
    int64_t count = 0;
    function.walk([&](WeightOp weight) { count += weight.getType().getNumElements(); });
    return count;
  }

  void report(size_t numSpans, const std::vector<std::string> &removed, int64_t parameters) {
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "blocks", static_cast<int64_t>(numSpans));
    report.add(getArgument(), "blocks-removed", static_cast<int64_t>(removed.size()));
    if (!removed.empty())
      report.add(getArgument(), "removed", llvm::join(removed, "; "));
    if (!left.empty())
      report.add(getArgument(), "left", std::move(left));
    report.add(getArgument(), "parameters-removed", parameters);
  }

  double part = 0;
  SpanKind kind = SpanKind::Block;
  llvm::json::Object left; ///< reasons by names
};
} // namespace
