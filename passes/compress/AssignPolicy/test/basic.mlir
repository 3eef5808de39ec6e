// RUN: terse-opt %s --terse-assign-policy="rules=_proj=bits:3,method:rtn;down_proj=bits:8,group_size:64;gate=keep;o_proj=pattern:2:4,sparsity:0.25" --terse-print-report 2>&1 | FileCheck %s
// RUN: terse-opt %s --terse-assign-policy="rules=down_proj=bits:8;up_proj=sparsity:0.75;gate=keep" --terse-prune-magnitude=pattern=2:4 --terse-quantize-weights="bits=4 group-size=0 head-bits=0" | FileCheck %s --check-prefix=OBEYED

// CHECK: terse-assign-policy: layers-with-policy 4
// CHECK: terse-assign-policy: layers-without 1

// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  // OBEYED-DAG: terse.weight "w" = dense<1.0
  %w = terse.weight "w" = dense<1.0> : tensor<4x4xf32> -> tensor<4x4xf32>
  %u = terse.weight "u" = dense<2.0> : tensor<4x4xf32> -> tensor<4x4xf32>
  %d = terse.weight "d" = dense<3.0> : tensor<4x4xf32> -> tensor<4x4xf32>
  // CHECK: {name = "0.o_proj", terse.policy = {bits = 3 : i64, method = "rtn", pattern = "2:4", sparsity = 2.500000e-01 : f64}}
  // OBEYED: {name = "0.o_proj", terse.sparsity = "2:4"}
  %o = terse.linear %x, %d {name = "0.o_proj"} : tensor<1x4xf32>, tensor<4x4xf32> -> tensor<1x4xf32>
  // CHECK: {name = "0.gate", terse.policy = {keep}}
  // OBEYED: {name = "0.gate", terse.policy = {keep}}
  %a = terse.linear %o, %w {name = "0.gate"} : tensor<1x4xf32>, tensor<4x4xf32> -> tensor<1x4xf32>
  // CHECK: {name = "0.up_proj", terse.policy = {bits = 3 : i64, method = "rtn"}}
  // OBEYED: {name = "0.up_proj", terse.policy = {sparsity = 7.500000e-01 : f64}, terse.sparsity = "unstructured"}
  %b = terse.linear %a, %u {name = "0.up_proj"} : tensor<1x4xf32>, tensor<4x4xf32> -> tensor<1x4xf32>
  // CHECK: {name = "0.down_proj", terse.policy = {bits = 8 : i64, group_size = 64 : i64, method = "rtn"}}
  // OBEYED: {name = "0.down_proj", terse.policy = {bits = 8 : i64}, terse.sparsity = "2:4"}
  %c = terse.linear %b, %d {name = "0.down_proj"} : tensor<1x4xf32>, tensor<4x4xf32> -> tensor<1x4xf32>
  // CHECK: {name = "head"}
  %y = terse.linear %c, %w {name = "head"} : tensor<1x4xf32>, tensor<4x4xf32> -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
