//===- Format.h - numbers and text for people -------------------*- C++ -*-===//
#ifndef TERSE_LIB_REPORT_FORMAT_H
#define TERSE_LIB_REPORT_FORMAT_H

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace terse::report {

/// Text as HTML shows it; what is not UTF-8 becomes U+FFFD.
std::string escape(llvm::StringRef text);

/// "1,234", "12.3", "0.00123": about so many significant digits, no exponent
/// between 1e-4 and 1e15.
std::string formatNumber(double value, int digits = 4);
/// "+1.23 %", a share; digits fit its size.
std::string formatPercent(double share, bool sign = false);
/// "5.23 MB", powers of ten.
std::string formatSize(double bytes);
/// "12.3 s", "4.5 min", "3.2 h".
std::string formatTime(double seconds);
/// "$0.0123".
std::string formatMoney(double value, llvm::StringRef currency);

} // namespace terse::report

#endif // TERSE_LIB_REPORT_FORMAT_H
