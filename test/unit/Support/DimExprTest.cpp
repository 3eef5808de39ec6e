//===- DimExprTest.cpp ----------------------------------------------------===//
#include "terse/Support/DimExpr.h"

#include <gtest/gtest.h>

using namespace terse;

namespace {

/// The expression with all parentheses.
std::string print(const DimExpr &expr) {
  static const char *const operators[] = {"",     "",     "+",   "-",   "*",
                                          "fdiv", "cdiv", "mod", "max", "min"};
  switch (expr.getKind()) {
  case DimExpr::Kind::Constant:
    return std::to_string(expr.getConstant());
  case DimExpr::Kind::Symbol:
    return expr.getSymbol().str();
  default:
    return "(" + print(expr.getLHS()) + " " +
           operators[static_cast<int>(expr.getKind())] + " " +
           print(expr.getRHS()) + ")";
  }
}

std::string parse(llvm::StringRef text) {
  std::optional<DimExpr> expr = DimExpr::parse(text);
  return expr ? print(*expr) : "none";
}

TEST(DimExpr, Parses) {
  EXPECT_EQ(parse("128"), "128");
  EXPECT_EQ(parse("2*past + sequence - 1"), "(((2 * past) + sequence) - 1)");
  EXPECT_EQ(parse("a + b*c"), "(a + (b * c))");
  EXPECT_EQ(parse("(a - b) floordiv 2"), "((a - b) fdiv 2)");
  EXPECT_EQ(parse("floordiv(a + 1, 2)*max(a, min(b, 3))"),
            "(((a + 1) fdiv 2) * (a max (b min 3)))");
  EXPECT_EQ(parse("-n + 1"), "((0 - n) + 1)");
  EXPECT_EQ(parse("encoder.seq/2"), "encoder.seq/2");
  EXPECT_EQ(parse("max"), "max");
}

TEST(DimExpr, Refuses) {
  for (llvm::StringRef text : {"", "a +", "(a", "a b", "a)", "max(a)",
                               "max(a, b", "99999999999999999999"})
    EXPECT_EQ(parse(text), "none") << text.str();
  EXPECT_EQ(parse(std::string(100000, '(')), "none");
  EXPECT_EQ(parse(std::string(100000, '-')), "none");
}

} // namespace
