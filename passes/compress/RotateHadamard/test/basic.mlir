// RUN: terse-opt %s --terse-rotate-hadamard --terse-print-report 2>&1 | FileCheck %s
// RUN: terse-opt %s --terse-rotate-hadamard="stream=false" | FileCheck %s --check-prefix=ONLINE
// RUN: terse-opt %s --terse-rotate-hadamard="online=false values=false seed=1" | FileCheck %s --check-prefix=STREAM

// CHECK: terse-rotate-hadamard: streams-rotated 1
// CHECK: terse-rotate-hadamard: norms-left {"a norm of it is read by 'arith.addf'":1,"the caller gives it":1}
// CHECK: terse-rotate-hadamard: layers-rotated 3
// CHECK: terse-rotate-hadamard: attentions-rotated 0
// CHECK: terse-rotate-hadamard: attentions-left 0
// CHECK: terse-rotate-hadamard: inputs-rotated-online 1
// CHECK: terse-rotate-hadamard: inputs-left 0
// CHECK: terse-rotate-hadamard: not-hadamard []

// CHECK: module attributes {terse.rotation = "hadamard seed=0 stream=true values=true online=true"}
// CHECK-LABEL: func.func @forward
// ONLINE-LABEL: func.func @forward
// STREAM-LABEL: func.func @forward
func.func @forward(%ids: tensor<1x?xi64>) -> tensor<1x?x2xf32> {
  %gain = terse.weight "gain" = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32> -> tensor<4xf32>
  %table = terse.weight "table" = dense<[[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]]> : tensor<2x4xf32> -> tensor<2x4xf32>
  %up = terse.weight "up.weight" = dense<[[2.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]> : tensor<2x4xf32> -> tensor<2x4xf32>
  // [K, N]
  %down = terse.weight "down.weight" = dense<[[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]> : tensor<2x4xf32> -> tensor<2x4xf32>
  // Rows become those of the matrix: entries of 1 / 2, times 2.
  // CHECK: %[[TABLE:.*]] = terse.weight "table.rotated" = dense<{{\[\[}}[[A:-?1.000000e\+00]], [[B:-?1.000000e\+00]], [[C:-?1.000000e\+00]], [[D:-?1.000000e\+00]]], [{{-?1.0.*}}, {{-?1.0.*}}]]>
  // CHECK: %[[E:.*]] = terse.embedding %{{.*}}, %[[TABLE]] {name = "table"}
  // CHECK: %[[ONES:.*]] = terse.weight "ones" = dense<1.000000e+00>
  // CHECK: %[[N:.*]] = terse.norm rms %[[E]], %[[ONES]]
  // The same rows: of a channel with the gain 1 and the weight 2, and of one with 2 and 1.
  // CHECK: %[[UP:.*]] = terse.weight "up.weight.rotated" = dense<{{\[\[}}[[A]], [[B]], [[C]], [[D]]], [{{-?1.0.*}}, {{-?1.0.*}}]]>
  // CHECK: %[[U:.*]] = terse.linear %[[N]], %[[UP]] {name = "up.weight"}
  // CHECK: %[[R:.*]] = terse.activation relu %[[U]]
  // CHECK: %[[T:.*]] = terse.rotate %[[R]] : tensor<1x?x2xf32>
  // Columns by the matrix of 2, which gives sqrt(2) and 0; rows by that of the stream.
  // CHECK: %[[DOWN:.*]] = terse.weight "down.weight.rotated" = dense<{{\[\[}}{{-?}}0.707106769{{.*}}], [0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]]>
  // CHECK: %[[D2:.*]] = terse.linear %[[T]], %[[DOWN]] {name = "down.weight", reduction_axis = 0 : i64}
  // CHECK: %[[H:.*]] = arith.addf %[[E]], %[[D2]]
  // The table is also the head's weight, but there the gain is in it.
  // CHECK: terse.norm rms %[[H]]
  // CHECK: terse.weight "table.rotated" = dense<{{\[\[}}[[A]], [[B]], [[C]], [[D]]], [{{-?2.0.*}}, {{-?2.0.*}}]]>
  // CHECK: terse.linear %{{.*}}, %{{.*}} {name = "table"}
  // ONLINE: terse.weight "gain" = dense<[1.0
  // ONLINE: terse.rotate
  // STREAM-NOT: terse.rotate
  %e = terse.embedding %ids, %table : tensor<1x?xi64>, tensor<2x4xf32> -> tensor<1x?x4xf32>
  %n = terse.norm rms %e, %gain {epsilon = 1.0e-5} : tensor<1x?x4xf32>, tensor<4xf32>
  %u = terse.linear %n, %up : tensor<1x?x4xf32>, tensor<2x4xf32> -> tensor<1x?x2xf32>
  %a = terse.activation relu %u : tensor<1x?x2xf32>
  %d = terse.linear %a, %down {reduction_axis = 0 : i64} : tensor<1x?x2xf32>, tensor<2x4xf32> -> tensor<1x?x4xf32>
  %h = arith.addf %e, %d : tensor<1x?x4xf32>
  %f = terse.norm rms %h, %gain {epsilon = 1.0e-5} : tensor<1x?x4xf32>, tensor<4xf32>
  %y = terse.linear %f, %table : tensor<1x?x4xf32>, tensor<2x4xf32> -> tensor<1x?x2xf32>
  return %y : tensor<1x?x2xf32>
}

// A norm in the stream itself, and one of what the caller gives.
// CHECK-LABEL: func.func @left
func.func @left(%x: tensor<3x4xf32>, %ids: tensor<3xi64>) -> tensor<3x4xf32> {
  // CHECK: terse.weight "gain" = dense<2.000000e+00>
  %gain = terse.weight "gain" = dense<2.0> : tensor<4xf32> -> tensor<4xf32>
  %table = terse.weight "table" = dense<1.0> : tensor<2x4xf32> -> tensor<2x4xf32>
  %e = terse.embedding %ids, %table : tensor<3xi64>, tensor<2x4xf32> -> tensor<3x4xf32>
  %n = terse.norm rms %e, %gain {epsilon = 1.0e-5} : tensor<3x4xf32>, tensor<4xf32>
  %m = terse.norm rms %x, %gain {epsilon = 1.0e-5} : tensor<3x4xf32>, tensor<4xf32>
  %h = arith.addf %n, %m : tensor<3x4xf32>
  return %h : tensor<3x4xf32>
}

