//===- JsonText.h - names that any file may have, as JSON -------*- C++ -*-===//
#ifndef TERSE_SUPPORT_JSONTEXT_H
#define TERSE_SUPPORT_JSONTEXT_H

#include "llvm/Support/JSON.h"

namespace terse {

/// `text` as UTF-8, which JSON is: what is none becomes U+FFFD.
inline std::string toJsonText(llvm::StringRef text) { return llvm::json::isUTF8(text) ? text.str() : llvm::json::fixUTF8(text); }

} // namespace terse

#endif // TERSE_SUPPORT_JSONTEXT_H
