// RUN: terse-opt %s --terse-lower-attention=level=avx512vnni | FileCheck %s
// RUN: terse-opt %s --terse-lower-attention=level=avx512bf16 | FileCheck %s
// RUN: terse-opt %s --terse-lower-attention=level=avx2 | FileCheck %s --check-prefix=FLOAT

// AVX512-VNNI multiplies codes of keys and values by queries and weights of 16 bits, one half at a time; keys of which there are no groups of four
// by floats.
// FLOAT-NOT: kernel.mma
// CHECK-LABEL: func.func private @attention_rows2_h2k1d64e32
// CHECK: memref.alloca() {{.*}} : memref<2x64xi8>
// CHECK-COUNT-2: kernel.mma #kernel.x86_vnni {{.*}} : vector<64xi8>, vector<4xi8>, vector<16xi32>
// CHECK-LABEL: func.func private @attention_rows2_h2k1d6e32
// CHECK-NOT: memref<2x6xi8>
// CHECK: memref.load {{.*}} : memref<2x6xf32>
// CHECK: kernel.mma #kernel.x86_vnni
func.func @forward(%q: tensor<?x?x128xf32>, %r: tensor<?x?x12xf32>, %k: tensor<?x?x64xf32>, %l: tensor<?x?x6xf32>, %v: tensor<?x?x32xf32>, %past: index, %n: index,
                   %kc: tensor<?x1x?x68xi8> {terse.state = "k"}, %lc: tensor<?x1x?x10xi8> {terse.state = "l"}, %vc: tensor<?x1x?x36xi8> {terse.state = "v"})
    -> (tensor<?x?x64xf32>, tensor<?x?x64xf32>, tensor<?x1x?x68xi8> {terse.state = "k"}, tensor<?x1x?x10xi8> {terse.state = "l"}, tensor<?x1x?x36xi8> {terse.state = "v"}) {
  %kn = terse.cache_update %kc, %k at %past {bits = 8 : i64} : tensor<?x1x?x68xi8>, tensor<?x?x64xf32>
  %ln = terse.cache_update %lc, %l at %past {bits = 8 : i64} : tensor<?x1x?x10xi8>, tensor<?x?x6xf32>
  %vn = terse.cache_update %vc, %v at %past {bits = 8 : i64} : tensor<?x1x?x36xi8>, tensor<?x?x32xf32>
  %x = terse.attention %q, %kn, %vn length %n {causal, key_bits = 8 : i64, num_heads = 2 : i64, scale = 0.5 : f64, value_bits = 8 : i64}
    : tensor<?x?x128xf32>, tensor<?x1x?x68xi8>, tensor<?x1x?x36xi8> -> tensor<?x?x64xf32>
  %y = terse.attention %r, %ln, %vn length %n {causal, key_bits = 8 : i64, num_heads = 2 : i64, scale = 0.5 : f64, value_bits = 8 : i64}
    : tensor<?x?x12xf32>, tensor<?x1x?x10xi8>, tensor<?x1x?x36xi8> -> tensor<?x?x64xf32>
  return %x, %y, %kn, %ln, %vn : tensor<?x?x64xf32>, tensor<?x?x64xf32>, tensor<?x1x?x68xi8>, tensor<?x1x?x10xi8>, tensor<?x1x?x36xi8>
}
