// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-assign-policy="rules=up=keep"
// RUN: not terse-opt %s --terse-assign-policy 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not terse-opt %s --terse-assign-policy="rules=up" 2>&1 | FileCheck %s --check-prefix=RULE
// RUN: not terse-opt %s --terse-assign-policy="rules=up(=keep" 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not terse-opt %s --terse-assign-policy="rules=up=speed:9" 2>&1 | FileCheck %s --check-prefix=WORD
// RUN: not terse-opt %s --terse-assign-policy="rules=up=bits:5" 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not terse-opt %s --terse-assign-policy="rules=up=group_size:x" 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not terse-opt %s --terse-assign-policy="rules=up=symmetric:no" 2>&1 | FileCheck %s --check-prefix=SYMMETRIC
// RUN: not terse-opt %s --terse-assign-policy="rules=up=method:best" 2>&1 | FileCheck %s --check-prefix=METHOD
// RUN: not terse-opt %s --terse-assign-policy="rules=up=sparsity:1" 2>&1 | FileCheck %s --check-prefix=SPARSITY
// RUN: not terse-opt %s --terse-assign-policy="rules=up=pattern:4:4" 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: not terse-opt %S/basic.mlir --terse-assign-policy="rules=nowhere=keep" 2>&1 | FileCheck %s --check-prefix=NONE

// EMPTY: terse-assign-policy: expected rules REGEX=KEY:VALUE,...; got ''
// RULE: expected a rule REGEX=KEY:VALUE,...; got 'up'
// REGEX: expected a regular expression before '='; got 'up('
// WORD: expected bits, group_size, symmetric, method, sparsity, pattern or keep; got 'speed'
// BITS: expected bits of 2, 3, 4 or 8; got '5'
// GROUP: expected a group_size of 0 or more; got 'x'
// SYMMETRIC: expected symmetric to be true or false; got 'no'
// METHOD: expected method to be rtn, gptq or hqq; got 'best'
// SPARSITY: expected a sparsity of 0 or more and less than 1; got '1'
// PATTERN: expected a pattern N:M with 0 < N < M <= 64; got '4:4'
// NONE: expected the rule 'nowhere=keep' to match the name of a layer; got none

func.func @layer(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %y = terse.linear %x, %w {name = "up"} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

func.func @malformed(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{terse.policy: expected a dictionary; got 8 : i64}}
  %y = terse.linear %x, %w {name = "up", terse.policy = 8 : i64} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
