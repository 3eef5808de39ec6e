//===- DimExpression.cpp - sizes as sums of products ----------------------===//
#include "terse/Analysis/DimExpression.h"

#include "Terse/TerseDialect.h"

using namespace mlir;
using namespace terse;

std::optional<int64_t> terse::evaluateDim(StringRef expression, const llvm::StringMap<int64_t> &symbols) {
  std::optional<DimExpr> parsed = DimExpr::parse(expression);
  return parsed ? parsed->evaluate([&](StringRef symbol) -> std::optional<int64_t> {
    auto it = symbols.find(symbol);
    return it == symbols.end() ? std::nullopt : std::optional<int64_t>(it->second);
  })
                : std::nullopt;
}

void terse::collectDimSymbols(StringRef expression, std::set<std::string> &symbols) {
  renameDimSymbols(expression, [&](StringRef word) {
    symbols.insert(word.str());
    return word.str();
  });
}

std::string terse::getArgDim(func::FuncOp function, unsigned arg, int64_t dim) {
  auto type = dyn_cast<RankedTensorType>(function.getArgument(arg).getType());
  if (type && dim < type.getRank() && !type.isDynamicDim(dim))
    return std::to_string(type.getDimSize(dim));
  auto dims = function.getArgAttrOfType<ArrayAttr>(arg, TerseDialect::kDimsAttr);
  if (dims && dim < int64_t(dims.size()))
    if (auto text = dyn_cast<StringAttr>(dims[dim]))
      return text.str();
  return ("arg" + Twine(arg) + ".dim" + Twine(dim)).str();
}

std::set<std::string> terse::getDimSymbols(func::FuncOp function) {
  std::set<std::string> symbols;
  for (BlockArgument arg : function.getArguments()) {
    if (auto name = function.getArgAttrOfType<StringAttr>(arg.getArgNumber(), TerseDialect::kSymbolAttr))
      symbols.insert(name.str());
    if (auto type = dyn_cast<RankedTensorType>(arg.getType()))
      for (int64_t i = 0; i < type.getRank(); ++i)
        collectDimSymbols(getArgDim(function, arg.getArgNumber(), i), symbols);
  }
  return symbols;
}

bool terse::satisfiesConstraints(func::FuncOp function, const llvm::StringMap<int64_t> &symbols) {
  auto constraints = function->getAttrOfType<ArrayAttr>(TerseDialect::kConstraintsAttr);
  auto value = [&](StringRef symbol) -> std::optional<int64_t> {
    auto it = symbols.find(symbol);
    return it == symbols.end() ? std::nullopt : std::optional<int64_t>(it->second);
  };
  return !constraints || llvm::all_of(constraints, [&](Attribute attribute) {
    auto text = dyn_cast<StringAttr>(attribute);
    std::optional<DimConstraint> constraint = text ? DimConstraint::parse(text.getValue()) : std::nullopt;
    if (!constraint)
      return false;
    std::optional<int64_t> lhs = constraint->lhs.evaluate(value), rhs = constraint->rhs.evaluate(value);
    return lhs && rhs && (constraint->equal ? *lhs == *rhs : *lhs <= *rhs);
  });
}

void terse::renameConstraintSymbol(func::FuncOp function, StringRef from, StringRef to) {
  auto constraints = function->getAttrOfType<ArrayAttr>(TerseDialect::kConstraintsAttr);
  if (!constraints)
    return;
  Builder builder(function.getContext());
  SmallVector<Attribute> renamed;
  for (auto text : constraints.getAsRange<StringAttr>())
    renamed.push_back(builder.getStringAttr(
        renameDimSymbols(text.getValue(), [&](StringRef word) { return (word == from ? to : word).str(); })));
  function->setAttr(TerseDialect::kConstraintsAttr, builder.getArrayAttr(renamed));
}
