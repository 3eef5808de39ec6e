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
    -> (tensor<?x?x64xf32>, tensor<?x2x?x16xf32> {terse.state = "k"}, tensor<?x2x?x16xf32> {terse.state = "v"}) {
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

// Biases, slopes, sinks and starts are operands of the kernel.
// CHECK-LABEL: func.func @bias
// CHECK: %[[STARTS:.*]] = arith.extsi %{{.*}} : tensor<?xi32> to tensor<?xi64>
// CHECK: kernel.launch @attention_h4k2d16e16w64o0_f32_starts_bias_slopes_sinks_{{.*}} ins({{.*}}, %[[STARTS]],
func.func @bias(%q: tensor<?x?x64xf32>, %k: tensor<?x2x?x16xf32>, %v: tensor<?x2x?x16xf32>, %b: tensor<1x1x?x?xf32>, %h: tensor<4xf32>, %s: tensor<?xi32>, %total: index)
    -> tensor<?x?x64xf32> {
  %y = terse.attention %q, %k, %v length %total starts %s : tensor<?xi32> bias %b : tensor<1x1x?x?xf32> slopes %h : tensor<4xf32> sinks %h : tensor<4xf32> {num_heads = 4, scale = 0.25 : f64}
    : tensor<?x?x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32> -> tensor<?x?x64xf32>
  return %y : tensor<?x?x64xf32>
}

// Keys that are rows of tokens are put into tiles, and values read, from there.
// CHECK-LABEL: func.func @encoder
// CHECK-NOT: tile_keys
// CHECK: kernel.launch @cache_update_tiled_k4d16w192o64
// CHECK: kernel.launch @attention_{{.*}} : tensor<?x?x192xf32>, tensor<?x4x?x16xf32>, tensor<?x?x192xf32>, index)
func.func @encoder(%arg0: tensor<2x5x192xf32>) -> tensor<2x5x64xf32> {
  %c5 = arith.constant 5 : index
  %q = tensor.extract_slice %arg0[0, 0, 0] [2, 5, 64] [1, 1, 1] : tensor<2x5x192xf32> to tensor<2x5x64xf32>
  %k = tensor.extract_slice %arg0[0, 0, 64] [2, 5, 64] [1, 1, 1] : tensor<2x5x192xf32> to tensor<2x5x64xf32>
  %v = tensor.extract_slice %arg0[0, 0, 128] [2, 5, 64] [1, 1, 1] : tensor<2x5x192xf32> to tensor<2x5x64xf32>
  %ke = tensor.expand_shape %k [[0], [1], [2, 3]] output_shape [2, 5, 4, 16] : tensor<2x5x64xf32> into tensor<2x5x4x16xf32>
  %ve = tensor.expand_shape %v [[0], [1], [2, 3]] output_shape [2, 5, 4, 16] : tensor<2x5x64xf32> into tensor<2x5x4x16xf32>
  %e = tensor.empty() : tensor<2x4x5x16xf32>
  %kh = linalg.transpose ins(%ke : tensor<2x5x4x16xf32>) outs(%e : tensor<2x4x5x16xf32>) permutation = [0, 2, 1, 3]
  %vh = linalg.transpose ins(%ve : tensor<2x5x4x16xf32>) outs(%e : tensor<2x4x5x16xf32>) permutation = [0, 2, 1, 3]
  %y = terse.attention %q, %kh, %vh length %c5 {num_heads = 4, scale = 0.25 : f64}
    : tensor<2x5x64xf32>, tensor<2x4x5x16xf32>, tensor<2x4x5x16xf32> -> tensor<2x5x64xf32>
  return %y : tensor<2x5x64xf32>
}
