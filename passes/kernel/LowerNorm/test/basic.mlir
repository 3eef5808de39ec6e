// RUN: terse-opt %s --terse-lower-norm | FileCheck %s

// CHECK-LABEL: func.func @rms
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape
// CHECK: kernel.launch @norm_rms_c64_f32f32_{{.*}} ins(%[[ROWS]],
// CHECK: tensor.expand_shape
func.func @rms(%x: tensor<?x?x64xf32>, %s: tensor<64xf32>) -> tensor<?x?x64xf32> {
  %y = terse.norm rms %x, %s {epsilon = 1.0e-5 : f64} : tensor<?x?x64xf32>, tensor<64xf32>
  return %y : tensor<?x?x64xf32>
}

// CHECK-LABEL: func.func @layer
// CHECK: kernel.launch @norm_layer_bias_c37_f16f32_
func.func @layer(%x: tensor<3x37xf16>, %s: tensor<37xf32>, %b: tensor<37xf32>) -> tensor<3x37xf16> {
  %y = terse.norm layer %x, %s bias %b : tensor<37xf32> {epsilon = 1.0e-5 : f64} : tensor<3x37xf16>, tensor<37xf32>
  return %y : tensor<3x37xf16>
}

// The number of channels is not known: left to the plain lowering.
// CHECK-LABEL: func.func @dynamic
// CHECK: terse.norm
func.func @dynamic(%x: tensor<3x?xf32>, %s: tensor<?xf32>) -> tensor<3x?xf32> {
  %y = terse.norm rms %x, %s {epsilon = 1.0e-5 : f64} : tensor<3x?xf32>, tensor<?xf32>
  return %y : tensor<3x?xf32>
}
