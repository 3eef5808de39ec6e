//===- Share.h - parts of a whole as text ------------------------*- C++ -*-===//
#ifndef TERSE_SUPPORT_SHARE_H
#define TERSE_SUPPORT_SHARE_H

#include "llvm/ADT/StringRef.h"

#include <optional>

namespace terse {

/// "25%" or "0.25", of at least 0; none if the text is something else.
inline std::optional<double> parseShare(llvm::StringRef text) {
  bool isPercent = text.consume_back("%");
  double value;
  if (text.trim().getAsDouble(value) || !(value >= 0))
    return std::nullopt;
  return isPercent ? value / 100 : value;
}

/// The same, of less than 1.
inline std::optional<double> parseProperShare(llvm::StringRef text) {
  std::optional<double> share = parseShare(text);
  return share && *share < 1 ? share : std::nullopt;
}

} // namespace terse

#endif // TERSE_SUPPORT_SHARE_H
