//===- Report.h - what passes say of their work -----------------*- C++ -*-===//
#ifndef TERSE_REPORT_H
#define TERSE_REPORT_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <mutex>
#include <string>
#include <vector>

namespace terse {

/// Facts that passes record about what they did ("norms-recognized", 13), one
/// per context, so that a silent no-op is visible. MLIR's own pass statistics are
/// compiled out of release builds of LLVM. Thread-safe.
class Report {
public:
  struct Fact {
    std::string pass;
    std::string name;
    llvm::json::Value value;
  };

  /// Records a fact of `pass` (its argument, "terse-quantize-weights").
  void add(llvm::StringRef pass, llvm::StringRef name, llvm::json::Value value);

  /// The facts so far, in the order in which they were recorded.
  std::vector<Fact> getFacts() const;

  /// Forgets all facts after the first `count`.
  void truncate(size_t count);

  /// One line a fact: `pass: name value`.
  void print(llvm::raw_ostream &os) const;

private:
  mutable std::mutex mutex;
  std::vector<Fact> facts;
};

} // namespace terse

#endif // TERSE_REPORT_H
