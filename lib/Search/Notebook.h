//===- Notebook.h - what a search has found so far --------------*- C++ -*-===//
#ifndef TERSE_LIB_SEARCH_NOTEBOOK_H
#define TERSE_LIB_SEARCH_NOTEBOOK_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <string>

namespace terse {

/// Findings by name in a file of a folder, a line for each: an interrupted search reads them and goes on as if it had not been.
class Notebook {
public:
  /// Makes the folder, or reads what is there. `key` is what findings depend on: a folder with another one is refused.
  llvm::Error open(const std::string &folder, const std::string &key);

  /// What is known by that name, else what `measure` finds, which is then written down.
  llvm::Expected<const llvm::json::Object *> find(const std::string &name, llvm::function_ref<llvm::Expected<llvm::json::Object>()> measure);

  size_t size() const { return known.size(); }
  std::string getPath(llvm::StringRef name) const;

private:
  llvm::Error read(const std::string &key);
  llvm::Error writeLine(const std::string &line) const;

  std::string folder;
  std::map<std::string, llvm::json::Object> known;
};

} // namespace terse

#endif // TERSE_LIB_SEARCH_NOTEBOOK_H
