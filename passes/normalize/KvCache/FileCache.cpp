//===- FileCache.cpp - past inputs and present outputs become state -------===//
#include "KvCache.h"

#include "terse/Analysis/Access.h"
#include "terse/Analysis/DimExpression.h"

using namespace mlir;
using namespace terse;

namespace {
/// room = concat(past, rows) along the tokens is what is returned, or what an update writes the rows to
/// where each sequence has a start of its own.
struct Pair {
  unsigned argument;
  unsigned result;
  tensor::ConcatOp room;
  CacheUpdateOp update;

  Value present() { return update ? update.getResult() : room.getResult(); }
};
} // namespace

static std::optional<Pair> findPair(func::FuncOp function, BlockArgument argument) {
  auto type = dyn_cast<RankedTensorType>(argument.getType());
  if (!type || type.getRank() != 4 || !isa<FloatType>(type.getElementType()) || !type.isDynamicDim(2) ||
      type.isDynamicDim(1) || type.isDynamicDim(3))
    return std::nullopt;
  tensor::ConcatOp room;
  for (Operation *user : argument.getUsers()) {
    if (isa<tensor::DimOp>(user))
      continue;
    auto concat = dyn_cast<tensor::ConcatOp>(user);
    if (!concat || room || concat.getDim() != 2 || concat.getInputs().size() != 2 ||
        concat.getInputs()[0] != argument || concat.getInputs()[1] == argument)
      return std::nullopt;
    room = concat;
  }
  if (!room)
    return std::nullopt;
  CacheUpdateOp update;
  for (Operation *user : room->getUsers())
    if (auto candidate = dyn_cast<CacheUpdateOp>(user); candidate && candidate.getStarts())
      update = candidate;
  if (update && !llvm::all_of(room->getUsers(), [&](Operation *user) { return user == update || isa<tensor::DimOp>(user); }))
    return std::nullopt;
  Operation *terminator = function.getBody().front().getTerminator();
  Value present = update ? update.getResult() : room.getResult();
  std::optional<Pair> pair;
  for (OpOperand &operand : terminator->getOpOperands()) {
    if (operand.get() != present)
      continue;
    if (pair) // returned twice: which one is the state?
      return std::nullopt;
    pair = Pair{argument.getArgNumber(), operand.getOperandNumber(), room, update};
  }
  return pair;
}

/// Replaces a symbol in the dimensions of all arguments and results.
static void renameSymbol(func::FuncOp function, StringRef from, StringRef to) {
  Builder builder(function.getContext());
  auto renamed = [&](ArrayAttr dims) -> ArrayAttr {
    SmallVector<Attribute> result;
    for (Attribute dim : dims) {
      auto text = dyn_cast<StringAttr>(dim);
      result.push_back(text ? builder.getStringAttr(renameDimSymbols(
                                  text.getValue(), [&](StringRef word) { return (word == from ? to : word).str(); }))
                            : dim);
    }
    return builder.getArrayAttr(result);
  };
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (auto dims = function.getArgAttrOfType<ArrayAttr>(i, TerseDialect::kDimsAttr))
      function.setArgAttr(i, TerseDialect::kDimsAttr, renamed(dims));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (auto dims = function.getResultAttrOfType<ArrayAttr>(i, TerseDialect::kDimsAttr))
      function.setResultAttr(i, TerseDialect::kDimsAttr, renamed(dims));
  renameConstraintSymbol(function, from, to);
}

/// The value of `dim` of the state argument is that of another input of the same
/// expression, else stays.
static Value findSameDim(OpBuilder &builder, func::FuncOp function, StringRef expression) {
  for (BlockArgument argument : function.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || function.getArgAttr(argument.getArgNumber(), TerseDialect::kStateAttr))
      continue;
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (type.isDynamicDim(i) && getArgDim(function, argument.getArgNumber(), i) == expression)
        return tensor::DimOp::create(builder, function.getLoc(), argument, i);
  }
  return {};
}

/// Replaces `tensor.dim` of a cache by what it was of the concatenated tensors.
static void replaceDims(Value tensor, llvm::function_ref<Value(int64_t)> replacement) {
  for (Operation *user : llvm::make_early_inc_range(tensor.getUsers()))
    if (auto dim = dyn_cast<tensor::DimOp>(user))
      if (std::optional<int64_t> axis = dim.getConstantIndex())
        if (Value value = replacement(*axis)) {
          dim.getResult().replaceAllUsesWith(value);
          dim.erase();
        }
}

static void convertPair(func::FuncOp function, Pair pair, Value past, Value batch) {
  BlockArgument cache = function.getArgument(pair.argument);
  tensor::ConcatOp room = pair.room;
  OpBuilder builder(room);
  Location loc = room.getLoc();
  Value rows = room.getInputs()[1];
  Value update = pair.update ? pair.update.getUpdate() : buildRows(builder, function, rows);
  Value newTokens = asValue(builder, loc, buildDim(builder, loc, rows, 2));
  Value length = arith::AddIOp::create(builder, loc, past, newTokens);
  builder.setInsertionPoint(pair.present().getDefiningOp());
  auto updated = CacheUpdateOp::create(builder, loc, cache.getType(), cache, update, past,
                                       pair.update ? pair.update.getStarts() : Value(), /*bits=*/IntegerAttr());
  replaceDims(cache, [&](int64_t axis) { return axis == 2 ? past : axis == 0 ? batch : Value(); });
  for (Value value : {Value(room.getResult()), pair.present()})
    replaceDims(value, [&](int64_t axis) { return axis == 2 ? length : Value(); });
  // Attention reads up to its length; whatever else reads the tensor gets
  // its rows cut out.
  Value whole;
  for (OpOperand &use : llvm::make_early_inc_range(pair.present().getUses())) {
    if (isa<func::ReturnOp>(use.getOwner()) || isa<AttentionOp>(use.getOwner())) {
      use.set(updated);
      continue;
    }
    if (!whole) {
      SmallVector<OpFoldResult> sizes = buildShape(builder, loc, rows);
      sizes[2] = length;
      SmallVector<OpFoldResult> offsets(4, builder.getIndexAttr(0)), strides(4, builder.getIndexAttr(1));
      whole = tensor::ExtractSliceOp::create(builder, loc, cast<RankedTensorType>(room.getType()), updated, offsets,
                                             sizes, strides);
    }
    use.set(whole);
  }
  if (pair.update)
    pair.update.erase();
  room.erase();
}

FailureOr<int64_t> terse::convertFileCache(func::FuncOp function, std::string &reason) {
  SmallVector<Pair> pairs;
  std::string symbol;
  for (BlockArgument argument : function.getArguments()) {
    std::optional<Pair> pair = findPair(function, argument);
    if (!pair)
      continue;
    std::string dim = getArgDim(function, pair->argument, 2);
    if (!symbol.empty() && dim != symbol) {
      reason = "past keys and values have different numbers of rows: " + symbol + " and " + dim;
      return failure();
    }
    symbol = dim;
    pairs.push_back(*pair);
  }
  if (pairs.empty())
    return 0;
  std::set<std::string> symbols = getDimSymbols(function);
  if (!symbols.count(symbol) || (symbol != kPast && symbols.count(kPast.str())) || symbols.count(kCapacity.str())) {
    reason = "the number of past rows is " + symbol + ", no symbol of its own";
    return failure();
  }
  renameSymbol(function, symbol, kPast);

  Value past = addPastArgument(function);
  for (Pair &pair : pairs) {
    ++pair.argument;
    auto name = function.getArgAttrOfType<StringAttr>(pair.argument, TerseDialect::kNameAttr);
    std::string batch = getArgDim(function, pair.argument, 0);
    std::string fallback = "state." + std::to_string(pair.argument);
    markState(function, pair.argument, pair.result, name ? name.getValue() : StringRef(fallback), batch);
  }
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  Value batch = findSameDim(builder, function, getArgDim(function, pairs.front().argument, 0));
  // Other inputs may be as long as the past too.
  for (BlockArgument argument : function.getArguments())
    if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
      if (!function.getArgAttr(argument.getArgNumber(), TerseDialect::kStateAttr))
        replaceDims(argument, [&](int64_t axis) {
          return type.isDynamicDim(axis) && getArgDim(function, argument.getArgNumber(), axis) == kPast ? past : Value();
        });
  for (const Pair &pair : pairs)
    convertPair(function, pair, past, batch);

  // The result types are those of the states now.
  Operation *terminator = function.getBody().front().getTerminator();
  function.setFunctionType(FunctionType::get(function.getContext(), function.getArgumentTypes(),
                                             terminator->getOperandTypes()));
  return int64_t(pairs.size());
}
