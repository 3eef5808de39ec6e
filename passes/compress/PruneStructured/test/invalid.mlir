// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-prune-structured="multiple=1 share=50%%"
// RUN: not terse-opt %s --terse-prune-structured="share=100%%" 2>&1 | FileCheck %s --check-prefix=SHARE
// RUN: not terse-opt %s --terse-prune-structured="share=2:4" 2>&1 | FileCheck %s --check-prefix=SHARE
// RUN: not terse-opt %s --terse-prune-structured="targets=blocks" 2>&1 | FileCheck %s --check-prefix=TARGETS
// RUN: not terse-opt %s --terse-prune-structured="criterion=size" 2>&1 | FileCheck %s --check-prefix=CRITERION
// RUN: not terse-opt %s --terse-prune-structured="multiple=0" 2>&1 | FileCheck %s --check-prefix=MULTIPLE
// RUN: not terse-opt %s --terse-prune-structured="damping=3" 2>&1 | FileCheck %s --check-prefix=DAMPING
// RUN: not terse-opt %s --terse-prune-structured="layers=none" 2>&1 | FileCheck %s --check-prefix=LAYERS
// RUN: not terse-opt %s --terse-prune-structured="stats=%t.none" 2>&1 | FileCheck %s --check-prefix=FILE

// SHARE: terse-prune-structured: expected a share of 0 or more and less than 1, such as 25%; got '{{100%|2:4}}'
// TARGETS: expected targets of ffn, heads or ffn+heads; got 'blocks'
// CRITERION: expected a criterion of error, second-moment or magnitude; got 'size'
// MULTIPLE: expected a multiple of 1 or more; got 0
// DAMPING: expected a damping of 0 to 1; got 3
// LAYERS: expected layers to match the name of a layer; got 'none'
// FILE: No such file or directory

func.func @noFile(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w0 = terse.weight "w0" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %w1 = terse.weight "w1" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %h = terse.linear %x, %w0 : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  // expected-error@below {{expected statistics of the input of layer 'w1'; got no file of statistics (stats=FILE)}}
  %y = terse.linear %h, %w1 : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

func.func @notFinite(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w0 = terse.weight "w0" = dense<[[1.0, 1.0], [1.0, 0x7F800000]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %w1 = terse.weight "w1" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error@below {{expected finite weights; got NaN or infinity in output channel 1 of layer 'w0'}}
  %h = terse.linear %x, %w0 : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  %y = terse.linear %h, %w1 : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
