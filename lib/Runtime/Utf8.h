//===- Utf8.h - characters in UTF-8 -----------------------------*- C++ -*-===//
#ifndef TERSE_LIB_RUNTIME_UTF8_H
#define TERSE_LIB_RUNTIME_UTF8_H

#include <cstddef>
#include <string_view>

namespace terse::rt {

/// U+FFFD, which stands for bytes that are no character.
constexpr std::string_view utf8Replacement = "\xef\xbf\xbd";

/// What a text begins with: the first `size` bytes are a character
/// (`complete`), or may become one when more bytes follow. Size 0: neither.
struct Utf8Prefix {
  size_t size;
  bool complete;
};

/// By table 3-7 of Unicode 15: no overlong forms, no surrogates, nothing above
/// U+10FFFF. `text` is not empty.
inline Utf8Prefix utf8Prefix(std::string_view text) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = at(0);
  size_t length = lead < 0x80                   ? 1
                  : lead >= 0xc2 && lead < 0xe0 ? 2
                  : lead >= 0xe0 && lead < 0xf0 ? 3
                  : lead >= 0xf0 && lead < 0xf5 ? 4
                                                : 0;
  size_t good = length ? 1 : 0;
  while (good && good < length && good < text.size()) {
    unsigned char low = 0x80, high = 0xbf;
    if (good == 1) {
      low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    }
    if (at(good) < low || at(good) > high)
      return {0, false};
    ++good;
  }
  return {good, good != 0 && good == length};
}

} // namespace terse::rt

#endif // TERSE_LIB_RUNTIME_UTF8_H
