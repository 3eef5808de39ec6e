//===- Expr.cpp - sizes as expressions over symbols -------------*- C++ -*-===//
#include "terse/Runtime/Expr.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace terse::rt {

namespace {
/// Deeper expressions are refused when parsed, so evaluation needs no heap.
constexpr int maxDepth = 32;
} // namespace

/// Recursive descent: sum := product (('+'|'-') product)*.
class Expr::Parser {
public:
  Parser(std::string_view text, const std::vector<std::string> &symbols)
      : text_(text), symbols_(symbols) {}

  Status run(std::vector<Instruction> &code) {
    code_ = &code;
    if (!sum() || (skipSpace(), at_ != text_.size()))
      return fail(Code::BadArtifact, "bad size expression '%.*s'%s%s",
                  int(text_.size()), text_.data(), why_.empty() ? "" : ": ",
                  why_.c_str());
    int depth = 0, deepest = 0;
    for (const Instruction &instruction : code) {
      bool leaf =
          instruction.op == Op::Constant || instruction.op == Op::Symbol;
      depth += leaf ? 1 : -1;
      deepest = std::max(deepest, depth);
    }
    if (deepest > maxDepth)
      return fail(Code::BadArtifact, "size expression '%.*s' is too deep",
                  int(text_.size()), text_.data());
    return Status();
  }

private:
  void skipSpace() {
    while (at_ < text_.size() && std::isspace((unsigned char)text_[at_]))
      ++at_;
  }

  bool take(std::string_view token) {
    skipSpace();
    if (text_.substr(at_, token.size()) != token)
      return false;
    if (std::isalpha((unsigned char)token[0]) &&
        at_ + token.size() < text_.size() &&
        isNameByte(text_[at_ + token.size()]))
      return false;
    at_ += token.size();
    return true;
  }

  static bool isNameByte(char c) {
    return std::isalnum((unsigned char)c) || (unsigned char)c >= 0x80 ||
           (c > ' ' && c != '+' && c != '-' && c != '*' && c != '(' &&
            c != ')' && c != ',');
  }

  static std::optional<Op> function(std::string_view name) {
    return name == "floordiv"  ? std::optional(Op::FloorDivide)
           : name == "ceildiv" ? std::optional(Op::CeilDivide)
           : name == "mod"     ? std::optional(Op::Modulo)
           : name == "max"     ? std::optional(Op::Max)
           : name == "min"     ? std::optional(Op::Min)
                               : std::nullopt;
  }

  bool sum() {
    if (++nesting_ > maxDepth || !product())
      return false;
    while (true) {
      Op op;
      if (take("+"))
        op = Op::Add;
      else if (take("-"))
        op = Op::Subtract;
      else
        break;
      if (!product())
        return false;
      code_->push_back({op, 0});
    }
    --nesting_;
    return true;
  }

  bool product() {
    if (!factor())
      return false;
    while (true) {
      Op op;
      if (take("*"))
        op = Op::Multiply;
      else if (take("floordiv"))
        op = Op::FloorDivide;
      else if (take("ceildiv"))
        op = Op::CeilDivide;
      else if (take("mod"))
        op = Op::Modulo;
      else
        return true;
      if (!factor())
        return false;
      code_->push_back({op, 0});
    }
  }

  bool factor() {
    if (take("("))
      return sum() && take(")");
    if (take("-")) {
      if (++nesting_ > maxDepth)
        return false;
      code_->push_back({Op::Constant, 0});
      if (!factor())
        return false;
      --nesting_;
      code_->push_back({Op::Subtract, 0});
      return true;
    }
    skipSpace();
    size_t begin = at_;
    while (at_ < text_.size() && isNameByte(text_[at_]))
      ++at_;
    std::string_view name = text_.substr(begin, at_ - begin);
    if (name.empty())
      return false;
    if (std::all_of(name.begin(), name.end(),
                    [](unsigned char c) { return std::isdigit(c); })) {
      int64_t value = 0;
      for (char c : name)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, c - '0', &value))
          return false;
      code_->push_back({Op::Constant, value});
      return true;
    }
    auto found = std::find(symbols_.begin(), symbols_.end(), name);
    if (found == symbols_.end() && at_ < text_.size() && text_[at_] == '(')
      if (std::optional<Op> op = function(name)) {
        if (!take("(") || !sum() || !take(",") || !sum() || !take(")"))
          return false;
        code_->push_back({*op, 0});
        return true;
      }
    if (found == symbols_.end()) {
      why_ = "unknown symbol '" + std::string(name) + "'";
      return false;
    }
    code_->push_back({Op::Symbol, int64_t(found - symbols_.begin())});
    return true;
  }

  std::string_view text_;
  const std::vector<std::string> &symbols_;
  std::vector<Instruction> *code_ = nullptr;
  std::string why_;
  size_t at_ = 0;
  int nesting_ = 0;
};

Result<Expr> Expr::parse(std::string_view text,
                         const std::vector<std::string> &symbols) {
  Expr expr;
  // A name with spaces or operators in it can still be a whole dimension.
  auto found = std::find(symbols.begin(), symbols.end(), text);
  if (found != symbols.end()) {
    expr.code_.push_back({Op::Symbol, int64_t(found - symbols.begin())});
    return expr;
  }
  if (Status status = Parser(text, symbols).run(expr.code_); !status.ok())
    return status;
  return expr;
}

bool Expr::evaluate(const int64_t *values, int64_t &result) const {
  int64_t stack[maxDepth];
  int top = 0;
  for (const Instruction &instruction : code_) {
    if (instruction.op == Op::Constant) {
      stack[top++] = instruction.value;
      continue;
    }
    if (instruction.op == Op::Symbol) {
      int64_t value = values[instruction.value];
      if (value < 0)
        return false;
      stack[top++] = value;
      continue;
    }
    int64_t right = stack[--top], left = stack[--top], value = 0;
    switch (instruction.op) {
    case Op::Add:
      if (__builtin_add_overflow(left, right, &value))
        return false;
      break;
    case Op::Subtract:
      if (__builtin_sub_overflow(left, right, &value))
        return false;
      break;
    case Op::Multiply:
      if (__builtin_mul_overflow(left, right, &value))
        return false;
      break;
    case Op::Max:
      value = std::max(left, right);
      break;
    case Op::Min:
      value = std::min(left, right);
      break;
    default: {
      if (right <= 0)
        return false;
      int64_t quotient = left / right, rest = left % right;
      if (rest < 0) {
        rest += right;
        --quotient;
      }
      value = instruction.op == Op::Modulo        ? rest
              : instruction.op == Op::FloorDivide ? quotient
                                                  : quotient + (rest != 0);
    }
    }
    stack[top++] = value;
  }
  if (top != 1)
    return false;
  result = stack[0];
  return true;
}

int Expr::firstUnknown(const int64_t *values) const {
  for (const Instruction &instruction : code_)
    if (instruction.op == Op::Symbol && values[instruction.value] < 0)
      return int(instruction.value);
  return -1;
}

int Expr::solve(const int64_t *values, int64_t target,
                int64_t &solution) const {
  if (int symbol = asSymbol(); symbol >= 0) { // nearly always
    solution = target;
    return values[symbol] < 0 && target >= 0 ? symbol : -1;
  }
  int unknown = -1, largest = -1;
  for (const Instruction &instruction : code_) {
    if (instruction.op != Op::Symbol)
      continue;
    largest = std::max(largest, int(instruction.value));
    if (values[instruction.value] >= 0)
      continue;
    if (unknown >= 0 && unknown != instruction.value)
      return -1;
    unknown = int(instruction.value);
  }
  if (unknown < 0)
    return -1;
  // Two evaluations give the line through f(0) and f(1), the third one checks
  // that the expression is what the line says.
  std::vector<int64_t> trial(values, values + largest + 1);
  int64_t zero, one, check;
  trial[unknown] = 0;
  if (!evaluate(trial.data(), zero))
    return -1;
  trial[unknown] = 1;
  if (!evaluate(trial.data(), one) || one == zero)
    return -1;
  int64_t slope = one - zero, distance;
  if (__builtin_sub_overflow(target, zero, &distance) ||
      distance == INT64_MIN || distance % slope != 0)
    return -1;
  solution = distance / slope;
  trial[unknown] = solution;
  if (solution < 0 || !evaluate(trial.data(), check) || check != target)
    return -1;
  return unknown;
}

} // namespace terse::rt
