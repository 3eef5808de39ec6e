//===- DimExpr.cpp - sizes of dimensions as expressions -------------------===//
#include "terse/Support/DimExpr.h"

#include "llvm/ADT/StringExtras.h"

using namespace terse;

namespace terse {
/// sum := product (('+' | '-') product)*
/// product := atom (('*' | 'floordiv' | 'ceildiv' | 'mod') atom)*
/// atom := integer | symbol | '-' atom | '(' sum ')'
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
    DimExpr leaf;
    if (!rest.empty() && llvm::isDigit(rest.front())) {
      if (rest.consumeInteger(10, leaf.constant))
        return std::nullopt;
      return leaf;
    }
    llvm::StringRef name = word();
    if (name.empty())
      return std::nullopt;
    rest = rest.drop_front(name.size());
    leaf.kind = Kind::Symbol;
    leaf.symbol = name.str();
    return leaf;
  }

  static std::optional<DimExpr> combine(Kind kind, std::optional<DimExpr> left, std::optional<DimExpr> right) {
    if (!left || !right)
      return std::nullopt;
    DimExpr result;
    result.kind = kind;
    result.operands.push_back(std::move(*left));
    result.operands.push_back(std::move(*right));
    return result;
  }

  /// The identifier at the start of the rest. Exporters name dimensions freely.
  llvm::StringRef word() const {
    return rest.take_while([](char c) { return llvm::isAlnum(c) || c == '_' || c == '.' || c == '$'; });
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

std::optional<DimExpr> DimExpr::parse(llvm::StringRef text) { return DimExprParser(text).parseAll(); }

void DimExpr::forEachSymbol(llvm::function_ref<void(llvm::StringRef)> visit) const {
  if (kind == Kind::Symbol)
    visit(symbol);
  for (const DimExpr &operand : operands)
    operand.forEachSymbol(visit);
}
