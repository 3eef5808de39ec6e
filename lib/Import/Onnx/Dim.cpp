//===- Dim.cpp - symbolic sizes -------------------------------------------===//
#include "Dim.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>

using namespace terse::importer;

//===----------------------------------------------------------------------===//
// Dim
//===----------------------------------------------------------------------===//

static int64_t wrappingAdd(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
static int64_t wrappingMul(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

void Dim::add(const Monomial &monomial, int64_t coefficient) {
  if (coefficient == 0)
    return;
  auto [it, inserted] = monomials.try_emplace(monomial, coefficient);
  if (inserted)
    return;
  it->second = wrappingAdd(it->second, coefficient);
  if (it->second == 0)
    monomials.erase(it);
}

std::optional<int64_t> Dim::constant() const {
  if (monomials.empty())
    return 0;
  if (monomials.size() == 1 && monomials.begin()->first.empty())
    return monomials.begin()->second;
  return std::nullopt;
}

std::optional<SymbolId> Dim::asSymbol() const {
  if (monomials.size() == 1 && monomials.begin()->first.size() == 1 && monomials.begin()->second == 1)
    return monomials.begin()->first[0];
  return std::nullopt;
}

bool Dim::uses(llvm::function_ref<bool(SymbolId)> predicate) const {
  for (const auto &[monomial, coefficient] : monomials)
    if (llvm::any_of(monomial, predicate))
      return true;
  return false;
}

Dim Dim::operator+(const Dim &other) const {
  Dim result = *this;
  for (const auto &[monomial, coefficient] : other.monomials)
    result.add(monomial, coefficient);
  return result;
}

Dim Dim::operator-(const Dim &other) const { return *this + other * Dim(-1); }

Dim Dim::operator*(const Dim &other) const {
  Dim result;
  for (const auto &[a, ca] : monomials)
    for (const auto &[b, cb] : other.monomials) {
      Monomial product;
      std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(product));
      result.add(product, wrappingMul(ca, cb));
    }
  return result;
}

Dim Dim::substitute(llvm::function_ref<std::optional<Dim>(SymbolId)> map) const {
  Dim result;
  for (const auto &[monomial, coefficient] : monomials) {
    Dim term(coefficient);
    for (SymbolId id : monomial) {
      std::optional<Dim> value = map(id);
      term = term * (value ? *value : symbol(id));
    }
    result = result + term;
  }
  return result;
}

std::optional<Dim> Dim::divideExactly(const Dim &divisor) const {
  if (divisor.monomials.empty())
    return std::nullopt;
  // Long division by the greatest monomial (longer first, so that it is a
  // product's greatest too).
  auto leading = [](const Dim &dim) {
    return *std::max_element(dim.monomials.begin(), dim.monomials.end(), [](auto &a, auto &b) {
      return std::make_pair(a.first.size(), a.first) < std::make_pair(b.first.size(), b.first);
    });
  };
  auto [byMonomial, byCoefficient] = leading(divisor);
  Dim rest = *this, quotient;
  for (int step = 0; !rest.monomials.empty(); ++step) {
    auto [monomial, coefficient] = leading(rest);
    if (step > 64 || !std::includes(monomial.begin(), monomial.end(), byMonomial.begin(), byMonomial.end()) ||
        byCoefficient == -1 || coefficient % byCoefficient != 0)
      return std::nullopt;
    Monomial difference;
    std::set_difference(monomial.begin(), monomial.end(), byMonomial.begin(), byMonomial.end(),
                        std::back_inserter(difference));
    Dim term;
    term.add(difference, coefficient / byCoefficient);
    quotient = quotient + term;
    rest = rest - term * divisor;
  }
  return quotient;
}

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

/// What the name of a size may consist of, so that expressions of sizes can be read back.
static bool isNameCharacter(char c) { return llvm::isAlnum(c) || c == '_' || c == '.' || c == ':' || c == '/'; }

static bool isName(llvm::StringRef text) {
  return !text.empty() && !llvm::isDigit(text[0]) && llvm::all_of(text, isNameCharacter);
}

Symbols::Symbols() {
  for (SymbolId i = 0; i < kCoordinates; ++i)
    symbols.push_back({Kind::Coordinate, "d" + std::to_string(i), {}, {}, true});
}

Dim Symbols::intern(Kind kind, llvm::StringRef name, bool nonNegative) {
  // Names that the importer makes up are apart from those of the file.
  auto [it, inserted] = names.try_emplace((llvm::Twine(static_cast<int>(kind)) + ":" + name).str(), symbols.size());
  if (inserted) {
    std::string text = name.str();
    if (kind != Kind::Named)
      for (char &c : text)
        if (!isNameCharacter(c))
          c = '_';
    while (!shown.insert(text).second)
      text += '_';
    symbols.push_back({kind, text, {}, {}, nonNegative});
    symbols.back().data = kind == Kind::Opaque;
  }
  return Dim::symbol(it->second);
}

Dim Symbols::named(llvm::StringRef name) { return intern(Kind::Named, name, true); }

Dim Symbols::fresh(llvm::StringRef name, std::optional<Dim> hint) {
  Dim dim = intern(Kind::Fresh, name, true);
  symbols[*dim.asSymbol()].hint = hint;
  return resolve(dim);
}

Dim Symbols::opaque(llvm::StringRef name, bool nonNegative) { return intern(Kind::Opaque, name, nonNegative); }

Dim Symbols::derived(Kind kind, const Dim &lhs, const Dim &rhs) {
  // A file may derive from what it derived without end, and what is derived is
  // walked recursively.
  constexpr unsigned kDeepest = 20;
  unsigned depth = 0;
  bool data = false;
  for (const Dim *dim : {&lhs, &rhs})
    for (const auto &[monomial, coefficient] : dim->terms())
      for (SymbolId id : monomial) {
        depth = std::max(depth, symbols[id].depth + 1);
        data |= symbols[id].data;
      }
  if (depth > kDeepest)
    return opaque("expression_too_deep", false);
  auto [it, inserted] = derivations.try_emplace({kind, {lhs, rhs}}, symbols.size());
  if (inserted) {
    bool nonNegative = isNonNegative(lhs) && isNonNegative(rhs);
    if (kind == Kind::Max)
      nonNegative = isNonNegative(lhs) || isNonNegative(rhs);
    symbols.push_back({kind, "", lhs, rhs, nonNegative});
    symbols.back().data = data;
    symbols.back().depth = depth;
  }
  return Dim::symbol(it->second);
}

Dim Symbols::floorDiv(const Dim &lhs, const Dim &rhs) {
  std::optional<int64_t> a = lhs.constant(), b = rhs.constant();
  if (a && b && *b != 0 && *b != -1)
    return Dim(*a / *b - ((*a % *b != 0 && (*a < 0) != (*b < 0)) ? 1 : 0));
  if (std::optional<Dim> quotient = lhs.divideExactly(rhs))
    return *quotient;
  return derived(Kind::FloorDiv, lhs, rhs);
}

Dim Symbols::max(const Dim &lhs, const Dim &rhs) {
  if (isNonNegative(lhs - rhs))
    return lhs;
  if (isNonNegative(rhs - lhs))
    return rhs;
  return lhs < rhs ? derived(Kind::Max, lhs, rhs) : derived(Kind::Max, rhs, lhs);
}

Dim Symbols::min(const Dim &lhs, const Dim &rhs) {
  if (isNonNegative(lhs - rhs))
    return rhs;
  if (isNonNegative(rhs - lhs))
    return lhs;
  return lhs < rhs ? derived(Kind::Min, lhs, rhs) : derived(Kind::Min, rhs, lhs);
}

void Symbols::setValue(SymbolId id, const Dim &value) {
  symbols[id].value = value;
  changed = true;
  for (Symbol &symbol : symbols)
    symbol.resolved.reset();
}

Dim Symbols::resolve(const Dim &dim) {
  return dim.substitute([&](SymbolId id) -> std::optional<Dim> {
    if (symbols[id].resolved)
      return symbols[id].resolved;
    Dim lhs = symbols[id].lhs, rhs = symbols[id].rhs; // copies: the vector may grow below
    std::optional<Dim> result;
    if (std::optional<Dim> value = symbols[id].value)
      result = resolve(*value);
    else if (symbols[id].kind == Kind::FloorDiv)
      result = floorDiv(resolve(lhs), resolve(rhs));
    else if (symbols[id].kind == Kind::Max)
      result = max(resolve(lhs), resolve(rhs));
    else if (symbols[id].kind == Kind::Min)
      result = min(resolve(lhs), resolve(rhs));
    symbols[id].resolved = result;
    return result;
  });
}

bool Symbols::isNonNegative(const Dim &dim) const {
  for (const auto &[monomial, coefficient] : dim.terms())
    if (coefficient < 0 || llvm::any_of(monomial, [&](SymbolId id) { return !symbols[id].nonNegative; }))
      return false;
  return true;
}

std::optional<bool> Symbols::equal(const Dim &lhs, const Dim &rhs) const {
  Dim difference = lhs - rhs;
  if (std::optional<int64_t> constant = difference.constant())
    return *constant == 0;
  if (isPositive(difference) || isPositive(rhs - lhs))
    return false;
  return std::nullopt;
}

std::optional<bool> Symbols::less(const Dim &lhs, const Dim &rhs) const {
  if (isPositive(rhs - lhs))
    return true;
  if (isNonNegative(lhs - rhs))
    return false;
  return std::nullopt;
}

bool Symbols::isFree(SymbolId id) const {
  return (symbols[id].kind == Kind::Named || symbols[id].kind == Kind::Fresh) && !symbols[id].value;
}

bool Symbols::dependsOnData(const Dim &dim) const {
  return dim.uses([&](SymbolId id) { return symbols[id].data; });
}

bool Symbols::unify(const Dim &a, const Dim &b) {
  Dim lhs = resolve(a), rhs = resolve(b), difference = lhs - rhs;
  if (std::optional<int64_t> constant = difference.constant())
    return *constant == 0;

  // min(x, y) = x as exporters slice a mask to a length that is its own: the
  // only way in which the sizes of inputs can be equal by name is x = y.
  for (auto [one, other] : {std::make_pair(lhs, rhs), std::make_pair(rhs, lhs)})
    if (std::optional<SymbolId> id = one.asSymbol(); id && symbols[*id].kind == Kind::Min) {
      auto [x, y] = getOperands(*id);
      if (x == other || y == other)
        return unify(x, y);
    }

  // Solve for a free symbol that occurs once, linearly with coefficient 1 or -1.
  // The better choice has a value of positive terms (total = past + sequence,
  // not past = total - sequence), then is one that the file gave no plain name,
  // then came later.
  std::optional<SymbolId> best;
  std::tuple<bool, bool, bool, SymbolId> bestRank;
  Dim bestValue;
  for (const auto &[monomial, coefficient] : difference.terms()) {
    if (monomial.size() != 1 || (coefficient != 1 && coefficient != -1) || !isFree(monomial[0]))
      continue;
    SymbolId id = monomial[0];
    Dim value = (Dim::symbol(id) * Dim(coefficient) - difference) * Dim(coefficient);
    bool derivedOperands = value.uses([&](SymbolId used) { return !isFree(used); });
    if (value.uses([&](SymbolId used) { return used == id; }) || derivedOperands)
      continue;
    auto rank = std::make_tuple(isNonNegative(value), symbols[id].kind == Kind::Fresh, value.terms().size() > 1, id);
    if (!best || rank > bestRank) {
      best = id;
      bestRank = rank;
      bestValue = value;
    }
  }
  if (!best) {
    // Nothing to solve for: equal unless the two can be seen to differ.
    return !isPositive(difference) && !isPositive(rhs - lhs);
  }
  if (isPositive(bestValue * Dim(-1)))
    return false;
  setValue(*best, bestValue);
  return true;
}

bool Symbols::takeChanged() {
  bool result = changed;
  changed = false;
  return result;
}

void Symbols::applyHints() {
  for (SymbolId id = 0; id < symbols.size(); ++id)
    if (symbols[id].kind == Kind::Fresh && isFree(id) && symbols[id].hint) {
      Dim hint = resolve(*symbols[id].hint);
      if (hint.uses([&](SymbolId used) { return used == id; }))
        continue;
      setValue(id, hint);
    }
}

std::optional<Dim> Symbols::parse(llvm::StringRef text) {
  Dim sum;
  llvm::SmallVector<llvm::StringRef> terms;
  text.split(terms, '+');
  constexpr size_t kMost = 8; // products of long sums grow without bounds
  if (terms.size() > kMost)
    return std::nullopt;
  for (llvm::StringRef term : terms) {
    Dim product(1);
    llvm::SmallVector<llvm::StringRef> factors;
    term.split(factors, '*');
    if (factors.size() > kMost)
      return std::nullopt;
    for (llvm::StringRef factor : factors) {
      factor = factor.trim();
      int64_t value;
      if (!factor.getAsInteger(10, value))
        product = product * Dim(value);
      else if (isName(factor))
        product = product * named(factor);
      else
        return std::nullopt;
    }
    sum = sum + product;
  }
  return sum;
}

std::string Symbols::print(const Dim &dim) const {
  if (dim.terms().empty())
    return "0";
  std::string text;
  // The constant comes last, as people write it.
  llvm::SmallVector<std::pair<Dim::Monomial, int64_t>> ordered;
  for (const auto &term : dim.terms())
    if (!term.first.empty())
      ordered.push_back(term);
  if (auto it = dim.terms().find({}); it != dim.terms().end())
    ordered.push_back(*it);
  for (const auto &[monomial, coefficient] : ordered) {
    uint64_t magnitude = coefficient < 0 ? -static_cast<uint64_t>(coefficient) : coefficient;
    if (!text.empty())
      text += coefficient < 0 ? " - " : " + ";
    else if (coefficient < 0)
      text += "-";
    if (magnitude != 1 || monomial.empty())
      text += std::to_string(magnitude) + (monomial.empty() ? "" : "*");
    for (auto [i, id] : llvm::enumerate(monomial)) {
      const Symbol &symbol = symbols[id];
      text += i ? "*" : "";
      std::string operands = "(" + print(symbol.lhs) + ", " + print(symbol.rhs) + ")";
      switch (symbol.kind) {
      case Kind::FloorDiv:
        text += "floordiv" + operands;
        break;
      case Kind::Max:
        text += "max" + operands;
        break;
      case Kind::Min:
        text += "min" + operands;
        break;
      default:
        text += symbol.name;
      }
    }
  }
  return text;
}
