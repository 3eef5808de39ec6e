//===- RecognizeAttention.cpp - finds attention ---------------------------===//
#include "AttentionPattern.h"

#include "terse/Analysis/TokenMajor.h"
#include "terse/Passes.h"

#include "mlir/Transforms/RegionUtils.h"

namespace terse {
#define GEN_PASS_DEF_RECOGNIZEATTENTION
#include "normalize/RecognizeAttention/RecognizeAttention.h.inc"
} // namespace terse

using namespace mlir;
using namespace terse;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Queries as [B, S, H * D], from where they come from or, failing that, by a transpose; and
/// the factor that remains.
static std::pair<Value, double> buildQueries(OpBuilder &builder, Location loc, func::FuncOp function, Value lhs) {
  int64_t heads = tensorType(lhs).getDimSize(1), size = tensorType(lhs).getDimSize(3);
  Probes probes(function, Environment());
  if (std::optional<Access> access = fitAccess(probes, lhs))
    if (Value rows = buildTokenMajor(builder, loc, *access, buildDim(builder, loc, lhs, 0),
                                     buildDim(builder, loc, lhs, 2), heads, size))
      return {rows, access->factor};
  return {mergeHeads(builder, loc, lhs, 1), 1.0};
}

/// Replaces softmax(scores) v by an attention. Empty if done, else why not.
static std::string replaceByAttention(func::FuncOp function, SoftmaxOp softmax) {
  std::string reason;
  std::optional<Scores> scores = matchScores(function, softmax, reason);
  if (!scores)
    return reason;
  MatmulOp sum = findWeightedSum(function, softmax);
  if (!sum)
    return "its result is not the weight of a sum of values";
  auto lhsType = tensorType(scores->product.getLhs());
  if (lhsType.isDynamicDim(1) || lhsType.isDynamicDim(3) || sum.getType().isDynamicDim(3))
    return "its numbers of heads or their sizes are not constant";

  OpBuilder builder(sum);
  Location loc = softmax.getLoc();
  std::optional<CacheSource> key = findCacheSource(function, scores->product.getRhs(), true),
                             value = findCacheSource(function, sum.getRhs(), false);
  if (!key || !value || tensorType(key->tensor).getDimSize(1) != tensorType(value->tensor).getDimSize(1)) {
    key = CacheSource{buildTranspose(builder, loc, scores->product.getRhs(), {0, 1, 3, 2}), 1.0};
    value = CacheSource{sum.getRhs(), 1.0};
  }
  // Heads that were repeated before they came to be a dimension of their own.
  if (Value sharedKey = shareHeads(builder, loc, function, key->tensor))
    if (Value sharedValue = shareHeads(builder, loc, function, value->tensor);
        sharedValue && tensorType(sharedKey).getDimSize(1) == tensorType(sharedValue).getDimSize(1)) {
      key->tensor = sharedKey;
      value->tensor = sharedValue;
    }
  auto [query, factor] = buildQueries(builder, loc, function, scores->product.getLhs());
  Type elementType = tensorType(key->tensor).getElementType();
  query = castElements(builder, loc, query, elementType);
  Value keys = key->tensor, values = castElements(builder, loc, value->tensor, elementType);
  if (value->factor != 1)
    values = scaleElements(builder, loc, values, value->factor);
  Value length = asValue(builder, loc, buildDim(builder, loc, keys, 2));
  int64_t heads = lhsType.getDimSize(1), size = tensorType(values).getDimSize(3);
  auto type = RankedTensorType::get(
      {tensorType(query).getDimSize(0), tensorType(query).getDimSize(1), heads * size}, elementType);
  auto attention = AttentionOp::create(builder, loc, type, query, keys, values, length, /*starts=*/Value(),
                                       /*padding=*/Value(), /*bias=*/Value(), /*slopes=*/Value(), /*sinks=*/Value(),
                                       heads, APFloat(scores->scale * factor * key->factor), /*causal=*/false,
                                       IntegerAttr(), FloatAttr(), /*key_bits=*/IntegerAttr(), /*value_bits=*/IntegerAttr());
  applyMasks(attention, *scores);
  if (scores->softcap)
    attention.setSoftcap(APFloat(*scores->softcap));
  Value result = splitHeads(builder, loc, attention, heads, 1);
  result = castElements(builder, loc, result, sum.getType().getElementType());
  if (result.getType() != sum.getType())
    result = tensor::CastOp::create(builder, loc, sum.getType(), result);
  sum.getResult().replaceAllUsesWith(result);
  return {};
}

namespace {
struct RecognizeAttention : terse::impl::RecognizeAttentionBase<RecognizeAttention> {
  using RecognizeAttentionBase::RecognizeAttentionBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    Report &report = getContext().getLoadedDialect<TerseDialect>()->getReport();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      unfoldHeads(function);
      SmallVector<SoftmaxOp> candidates;
      function.walk([&](SoftmaxOp softmax) { candidates.push_back(softmax); });
      for (SoftmaxOp softmax : candidates) {
        std::string reason = replaceByAttention(function, softmax);
        if (!reason.empty())
          report.add(getArgument(), "not-recognized", "softmax at " + describe(softmax.getLoc()) + ": " + reason);
      }
      function.walk([&](AttentionOp attention) { simplifyAttention(function, attention); });
      (void)runRegionDCE(rewriter, function->getRegions());
    }
    int64_t attentions = 0, biased = 0, softmaxes = 0, matmuls = 0;
    getOperation().walk([&](Operation *op) {
      if (auto attention = dyn_cast<AttentionOp>(op)) {
        ++attentions;
        biased += static_cast<bool>(attention.getBias());
      }
      softmaxes += isa<SoftmaxOp>(op);
      matmuls += isa<MatmulOp>(op);
    });
    report.add(getArgument(), "attentions-recognized", attentions);
    report.add(getArgument(), "attentions-with-bias", biased);
    report.add(getArgument(), "softmaxes-left", softmaxes);
    report.add(getArgument(), "matmuls-left", matmuls);
  }

private:
  /// The name of the node that an operation came from, or its place in the text.
  static std::string describe(Location loc) {
    if (auto name = loc->findInstanceOf<NameLoc>())
      return name.getName().str();
    std::string text;
    llvm::raw_string_ostream(text) << loc;
    return text;
  }
};
} // namespace
