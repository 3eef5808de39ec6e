// RUN: terse-opt %s --split-input-file --verify-diagnostics --terse-rotate-hadamard
// RUN: %python -c "import numpy as np, tstats; tstats.write('%t', {'up': 'in'}, {'in/count': np.array([9]), 'in/abs_max': np.ones(2, np.float32)})"
// RUN: not terse-opt %S/Inputs/rotated.mlir --terse-smooth-outliers="stats=%t" 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: of a model rotated by 'hadamard seed=0'; got those of one that is not rotated

// expected-error@below {{expected a model that is not rotated yet}}
module attributes {terse.rotation = "hadamard"} {}

// -----

// expected-error@below {{expected to rotate a whole model, before it is calibrated block by block; got one with frozen layers}}
module {
  func.func @frozen(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
    %w = terse.weight "w" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
    %y = terse.linear %x, %w {terse.frozen} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
    return %y : tensor<3x2xf32>
  }
}

// -----

func.func @missing(%ids: tensor<3xi64>) -> tensor<3x2xf32> {
  %gain = terse.weight "gain" = dense<1.0> : tensor<2xf32> -> tensor<2xf32>
  %table = terse.weight "table" = dense<1.0> : tensor<2x2xf32> -> tensor<2x2xf32>
  %w = terse.weight "w" = #terse.file<"nowhere.onnx", 0, 16> -> tensor<2x2xf32>
  %e = terse.embedding %ids, %table : tensor<3xi64>, tensor<2x2xf32> -> tensor<3x2xf32>
  %n = terse.norm rms %e, %gain {epsilon = 1.0e-5} : tensor<3x2xf32>, tensor<2xf32>
  // expected-error@below {{cannot read a weight: 'nowhere.onnx': cannot open: No such file or directory}}
  %y = terse.linear %n, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

func.func @range(%ids: tensor<3xi64>) -> tensor<3x2xf16> {
  %gain = terse.weight "gain" = dense<2.0> : tensor<2xf16> -> tensor<2xf16>
  %table = terse.weight "table" = dense<1.0> : tensor<2x2xf16> -> tensor<2x2xf16>
  %w = terse.weight "w" = dense<60000.0> : tensor<2x2xf16> -> tensor<2x2xf16>
  %e = terse.embedding %ids, %table : tensor<3xi64>, tensor<2x2xf16> -> tensor<3x2xf16>
  %n = terse.norm rms %e, %gain {epsilon = 1.0e-5} : tensor<3x2xf16>, tensor<2xf16>
  // expected-error@below {{expected rotated values of the weight 'w.rotated' within the range of 'f16'}}
  %y = terse.linear %n, %w : tensor<3x2xf16>, tensor<2x2xf16> -> tensor<3x2xf16>
  return %y : tensor<3x2xf16>
}
