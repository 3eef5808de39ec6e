// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-smooth-outliers
// RUN: not terse-opt %s --terse-smooth-outliers="alpha=1.5" 2>&1 | FileCheck %s --check-prefix=ALPHA
// RUN: not terse-opt %s --terse-smooth-outliers="layers=nothing" 2>&1 | FileCheck %s --check-prefix=LAYERS
// RUN: not terse-opt %s --terse-smooth-outliers="exclude=[" 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not terse-opt %s --terse-smooth-outliers="stats=%t.none" 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: %python -c "import numpy as np, tstats; tstats.write('%t', {'w': 'in'}, {'in/count': np.array([9]), 'in/abs_mean': np.ones(2, np.float32)})"
// RUN: not terse-opt %s --terse-smooth-outliers="stats=%t" 2>&1 | FileCheck %s --check-prefix=NEEDED

// ALPHA: terse-smooth-outliers: expected alpha to be 0 to 1 or auto; got '1.5'
// LAYERS: terse-smooth-outliers: expected layers to match the name of a layer; got 'nothing'
// REGEX: terse-smooth-outliers: expected exclude to be a regular expression; got '['
// FILE: No such file or directory
// RUN: %python -c "import numpy as np, tstats; tstats.write('%t', {'w': 'in', 'nan': 'in'}, {'in/count': np.array([9]), 'in/abs_max': np.ones(2, np.float32)})"
// RUN: not terse-opt %s --split-input-file --terse-smooth-outliers="stats=%t" 2>&1 | FileCheck %s --check-prefix=FINITE

// FINITE: expected finite weights; got NaN or infinity in layer 'nan'
// NEEDED: expected largest magnitudes of the input of layer 'w' in the statistics '{{.*}}'; got none

func.func @forward(%x: tensor<3x2xf32>, %g: tensor<2xf32>) -> tensor<3x2xf32> {
  %gain = terse.weight "gain" = dense<1.0> : tensor<2xf32> -> tensor<2xf32>
  %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %n = terse.norm rms %x, %gain {epsilon = 1.0e-5} : tensor<3x2xf32>, tensor<2xf32>
  // expected-error@below {{expected statistics of the input of layer 'w'; got no file of statistics (stats=FILE)}}
  %y = terse.linear %n, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

func.func @nan(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %gain = terse.weight "gain" = dense<1.0> : tensor<2xf32> -> tensor<2xf32>
  // Neither the first nor the last of its column.
  %w = terse.weight "nan" = dense<[[1.0, 1.0], [1.0, 0x7FC00000], [1.0, 1.0]]> : tensor<3x2xf32> -> tensor<3x2xf32>
  %n = terse.norm rms %x, %gain {epsilon = 1.0e-5} : tensor<3x2xf32>, tensor<2xf32>
  // expected-error@below {{expected statistics of the input of layer 'nan'; got no file of statistics (stats=FILE)}}
  %y = terse.linear %n, %w : tensor<3x2xf32>, tensor<3x2xf32> -> tensor<3x3xf32>
  %z = tensor.extract_slice %y[0, 0] [3, 2] [1, 1] : tensor<3x3xf32> to tensor<3x2xf32>
  return %z : tensor<3x2xf32>
}
