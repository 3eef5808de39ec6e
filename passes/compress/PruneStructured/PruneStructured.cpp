//===- PruneStructured.cpp - removes channels and attention heads ---------===//
#include "Terse/LayerAttributes.h"
#include "compress/PruneStructured/SelectUnits.h"
#include "compress/PruneStructured/Structure.h"
#include "compress/Weights/LayerNames.h"
#include "compress/Weights/LayerStatistics.h"
#include "compress/Weights/Policy.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"
#include "terse/Support/Share.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Threading.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

namespace terse {
#define GEN_PASS_DEF_PRUNESTRUCTURED
#include "compress/PruneStructured/PruneStructured.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

namespace {
struct PruneStructured : terse::impl::PruneStructuredBase<PruneStructured> {
  using PruneStructuredBase::PruneStructuredBase;

  /// Values are checked with the text: a pipeline that cannot run is refused before any work.
  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(PruneStructuredBase::initializeOptions(text, error)))
      return failure();
    return parseOptions([&](const Twine &what) { return error(getArgument() + ": " + what); });
  }

  void runOnOperation() override {
    if (failed(run()))
      signalPassFailure();
  }

private:
  /// What a run over the module adds up.
  struct Totals {
    int64_t numFeedForwards = 0, numAttentions = 0, numParameters = 0;
    double error = 0, uncorrectedError = 0, norm = 0, worstError = -1;
    std::string worst;
    llvm::json::Object left;
  };

  LogicalResult parseOptions(function_ref<LogicalResult(const Twine &)> error) {
    std::optional<double> parsed = parseProperShare(share);
    if (!parsed)
      return error("expected a share of 0 or more and less than 1, such as 25%; got '" + share + "'");
    part = *parsed;
    SmallVector<StringRef> names;
    StringRef(targets).split(names, '+');
    for (StringRef name : names)
      if (name != "ffn" && name != "heads")
        return error("expected targets of ffn, heads or ffn+heads; got '" + targets + "'");
    prunesFeedForward = llvm::is_contained(names, "ffn");
    prunesHeads = llvm::is_contained(names, "heads");
    using Criterion = UnitProblem::Criterion;
    if (criterion == "error")
      chooseBy = Criterion::Error;
    else if (criterion == "second-moment")
      chooseBy = Criterion::SecondMoment;
    else if (criterion == "magnitude")
      chooseBy = Criterion::Magnitude;
    else
      return error("expected a criterion of error, second-moment or magnitude; got '" + criterion + "'");
    if (multiple < 1)
      return error("expected a multiple of 1 or more; got " + Twine(multiple.getValue()));
    if (!(damping >= 0 && damping <= 1))
      return error("expected a damping of 0 to 1; got " + Twine(llvm::formatv("{0}", damping.getValue()).str()));
    return LayerNames(layers, exclude).check(error);
  }

  LogicalResult run() {
    auto refuse = [&](const Twine &what) -> LogicalResult {
      return emitError(UnknownLoc::get(&getContext())) << getArgument() << ": " << what;
    };
    if (failed(parseOptions(refuse))) // made without a text, too
      return failure();
    LayerNames writers(layers, ""), all("", exclude);
    LayerStatistics statistics;
    if (failed(statistics.open(getOperation(), stats)))
      return failure();
    SmallVector<LinearOp> linears;
    getOperation()->walk([&](LinearOp linear) { linears.push_back(linear); });
    Totals totals;
    for (LinearOp writer : linears) {
      std::optional<PrunablePart> found = findPart(writer);
      if (!found || !writers.contains(getNameOfLayer(writer)) || !(found->attention ? prunesHeads : prunesFeedForward))
        continue;
      FailureOr<bool> isAsked = isPartAsked(*found, all);
      if (failed(isAsked))
        return failure();
      if (!*isAsked)
        continue;
      if (found->refusal.empty() && failed(prune(*found, statistics, totals)))
        return failure();
      if (!found->refusal.empty())
        totals.left[getNameOfLayer(writer)] = found->refusal;
    }
    if (failed(writers.checkUsed(refuse)))
      return failure();
    getOperation()->walk([](func::FuncOp function) {
      for (Block &block : function.getBody())
        eraseDead(block);
    });
    report(std::move(totals));
    return success();
  }

  /// Sets a refusal where a policy keeps a layer.
  FailureOr<bool> isPartAsked(PrunablePart &found, LayerNames &names) {
    SmallVector<LinearOp> members(found.producers);
    members.push_back(found.writer);
    for (LinearOp member : members) {
      std::string name = getNameOfLayer(member);
      FailureOr<Policy> policy = getPolicy(member);
      if (failed(policy))
        return failure();
      if (isFrozen(member) || !names.contains(name))
        return false;
      if (policy->keep && found.refusal.empty())
        found.refusal = "the policy of layer '" + name + "' keeps it";
    }
    return true;
  }

  int64_t countRemoved(const PrunablePart &found) const {
    int64_t count = found.numUnits, removed = static_cast<int64_t>(part * count + 1e-9);
    if (found.attention)
      return removed;
    int64_t left = static_cast<int64_t>(std::llround((1 - part) * count / multiple)) * multiple;
    return left > 0 && left < count ? count - left : std::min(removed, count - 1);
  }

  LogicalResult prune(PrunablePart &found, LayerStatistics &statistics, Totals &totals) {
    LinearOp writer = found.writer;
    std::string name = getNameOfLayer(writer);
    UnitProblem problem;
    problem.n = writer.getOutputChannels();
    problem.k = writer.getReductionSize();
    problem.unitSize = found.getWriterUnit();
    problem.numRemoved = countRemoved(found);
    problem.criterion = chooseBy;
    problem.correct = correct;
    problem.damping = damping;
    if (problem.numRemoved == 0) {
      found.refusal = llvm::formatv("the share of its {0} {1} is less than one", found.numUnits, found.attention ? "groups of heads" : "channels").str();
      return success();
    }
    if (failed(read(writer, problem.weights)))
      return failure();
    int64_t numParameters = 0;
    problem.producerNorms.resize(found.numUnits);
    for (LinearOp producer : found.producers) {
      std::vector<float> weights;
      if (failed(read(producer, weights)))
        return failure();
      const int64_t unit = weights.size() / found.numUnits;
      for (size_t i = 0; i < weights.size(); ++i)
        problem.producerNorms[i / unit] += double(weights[i]) * weights[i];
      numParameters += (unit + (producer.getBias() ? unit / producer.getReductionSize() : 0)) * problem.numRemoved;
    }
    if (correct || chooseBy != UnitProblem::Criterion::Magnitude) {
      FailureOr<TapStatistics> tap = statistics.find(writer, name, problem.k, Measure::SecondMoment);
      if (failed(tap))
        return failure();
      problem.hessian = tap->secondMoment;
    }
    auto parallel = [&](size_t count, llvm::function_ref<void(size_t)> body) { parallelFor(&getContext(), 0, count, body); };
    llvm::Expected<UnitSelection> selection = selectUnits(problem, parallel);
    if (!selection)
      return writer->emitError() << "cannot use the statistics of the input of layer '" << name << "': " << llvm::toString(selection.takeError());
    SmallVector<int64_t> units;
    for (size_t i = 0; i < selection->kept.size(); i += problem.unitSize)
      units.push_back(selection->kept[i] / problem.unitSize);
    if (failed(shrinkPart(found, units, selection->weights)))
      return failure();

    ++(found.attention ? totals.numAttentions : totals.numFeedForwards);
    totals.numParameters += numParameters + problem.numRemoved * problem.unitSize * problem.n;
    totals.error += selection->error;
    totals.uncorrectedError += selection->uncorrectedError;
    totals.norm += selection->norm;
    double relative = selection->norm > 0 ? std::sqrt(std::max(0.0, selection->error) / selection->norm) : -1;
    if (relative > totals.worstError) {
      totals.worstError = relative;
      totals.worst = name;
    }
    return success();
  }

  LogicalResult read(LinearOp layer, std::vector<float> &values) {
    FailureOr<std::vector<float>> weights = readWeight(layer);
    if (failed(weights))
      return failure();
    values = std::move(*weights);
    for (size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i]))
        return layer->emitError() << "expected finite weights; got NaN or infinity in output channel " << i / layer.getReductionSize()
                                  << " of layer '" << getNameOfLayer(layer) << "'";
    return success();
  }

  void report(Totals totals) {
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "feed-forwards-pruned", totals.numFeedForwards);
    report.add(getArgument(), "attentions-pruned", totals.numAttentions);
    report.add(getArgument(), "parameters-removed", totals.numParameters);
    if (!totals.left.empty())
      report.add(getArgument(), "left", std::move(totals.left));
    if (totals.worst.empty())
      return;
    report.add(getArgument(), "output-error", std::sqrt(std::max(0.0, totals.error) / totals.norm));
    report.add(getArgument(), "output-error-uncorrected", std::sqrt(std::max(0.0, totals.uncorrectedError) / totals.norm));
    report.add(getArgument(), "worst-layer", totals.worst + " (" + llvm::formatv("{0:f4}", totals.worstError).str() + ")");
  }

  double part = 0;
  bool prunesFeedForward = false, prunesHeads = false;
  UnitProblem::Criterion chooseBy = UnitProblem::Criterion::Error;
};
} // namespace
