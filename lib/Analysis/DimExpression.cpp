//===- DimExpression.cpp - sizes as sums of products ----------------------===//
#include "terse/Analysis/DimExpression.h"

#include "Terse/TerseDialect.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace terse;

namespace {
/// expression = term {(+|-) term}; term = factor {(*|//) factor};
/// factor = integer | symbol | -factor | (expression).
class Parser {
public:
  Parser(StringRef text, const llvm::StringMap<int64_t> &symbols) : rest(text), symbols(symbols) {}

  std::optional<int64_t> parse() {
    std::optional<int64_t> value = sum();
    rest = rest.ltrim();
    return rest.empty() ? value : std::nullopt;
  }

private:
  bool consume(StringRef token) {
    rest = rest.ltrim();
    return rest.consume_front(token);
  }

  std::optional<int64_t> sum() {
    std::optional<int64_t> value = product();
    while (value) {
      bool minus = false;
      if (!consume("+") && !(minus = consume("-")))
        break;
      std::optional<int64_t> next = product();
      int64_t result;
      if (!next || (minus ? llvm::SubOverflow(*value, *next, result) : llvm::AddOverflow(*value, *next, result)))
        return std::nullopt;
      value = result;
    }
    return value;
  }

  std::optional<int64_t> product() {
    std::optional<int64_t> value = factor();
    while (value) {
      bool divide = consume("//") || consume("/");
      if (!divide && !consume("*"))
        break;
      std::optional<int64_t> next = factor();
      int64_t result;
      if (!next || (divide && *next <= 0) || (!divide && llvm::MulOverflow(*value, *next, result)))
        return std::nullopt;
      value = divide ? llvm::divideFloorSigned(*value, *next) : result;
    }
    return value;
  }

  std::optional<int64_t> factor() {
    if (consume("-")) {
      std::optional<int64_t> value = factor();
      return value ? std::optional<int64_t>(-*value) : std::nullopt;
    }
    if (consume("(")) {
      std::optional<int64_t> value = sum();
      return consume(")") ? value : std::nullopt;
    }
    rest = rest.ltrim();
    StringRef word = rest.take_while([](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; });
    rest = rest.drop_front(word.size());
    int64_t number;
    if (word.empty())
      return std::nullopt;
    if (!word.getAsInteger(10, number))
      return number;
    auto it = symbols.find(word);
    return it == symbols.end() ? std::nullopt : std::optional<int64_t>(it->second);
  }

  StringRef rest;
  const llvm::StringMap<int64_t> &symbols;
};
} // namespace

std::optional<int64_t> terse::evaluateDim(StringRef expression, const llvm::StringMap<int64_t> &symbols) {
  return Parser(expression, symbols).parse();
}

std::string terse::renameDimSymbols(StringRef expression, llvm::function_ref<std::string(StringRef)> replace) {
  std::string result;
  while (!expression.empty()) {
    StringRef word = expression.take_while([](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; });
    if (word.empty()) {
      result += expression.front();
      expression = expression.drop_front();
      continue;
    }
    result += llvm::isDigit(word.front()) ? word.str() : replace(word);
    expression = expression.drop_front(word.size());
  }
  return result;
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
