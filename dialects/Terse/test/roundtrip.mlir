// RUN: terse-opt %s | FileCheck %s
// RUN: %terse-opt %s --mlir-print-op-generic | %terse-opt | FileCheck %s

// CHECK-LABEL: func.func @graph
func.func @graph(%ids: tensor<?x?xi64>, %cos: tensor<1x?x2xf32>, %cache: tensor<?x2x?x4xf32>, %past: index, %length: index,
                 %padding: tensor<?x?xi1>, %bias: tensor<1x1x?x?xf32>) -> tensor<?x?x8xf32> {
  // CHECK: terse.weight "table" = #terse.file<"model.onnx", 64, 320> -> tensor<10x8xf32>
  %table = terse.weight "table" = #terse.file<"model.onnx", 64, 320> -> tensor<10x8xf32>
  // CHECK: terse.weight "scale" = dense<1.000000e+00> : tensor<8xf32> -> tensor<8xf32>
  %scale = terse.weight "scale" = dense<1.0> : tensor<8xf32> -> tensor<8xf32>
  %w = terse.weight "w" = #terse.file<"model.onnx", 384, 256> -> tensor<8x8xf32>
  // CHECK: terse.embedding %{{.*}}, %{{.*}} {name = "embed"} : tensor<?x?xi64>, tensor<10x8xf32> -> tensor<?x?x8xf32>
  %x = terse.embedding %ids, %table {name = "embed"} : tensor<?x?xi64>, tensor<10x8xf32> -> tensor<?x?x8xf32>
  // CHECK: terse.norm rms %{{.*}}, %{{.*}} {epsilon = {{.*}}} : tensor<?x?x8xf32>, tensor<8xf32>
  %n = terse.norm rms %x, %scale {epsilon = 1.0e-5 : f64} : tensor<?x?x8xf32>, tensor<8xf32>
  // CHECK: terse.norm layer %{{.*}}, %{{.*}} bias %{{.*}} : tensor<8xf32> {epsilon = {{.*}}} : tensor<?x?x8xf32>, tensor<8xf32>
  %l = terse.norm layer %n, %scale bias %scale : tensor<8xf32> {epsilon = 1.0e-5 : f64} : tensor<?x?x8xf32>, tensor<8xf32>
  // CHECK: terse.linear %{{.*}}, %{{.*}} bias %{{.*}} : tensor<8xf32> {name = "q", reduction_axis = 0 : i64} : tensor<?x?x8xf32>, tensor<8x8xf32> -> tensor<?x?x8xf32>
  %q = terse.linear %l, %w bias %scale : tensor<8xf32> {name = "q", reduction_axis = 0 : i64} : tensor<?x?x8xf32>, tensor<8x8xf32> -> tensor<?x?x8xf32>
  // CHECK: terse.rope %{{.*}}, %{{.*}}, %{{.*}} {interleaved, num_heads = 2 : i64} : tensor<?x?x8xf32>, tensor<1x?x2xf32>
  %r = terse.rope %q, %cos, %cos {num_heads = 2 : i64, interleaved} : tensor<?x?x8xf32>, tensor<1x?x2xf32>
  // CHECK: terse.cache_update %{{.*}}, %{{.*}} at %{{.*}} : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  %k = terse.cache_update %cache, %r at %past : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  // CHECK: terse.attention %{{.*}}, %{{.*}}, %{{.*}} length %{{.*}} padding %{{.*}} : tensor<?x?xi1> bias %{{.*}} : tensor<1x1x?x?xf32> {causal, num_heads = 2 : i64, scale = 5.000000e-01 : f64, softcap = 3.000000e+01 : f64, window = 16 : i64}
  %a = terse.attention %r, %k, %k length %length padding %padding : tensor<?x?xi1> bias %bias : tensor<1x1x?x?xf32> {causal, num_heads = 2 : i64, scale = 0.5 : f64, softcap = 30.0 : f64, window = 16 : i64} : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  // CHECK: terse.matmul %{{.*}}, %{{.*}} : tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32> -> tensor<?x2x?x?xf32>
  %empty = tensor.empty(%past, %length) : tensor<?x2x4x?xf32>
  %m = terse.matmul %k, %empty : tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32> -> tensor<?x2x?x?xf32>
  // CHECK: terse.softmax %{{.*}} {axis = 3 : i64} : tensor<?x2x?x?xf32>
  %s = terse.softmax %m {axis = 3 : i64} : tensor<?x2x?x?xf32>
  // CHECK: terse.activation gelu_tanh %{{.*}} : tensor<?x?x8xf32>
  %g = terse.activation gelu_tanh %a : tensor<?x?x8xf32>
  return %g : tensor<?x?x8xf32>
}

// CHECK-LABEL: func.func @ragged
func.func @ragged(%q: tensor<?x?x8xf32>, %cache: tensor<?x2x?x4xf32>, %length: index, %starts: tensor<?xi64>, %heads: tensor<2xf32>) -> tensor<?x?x8xf32> {
  // CHECK: terse.cache_update %{{.*}}, %{{.*}} at %{{.*}} starts %{{.*}} : tensor<?xi64> : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  %k = terse.cache_update %cache, %q at %length starts %starts : tensor<?xi64> : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  // CHECK: terse.attention %{{.*}}, %{{.*}}, %{{.*}} length %{{.*}} starts %{{.*}} : tensor<?xi64> slopes %{{.*}} : tensor<2xf32> sinks %{{.*}} : tensor<2xf32> {causal, num_heads = 2 : i64, scale = 1.000000e+00 : f64}
  %a = terse.attention %q, %k, %k length %length starts %starts : tensor<?xi64> slopes %heads : tensor<2xf32> sinks %heads : tensor<2xf32> {causal, num_heads = 2 : i64, scale = 1.0 : f64} : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %a : tensor<?x?x8xf32>
}

// CHECK-LABEL: func.func @quantized_cache
func.func @quantized_cache(%q: tensor<?x?x8xf32>, %cache: tensor<?x2x?x8xi8>, %rows: tensor<?x2x?x6xi8>, %past: index, %length: index) -> tensor<?x?x8xf32> {
  // CHECK: terse.quantize_heads %{{.*}} {bits = 4 : i64, num_heads = 2 : i64} : tensor<?x?x8xf32>
  %r = terse.quantize_heads %q {bits = 4 : i64, num_heads = 2 : i64} : tensor<?x?x8xf32>
  // CHECK: terse.cache_update %{{.*}}, %{{.*}} at %{{.*}} {bits = 8 : i64} : tensor<?x2x?x8xi8>, tensor<?x?x8xf32>
  %k = terse.cache_update %cache, %q at %past {bits = 8 : i64} : tensor<?x2x?x8xi8>, tensor<?x?x8xf32>
  %v = terse.cache_update %rows, %q at %past {bits = 4 : i64} : tensor<?x2x?x6xi8>, tensor<?x?x8xf32>
  // CHECK: terse.attention %{{.*}} {key_bits = 8 : i64, num_heads = 2 : i64, scale = 1.000000e+00 : f64, value_bits = 4 : i64}
  %a = terse.attention %r, %k, %v length %length {key_bits = 8 : i64, num_heads = 2 : i64, scale = 1.0 : f64, value_bits = 4 : i64} : tensor<?x?x8xf32>, tensor<?x2x?x8xi8>, tensor<?x2x?x6xi8> -> tensor<?x?x8xf32>
  return %a : tensor<?x?x8xf32>
}

// CHECK-LABEL: func.func @compress
func.func @compress(%x: tensor<?x33xf32>, %codes: tensor<4x13xi8>, %scales: tensor<4x2xf16>, %zeros: tensor<4x2xi8>,
                    %whole: tensor<?x5x33xi8>, %rowScales: tensor<?x5x1xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  // CHECK: terse.scale_channels %{{.*}}, %{{.*}} {axis = 1 : i64} : tensor<?x33xf32>, tensor<33xf32>
  %channel_scales = terse.weight "smoothing" = dense<2.0> : tensor<33xf32> -> tensor<33xf32>
  %sc = terse.scale_channels %x, %channel_scales {axis = 1 : i64} : tensor<?x33xf32>, tensor<33xf32>
  // CHECK: terse.rotate %{{.*}} : tensor<?x33xf32>
  %rotated = terse.rotate %x : tensor<?x33xf32>
  // CHECK: terse.rotate %{{.*}} {block = 11 : i64} : tensor<?x33xf32>
  %in_blocks = terse.rotate %x {block = 11 : i64} : tensor<?x33xf32>
  // CHECK: terse.tap "before" %{{.*}} : tensor<?x33xf32>
  %t = terse.tap "before" %x : tensor<?x33xf32>
  // CHECK: terse.quantize_dynamic %{{.*}} : tensor<?x33xf32>
  %q = terse.quantize_dynamic %t : tensor<?x33xf32>
  // 33 codes of 3 bits are 13 bytes; groups of 32 are two, the last of one value.
  // CHECK: terse.dequantize <i3, group = 32, scale = f16, zero = integer> %{{.*}}, %{{.*}} zero %{{.*}} : tensor<4x2xi8> : tensor<4x13xi8>, tensor<4x2xf16> -> tensor<4x33xf32>
  %w = terse.dequantize <i3, group = 32, scale = f16, zero = integer> %codes, %scales zero %zeros : tensor<4x2xi8> : tensor<4x13xi8>, tensor<4x2xf16> -> tensor<4x33xf32>
  // Rows gathered from a table.
  // CHECK: terse.dequantize <i8, scale = f32, zero = none> %{{.*}}, %{{.*}} : tensor<?x5x33xi8>, tensor<?x5x1xf32> -> tensor<?x5x33xf32>
  %rows = terse.dequantize <i8, scale = f32, zero = none> %whole, %rowScales : tensor<?x5x33xi8>, tensor<?x5x1xf32> -> tensor<?x5x33xf32>
  %y = terse.linear %q, %w : tensor<?x33xf32>, tensor<4x33xf32> -> tensor<?x4xf32>
  // CHECK: terse.qlinear <i3, group = 32, scale = f16, zero = integer> %{{.*}}, %{{.*}}, %{{.*}} zero %{{.*}} : tensor<4x2xi8> {name = "up"} : tensor<?x33xf32>, tensor<4x13xi8>, tensor<4x2xf16> -> tensor<?x4xf32>
  %z = terse.qlinear <i3, group = 32, scale = f16, zero = integer> %x, %codes, %scales zero %zeros : tensor<4x2xi8> {name = "up"} : tensor<?x33xf32>, tensor<4x13xi8>, tensor<4x2xf16> -> tensor<?x4xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func.func @doubly_quantized
func.func @doubly_quantized(%x: tensor<?x33xf32>, %codes: tensor<4x13xi8>, %scales: tensor<4x2xi8>, %rows: tensor<4x1xf32>,
                            %zeros: tensor<4x2xf16>) -> (tensor<4x33xf32>, tensor<?x4xf32>) {
  // CHECK: terse.dequantize <i3, group = 32, scale = i8, zero = float> %{{.*}}, %{{.*}} rows %{{.*}} : tensor<4x1xf32> zero %{{.*}} : tensor<4x2xf16> : tensor<4x13xi8>, tensor<4x2xi8> -> tensor<4x33xf32>
  %w = terse.dequantize <i3, group = 32, scale = i8, zero = float> %codes, %scales rows %rows : tensor<4x1xf32> zero %zeros : tensor<4x2xf16> : tensor<4x13xi8>, tensor<4x2xi8> -> tensor<4x33xf32>
  // CHECK: terse.qlinear <i3, group = 32, scale = i8, zero = none> %{{.*}}, %{{.*}}, %{{.*}} rows %{{.*}} : tensor<4x1xf32> : tensor<?x33xf32>, tensor<4x13xi8>, tensor<4x2xi8> -> tensor<?x4xf32>
  %y = terse.qlinear <i3, group = 32, scale = i8, zero = none> %x, %codes, %scales rows %rows : tensor<4x1xf32> : tensor<?x33xf32>, tensor<4x13xi8>, tensor<4x2xi8> -> tensor<?x4xf32>
  return %w, %y : tensor<4x33xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func.func @table
func.func @table(%codes: tensor<4x17xi8>, %scales: tensor<4x2xf16>) -> tensor<4x33xf32> {
  // CHECK: terse.dequantize <i4, group = 32, scale = f16, zero = none, codebook = nf4> %{{.*}}, %{{.*}} : tensor<4x17xi8>, tensor<4x2xf16> -> tensor<4x33xf32>
  %w = terse.dequantize <i4, group = 32, scale = f16, zero = none, codebook = nf4> %codes, %scales : tensor<4x17xi8>, tensor<4x2xf16> -> tensor<4x33xf32>
  return %w : tensor<4x33xf32>
}

// CHECK-LABEL: func.func @grids
func.func @grids(%x: tensor<?x8xf32>, %codes: tensor<4x4xi8>, %scales: tensor<4x1xbf16>, %zeros: tensor<4x1xbf16>) -> tensor<?x4xf32> {
  // CHECK: terse.quantize_tensor %{{.*}} : tensor<?x8xf32> -> tensor<?x8xi8>, tensor<f32>, tensor<i8>
  %c, %s, %z = terse.quantize_tensor %x : tensor<?x8xf32> -> tensor<?x8xi8>, tensor<f32>, tensor<i8>
  // CHECK: terse.quantize_dynamic %{{.*}} {per_tensor} : tensor<?x8xf32>
  %q = terse.quantize_dynamic %x {per_tensor} : tensor<?x8xf32>
  // CHECK: terse.quantize_static %{{.*}} {high = 255 : i64, low = 0 : i64, scale = 2.500000e-01 : f64, zero = 3 : i64} : tensor<?x8xf32>
  %t = terse.quantize_static %x {scale = 0.25, zero = 3 : i64, low = 0 : i64, high = 255 : i64} : tensor<?x8xf32>
  // CHECK: terse.qlinear <i4, scale = bf16, zero = float> {{.*}} {grid = #terse.grid<fixed, scale = 2.500000e-01 : f64, zero = 3, high = 255>}
  %y = terse.qlinear <i4, scale = bf16, zero = float> %x, %codes, %scales zero %zeros : tensor<4x1xbf16> {grid = #terse.grid<fixed, scale = 2.5e-01 : f64, zero = 3, low = 0, high = 255>} : tensor<?x8xf32>, tensor<4x4xi8>, tensor<4x1xbf16> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
