//===- NewCache.cpp - a cache for a graph that has none -------------------===//
#include "KvCache.h"
#include "TokenAxes.h"

#include "terse/Analysis/DimExpression.h"
#include "terse/Analysis/TokenMajor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace terse;

/// The symbol that is the size of a dimension.
static std::optional<std::string> findSymbol(func::FuncOp function, Value tensor, int64_t dim) {
  Probes probes(function, Environment());
  for (const std::string &symbol : getDimSymbols(function))
    if (llvm::all_of(probes.evaluators(), [&](auto &evaluator) {
          return evaluator->getSize(tensor, dim) == evaluator->getEnvironment().symbols.lookup(symbol);
        }))
      return symbol;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Tensors of positions
//===----------------------------------------------------------------------===//

/// Whether all rows along `axis` are equal, or else whether a row is the same whatever the
/// number of rows, so that it is a function of the position.
enum class RowKind { Equal, ByPosition, Other };
static RowKind classifyRows(func::FuncOp function, Value tensor, int64_t axis) {
  Probes probes(function, Environment());
  auto extents = [&](ElementEvaluator &evaluator) { return evaluator.getShape(tensor); };
  bool equal = probes.forAll(extents, [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
    Index first(point);
    first[axis] = 0;
    return evaluator.evaluate(tensor, point) == evaluator.evaluate(tensor, first);
  });
  if (equal)
    return RowKind::Equal;
  ElementEvaluator &few = *probes.evaluators()[0], &many = *probes.evaluators()[1];
  std::optional<Index> fewShape = few.getShape(tensor), manyShape = many.getShape(tensor);
  if (!fewShape || !manyShape)
    return RowKind::Other;
  Index shared;
  for (auto [a, b] : llvm::zip_equal(*fewShape, *manyShape))
    shared.push_back(std::min(a, b));
  for (const Index &point : samplePoints(shared, 60)) {
    Element a = few.evaluate(tensor, point), b = many.evaluate(tensor, point);
    if (a.isConcrete() && a == b)
      continue;
    // Rows of a table that is not read: the same rows.
    const Element::Term *x = a.getSingleTerm(), *y = b.getSingleTerm();
    if (!x || !y || x->factor != y->factor || x->tokens.size() != 1 || y->tokens.size() != 1 ||
        !(few.getToken(x->tokens[0]) == many.getToken(y->tokens[0])) || few.getToken(x->tokens[0]).base == tensor)
      return RowKind::Other;
  }
  return RowKind::ByPosition;
}

namespace {
/// Copies what a tensor is computed from, with another number of tokens.
class Recomputer {
public:
  Recomputer(OpBuilder &builder, Value tokens, Value total) : builder(builder) { mapping.map(tokens, total); }

  Value get(Value value) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    if (!op)
      return value;
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    bool changed = false;
    auto visit = [&](Value operand) {
      Value copy = get(operand);
      changed |= copy != operand;
      mapping.map(operand, copy);
    };
    llvm::for_each(op->getOperands(), visit);
    llvm::for_each(captured, visit);
    if (changed)
      builder.clone(*op, mapping);
    else
      for (Value result : op->getResults())
        mapping.map(result, result);
    return mapping.lookup(value);
  }

private:
  OpBuilder &builder;
  IRMapping mapping;
};
} // namespace

/// Replaces rows 0 .. S of a tensor of positions by rows past .. past + S.
static void shiftRows(func::FuncOp function, TokenAxes::PositionalUse use, Value tokens, Value past) {
  OpBuilder builder(use.operand->getOwner());
  Value tensor = use.operand->get();
  Location loc = tensor.getLoc();
  Value total = arith::AddIOp::create(builder, loc, past, tokens);
  SmallVector<OpFoldResult> sizes = buildShape(builder, loc, tensor);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0)), strides(sizes.size(), builder.getIndexAttr(1));
  offsets[use.axis] = past;
  sizes[use.axis] = tokens;
  Value all = Recomputer(builder, tokens, total).get(tensor);
  use.operand->set(tensor::ExtractSliceOp::create(builder, loc, cast<RankedTensorType>(tensor.getType()), all, offsets,
                                                  sizes, strides));
}

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

/// The argument that a padding is the non-zeros of.
static BlockArgument findPaddingArgument(func::FuncOp function, Value padding) {
  for (BlockArgument argument : function.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || type.getRank() != 2)
      continue;
    Environment environment;
    bool isFloat = isa<FloatType>(type.getElementType());
    auto fill = [](ArrayRef<int64_t> index) { return (index[0] * 7 + index[1] * 13) % 3 != 0; };
    environment.inputs[argument] = [=](ArrayRef<int64_t> index) {
      return isFloat ? Element::real(fill(index)) : Element::integer(fill(index));
    };
    Probes probes(function, environment);
    bool same = probes.forAll(
        [&](ElementEvaluator &evaluator) {
          auto shape = evaluator.getShape(padding);
          return shape == evaluator.getShape(argument) ? shape : std::nullopt;
        },
        [&](ElementEvaluator &evaluator, ArrayRef<int64_t> point) {
          return evaluator.evaluate(padding, point).getInteger() == int64_t(fill(point));
        });
    if (same)
      return argument;
  }
  return {};
}

namespace {
class CacheAdder {
public:
  CacheAdder(func::FuncOp function) : function(function) {}
  FailureOr<int64_t> run(std::string &reason);

private:
  LogicalResult check(std::string &reason);
  void addState(AttentionOp attention, OpOperand &operand, const Twine &name);

  func::FuncOp function;
  SmallVector<AttentionOp> attentions;
  SmallVector<BlockArgument> paddings;
  std::string symbol;
  std::string batch;
  Value tokens, past;
};
} // namespace

LogicalResult CacheAdder::check(std::string &reason) {
  std::set<std::string> symbols = getDimSymbols(function);
  if (symbols.count(kPast.str()) || symbols.count(kCapacity.str())) {
    reason = "past or capacity is a symbol of the file";
    return failure();
  }
  function.walk([&](SoftmaxOp) { reason = "a softmax was not recognized as attention"; });
  for (AttentionOp attention : attentions) {
    paddings.push_back(attention.getPadding() ? findPaddingArgument(function, attention.getPadding())
                                              : BlockArgument());
    if (attention.getPadding() && !paddings.back())
      reason = "the padding of an attention is no input";
  }
  return success(reason.empty());
}

/// Writes the rows of `operand` into a new state and reads that instead.
void CacheAdder::addState(AttentionOp attention, OpOperand &operand, const Twine &name) {
  OpBuilder builder(attention);
  auto type = cast<RankedTensorType>(operand.get().getType());
  auto stateType = RankedTensorType::get({type.getDimSize(0), type.getDimSize(1), ShapedType::kDynamic,
                                          type.getDimSize(3)},
                                         type.getElementType());
  Value rows = buildRows(builder, function, operand.get());
  unsigned argument = function.getNumArguments(), result = function.getNumResults();
  (void)function.insertArgument(argument, stateType, {}, attention.getLoc());
  (void)function.insertResult(result, stateType, {});
  auto updated = CacheUpdateOp::create(builder, attention.getLoc(), stateType, function.getArgument(argument), rows, past,
                                       /*starts=*/Value(), /*bits=*/IntegerAttr());
  function.getBody().front().getTerminator()->insertOperands(result, updated.getResult());
  markState(function, argument, result, name.str(), batch);
  operand.set(updated);
}

FailureOr<int64_t> CacheAdder::run(std::string &reason) {
  function.walk([&](AttentionOp attention) { attentions.push_back(attention); });
  if (attentions.empty()) {
    reason = "there is no attention";
    return failure();
  }
  if (failed(check(reason)))
    return failure();
  std::optional<std::string> tokenSymbol = findSymbol(function, attentions.front().getQuery(), 1),
                             batchSymbol = findSymbol(function, attentions.front().getQuery(), 0);
  if (!tokenSymbol) {
    reason = "the number of tokens is no symbol of its own";
    return failure();
  }
  symbol = *tokenSymbol;
  int64_t staticBatch = attentions.front().getQuery().getType().getDimSize(0);
  batch = batchSymbol ? *batchSymbol : std::to_string(staticBatch);
  TokenAxes axes(function, symbol);
  if (failed(axes.run(reason)))
    return failure();
  SmallVector<TokenAxes::PositionalUse> shifted;
  for (const TokenAxes::PositionalUse &use : axes.getPositionalUses()) {
    auto type = cast<RankedTensorType>(use.operand->get().getType());
    if (!type.isDynamicDim(use.axis))
      continue; // broadcast
    RowKind kind = classifyRows(function, use.operand->get(), use.axis);
    if (kind == RowKind::Other) {
      reason = "a tensor depends on the number of tokens otherwise than by position";
      return failure();
    }
    if (kind == RowKind::ByPosition)
      shifted.push_back(use);
  }

  llvm::SmallPtrSet<Value, 2> masks(paddings.begin(), paddings.end());
  bool hasTokens = llvm::any_of(function.getArguments(), [&](BlockArgument argument) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    return type && !masks.contains(argument) && llvm::any_of(llvm::seq<int64_t>(0, type.getRank()), [&](int64_t i) {
             return getArgDim(function, argument.getArgNumber(), i) == symbol;
           });
  });
  if (!hasTokens) {
    reason = "no input has the tokens as a dimension";
    return failure();
  }

  // One value is the number of tokens. A mask will be as long as past and tokens.
  past = addPastArgument(function);
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  SmallVector<Operation *> dims;
  for (BlockArgument argument : function.getArguments())
    if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
      for (int64_t i = 0; i < type.getRank(); ++i)
        if (type.isDynamicDim(i) && getArgDim(function, argument.getArgNumber(), i) == symbol) {
          if (!tokens && !masks.contains(argument))
            tokens = tensor::DimOp::create(builder, function.getLoc(), argument, i);
          for (Operation *user : argument.getUsers())
            if (auto dim = dyn_cast<tensor::DimOp>(user); dim && dim.getConstantIndex() == i && user->getResult(0) != tokens)
              dims.push_back(user);
        }
  for (Operation *dim : dims) {
    dim->getResult(0).replaceAllUsesWith(tokens);
    dim->erase();
  }
  for (BlockArgument argument : function.getArguments())
    if (masks.contains(argument)) {
      std::string rows = getArgDim(function, argument.getArgNumber(), 0);
      function.setArgAttr(argument.getArgNumber(), TerseDialect::kDimsAttr,
                          builder.getStrArrayAttr({rows, kPast.str() + " + " + symbol}));
    }
  // What held for all tokens holds for past and new ones together.
  renameConstraintSymbol(function, symbol, "(" + kPast.str() + " + " + symbol + ")");
  for (auto [i, pair] : llvm::enumerate(llvm::zip_equal(attentions, paddings))) {
    auto [attention, padding] = pair;
    std::string name = "past_key_values." + std::to_string(i);
    addState(attention, attention.getKeyMutable(), name + ".key");
    addState(attention, attention.getValueMutable(), name + ".value");
    OpBuilder at(attention);
    Value length = arith::AddIOp::create(at, attention.getLoc(), past, tokens);
    attention.getLengthMutable().assign(length);
    if (padding)
      attention.getPaddingMutable().assign(buildNonZeros(at, attention.getLoc(), padding));
  }
  for (const TokenAxes::PositionalUse &use : shifted)
    shiftRows(function, use, tokens, past);
  return 2 * int64_t(attentions.size());
}

FailureOr<int64_t> terse::addCache(func::FuncOp function, std::string &reason) {
  return CacheAdder(function).run(reason);
}
