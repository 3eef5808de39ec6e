//===- Dim.cpp - symbolic sizes -------------------------------------------===//
#include "Dim.h"

#include "llvm/ADT/STLExtras.h"
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
  if (b && *b < 0 && *b != INT64_MIN) // sizes are divided by what is positive
    return floorDiv(lhs * Dim(-1), Dim(-*b));
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

void Symbols::forgetResolved() {
  for (Symbol &symbol : symbols)
    symbol.resolved.reset();
}

void Symbols::setValue(SymbolId id, const Dim &value) {
  ++numValues;
  symbols[id].value = value;
  changed = true;
  forgetResolved();
  for (Constraint &constraint : constraints) {
    constraint.lhs = resolve(constraint.lhs);
    constraint.rhs = resolve(constraint.rhs);
  }
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
    else if (symbols[id].kind == Kind::Padded)
      result = derived(Kind::Padded, resolve(lhs), rhs);
    else if (symbols[id].kind == Kind::Max)
      result = max(resolve(lhs), resolve(rhs));
    else if (symbols[id].kind == Kind::Min)
      result = min(resolve(lhs), resolve(rhs));
    symbols[id].resolved = result;
    return result;
  });
}

/// Minima and maxima are looked into so often.
static constexpr int kSplits = 3;

bool Symbols::isNonNegative(const Dim &dim) const { return isNonNegative(dim, kSplits); }

bool Symbols::isNonNegative(SymbolId id, int splits) const {
  const Symbol &symbol = symbols[id];
  if (symbol.nonNegative || splits == 0)
    return symbol.nonNegative;
  switch (symbol.kind) {
  case Kind::FloorDiv:
  case Kind::Min:
    return isNonNegative(symbol.lhs, splits - 1) && isNonNegative(symbol.rhs, splits - 1);
  case Kind::Max:
    return isNonNegative(symbol.lhs, splits - 1) || isNonNegative(symbol.rhs, splits - 1);
  default:
    return false;
  }
}

/// Whether `dim` is a positive multiple of `fact`, which is not negative, and more.
bool Symbols::followsFrom(const Dim &dim, const Dim &fact, int splits) const {
  constexpr int64_t kMost = 1ll << 40; // no overflow below
  for (const auto &[monomial, coefficient] : dim.terms()) {
    auto it = fact.terms().find(monomial);
    if (coefficient >= 0 || coefficient < -kMost || it == fact.terms().end() || it->second >= 0 || it->second < -kMost)
      continue;
    int64_t times = (coefficient + it->second + 1) / it->second;
    Dim rest = dim - fact * Dim(times);
    return llvm::all_of(rest.terms(), [&](const auto &term) {
      return term.second >= 0 && llvm::all_of(term.first, [&](SymbolId id) { return isNonNegative(id, splits); });
    });
  }
  return false;
}

bool Symbols::isNonNegative(const Dim &dim, int splits) const {
  bool plain = llvm::all_of(dim.terms(), [&](const auto &term) {
    return term.second >= 0 && llvm::all_of(term.first, [&](SymbolId id) { return isNonNegative(id, splits); });
  });
  if (plain)
    return true;
  for (const Constraint &constraint : constraints)
    if (followsFrom(dim, constraint.rhs - constraint.lhs, splits) ||
        (constraint.equal && followsFrom(dim, constraint.lhs - constraint.rhs, splits)))
      return true;
  if (splits == 0)
    return false;
  // A minimum or maximum is one of its operands; the one that makes `dim`
  // smaller if either will do.
  for (const auto &term : dim.terms()) {
    if (term.first.size() != 1)
      continue;
    SymbolId id = term.first[0];
    Dim coefficient(term.second), others = dim - Dim::symbol(id) * coefficient;
    Kind kind = symbols[id].kind;
    if (kind != Kind::Min && kind != Kind::Max)
      continue;
    auto with = [&](const Dim &operand) { return isNonNegative(others + operand * coefficient, splits - 1); };
    bool both = (kind == Kind::Min) == (term.second > 0);
    bool lhs = with(symbols[id].lhs);
    if (both ? lhs && with(symbols[id].rhs) : lhs || with(symbols[id].rhs))
      return true;
  }
  return false;
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

bool Symbols::isFree(const Dim &dim) const {
  return !dim.constant() && !dim.uses([&](SymbolId id) { return !isFree(id); });
}

bool Symbols::isFree(SymbolId id) const {
  return (symbols[id].kind == Kind::Named || symbols[id].kind == Kind::Fresh) && !symbols[id].value;
}

bool Symbols::dependsOnData(const Dim &dim) const {
  return dim.uses([&](SymbolId id) { return symbols[id].data; });
}

bool Symbols::usesPadded(const Dim &dim) const {
  return dim.uses([&](SymbolId id) {
    return id >= kCoordinates && (isPadded(id) || usesPadded(symbols[id].lhs) || usesPadded(symbols[id].rhs));
  });
}

void Symbols::collectOrdered(const Dim &dim, llvm::SmallVectorImpl<SymbolId> &found) const {
  constexpr size_t kMost = 16;
  for (const auto &[monomial, coefficient] : dim.terms())
    for (SymbolId id : monomial) {
      const Symbol &symbol = symbols[id];
      if (found.size() >= kMost || llvm::is_contained(found, id))
        continue;
      if (symbol.kind == Kind::Min || symbol.kind == Kind::Max)
        found.push_back(id);
      collectOrdered(symbol.lhs, found);
      collectOrdered(symbol.rhs, found);
    }
}

/// min(x, y) = x, as exporters slice a mask to a length that is its own: of two sizes of
/// inputs that means x = y, of a size and a constant (the rows of a table of positions)
/// that x is at most y. The same for a minimum or maximum inside of `difference`, which
/// must be 0. Nothing if no order of any operands makes it 0.
std::optional<bool> Symbols::unifyByOrder(const Dim &difference) {
  llvm::SmallVector<SymbolId> ordered;
  collectOrdered(difference, ordered);
  for (SymbolId id : ordered) {
    bool isMin = symbols[id].kind == Kind::Min;
    auto [x, y] = getOperands(id);
    for (bool swap : {false, true}) {
      Dim low = resolve(swap ? y : x), high = resolve(swap ? x : y);
      if (isPositive(low - high) || dependsOnData(low) || dependsOnData(high))
        continue;
      constraints.push_back({low, high, false});
      forgetResolved();
      bool zero = resolve(difference).isConstant(0);
      if (zero && !(isMin && isFree(low) && isFree(high)))
        return changed = true;
      constraints.pop_back();
      forgetResolved();
      if (zero)
        return unify(low, high);
    }
  }
  return std::nullopt;
}

bool Symbols::unify(const Dim &a, const Dim &b) {
  Dim lhs = resolve(a), rhs = resolve(b), difference = lhs - rhs;
  if (std::optional<int64_t> constant = difference.constant())
    return *constant == 0;
  if (usesPadded(difference))
    return false;

  if (std::optional<bool> ordered = unifyByOrder(difference))
    return *ordered;

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
    bool positive = llvm::all_of(value.terms(), [](const auto &term) { return term.second > 0; });
    auto rank = std::make_tuple(positive, symbols[id].kind == Kind::Fresh, value.terms().size() > 1, id);
    if (!best || rank > bestRank) {
      best = id;
      bestRank = rank;
      bestValue = value;
    }
  }
  if (!best)
    return constrain(lhs, rhs, /*equal=*/true);
  if (isPositive(bestValue * Dim(-1)))
    return false;
  setValue(*best, bestValue);
  return true;
}

bool Symbols::constrain(const Dim &lhs, const Dim &rhs, bool equal) {
  if (isPositive(lhs - rhs) || (equal && isPositive(rhs - lhs)))
    return false;
  // What depends on data cannot be checked before the model runs.
  if ((isNonNegative(rhs - lhs) && (!equal || isNonNegative(lhs - rhs))) || dependsOnData(lhs) || dependsOnData(rhs))
    return true;
  constraints.push_back({lhs, rhs, equal});
  changed = true;
  forgetResolved();
  return true;
}

bool Symbols::bound(const Dim &a, const Dim &b) {
  Dim lhs = resolve(a), rhs = resolve(b);
  if (usesPadded(lhs) || usesPadded(rhs))
    return isNonNegative(rhs - lhs);
  return constrain(lhs, rhs, /*equal=*/false);
}

/// The same with no term on both sides and none negative.
static Constraint tidy(const Constraint &constraint) {
  Constraint result{Dim(), Dim(), constraint.equal};
  Dim slack = constraint.rhs - constraint.lhs;
  for (const auto &[monomial, coefficient] : slack.terms()) {
    Dim term(coefficient);
    for (SymbolId id : monomial)
      term = term * Dim::symbol(id);
    Dim &side = coefficient > 0 ? result.rhs : result.lhs;
    side = coefficient > 0 ? side + term : side - term;
  }
  return result;
}

std::vector<Constraint> Symbols::getConstraints() {
  // What follows from the others says nothing.
  for (size_t i = 0; i < constraints.size();) {
    Constraint constraint = constraints[i];
    constraints.erase(constraints.begin() + i);
    Dim slack = constraint.rhs - constraint.lhs;
    if (isNonNegative(slack) && (!constraint.equal || isNonNegative(slack * Dim(-1))))
      continue;
    constraints.insert(constraints.begin() + i++, tidy(constraint));
  }
  return constraints;
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
      case Kind::Padded:
        text += "(at most " + print(symbol.lhs) + ")";
        break;
      default:
        text += symbol.name;
      }
    }
  }
  return text;
}
