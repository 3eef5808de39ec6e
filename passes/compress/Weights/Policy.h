//===- Policy.h - what compression is to do with a layer --------*- C++ -*-===//
#ifndef TERSE_COMPRESS_POLICY_H
#define TERSE_COMPRESS_POLICY_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Operation.h"

#include <functional>
#include <optional>
#include <string>

namespace terse {

/// On a layer, written by `terse-assign-policy` and obeyed by the passes that round and prune: a dictionary of what they are told about
/// this layer instead of what they are told about all.
inline constexpr llvm::StringLiteral kPolicyAttr = "terse.policy";

/// Of each `m` weights of a row, in order, at most `n` are not zero; m = 0: zeros may be anywhere.
struct SparsityPattern {
  int64_t n = 0, m = 0;

  bool isStructured() const { return m != 0; }
  /// "2:4"; "unstructured".
  std::string str() const;
  /// The inverse; empty means unstructured. None if the text is no pattern with 0 < N < M <= 64.
  static std::optional<SparsityPattern> parse(llvm::StringRef text);
};

/// What a policy says; what it does not say is unset.
struct Policy {
  std::optional<int64_t> bits, groupSize;
  std::optional<bool> symmetric;
  std::optional<std::string> method;
  std::optional<double> sparsity; ///< part of the weights that becomes zero
  std::optional<SparsityPattern> pattern;
  bool keep = false; ///< the layer is left as it is

  mlir::DictionaryAttr toAttr(mlir::MLIRContext *context) const;
  /// Sets `key` ("bits", "group_size", "symmetric", "method", "sparsity", "pattern", "keep") from text. An error says what was expected.
  mlir::LogicalResult set(llvm::StringRef key, llvm::StringRef value, llvm::function_ref<mlir::InFlightDiagnostic()> emitError);
};

/// The policy of a layer, empty where it has none. Fails with a message at the layer if its attribute is malformed.
mlir::FailureOr<Policy> getPolicy(mlir::Operation *layer);

} // namespace terse

#endif // TERSE_COMPRESS_POLICY_H
