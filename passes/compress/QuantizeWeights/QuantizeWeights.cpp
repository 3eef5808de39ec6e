//===- QuantizeWeights.cpp - rounds weights to codes with scales ----------===//
#include "QuantizeTensor.h"
#include "normalize/Algebra/Algebra.h"
#include "terse/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Regex.h"

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
                       return operand.getDefiningOp() == current || getSplat(operand);
                     });
      if (isReshape || isUnary)
        worklist.push_back(user);
    }
  }
  return false;
}

/// The weight that `value` is, perhaps with another float type.
static WeightOp getWeight(Value value) { return stripCasts(value).getDefiningOp<WeightOp>(); }

/// What a layer reads: a float weight, or one in codes along the summed axis; else nothing.
static RoundingSource getSource(Value value, int64_t reductionAxis) {
  auto coded = stripCasts(value).getDefiningOp<DequantizeOp>();
  RoundingSource source{coded ? coded.getCodes().getDefiningOp<WeightOp>() : getWeight(value), coded};
  if (!source.weight || source.getType().getNumElements() == 0 || (coded && (reductionAxis != 1 || coded.getType().getRank() != 2)) ||
      (!coded && !isa<FloatType>(source.getType().getElementType())))
    return {};
  return source;
}

static std::string getLayerName(Operation *op, WeightOp weight) {
  if (auto name = op->getAttrOfType<StringAttr>("name"))
    return name.str();
  return weight.getName().str();
}

namespace {
struct QuantizeWeights : terse::impl::QuantizeWeightsBase<QuantizeWeights> {
  using QuantizeWeightsBase::QuantizeWeightsBase;

  struct Choice {
    Operation *op;
    RoundingSource source;
    std::string name;
    int64_t bits, groupSize, reductionAxis;
  };

  /// Values are checked with the text: a pipeline that cannot run is refused before any work.
  LogicalResult initializeOptions(StringRef text, function_ref<LogicalResult(const Twine &)> error) override {
    if (failed(QuantizeWeightsBase::initializeOptions(text, error)))
      return failure();
    return checkOptions([&](const Twine &what) { return error(getArgument() + ": " + what); });
  }

  void runOnOperation() override {
    SmallVector<Choice> choices;
    if (failed(choose(choices)))
      return signalPassFailure();

    // Layers that share a weight share its codes.
    using Key = std::tuple<Operation *, int64_t, int64_t, int64_t>;
    llvm::MapVector<Operation *, SmallVector<std::pair<Key, QuantizedTensor>>> done;
    Totals totals;
    int64_t numLayers = 0, numEmbeddings = 0, numRequantized = 0;
    for (Choice &choice : choices) {
      Key key{choice.source.weight, choice.bits, choice.groupSize, choice.reductionAxis};
      auto &ofWeight = done[choice.source.weight];
      auto known = llvm::find_if(ofWeight, [&](auto &entry) { return entry.first == key; });
      if (known == ofWeight.end()) {
        TensorRounding rounding;
        rounding.options = {static_cast<unsigned>(choice.bits), choice.groupSize, symmetric, scale == "f16", clipSearch};
        rounding.reductionAxis = choice.reductionAxis;
        FailureOr<QuantizedTensor> tensor = quantizeTensor(choice.source, choice.op, choice.name, rounding);
        if (failed(tensor))
          return signalPassFailure();
        totals.add(*tensor, choice.name);
        numRequantized += static_cast<bool>(choice.source.coded);
        ofWeight.emplace_back(key, *tensor);
        known = std::prev(ofWeight.end());
      }
      if (auto embedding = dyn_cast<EmbeddingOp>(choice.op)) {
        embedding.getTableMutable().assign(known->second.dequantize(getElementTypeOrSelf(embedding.getTable())));
        ++numEmbeddings;
      } else {
        auto linear = cast<LinearLike>(choice.op);
        linear.replaceWeight(known->second.dequantize(getElementTypeOrSelf(linear.getWeightOperand().get())));
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
    if (totals.squaredNorm > 0)
      report.add(getArgument(), "relative-error", std::sqrt(totals.squaredError / totals.squaredNorm));
    if (!totals.worst.empty())
      report.add(getArgument(), "worst-layer", totals.worst + " (" + llvm::formatv("{0:f4}", totals.worstError).str() + ")");
  }

private:
  struct Totals {
    int64_t bytesBefore = 0, bytesAfter = 0;
    double squaredError = 0, squaredNorm = 0, worstError = -1;
    std::string worst;
    void add(const QuantizedTensor &tensor, const std::string &name) {
      bytesBefore += tensor.bytesBefore;
      bytesAfter += tensor.bytesAfter;
      squaredError += tensor.squaredError;
      squaredNorm += tensor.squaredNorm;
      double error = tensor.squaredNorm > 0 ? std::sqrt(tensor.squaredError / tensor.squaredNorm) : 0;
      if (error > worstError) {
        worstError = error;
        worst = name;
      }
    }
  };

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
    if (scale != "f16" && scale != "f32")
      return error("expected scale to be f16 or f32; got '" + scale + "'");
    for (auto [option, text] : {std::pair<StringRef, StringRef>("layers", layers), {"exclude", exclude}}) {
      std::string why;
      if (!text.empty() && !llvm::Regex(text).isValid(why))
        return error("expected " + option + " to be a regular expression; got '" + text + "': " + why);
    }
    return success();
  }

  LogicalResult choose(SmallVectorImpl<Choice> &choices) {
    llvm::Regex included(layers), excluded(exclude);
    SmallVector<EmbeddingOp> embeddings;
    bool anyMatched = layers.empty();
    getOperation()->walk([&](Operation *op) {
      if (auto embedding = dyn_cast<EmbeddingOp>(op))
        embeddings.push_back(embedding);
      auto linear = dyn_cast<LinearLike>(op);
      if (!linear)
        return;
      RoundingSource source = getSource(linear.getWeightOperand().get(), linear.getReductionAxis());
      bool head = isHead(op);
      if (!source.weight) {
        ++numLeft;
        return;
      }
      std::string name = getLayerName(op, source.weight);
      bool chosen = layers.empty() || included.match(name);
      anyMatched |= chosen;
      int64_t itsBits = head ? headBits : bits;
      if (!chosen || (!exclude.empty() && excluded.match(name)) || itsBits == 0) {
        ++numLeft;
        return;
      }
      // Codes of no more bits than asked for stay the file's: rounding them again would only lose.
      if (source.coded && source.coded.getScheme().getBits() <= itsBits) {
        ++numKept;
        return;
      }
      int64_t group = head && headGroupSize >= 0 ? headGroupSize : groupSize;
      choices.push_back({op, source, name, itsBits, group, linear.getReductionAxis()});
    });
    if (!anyMatched)
      return mlir::emitError(UnknownLoc::get(&getContext()))
             << getArgument() << ": expected layers to match the name of a layer; got '" << layers << "'";
    for (EmbeddingOp embedding : embeddings) {
      RoundingSource table = getSource(embedding.getTable(), 1);
      if (!table.weight)
        continue;
      std::string name = getLayerName(embedding, table.weight);
      if (table.coded && (embeddingBits == 0 || table.coded.getScheme().getBits() <= embeddingBits)) {
        ++numKept;
        continue;
      }
      if (embeddingBits != 0) {
        choices.push_back({embedding, table, name, embeddingBits, embeddingGroupSize, 1});
        continue;
      }
      auto tied = llvm::find_if(choices, [&](const Choice &choice) {
        return choice.source.weight == table.weight && choice.reductionAxis == 1 && isa<LinearLike>(choice.op);
      });
      if (tied != choices.end())
        choices.push_back({embedding, table, name, tied->bits, tied->groupSize, 1});
    }
    return success();
  }

  int64_t numLeft = 0, numKept = 0;
};
} // namespace
