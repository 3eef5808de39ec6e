// RUN: terse-opt %s --split-input-file --terse-fold-scales --terse-print-report 2>&1 | FileCheck %s

// Scales go into a layer norm's gain and bias, through relu and one factor of a product into a linear layer's weight and bias, into the scales of codes.
// CHECK: terse-fold-scales: scales-folded 3
// CHECK: terse-fold-scales: scales-left 1
// CHECK: terse-fold-scales: weights-scaled 1
// CHECK: terse-fold-scales: scales-folded 0
// CHECK: terse-fold-scales: scales-left 1
// CHECK: terse-fold-scales: weights-scaled 1
// CHECK-LABEL: func.func @forward
// CHECK-SAME: (%[[X:[a-z0-9]*]]: tensor<3x2xf32>
func.func @forward(%x: tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>) {
  // CHECK-DAG: %[[GAIN:.*]] = terse.weight "gain.scaled" = dense<[2.000000e+00, 8.000000e+00]>
  // CHECK-DAG: %[[BIAS:.*]] = terse.weight "bias.scaled" = dense<[6.000000e+00, 1.600000e+01]>
  // CHECK-DAG: %[[W:.*]] = terse.weight "w.scaled" = dense<{{\[\[}}2.000000e+00, 8.000000e+00], [6.000000e+00, 1.600000e+01]]>
  %s = terse.weight "s" = dense<[2.0, 4.0]> : tensor<2xf32> -> tensor<2xf32>
  %gain = terse.weight "gain" = dense<[1.0, 2.0]> : tensor<2xf32> -> tensor<2xf32>
  %bias = terse.weight "bias" = dense<[3.0, 4.0]> : tensor<2xf32> -> tensor<2xf32>
  // [K, N]
  %w = terse.weight "w" = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> -> tensor<2x2xf32>
  %codes = terse.weight "codes" = dense<[[1], [2]]> : tensor<2x1xi8> -> tensor<2x1xi8>
  %scales = terse.weight "scales" = dense<[[1.0], [2.0]]> : tensor<2x1xf16> -> tensor<2x1xf16>

  // CHECK: %[[N:.*]] = terse.norm layer %[[X]], %[[GAIN]] bias %[[BIAS]]
  %n = terse.norm layer %x, %gain bias %bias : tensor<2xf32> {epsilon = 1.0e-5} : tensor<3x2xf32>, tensor<2xf32>
  %ns = terse.scale_channels %n, %s {axis = 1 : i64} : tensor<3x2xf32>, tensor<2xf32>

  // CHECK: %[[C:.*]] = terse.weight "bias.scaled" = dense<[6.000000e+00, 1.600000e+01]>
  // CHECK: %[[Y:.*]] = terse.linear %[[X]], %[[W]] bias %[[C]]
  // CHECK: %[[R:.*]] = terse.activation relu %[[Y]]
  // CHECK: %[[G:.*]] = terse.activation silu
  // CHECK: %[[P:.*]] = arith.mulf %[[G]], %[[R]]
  %y = terse.linear %x, %w bias %bias : tensor<2xf32> {reduction_axis = 0 : i64} : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  %r = terse.activation relu %y : tensor<3x2xf32>
  %g = terse.activation silu %x : tensor<3x2xf32>
  %p = arith.mulf %g, %r : tensor<3x2xf32>
  %ps = terse.scale_channels %p, %s {axis = 1 : i64} : tensor<3x2xf32>, tensor<2xf32>

  // CHECK: %[[SCALES:.*]] = terse.weight "scales" = dense<{{\[\[}}2.000000e+00], [8.000000e+00]]> : tensor<2x1xf16>
  // CHECK: %[[D:.*]] = terse.dequantize {{.*}} %{{.*}}, %[[SCALES]]
  // CHECK: %[[Z:.*]] = terse.linear %[[X]], %[[D]]
  %d = terse.dequantize <i4, scale = f16, zero = none> %codes, %scales : tensor<2x1xi8>, tensor<2x1xf16> -> tensor<2x2xf32>
  %z = terse.linear %x, %d : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  %zs = terse.scale_channels %z, %s {axis = 1 : i64} : tensor<3x2xf32>, tensor<2xf32>

  // Others read the sum's operand: the scale stays.
  // CHECK: %[[V:.*]] = terse.linear
  // CHECK: %[[VS:.*]] = terse.scale_channels %[[V]]
  // CHECK: return %[[N]], %[[P]], %[[Z]], %[[V]], %[[VS]]
  %v = terse.linear %x, %w : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  %vs = terse.scale_channels %v, %s {axis = 1 : i64} : tensor<3x2xf32>, tensor<2xf32>
  return %ns, %ps, %zs, %v, %vs : tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>
}

// -----

// A square takes no scale, as it would be squared; scales of both axes of a weight become one weight, in its type.
// CHECK-LABEL: func.func @others
func.func @others(%x: tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  // CHECK-DAG: %[[W:.*]] = terse.weight "w.scaled" = dense<{{\[\[}}4.000000e+00, 1.600000e+01], [2.400000e+01, 6.400000e+01]]> : tensor<2x2xf16>
  %s = terse.weight "s" = dense<[2.0, 4.0]> : tensor<2xf32> -> tensor<2xf32>
  %w = terse.weight "w" = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf16> -> tensor<2x2xf16>
  %wide = arith.extf %w : tensor<2x2xf16> to tensor<2x2xf32>
  %ws = terse.scale_channels %wide, %s {axis = 1 : i64} : tensor<2x2xf32>, tensor<2xf32>
  %wss = terse.scale_channels %ws, %s {axis = 0 : i64} : tensor<2x2xf32>, tensor<2xf32>
  // CHECK: %[[WIDE:.*]] = arith.extf %[[W]]
  // CHECK: %[[Y:.*]] = terse.linear %{{.*}}, %[[WIDE]]
  // CHECK: arith.mulf %[[Y]], %[[Y]]
  // CHECK: terse.scale_channels
  %y = terse.linear %x, %wss : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  %p = arith.mulf %y, %y : tensor<3x2xf32>
  %ps = terse.scale_channels %p, %s {axis = 1 : i64} : tensor<3x2xf32>, tensor<2xf32>
  return %ps, %x : tensor<3x2xf32>, tensor<3x2xf32>
}

// -----

// Scales of codes that f16 would lose, too large or too small for it, become f32.
// CHECK-LABEL: func.func @range
func.func @range(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  // CHECK: %[[S:.*]] = terse.weight "scales" = dense<{{\[\[}}6.000000e+04], [5.96{{.*}}E-9]]> : tensor<2x1xf32>
  // CHECK: terse.dequantize <i4, scale = f32, zero = none> %{{.*}}, %[[S]]
  // CHECK-NOT: scale_channels
  %s = terse.weight "s" = dense<[2.0, 1.0e-4]> : tensor<2xf32> -> tensor<2xf32>
  %codes = terse.weight "codes" = dense<1> : tensor<2x1xi8> -> tensor<2x1xi8>
  %scales = terse.weight "scales" = dense<[[3.0e4], [5.96e-5]]> : tensor<2x1xf16> -> tensor<2x1xf16>
  %d = terse.dequantize <i4, scale = f16, zero = none> %codes, %scales : tensor<2x1xi8>, tensor<2x1xf16> -> tensor<2x2xf32>
  %z = terse.linear %x, %d : tensor<3x2xf32>, tensor<2x2xf32> -> tensor<3x2xf32>
  %zs = terse.scale_channels %z, %s {axis = 1 : i64} : tensor<3x2xf32>, tensor<2xf32>
  return %zs : tensor<3x2xf32>
}

// -----

// Where scales of groups are multiples of the row's, that takes it on.
// CHECK-LABEL: func.func @double
func.func @double(%x: tensor<3x4xf32>) -> tensor<3x2xf32> {
  // CHECK: %[[S:.*]] = terse.weight "scales" = dense<{{\[\[}}127, 64], [3, -127]]> : tensor<2x2xi8>
  // CHECK: %[[R:.*]] = terse.weight "rows" = dense<{{\[\[}}1.000000e+00], [5.000000e-01]]> : tensor<2x1xf32>
  // CHECK: terse.dequantize <i4, group = 2, scale = i8, zero = none> %{{.*}}, %[[S]] rows %[[R]]
  // CHECK-NOT: scale_channels
  %s = terse.weight "s" = dense<[2.0, 0.25]> : tensor<2xf32> -> tensor<2xf32>
  %codes = terse.weight "codes" = dense<1> : tensor<2x2xi8> -> tensor<2x2xi8>
  %scales = terse.weight "scales" = dense<[[127, 64], [3, -127]]> : tensor<2x2xi8> -> tensor<2x2xi8>
  %rows = terse.weight "rows" = dense<[[0.5], [2.0]]> : tensor<2x1xf32> -> tensor<2x1xf32>
  %d = terse.dequantize <i4, group = 2, scale = i8, zero = none> %codes, %scales rows %rows : tensor<2x1xf32> : tensor<2x2xi8>, tensor<2x2xi8> -> tensor<2x4xf32>
  %z = terse.linear %x, %d : tensor<3x4xf32>, tensor<2x4xf32> -> tensor<3x2xf32>
  %zs = terse.scale_channels %z, %s {axis = 1 : i64} : tensor<3x2xf32>, tensor<2xf32>
  return %zs : tensor<3x2xf32>
}
