// A plug-in's pass is a flag, whichever option comes first, and has options.
// RUN: terse-opt %s --load-pass-plugin=%plugins/NegateResults.so --sample-negate-results | FileCheck %s --check-prefixes=CHECK,ALL
// RUN: terse-opt %s --sample-negate-results=only=1 -load-pass-plugin %plugins/NegateResults.so | FileCheck %s --check-prefixes=CHECK,ONE
// RUN: terse-opt %s --pass-pipeline='builtin.module(sample-negate-results{only=1})' --load-pass-plugin=%plugins/NegateResults.so | FileCheck %s --check-prefixes=CHECK,ONE
// RUN: not terse-opt %s --sample-negate-results 2>&1 | FileCheck %s --check-prefix=UNLOADED

// UNLOADED: Unknown command line argument '--sample-negate-results'
// CHECK-LABEL: func.func @forward
// ALL: %[[A:.*]] = arith.negf %arg0
// CHECK: %[[B:.*]] = arith.negf %arg1
// ALL: return %[[A]], %[[B]]
// ONE: return %arg0, %[[B]]
func.func @forward(%x: tensor<3xf32>, %y: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  return %x, %y : tensor<3xf32>, tensor<3xf32>
}
