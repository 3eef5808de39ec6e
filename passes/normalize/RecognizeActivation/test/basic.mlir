// RUN: terse-opt %s --terse-recognize-activation --terse-print-report 2>&1 | FileCheck %s

// CHECK: terse-recognize-activation: activations-recognized 11
// CHECK: terse-recognize-activation: gelu 1
// CHECK: terse-recognize-activation: gelu_tanh 2
// CHECK: terse-recognize-activation: quick_gelu 1
// CHECK: terse-recognize-activation: relu 2
// CHECK: terse-recognize-activation: sigmoid 2
// CHECK: terse-recognize-activation: silu 3

// CHECK-LABEL: func.func @silu
// CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
// CHECK-DAG: terse.activation silu %[[X]]
// CHECK-DAG: terse.activation silu %[[X]]
// CHECK-DAG: terse.activation silu %[[X]]
// CHECK-NEXT: return
func.func @silu(%x: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %one = arith.constant dense<1.0> : tensor<2x4xf32>
  %half = arith.constant dense<0.5> : tensor<2x4xf32>
  // x * sigmoid(x)
  %s = terse.activation sigmoid %x : tensor<2x4xf32>
  %a = arith.mulf %s, %x : tensor<2x4xf32>
  // x / (1 + exp(-x))
  %m = arith.negf %x : tensor<2x4xf32>
  %e = math.exp %m : tensor<2x4xf32>
  %e1 = arith.addf %one, %e : tensor<2x4xf32>
  %b = arith.divf %x, %e1 : tensor<2x4xf32>
  // x / 2 * (tanh(x / 2) + 1)
  %h = arith.mulf %x, %half : tensor<2x4xf32>
  %t = math.tanh %h : tensor<2x4xf32>
  %t1 = arith.addf %t, %one : tensor<2x4xf32>
  %c = arith.mulf %h, %t1 : tensor<2x4xf32>
  return %a, %b, %c : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// CHECK-LABEL: func.func @sigmoid
// CHECK: terse.activation sigmoid %arg0
// CHECK: terse.activation sigmoid %arg0
func.func @sigmoid(%x: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %one = arith.constant dense<1.0> : tensor<2x4xf32>
  %half = arith.constant dense<0.5> : tensor<2x4xf32>
  %m = arith.negf %x : tensor<2x4xf32>
  %e = math.exp %m : tensor<2x4xf32>
  %e1 = arith.addf %one, %e : tensor<2x4xf32>
  %a = arith.divf %one, %e1 : tensor<2x4xf32>
  %h = arith.mulf %x, %half : tensor<2x4xf32>
  %t = math.tanh %h : tensor<2x4xf32>
  %t1 = arith.addf %t, %one : tensor<2x4xf32>
  %b = arith.mulf %half, %t1 : tensor<2x4xf32>
  return %a, %b : tensor<2x4xf32>, tensor<2x4xf32>
}

// x is a product itself and in f16, the function in f32.
// CHECK-LABEL: func.func @gelu
// CHECK: %[[X:.*]] = arith.mulf %arg0, %arg1
// CHECK: %[[WIDE:.*]] = arith.extf %[[X]]
// CHECK-NEXT: terse.activation gelu %[[WIDE]] : tensor<4xf32>
func.func @gelu(%a: tensor<4xf16>, %b: tensor<4xf16>) -> tensor<4xf16> {
  %root = arith.constant dense<1.41421354> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %half = arith.constant dense<0.5> : tensor<4xf32>
  %x16 = arith.mulf %a, %b : tensor<4xf16>
  %x = arith.extf %x16 : tensor<4xf16> to tensor<4xf32>
  %d = arith.divf %x, %root : tensor<4xf32>
  %e = math.erf %d : tensor<4xf32>
  %e1 = arith.addf %e, %one : tensor<4xf32>
  %p = arith.mulf %x, %e1 : tensor<4xf32>
  %y = arith.mulf %p, %half : tensor<4xf32>
  %y16 = arith.truncf %y : tensor<4xf32> to tensor<4xf16>
  return %y16 : tensor<4xf16>
}

// CHECK-LABEL: func.func @gelu_tanh
// CHECK: terse.activation gelu_tanh %arg0
// CHECK: terse.activation gelu_tanh %arg0
func.func @gelu_tanh(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c = arith.constant dense<0.044715> : tensor<4xf32>
  %r = arith.constant dense<0.797884583> : tensor<4xf32>
  %three = arith.constant dense<3.0> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %half = arith.constant dense<0.5> : tensor<4xf32>
  // sqrt(2/pi) * (x + 0.044715 * pow(x, 3))
  %cube = math.powf %x, %three : tensor<4xf32>
  %m = arith.mulf %cube, %c : tensor<4xf32>
  %s = arith.addf %x, %m : tensor<4xf32>
  %g = arith.mulf %s, %r : tensor<4xf32>
  %t = math.tanh %g : tensor<4xf32>
  %t1 = arith.addf %t, %one : tensor<4xf32>
  %h = arith.mulf %x, %half : tensor<4xf32>
  %a = arith.mulf %h, %t1 : tensor<4xf32>
  // x * sqrt(2/pi) * (1 + 0.044715 * x * x)
  %x2 = arith.mulf %x, %x : tensor<4xf32>
  %n = arith.mulf %x2, %c : tensor<4xf32>
  %n1 = arith.addf %n, %one : tensor<4xf32>
  %xr = arith.mulf %x, %r : tensor<4xf32>
  %g2 = arith.mulf %xr, %n1 : tensor<4xf32>
  %u = math.tanh %g2 : tensor<4xf32>
  %u1 = arith.addf %u, %one : tensor<4xf32>
  %xu = arith.mulf %u1, %x : tensor<4xf32>
  %b = arith.mulf %xu, %half : tensor<4xf32>
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @quick_gelu
// CHECK: terse.activation quick_gelu %arg0
func.func @quick_gelu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant dense<1.702> : tensor<4xf32>
  %cx = arith.mulf %c, %x : tensor<4xf32>
  %s = terse.activation sigmoid %cx : tensor<4xf32>
  %y = arith.mulf %x, %s : tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func.func @relu
// CHECK: terse.activation relu %arg0
// CHECK: terse.activation relu %arg0
func.func @relu(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %a = arith.maximumf %x, %zero : tensor<4xf32>
  %p = arith.cmpf ogt, %x, %zero : tensor<4xf32>
  %b = arith.select %p, %x, %zero : tensor<4xi1>, tensor<4xf32>
  return %a, %b : tensor<4xf32>, tensor<4xf32>
}

// Another slope is none of them.
// CHECK-LABEL: func.func @unknown
// CHECK-NOT: terse.activation {{silu|quick_gelu}}
func.func @unknown(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant dense<1.5> : tensor<4xf32>
  %cx = arith.mulf %c, %x : tensor<4xf32>
  %s = terse.activation sigmoid %cx : tensor<4xf32>
  %y = arith.mulf %x, %s : tensor<4xf32>
  return %y : tensor<4xf32>
}
