//===- Format.cpp - numbers and text for people ---------------------------===//
#include "Format.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <algorithm>
#include <cmath>

using namespace terse;
using namespace terse::report;

std::string report::escape(llvm::StringRef text) {
  std::string result;
  for (char c : llvm::json::fixUTF8(text))
    switch (c) {
    case '&':
      result += "&amp;";
      break;
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '"':
      result += "&quot;";
      break;
    case '\'':
      result += "&#39;";
      break;
    default:
      // HTML has no other control characters.
      result += static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t' ? ' ' : c;
    }
  return result;
}

static std::string print(double value, int decimals) {
  char text[400];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string report::formatNumber(double value, int digits) {
  if (!std::isfinite(value))
    return value != value ? "not a number" : value < 0 ? "−∞" : "∞";
  double size = std::fabs(value);
  if (size != 0 && (size < 1e-4 || size >= 1e15)) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*e", digits - 1, value);
    return text;
  }
  int before = size >= 1 ? int(std::floor(std::log10(size))) + 1 : size > 0 ? int(std::floor(std::log10(size))) + 1 : 1;
  std::string text = print(size, std::max(0, digits - before));
  size_t end = text.find('.');
  for (size_t at = end == std::string::npos ? text.size() : end; at > 3; at -= 3)
    text.insert(at - 3, ",");
  return (value < 0 ? "−" : "") + text;
}

std::string report::formatPercent(double share, bool sign) {
  if (!std::isfinite(share))
    return formatNumber(share);
  double percent = 100 * share, size = std::fabs(percent);
  std::string text = print(size, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size == 0 ? 2 : 3);
  bool isZero = text.find_first_not_of("0.") == std::string::npos;
  const char *prefix = isZero ? "" : percent < 0 ? "−" : sign ? "+" : "";
  return prefix + text + "\u00a0%"; // a space that does not break
}

std::string report::formatSize(double bytes) {
  const char *units[] = {"B", "kB", "MB", "GB", "TB"};
  int unit = 0;
  while (bytes >= 999.5 && unit < 4) {
    bytes /= 1000;
    ++unit;
  }
  return (unit == 0 ? print(bytes, 0) : formatNumber(bytes, 3)) + " " + units[unit];
}

std::string report::formatTime(double seconds) {
  if (seconds < 1)
    return formatNumber(seconds * 1000, 3) + " ms";
  if (seconds < 120)
    return formatNumber(seconds, 3) + " s";
  if (seconds < 7200)
    return formatNumber(seconds / 60, 3) + " min";
  if (seconds < 172800)
    return formatNumber(seconds / 3600, 3) + " h";
  return formatNumber(seconds / 86400, 3) + " days";
}

std::string report::formatMoney(double value, llvm::StringRef currency) {
  std::string text = value == 0 ? "0" : formatNumber(std::fabs(value), std::fabs(value) >= 100 ? 4 : 3);
  return (value < 0 ? "−" : "") + escape(currency) + text;
}
