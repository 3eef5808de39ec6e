//===- Page.h - parts of an HTML page ---------------------------*- C++ -*-===//
#ifndef TERSE_LIB_REPORT_PAGE_H
#define TERSE_LIB_REPORT_PAGE_H

#include "Format.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/raw_ostream.h"

#include <optional>
#include <string>
#include <vector>

namespace terse::report {

/// The style sheet: light and dark, screen and paper.
llvm::StringRef getStyleSheet();

/// A table whose columns without any value are left out. Cells are HTML.
class Table {
public:
  enum class Align { Text, Number, Code };
  struct Column {
    std::string title;
    Align align = Align::Number;
  };
  explicit Table(std::vector<Column> columns) : columns(std::move(columns)) {}
  void addRow() { rows.emplace_back(); }
  /// The next cell of the last row; empty: not known.
  void add(std::string html) { rows.back().push_back(std::move(html)); }
  void add(std::optional<double> value, std::string (*format)(double)) { add(value ? format(*value) : ""); }
  bool isEmpty() const { return rows.empty(); }
  void print(llvm::raw_ostream &os) const;

private:
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

} // namespace terse::report

#endif // TERSE_LIB_REPORT_PAGE_H
