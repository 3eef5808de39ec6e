//===- Dim.h - symbolic sizes ----------------------------------*- C++ -*-===//
//
// Sizes of tensors, and the contents of the small integer tensors that
// exporters compute them with, are polynomials with integer coefficients over
// symbols. Equal polynomials are equal sizes, so chains of Shape, Gather,
// Concat, ... fold at import.
#ifndef TERSE_IMPORT_ONNX_DIM_H
#define TERSE_IMPORT_ONNX_DIM_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace terse::importer {

using SymbolId = unsigned;

/// A polynomial over symbols. Coefficients wrap around as int64 does in ONNX.
class Dim {
public:
  /// Sorted symbols; repeated for powers; empty for the constant term.
  using Monomial = std::vector<SymbolId>;

  Dim() = default;
  Dim(int64_t constant) { add({}, constant); }
  static Dim symbol(SymbolId id) {
    Dim dim;
    dim.add({id}, 1);
    return dim;
  }

  std::optional<int64_t> constant() const;
  bool isConstant(int64_t value) const { return constant() == value; }
  /// The symbol that this is, if it is one.
  std::optional<SymbolId> asSymbol() const;
  const std::map<Monomial, int64_t> &terms() const { return monomials; }
  bool uses(llvm::function_ref<bool(SymbolId)> predicate) const;

  Dim operator+(const Dim &other) const;
  Dim operator-(const Dim &other) const;
  Dim operator*(const Dim &other) const;
  bool operator==(const Dim &other) const { return monomials == other.monomials; }
  bool operator!=(const Dim &other) const { return !(*this == other); }
  bool operator<(const Dim &other) const { return monomials < other.monomials; }

  /// This with symbols replaced by what `map` gives for them.
  Dim substitute(llvm::function_ref<std::optional<Dim>(SymbolId)> map) const;
  /// The quotient if `divisor` divides this exactly.
  std::optional<Dim> divideExactly(const Dim &divisor) const;

private:
  void add(const Monomial &monomial, int64_t coefficient);
  std::map<Monomial, int64_t> monomials;
};

/// What must hold for sizes of inputs and cannot be expressed by giving one of them in terms of the others:
/// lhs <= rhs, or lhs == rhs. It is checked when the model runs.
struct Constraint {
  Dim lhs, rhs;
  bool equal;
};

/// All symbols of a model and what is known about them. Lives over the
/// repeated runs of the import, so that a later run begins with what an
/// earlier one found out.
class Symbols {
public:
  /// Symbols 0 .. kCoordinates - 1 stand for an element's coordinates in the
  /// tensor whose contents a polynomial describes.
  static constexpr SymbolId kCoordinates = 16;

  enum class Kind { Coordinate, Named, Fresh, FloorDiv, Max, Min, Opaque, Padded };

  Symbols();

  /// The symbol of a `dim_param` (any two of the same name are equal).
  Dim named(llvm::StringRef name);
  /// A size of its own. `hint` is what the file says about it, which exporters
  /// are known to get wrong: it is used only where the graph does not force it.
  Dim fresh(llvm::StringRef name, std::optional<Dim> hint);
  /// An integer known only when the model runs. Same name, same symbol.
  Dim opaque(llvm::StringRef name, bool nonNegative);
  Dim floorDiv(const Dim &lhs, const Dim &rhs);
  /// A size that data decide, of at most `bound`: what has it is computed at the size `bound`, of which the first
  /// elements count. Same bound and `id`, same symbol. Nothing but itself is known to equal it.
  Dim padded(const Dim &bound, int64_t id) { return derived(Kind::Padded, bound, Dim(id)); }
  Dim max(const Dim &lhs, const Dim &rhs);
  Dim min(const Dim &lhs, const Dim &rhs);
  Dim clamp(const Dim &value, const Dim &low, const Dim &high) { return min(max(value, low), high); }

  /// `dim` with all that is known applied.
  Dim resolve(const Dim &dim);
  /// Whether `dim` is at least 0 (or 1) for every value of the symbols, as far as
  /// can be seen.
  bool isNonNegative(const Dim &dim) const;
  bool isPositive(const Dim &dim) const { return isNonNegative(dim - Dim(1)); }
  /// True, false, or unknown.
  std::optional<bool> equal(const Dim &lhs, const Dim &rhs) const;
  std::optional<bool> less(const Dim &lhs, const Dim &rhs) const;

  /// Whether the graph may decide what a symbol is: a size of an input.
  bool isFree(SymbolId id) const;
  bool isFree(const Dim &dim) const; // all in it, at least one
  /// Whether values that are known only when the model runs are in `dim`.
  bool dependsOnData(const Dim &dim) const;
  bool isPadded(SymbolId id) const { return symbols[id].kind == Kind::Padded; }
  bool usesPadded(const Dim &dim) const; // in operands of its symbols too
  /// Makes the two equal from now on; false if they can never be.
  bool unify(const Dim &lhs, const Dim &rhs);
  /// Makes `lhs` at most `rhs` from now on; false if it can never be.
  bool bound(const Dim &lhs, const Dim &rhs);
  /// Whether `unify` or `bound` has changed anything since the last call of this.
  bool takeChanged();
  void setChanged() { changed = true; }
  /// What is left to be checked when the model runs.
  std::vector<Constraint> getConstraints();
  /// Of symbols, found so far.
  size_t getNumValues() const { return numValues; }
  /// Applies the hints of fresh symbols that are still free.
  void applyHints();

  /// A polynomial from a `dim_param` such as "past + 2*sequence"; nothing if it
  /// is not one. A plain name is one.
  std::optional<Dim> parse(llvm::StringRef text);
  std::string print(const Dim &dim) const;

  Kind getKind(SymbolId id) const { return symbols[id].kind; }
  llvm::StringRef getName(SymbolId id) const { return symbols[id].name; }
  std::pair<Dim, Dim> getOperands(SymbolId id) const { return {symbols[id].lhs, symbols[id].rhs}; }

private:
  struct Symbol {
    Kind kind;
    std::string name;
    Dim lhs, rhs; // operands of a derived symbol
    bool nonNegative = true;
    std::optional<Dim> hint = {};
    std::optional<Dim> value = {};    // what it was found to be
    std::optional<Dim> resolved = {}; // the same or a derived one with all that is known, until that changes
    bool data = false;                // an opaque one is in it
    unsigned depth = 0;               // of derivation
  };
  void setValue(SymbolId id, const Dim &value);
  void forgetResolved();
  void collectOrdered(const Dim &dim, llvm::SmallVectorImpl<SymbolId> &found) const;
  std::optional<bool> unifyByOrder(const Dim &difference);
  bool constrain(const Dim &lhs, const Dim &rhs, bool equal);
  bool isNonNegative(const Dim &dim, int splits) const;
  bool isNonNegative(SymbolId id, int splits) const;
  bool followsFrom(const Dim &dim, const Dim &fact, int splits) const;
  Dim intern(Kind kind, llvm::StringRef name, bool nonNegative);
  Dim derived(Kind kind, const Dim &lhs, const Dim &rhs);
  std::vector<Symbol> symbols;
  llvm::StringMap<SymbolId> names;
  llvm::StringSet<> shown; // names as printed
  std::map<std::pair<Kind, std::pair<Dim, Dim>>, SymbolId> derivations;
  std::vector<Constraint> constraints;
  bool changed = false;
  size_t numValues = 0;
};

} // namespace terse::importer

#endif // TERSE_IMPORT_ONNX_DIM_H
