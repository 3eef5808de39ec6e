//===- Suggest.h - what the user may have meant -----------------*- C++ -*-===//
#ifndef TERSE_RUNTIME_SUGGEST_H
#define TERSE_RUNTIME_SUGGEST_H

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace terse::rt {

/// Insertions, deletions and replacements that turn `a` into `b` (Levenshtein).
inline size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replace = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

/// "; did you mean 'x'?" with the nearest candidate, or "" if none is near.
inline std::string suggestion(std::string_view word,
                              const std::vector<std::string> &candidates) {
  const std::string *best = nullptr;
  size_t distance = std::max<size_t>(2, word.size() / 2) + 1;
  for (const std::string &candidate : candidates)
    if (size_t d = editDistance(word, candidate); d < distance) {
      distance = d;
      best = &candidate;
    }
  return best ? "; did you mean '" + *best + "'?" : "";
}

} // namespace terse::rt

#endif // TERSE_RUNTIME_SUGGEST_H
