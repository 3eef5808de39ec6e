// RUN: not terse-opt %s --terse-lower-attention=level=sse 2>&1 | FileCheck %s

// CHECK: expected the level baseline, avx2, avx512vnni or avx512bf16; got 'sse'
func.func @forward() {
  return
}
