// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-prune-sparsegpt="head=true"
// RUN: not terse-opt %s --terse-prune-sparsegpt="sparsity=-0.5" 2>&1 | FileCheck %s --check-prefix=SPARSITY
// RUN: not terse-opt %s --terse-prune-sparsegpt="sweeps=-2" 2>&1 | FileCheck %s --check-prefix=SWEEPS
// RUN: not terse-opt %s --terse-prune-sparsegpt="damping=3" 2>&1 | FileCheck %s --check-prefix=DAMPING
// RUN: not terse-opt %s --terse-prune-sparsegpt="stats=%t.none" 2>&1 | FileCheck %s --check-prefix=FILE

// SPARSITY: terse-prune-sparsegpt: expected a sparsity of 0 or more and less than 1; got -5.000000e-01
// SWEEPS: expected sweeps of 0 or more; got -2
// DAMPING: expected a damping of 0 to 1; got 3
// FILE: No such file or directory

func.func @noFile(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{expected statistics of the input of layer 'w'; got no file of statistics (stats=FILE)}}
  %y = terse.linear %x, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
