// RUN: not terse-opt %s --terse-lower-attention=level=sse 2>&1 | FileCheck %s

// CHECK: expected the level baseline, avx2 or avx512vnni; got 'sse'
func.func @forward() {
  return
}
