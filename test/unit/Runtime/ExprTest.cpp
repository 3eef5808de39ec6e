//===- ExprTest.cpp ---------------------------------------------*- C++ -*-===//
#include "terse/Runtime/Expr.h"

#include <gtest/gtest.h>

using namespace terse::rt;

namespace {

const std::vector<std::string> symbols = {"a", "b", "odd - name", "seq.len"};

int64_t value(const char *text, std::vector<int64_t> values) {
  auto expr = Expr::parse(text, symbols);
  int64_t result = -12345;
  EXPECT_TRUE(expr.ok()) << text << ": " << expr.status().message();
  if (expr.ok())
    EXPECT_TRUE(expr->evaluate(values.data(), result)) << text;
  return result;
}

TEST(Expr, Evaluates) {
  std::vector<int64_t> values = {5, 7, 11, 13};
  EXPECT_EQ(value("a", values), 5);
  EXPECT_EQ(value("2*a + 1", values), 11);
  EXPECT_EQ(value("a + b*a - 3", values), 37);
  EXPECT_EQ(value(" ( a+b ) * (b - a) ", values), 24);
  EXPECT_EQ(value("odd - name", values), 11);
  EXPECT_EQ(value("seq.len", values), 13);
  EXPECT_EQ(value("-a + b", values), 2);
  EXPECT_EQ(value("(a - b) floordiv 2", values), -1);
  EXPECT_EQ(value("2*floordiv(a + b, 5) + max(a, b - a)", values), 9);
  EXPECT_EQ(value("min(ceildiv(b, 2), mod(b, 4))", values), 3);
  EXPECT_EQ(value("b ceildiv 2", values), 4);
  EXPECT_EQ(value("(a - b) mod 5", values), 3);
}

TEST(Expr, RejectsBadText) {
  for (const char *text :
       {"", "a +", "a b", "(a", "c", "2 *", "99999999999999999999", "a)", "+"})
    EXPECT_FALSE(Expr::parse(text, symbols).ok()) << text;
  // Depth is bounded, so that no text can exhaust the stack.
  EXPECT_FALSE(Expr::parse(std::string(100000, '('), symbols).ok());
  EXPECT_FALSE(Expr::parse(std::string(100000, '-') + "a", symbols).ok());
  std::string nested = "a";
  for (int i = 0; i < 100; ++i)
    nested = "(a + " + nested + ")";
  EXPECT_FALSE(Expr::parse(nested, symbols).ok());
}

TEST(Expr, UnknownOverflowAndDivision) {
  int64_t result, unknown[] = {-1, 2, 3, 4}, large[] = {INT64_MAX, 0, 1, 1};
  EXPECT_FALSE(Expr::parse("a + b", symbols)->evaluate(unknown, result));
  EXPECT_FALSE(Expr::parse("a + 1", symbols)->evaluate(large, result));
  EXPECT_FALSE(Expr::parse("a * 2", symbols)->evaluate(large, result));
  EXPECT_FALSE(Expr::parse("a floordiv b", symbols)->evaluate(large, result));
  EXPECT_EQ(Expr::parse("a + b", symbols)->firstUnknown(unknown), 0);
}

TEST(Expr, Solves) {
  int64_t solution, values[] = {-1, 7, -1, 3};
  auto solve = [&](const char *text, int64_t target) {
    solution = -1;
    return Expr::parse(text, symbols)->solve(values, target, solution);
  };
  EXPECT_EQ(solve("a", 9), 0);
  EXPECT_EQ(solution, 9);
  EXPECT_EQ(solve("2*a + b", 17), 0);
  EXPECT_EQ(solution, 5);
  EXPECT_EQ(solve("b - a", 3), 0);
  EXPECT_EQ(solution, 4);
  EXPECT_EQ(solve("2*a", 17), -1);  // no integer
  EXPECT_EQ(solve("a + b", 3), -1); // negative
  EXPECT_EQ(solve("a * a", 9), -1); // not linear
  EXPECT_EQ(solve("b", 7), -1);     // nothing unknown
}

} // namespace
