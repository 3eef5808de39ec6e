//===- DimExpr.cpp - sizes of dimensions as expressions -------------------===//
#include "terse/Support/DimExpr.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace terse;

static bool isDelimiter(char c) {
  return static_cast<unsigned char>(c) <= ' ' ||
         llvm::StringRef("+-*(),").contains(c);
}

namespace terse {
/// sum := product (('+' | '-') product)*
/// product := atom (('*' | 'floordiv' | 'ceildiv' | 'mod') atom)*
/// atom := integer | symbol | '-' atom | '(' sum ')' | function '(' sum ',' sum
/// ')'
class DimExprParser {
public:
  explicit DimExprParser(llvm::StringRef text) : rest(text) {}

  std::optional<DimExpr> parseAll() {
    std::optional<DimExpr> result = parseSum();
    rest = rest.ltrim();
    return rest.empty() ? result : std::nullopt;
  }

private:
  using Kind = DimExpr::Kind;

  std::optional<DimExpr> parseSum() {
    std::optional<DimExpr> left = parseProduct();
    while (left) {
      if (consume("+"))
        left = combine(Kind::Add, std::move(left), parseProduct());
      else if (consume("-"))
        left = combine(Kind::Sub, std::move(left), parseProduct());
      else
        break;
    }
    return left;
  }

  std::optional<DimExpr> parseProduct() {
    std::optional<DimExpr> left = parseAtom();
    while (left) {
      if (consume("*"))
        left = combine(Kind::Mul, std::move(left), parseAtom());
      else if (consumeWord("floordiv"))
        left = combine(Kind::FloorDiv, std::move(left), parseAtom());
      else if (consumeWord("ceildiv"))
        left = combine(Kind::CeilDiv, std::move(left), parseAtom());
      else if (consumeWord("mod"))
        left = combine(Kind::Mod, std::move(left), parseAtom());
      else
        break;
    }
    return left;
  }

  std::optional<DimExpr> parseAtom() {
    // Deep nesting in a file must not exhaust the stack.
    if (++depth > 100)
      return std::nullopt;
    std::optional<DimExpr> result = parseAtomUnbounded();
    --depth;
    return result;
  }

  std::optional<DimExpr> parseAtomUnbounded() {
    if (consume("-"))
      return combine(Kind::Sub, DimExpr(), parseAtom());
    if (consume("(")) {
      std::optional<DimExpr> inner = parseSum();
      return consume(")") ? inner : std::nullopt;
    }
    rest = rest.ltrim();
    llvm::StringRef name = word();
    if (name.empty())
      return std::nullopt;
    rest = rest.drop_front(name.size());
    DimExpr leaf;
    if (llvm::all_of(name, llvm::isDigit))
      return name.getAsInteger(10, leaf.constant)
                 ? std::nullopt
                 : std::optional<DimExpr>(leaf);
    std::optional<Kind> function = llvm::StringSwitch<std::optional<Kind>>(name)
                                       .Case("floordiv", Kind::FloorDiv)
                                       .Case("ceildiv", Kind::CeilDiv)
                                       .Case("mod", Kind::Mod)
                                       .Case("max", Kind::Max)
                                       .Case("min", Kind::Min)
                                       .Default(std::nullopt);
    if (function && consume("(")) {
      std::optional<DimExpr> left = parseSum();
      if (!left || !consume(","))
        return std::nullopt;
      std::optional<DimExpr> result =
          combine(*function, std::move(left), parseSum());
      return consume(")") ? result : std::nullopt;
    }
    leaf.kind = Kind::Symbol;
    leaf.symbol = name.str();
    return leaf;
  }

  static std::optional<DimExpr> combine(Kind kind, std::optional<DimExpr> left,
                                        std::optional<DimExpr> right) {
    if (!left || !right)
      return std::nullopt;
    DimExpr result;
    result.kind = kind;
    result.operands.push_back(std::move(*left));
    result.operands.push_back(std::move(*right));
    return result;
  }

  /// The name or integer at the start of the rest.
  llvm::StringRef word() const {
    return rest.take_until(isDelimiter);
  }

  bool consume(llvm::StringRef token) {
    rest = rest.ltrim();
    return rest.consume_front(token);
  }

  bool consumeWord(llvm::StringRef token) {
    rest = rest.ltrim();
    return word() == token && rest.consume_front(token);
  }

  llvm::StringRef rest;
  int depth = 0;
};
} // namespace terse

std::optional<DimExpr> DimExpr::parse(llvm::StringRef text) {
  return DimExprParser(text).parseAll();
}

void DimExpr::forEachSymbol(
    llvm::function_ref<void(llvm::StringRef)> visit) const {
  if (kind == Kind::Symbol)
    visit(symbol);
  for (const DimExpr &operand : operands)
    operand.forEachSymbol(visit);
}

std::optional<int64_t> DimExpr::evaluate(
    llvm::function_ref<std::optional<int64_t>(llvm::StringRef)> symbols) const {
  if (kind == Kind::Constant)
    return constant;
  if (kind == Kind::Symbol)
    return symbols(symbol);
  std::optional<int64_t> left = getLHS().evaluate(symbols),
                         right = getRHS().evaluate(symbols);
  if (!left || !right)
    return std::nullopt;
  int64_t result = 0;
  bool overflow = false;
  switch (kind) {
  case Kind::Add:
    overflow = llvm::AddOverflow(*left, *right, result);
    break;
  case Kind::Sub:
    overflow = llvm::SubOverflow(*left, *right, result);
    break;
  case Kind::Mul:
    overflow = llvm::MulOverflow(*left, *right, result);
    break;
  case Kind::Max:
    result = std::max(*left, *right);
    break;
  case Kind::Min:
    result = std::min(*left, *right);
    break;
  default:
    if (*right <= 0)
      return std::nullopt;
    result = kind == Kind::FloorDiv  ? llvm::divideFloorSigned(*left, *right)
             : kind == Kind::CeilDiv ? llvm::divideCeilSigned(*left, *right)
                                     : llvm::mod(*left, *right);
  }
  return overflow ? std::nullopt : std::optional<int64_t>(result);
}

std::optional<DimConstraint> DimConstraint::parse(llvm::StringRef text) {
  for (llvm::StringRef relation : {" <= ", " == "}) {
    auto [left, right] = text.split(relation);
    if (left.size() == text.size())
      continue;
    std::optional<DimExpr> lhs = DimExpr::parse(left),
                           rhs = DimExpr::parse(right);
    if (lhs && rhs)
      return DimConstraint{*lhs, *rhs, relation == " == "};
  }
  return std::nullopt;
}

std::string terse::renameDimSymbols(
    llvm::StringRef text,
    llvm::function_ref<std::string(llvm::StringRef)> replace) {
  std::string result;
  while (!text.empty()) {
    llvm::StringRef word = text.take_until(isDelimiter);
    text = text.drop_front(word.size());
    bool isFunction = text.starts_with("(") &&
                      llvm::StringSwitch<bool>(word)
                          .Cases({"floordiv", "ceildiv", "mod", "max", "min"}, true)
                          .Default(false);
    bool isSymbol = !word.empty() && !isFunction && word != "<=" && word != "==" &&
                    !llvm::all_of(word, llvm::isDigit);
    result += isSymbol ? replace(word) : word.str();
    if (!text.empty()) {
      result += text.front();
      text = text.drop_front();
    }
  }
  return result;
}
