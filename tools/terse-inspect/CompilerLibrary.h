//===- CompilerLibrary.h - what the compiler knows of a file ----*- C++ -*-===//
#ifndef TERSE_TOOLS_TERSE_INSPECT_COMPILERLIBRARY_H
#define TERSE_TOOLS_TERSE_INSPECT_COMPILERLIBRARY_H

#include "terse/Runtime/Status.h"

#include <nlohmann/json.hpp>

#include <string>

namespace terse::inspect {

/// What `function` of terse-c/compiler.h says of a file. The compiler's library
/// is loaded for it; `what` are such files, for the message if it cannot be.
rt::Result<nlohmann::ordered_json>
describeByCompiler(const char *function, const char *what,
                   const std::string &path);

} // namespace terse::inspect

#endif // TERSE_TOOLS_TERSE_INSPECT_COMPILERLIBRARY_H
