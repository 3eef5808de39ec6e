// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-awq-scale
// RUN: not terse-opt %s --terse-awq-scale="bits=5" 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not terse-opt %s --terse-awq-scale="rows=0" 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not terse-opt %s --terse-awq-scale="group-size=-3" 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not terse-opt %s --terse-awq-scale="scale=f8" 2>&1 | FileCheck %s --check-prefix=SCALE

// BITS: terse-awq-scale: expected bits of 2, 3, 4 or 8; got 5
// ROWS: terse-awq-scale: expected 1 row or more; got 0
// GROUP: terse-awq-scale: expected a group size of 0 or more; got -3
// SCALE: terse-awq-scale: expected scale to be f16, f32 or i8; got 'f8'

func.func @forward(%x: tensor<3x2xf32>, %g: tensor<2xf32>) -> tensor<3x2xf32> {
  %gain = terse.weight "gain" = dense<1.0> : tensor<2xf32> -> tensor<2xf32>
  %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %n = terse.norm rms %x, %gain {epsilon = 1.0e-5} : tensor<3x2xf32>, tensor<2xf32>
  // expected-error@below {{expected statistics of the input of layer 'w'; got no file of statistics (stats=FILE)}}
  %y = terse.linear %n, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  %z = terse.softmax %y {axis = 1 : i64} : tensor<3x2xf32>
  return %z : tensor<3x2xf32>
}
