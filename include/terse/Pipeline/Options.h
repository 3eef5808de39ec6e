//===- Options.h - the table of a compile's options -------------*- C++ -*-===//
#ifndef TERSE_PIPELINE_OPTIONS_H
#define TERSE_PIPELINE_OPTIONS_H

#include "terse/Pipeline/Compile.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace terse {

/// An option by name and text. tersec's command line and the C interface
/// (terse-c/compiler.h) are both made from the table of these.
struct OptionInfo {
  enum class Kind {
    Text,
    Number, ///< a whole number, not negative
    Flag,   ///< "true" or "false"
    List,   ///< may be given several times
    OptionalText ///< text, or nothing ("") or "true": a flag
  };
  llvm::StringLiteral name;
  Kind kind;
  /// What a value looks like, for help; empty for flags.
  llvm::StringLiteral value;
  llvm::StringLiteral help;
  /// Reads a value. The message of an error does not name the option.
  llvm::Error (*set)(CompileOptions &options, llvm::StringRef value);
};

llvm::ArrayRef<OptionInfo> getOptions();

/// Sets an option. Errors begin with its name; unknown names are errors that
/// suggest the nearest.
llvm::Error setOption(CompileOptions &options, llvm::StringRef name,
                      llvm::StringRef value);

} // namespace terse

#endif // TERSE_PIPELINE_OPTIONS_H
