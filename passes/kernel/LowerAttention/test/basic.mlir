// RUN: terse-opt %s --terse-lower-attention | FileCheck %s

// Keys and values are state: the key cache is kept in tiles, and the rotation of
// the new keys is part of their storing.
// CHECK-LABEL: func.func @forward
// CHECK-NOT: = terse.
// CHECK: %[[Q:.*]] = kernel.launch @rope_h4d16r8
// CHECK: %[[K:.*]] = kernel.launch @cache_update_tiled_rope_
// CHECK: %[[V:.*]] = kernel.launch @cache_update_k2d16
// CHECK-NOT: tile_keys
// CHECK: kernel.launch @attention_h4k2d16e16{{.*}} ins(%[[Q]], %[[K]], %[[V]],
func.func @forward(%q: tensor<?x?x64xf32>, %k: tensor<?x?x32xf32>, %v: tensor<?x?x32xf32>,
                   %cos: tensor<?x?x8xf32>, %sin: tensor<?x?x8xf32>, %past: index, %total: index,
                   %kc: tensor<?x2x?x16xf32> {terse.state = "k"}, %vc: tensor<?x2x?x16xf32> {terse.state = "v"})
    -> (tensor<?x?x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) {
  %qr = terse.rope %q, %cos, %sin {num_heads = 4} : tensor<?x?x64xf32>, tensor<?x?x8xf32>
  %kr = terse.rope %k, %cos, %sin {num_heads = 2} : tensor<?x?x32xf32>, tensor<?x?x8xf32>
  %kn = terse.cache_update %kc, %kr at %past : tensor<?x2x?x16xf32>, tensor<?x?x32xf32>
  %vn = terse.cache_update %vc, %v at %past : tensor<?x2x?x16xf32>, tensor<?x?x32xf32>
  %y = terse.attention %qr, %kn, %vn length %total {num_heads = 4, scale = 0.25 : f64, causal}
    : tensor<?x?x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32> -> tensor<?x?x64xf32>
  return %y, %kn, %vn : tensor<?x?x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>
}

// Keys that are no private state are rearranged; every option has its kernel.
// CHECK-LABEL: func.func @window
// CHECK: kernel.launch @tile_keys_k2d16_f16
// CHECK: kernel.launch @attention_
func.func @window(%q: tensor<?x?x64xf16>, %k: tensor<?x2x?x16xf16>, %v: tensor<?x2x?x16xf16>, %pad: tensor<?x?xi1>, %total: index)
    -> tensor<?x?x64xf16> {
  %y = terse.attention %q, %k, %v length %total padding %pad : tensor<?x?xi1>
    {num_heads = 4, scale = 0.25 : f64, causal, window = 5, softcap = 3.0 : f64}
    : tensor<?x?x64xf16>, tensor<?x2x?x16xf16>, tensor<?x2x?x16xf16> -> tensor<?x?x64xf16>
  return %y : tensor<?x?x64xf16>
}

// A bias is not for this kernel.
// CHECK-LABEL: func.func @bias
// CHECK: terse.attention
func.func @bias(%q: tensor<?x?x64xf32>, %k: tensor<?x2x?x16xf32>, %v: tensor<?x2x?x16xf32>, %b: tensor<1x1x?x?xf32>, %total: index)
    -> tensor<?x?x64xf32> {
  %y = terse.attention %q, %k, %v length %total bias %b : tensor<1x1x?x?xf32> {num_heads = 4, scale = 0.25 : f64}
    : tensor<?x?x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32> -> tensor<?x?x64xf32>
  return %y : tensor<?x?x64xf32>
}
