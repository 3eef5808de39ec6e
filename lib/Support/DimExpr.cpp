//===- DimExpr.cpp - sizes of dimensions as expressions -------------------===//
#include "terse/Support/DimExpr.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace terse;

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
    return rest.take_until([](char c) {
      return static_cast<unsigned char>(c) <= ' ' ||
             llvm::StringRef("+-*(),").contains(c);
    });
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
