//===- Manifest.h - what an artifact says of itself -------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_MANIFEST_H
#define TERSE_RUNTIME_MANIFEST_H

#include "terse/Runtime/DType.h"
#include "terse/Runtime/Expr.h"
#include "terse/Runtime/Status.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace terse::rt {

/// An input, output or state.
struct TensorSpec {
  std::string name;
  DType dtype = DType::F32;
  std::vector<Expr> shape;
  std::vector<std::string> shapeText; ///< the dimensions as written
  /// The value where none is given; empty if one must be. In words, for their
  /// alignment.
  std::vector<uint64_t> defaultValue;
  int counted = -1; ///< the dimension whose size the run tells, or -1
  std::string role; ///< as written, else by the names that exporters give;
                    ///< empty if none
};

/// One function of the model, possibly specialised to some sizes.
struct EntrySpec {
  std::string name;
  std::map<std::string, std::string> functions; ///< level to symbol
  std::vector<std::pair<int, int64_t>> when;    ///< symbol must equal value
};

/// What must hold of the symbols: left <= right, or left == right.
struct ConstraintSpec {
  std::string text; ///< as written
  Expr left, right;
  bool equal = false;

  bool holds(const int64_t *symbols) const;
};

/// A tensor in the weights section.
struct WeightSpec {
  std::string name, kind, scale;
  std::string codebook; ///< the table that codes are from: "nf4"
  std::string partOf; ///< scales: the name of the codes
  std::string rows;   ///< the symbol that is how many rows a layer is computed
                      ///< for; empty if all
  std::vector<int64_t> shape;
  double bits = 0;
  int64_t groupSize = 0;
  bool symmetric = true;
  uint64_t offset = 0, bytes = 0;
};

/// The manifest of ArtifactABI.h, parsed and checked for consistency.
struct Manifest {
  std::string text; ///< as it lies in the artifact
  std::string compiler, sourceName, sourceHash, recipe, codeHash, weightsHash,
      tokenizerKind;
  std::vector<std::string> levels, symbols;
  int past = -1, capacity = -1; ///< indices into symbols, -1 if none
  /// Symbols: of how many tokens there are logits, and how many tokens there
  /// are; -1 where there are always logits of all.
  int logitsToKeep = -1, tokens = -1;
  std::vector<TensorSpec> inputs, outputs, states;
  std::vector<ConstraintSpec> constraints;
  std::vector<EntrySpec> entries;
  std::vector<WeightSpec> weights;
  uint64_t weightsBytes = 0;
  bool coupledTokens = false; ///< a token's results depend on those behind
  int64_t context = 0; ///< positions to make room for unless told otherwise;
                       ///< 0: not said

  static Result<Manifest> parse(std::string_view text);

  /// The index of the named tensor in `list`, or -1.
  static int find(const std::vector<TensorSpec> &list, std::string_view name);
};

/// "f32 [batch, sequence, 4096]".
std::string describe(const TensorSpec &spec);

} // namespace terse::rt

#endif // TERSE_RUNTIME_MANIFEST_H
