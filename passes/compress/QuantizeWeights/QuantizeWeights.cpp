//===- QuantizeWeights.cpp - rounds weights to codes with scales ----------===//
#include "QuantizeTensor.h"
#include "Terse/LayerAttributes.h"
#include "compress/Weights/LayerNames.h"
#include "compress/Weights/LayerStatistics.h"
#include "compress/Weights/Policy.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"
#include "terse/Support/JsonText.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/MapVector.h"

#include <cmath>

namespace terse {
#define GEN_PASS_DEF_QUANTIZEWEIGHTS
#include "compress/QuantizeWeights/QuantizeWeights.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

bool terse::isHead(Operation *op) {
  SmallVector<Operation *> worklist{op};
  while (!worklist.empty()) {
    Operation *current = worklist.pop_back_val();
    for (Operation *user : current->getUsers()) {
      if (isa<func::ReturnOp>(user))
        return true;
      bool isReshape = isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp, tensor::ExtractSliceOp>(user);
      bool isUnary = OpTrait::hasElementwiseMappableTraits(user) && llvm::all_of(user->getOperands(), [&](Value operand) {
                       Operation *other = operand.getDefiningOp();
                       return other == current || getSplat(operand) || (other && other->hasAttr(kOutliersAttr));
                     });
      if (isReshape || isUnary)
        worklist.push_back(user);
    }
  }
  return false;
}

/// The name under which a table is known: its operation's, else its weight's.
static std::string getTableName(EmbeddingOp op, WeightOp weight) { return toJsonText(op.getName().value_or(weight.getName())); }

/// The name of the first layer that reads what `layer` does: layers with one input are merged where their formats are the same.
static std::string findFirstReader(LinearLike layer) {
  LinearLike first = layer;
  for (Operation *user : layer.getInputOperand().get().getUsers())
    if (auto other = dyn_cast<LinearLike>(user); other && other->getBlock() == layer->getBlock() && other->isBeforeInBlock(first) &&
                                                 other.getInputOperand().get() == layer.getInputOperand().get())
      first = other;
  return getNameOfLayer(first);
}

/// What its weight was pruned to; empty if it was not.
static std::string getSparsity(LinearLike layer) {
  auto sparsity = layer->getAttrOfType<StringAttr>(kSparsityAttr);
  return sparsity ? sparsity.str() : "";
}

namespace {
struct QuantizeWeights : terse::impl::QuantizeWeightsBase<QuantizeWeights> {
  using QuantizeWeightsBase::QuantizeWeightsBase;

  struct Choice {
    Operation *op;
    RoundingSource source;
    std::string name;
    int64_t bits, groupSize, reductionAxis;
    bool symmetric;
    std::string method = "rtn";
    bool isSparse = false;
  };

  /// Values are checked with the text: a pipeline that cannot run is refused before any work.
  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(QuantizeWeightsBase::initializeOptions(text, error)))
      return failure();
    return checkOptions([&](const Twine &what) { return error(getArgument() + ": " + what); });
  }

  void runOnOperation() override {
    SmallVector<Choice> choices;
    if (failed(statistics.open(getOperation(), stats)) || failed(choose(choices)))
      return signalPassFailure();

    // Layers that share a weight share its codes.
    using Key = std::tuple<Operation *, int64_t, int64_t, int64_t, bool, std::string>; // of one weight: its scaling and how it is rounded
    llvm::MapVector<Operation *, SmallVector<std::pair<Key, QuantizedTensor>>> done;
    Totals totals;
    int64_t numLayers = 0, numEmbeddings = 0, numRequantized = 0;
    for (Choice &choice : choices) {
      Key key{choice.source.scaled, choice.bits, choice.groupSize, choice.reductionAxis, choice.symmetric, choice.method};
      auto &ofWeight = done[choice.source.weight];
      auto known = llvm::find_if(ofWeight, [&](auto &entry) { return entry.first == key; });
      if (known == ofWeight.end()) {
        FailureOr<QuantizedTensor> tensor = quantize(choice);
        if (failed(tensor))
          return signalPassFailure();
        totals.add(*tensor, choice.name);
        numRequantized += static_cast<bool>(choice.source.coded);
        ofWeight.emplace_back(key, *tensor);
        known = std::prev(ofWeight.end());
      }
      if (auto embedding = dyn_cast<EmbeddingOp>(choice.op)) {
        embedding.getTableMutable().assign(known->second.dequantize(getElementTypeOrSelf(embedding.getTable())));
        totals.tables[choice.name] = known->second.bytesAfter;
        ++numEmbeddings;
      } else {
        auto linear = cast<LinearLike>(choice.op);
        linear.replaceWeight(known->second.dequantize(getElementTypeOrSelf(linear.getWeightOperand().get())));
        auto getSize = [&](int64_t axis) { return choice.source.getType().getDimSize(axis); };
        totals.layers[choice.name] = llvm::json::Object{{"bits", choice.bits},
                                                        {"group_size", choice.groupSize},
                                                        {"symmetric", known->second.scheme.isSymmetric()},
                                                        {"method", choice.method},
                                                        {"sparsity", getSparsity(linear)},
                                                        {"error_of", known->second.errors.outputNorm > 0 ? "outputs" : "weights"},
                                                        {"bytes", known->second.bytesAfter},
                                                        {"shape", llvm::json::Array{getSize(1 - choice.reductionAxis), getSize(choice.reductionAxis)}},
                                                        {"input_of", findFirstReader(linear)}};
        ++numLayers;
      }
    }
    getOperation()->walk([](func::FuncOp func) {
      for (Block &block : func.getBody())
        eraseDead(block);
    });

    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    report.add(getArgument(), "layers-quantized", numLayers);
    report.add(getArgument(), "layers-left", numLeft);
    report.add(getArgument(), "embeddings-quantized", numEmbeddings);
    report.add(getArgument(), "codes-requantized", numRequantized);
    report.add(getArgument(), "codes-kept", numKept);
    report.add(getArgument(), "bytes-before", totals.bytesBefore);
    report.add(getArgument(), "bytes-after", totals.bytesAfter);
    if (totals.errors.squaredNorm > 0)
      report.add(getArgument(), "relative-error", std::sqrt(totals.errors.squaredError / totals.errors.squaredNorm));
    if (totals.errors.outputNorm > 0) {
      report.add(getArgument(), "layers-with-statistics", totals.numWithStatistics);
      report.add(getArgument(), "output-error-nearest", std::sqrt(totals.errors.outputErrorBefore / totals.errors.outputNorm));
      report.add(getArgument(), "output-error", std::sqrt(std::max(0.0, totals.errors.outputError) / totals.errors.outputNorm));
    }
    if (mostDamping > damping)
      report.add(getArgument(), "most-damping", mostDamping);
    if (!totals.layerErrors.empty())
      report.add(getArgument(), "layer-errors", std::move(totals.layerErrors));
    if (!totals.layers.empty())
      report.add(getArgument(), "layers", std::move(totals.layers));
    if (!totals.tables.empty())
      report.add(getArgument(), "tables", std::move(totals.tables));
    if (!totals.worst.empty())
      report.add(getArgument(), "worst-layer", totals.worst + " (" + llvm::formatv("{0:f4}", totals.worstError).str() + ")");
  }

private:
  struct Totals {
    int64_t bytesBefore = 0, bytesAfter = 0, numWithStatistics = 0;
    RoundingErrors errors;
    double worstError = -1;
    std::string worst;
    llvm::json::Object layerErrors; ///< by name
    llvm::json::Object layers;      ///< what each linear layer got, by name
    llvm::json::Object tables;      ///< bytes of each table of embeddings, by name
    void add(const QuantizedTensor &tensor, const std::string &name) {
      bytesBefore += tensor.bytesBefore;
      bytesAfter += tensor.bytesAfter;
      errors += tensor.errors;
      // Of outputs where they are known, which is another scale.
      bool known = tensor.errors.outputNorm > 0;
      numWithStatistics += known;
      double part = known ? tensor.errors.outputError : tensor.errors.squaredError;
      double whole = known ? tensor.errors.outputNorm : tensor.errors.squaredNorm;
      double error = whole > 0 ? std::sqrt(std::max(0.0, part) / whole) : 0;
      layerErrors[name] = error;
      if (error > worstError) {
        worstError = error;
        worst = name;
      }
    }
  };

  FailureOr<QuantizedTensor> quantize(Choice &choice) {
    TensorRounding rounding;
    rounding.options = {static_cast<unsigned>(choice.bits), choice.groupSize, choice.symmetric, *parseScaleFormat(scale), clipSearch};
    rounding.reductionAxis = choice.reductionAxis;
    rounding.keepsZeros = choice.isSparse;
    rounding.codebook = hasTable(choice.bits) ? Codebook::NF4 : Codebook::Linear;
    SecondOrderProblem problem;
    // Statistics that were asked for by name also choose the ranges of values that are rounded to the nearest.
    rounding.isHalfQuadratic = choice.method == "hqq";
    bool isGptq = choice.method == "gptq", isKnown = isa<LinearLike>(choice.op) && statistics.contains(choice.name);
    if (isGptq || isKnown) {
      problem.k = choice.source.getType().getDimSize(choice.reductionAxis);
      // What only measures errors does without.
      bool chooses = isGptq || (!stats.empty() && !rounding.isHalfQuadratic);
      FailureOr<TapStatistics> tap =
          statistics.find(choice.op, choice.name, problem.k, chooses ? ArrayRef<Measure>(Measure::SecondMoment) : ArrayRef<Measure>());
      if (failed(tap))
        return failure();
      problem.hessian = tap->secondMoment;
      if (isGptq) {
        FailureOr<const ErrorFeedback *> feedback = statistics.getFeedback(choice.op, choice.name, *tap, damping, actOrder);
        if (failed(feedback))
          return failure();
        problem.feedback = *feedback;
        mostDamping = std::max(mostDamping, (*feedback)->damping);
        rounding.numSweeps = sweeps;
      }
      if (chooses)
        rounding.problem = &problem;
      else if (!tap->secondMoment.empty())
        rounding.measured = &problem;
    }
    return quantizeTensor(choice.source, choice.op, choice.name, rounding);
  }

  /// Whether codes of so many bits are from a table.
  bool hasTable(int64_t itsBits) const { return format == "nf4" && itsBits == 4; }

  LogicalResult checkOptions(function_ref<LogicalResult(const Twine &)> error) const {
    auto checkBits = [&](StringRef option, int64_t value, bool mayBeZero) -> LogicalResult {
      if (value == 2 || value == 3 || value == 4 || value == 8 || (mayBeZero && value == 0))
        return success();
      return error("expected " + option + " of " + (mayBeZero ? "0, " : "") + "2, 3, 4 or 8; got " + Twine(value));
    };
    if (failed(checkBits("bits", bits, false)) || failed(checkBits("head-bits", headBits, true)) ||
        failed(checkBits("embedding-bits", embeddingBits, true)))
      return failure();
    for (int64_t size : {groupSize.getValue(), embeddingGroupSize.getValue(), headGroupSize == -1 ? 0 : headGroupSize.getValue()})
      if (size < 0)
        return error("expected a group size of 0 or more; got " + Twine(size));
    if (method != "rtn" && method != "gptq" && method != "hqq")
      return error("expected method to be rtn, gptq or hqq; got '" + method + "'");
    if (format != "int" && format != "nf4")
      return error("expected format to be int or nf4; got '" + format + "'");
    if (format == "nf4" && (method == "hqq" || !symmetric))
      return error("expected method to be rtn or gptq and no zero points with format=nf4");
    if (!(damping >= 0 && damping <= 1))
      return error("expected a damping of 0 to 1; got " + Twine(llvm::formatv("{0}", damping.getValue()).str()));
    if (sweeps < 0)
      return error("expected sweeps of 0 or more; got " + Twine(sweeps.getValue()));
    if (!parseScaleFormat(scale))
      return error("expected scale to be f16, f32 or i8; got '" + scale + "'");
    return LayerNames(layers, exclude).check(error);
  }

  LogicalResult choose(SmallVectorImpl<Choice> &choices) {
    LayerNames names(layers, exclude);
    SmallVector<EmbeddingOp> embeddings;
    WalkResult walked = getOperation()->walk([&](Operation *op) -> WalkResult {
      if (auto embedding = dyn_cast<EmbeddingOp>(op))
        embeddings.push_back(embedding);
      auto linear = dyn_cast<LinearLike>(op);
      if (!linear)
        return WalkResult::advance();
      RoundingSource source = getRoundingSource(linear.getWeightOperand().get(), linear.getReductionAxis());
      bool head = isHead(op);
      FailureOr<Policy> policy = getPolicy(op);
      if (failed(policy))
        return WalkResult::interrupt();
      if (!source.weight) {
        numLeft += !isFrozen(op);
        return WalkResult::advance();
      }
      std::string name = getNameOfLayer(op);
      bool isNamed = names.contains(name);
      if (isFrozen(op))
        return WalkResult::advance();
      int64_t itsBits = policy->bits.value_or(head ? headBits : bits);
      if (!isNamed || policy->keep || itsBits == 0) {
        ++numLeft;
        return WalkResult::advance();
      }
      // Codes of no more bits than asked for stay the file's: rounding them again would only lose.
      if (source.coded && !source.scaled && source.coded.getScheme().getBits() <= itsBits) {
        ++numKept;
        return WalkResult::advance();
      }
      int64_t group = policy->groupSize.value_or(head && headGroupSize >= 0 ? headGroupSize : groupSize);
      // Calibration of blocks sees no input of the head.
      bool isUnseen = method == "gptq" && head && !statistics.contains(name);
      std::string itsMethod = policy->method.value_or(isUnseen ? "rtn" : method.getValue());
      if (itsMethod == "hqq" && hasTable(itsBits)) {
        op->emitError() << "expected method to be rtn or gptq with format=nf4; got 'hqq' for layer '" << name << "'";
        return WalkResult::interrupt();
      }
      // Codes of a table have no zero points.
      bool itsSymmetric = hasTable(itsBits) || policy->symmetric.value_or(symmetric);
      choices.push_back({op, source, name, itsBits, group, linear.getReductionAxis(), itsSymmetric, itsMethod, isSparse(op)});
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return failure();
    if (failed(names.checkUsed([&](const Twine &what) -> LogicalResult {
          return mlir::emitError(UnknownLoc::get(&getContext())) << getArgument() << ": " << what;
        })))
      return failure();
    for (EmbeddingOp embedding : embeddings) {
      RoundingSource table = getRoundingSource(embedding.getTable(), 1);
      if (!table.weight || isFrozen(embedding))
        continue;
      std::string name = getTableName(embedding, table.weight);
      if (table.coded && (embeddingBits == 0 || table.coded.getScheme().getBits() <= embeddingBits)) {
        ++numKept;
        continue;
      }
      if (embeddingBits != 0) {
        choices.push_back({embedding, table, name, embeddingBits, embeddingGroupSize, 1, symmetric});
        continue;
      }
      auto tied = llvm::find_if(choices, [&](const Choice &choice) {
        return choice.source.weight == table.weight && !choice.source.scaled && choice.reductionAxis == 1 && isa<LinearLike>(choice.op);
      });
      if (tied != choices.end())
        choices.push_back({embedding, table, name, tied->bits, tied->groupSize, 1, tied->symmetric});
    }
    return success();
  }

  LayerStatistics statistics;
  double mostDamping = 0;
  int64_t numLeft = 0, numKept = 0;
};
} // namespace
