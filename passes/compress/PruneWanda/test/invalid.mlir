// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-prune-wanda="head=true"
// RUN: not terse-opt %s --terse-prune-wanda="sparsity=-0.5" 2>&1 | FileCheck %s --check-prefix=SPARSITY
// RUN: not terse-opt %s --terse-prune-wanda="stats=%t.none" 2>&1 | FileCheck %s --check-prefix=FILE

// SPARSITY: terse-prune-wanda: expected a sparsity of 0 or more and less than 1; got -5.000000e-01
// FILE: No such file or directory

func.func @noFile(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{expected statistics of the input of layer 'w'; got no file of statistics (stats=FILE)}}
  %y = terse.linear %x, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
