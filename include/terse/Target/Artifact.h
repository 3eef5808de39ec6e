//===- Artifact.h - writing artifacts ---------------------------*- C++ -*-===//
#ifndef TERSE_TARGET_ARTIFACT_H
#define TERSE_TARGET_ARTIFACT_H

#include "Terse/WeightStore.h"
#include "terse/Target/CodeGen.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/Support/JSON.h"

#include <string>
#include <vector>

namespace terse {

/// Everything of an artifact but its code.
struct ArtifactContents {
  std::string sourceName;
  /// SHA-256 of the model file in hexadecimal; empty if there is none.
  std::string sourceHash;
  std::string recipe;
  /// The module's `terse.interface`, see terse-record-interface.
  mlir::DictionaryAttr interface;
  /// The module's `terse.weights`, see terse-place-weights.
  mlir::ArrayAttr weights;
  /// Where the data of weights are.
  WeightStore *store = nullptr;
  /// Levels that there is code for, worst first.
  std::vector<std::string> levels;
  std::string tokenizer;
  std::string tokenizerKind;
  /// More of the manifest: {"context": 512}.
  llvm::json::Object extra;
};

/// Name of the entry function of a level.
std::string getEntryName(llvm::StringRef level);

/// The manifest as terse/Runtime/ArtifactABI.h describes it. The hashes of
/// weights and code are zeros, to be set when these are written.
std::string makeManifest(const ArtifactContents &contents);

/// The symbols by which the runtime finds the manifest.
llvm::Expected<ObjectCode> emitManifestObject(llvm::StringRef manifest);

/// Appends the weights and the tokenizer to the linked file `path` as sections
/// that no segment maps and sets the hashes in its manifest. Weights are
/// streamed, so that memory does not grow with them, and those that passes made
/// leave their store. `name` stands for the file in messages.
llvm::Error appendSections(llvm::StringRef path, llvm::StringRef name,
                           llvm::StringRef manifest,
                           const ArtifactContents &contents);

/// SHA-256 of a file in hexadecimal.
llvm::Expected<std::string> hashFile(llvm::StringRef path);

} // namespace terse

#endif // TERSE_TARGET_ARTIFACT_H
