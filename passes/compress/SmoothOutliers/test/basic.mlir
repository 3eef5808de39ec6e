// RUN: %python -c "import numpy as np, tstats; tstats.write('%t', {'up': 'in', 'gate': 'in', 'down': 'mid'}, {'in/count': np.array([9]), 'in/abs_max': np.array([64, 1, 0, 4], np.float32), 'mid/count': np.array([9]), 'mid/abs_max': np.array([2, 2], np.float32)})"
// RUN: terse-opt %s --terse-smooth-outliers="stats=%t head=false" --terse-print-report 2>&1 | FileCheck %s
// RUN: terse-opt %s --terse-smooth-outliers="stats=%t head=false only-absorbed=false exclude=up" | FileCheck %s --check-prefix=EXCLUDE
// RUN: terse-opt %s --terse-smooth-outliers="stats=%t head=false" --terse-fold-scales --canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK: terse-smooth-outliers: inputs-scaled 1
// CHECK: terse-smooth-outliers: inputs-left 2
// CHECK: terse-smooth-outliers: layers-scaled 2
// CHECK: terse-smooth-outliers: largest-scale 8
// CHECK: terse-smooth-outliers: alphas {"up":0.5}

// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  // CHECK: %[[X:.*]] = terse.norm
  // The largest magnitudes of both weights' columns are 1, 1, 1 and 4: s = sqrt(64 / 1), 1, no input: 1, sqrt(4 / 4).
  // CHECK-DAG: %[[INVERSE:.*]] = terse.weight "up.input_scale" = dense<[1.250000e-01, 1.000000e+00, 1.000000e+00, 1.000000e+00]>
  // CHECK-DAG: %[[SCALE:.*]] = terse.weight "up.weight_scale" = dense<[8.000000e+00, 1.000000e+00, 1.000000e+00, 1.000000e+00]>
  // FOLD-DAG: %[[GAIN:.*]] = terse.weight "gain.scaled" = dense<[1.250000e-01, 1.000000e+00, 1.000000e+00, 1.000000e+00]>
  // FOLD-DAG: %[[UP:.*]] = terse.weight "up.weight.scaled" = dense<{{\[\[}}8.000000e+00, -1.000000e+00, 1.000000e+00, 2.000000e+00], [4.000000e+00, 5.000000e-01, 5.000000e-01, 4.000000e+00]]>
  // [K, N]
  // FOLD-DAG: %[[GATE:.*]] = terse.weight "gate.weight.scaled" = dense<{{\[\[}}8.000000e+00, 8.000000e+00], [1.000000e+00, 1.000000e+00], [1.000000e+00, 1.000000e+00], [1.000000e+00, 1.000000e+00]]>
  %gain = terse.weight "gain" = dense<1.0> : tensor<4xf32> -> tensor<4xf32>
  %up = terse.weight "up.weight" = dense<[[1.0, -1.0, 1.0, 2.0], [0.5, 0.5, 0.5, 4.0]]> : tensor<2x4xf32> -> tensor<2x4xf32>
  %gate = terse.weight "gate.weight" = dense<1.0> : tensor<4x2xf32> -> tensor<4x2xf32>
  %down = terse.weight "down.weight" = dense<1.0> : tensor<4x2xf32> -> tensor<4x2xf32>
  // CHECK: %[[XS:.*]] = terse.scale_channels %[[X]], %[[INVERSE]] {axis = 1 : i64}
  // CHECK: %[[US:.*]] = terse.scale_channels %{{.*}}, %[[SCALE]] {axis = 1 : i64}
  // CHECK: terse.linear %[[XS]], %[[US]] {name = "up"}
  // CHECK: %[[GS:.*]] = terse.scale_channels %{{.*}}, %[[SCALE]] {axis = 0 : i64}
  // CHECK: terse.linear %[[XS]], %[[GS]] {name = "gate", reduction_axis = 0 : i64}
  // FOLD: %[[X:.*]] = terse.norm rms %{{.*}}, %[[GAIN]]
  // FOLD-NOT: scale_channels
  // FOLD: terse.linear %[[X]], %[[UP]]
  // FOLD: terse.linear %[[X]], %[[GATE]]
  %n = terse.norm rms %x, %gain {epsilon = 1.0e-5} : tensor<1x4xf32>, tensor<4xf32>
  %a = terse.linear %n, %up {name = "up"} : tensor<1x4xf32>, tensor<2x4xf32> -> tensor<1x2xf32>
  %b = terse.linear %n, %gate {name = "gate", reduction_axis = 0 : i64} : tensor<1x4xf32>, tensor<4x2xf32> -> tensor<1x2xf32>
  // A softmax cannot take on scales; and where one of two layers is not chosen, their input is left.
  // CHECK: %[[S:.*]] = terse.softmax
  // CHECK: terse.linear %[[S]], %{{.*}} {name = "down"}
  // EXCLUDE-NOT: "up.input_scale"
  // EXCLUDE: %[[S:.*]] = terse.softmax
  // EXCLUDE: %[[SS:.*]] = terse.scale_channels %[[S]]
  // EXCLUDE: terse.linear %[[SS]], %{{.*}} {name = "down"}
  %s = terse.softmax %a {axis = 1 : i64} : tensor<1x2xf32>
  %m = arith.mulf %s, %b : tensor<1x2xf32>
  %c = terse.linear %s, %down {name = "down"} : tensor<1x2xf32>, tensor<4x2xf32> -> tensor<1x4xf32>
  %d = tensor.pad %m low[0, 0] high[0, 2] {
  ^bb0(%i: index, %j: index):
    %zero = arith.constant 0.0 : f32
    tensor.yield %zero : f32
  } : tensor<1x2xf32> to tensor<1x4xf32>
  %e = arith.addf %c, %d : tensor<1x4xf32>
  %kept = terse.weight "head.weight" = dense<1.0> : tensor<4x4xf32> -> tensor<4x4xf32>
  %y = terse.linear %e, %kept {name = "head"} : tensor<1x4xf32>, tensor<4x4xf32> -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
