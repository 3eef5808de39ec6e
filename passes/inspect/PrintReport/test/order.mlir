// Facts come out on standard error, in the order in which passes recorded them;
// the module stays as it is.
// RUN: terse-opt %s --terse-drop-dead-weights --terse-print-report 2>&1 >/dev/null | FileCheck %s
// RUN: terse-opt %s --terse-print-report 2>&1 | FileCheck %s --check-prefix=EMPTY

// CHECK: terse-drop-dead-weights: weights-removed 1
// CHECK-NEXT: terse-drop-dead-weights: bytes-removed 16
// EMPTY-NOT: {{^[a-z-]+: }}
// EMPTY: terse.weight "unused"
func.func @forward() {
  %unused = terse.weight "unused" = dense<0.0> : tensor<4xf32> -> tensor<4xf32>
  return
}
