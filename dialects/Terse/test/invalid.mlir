// RUN: %terse-opt %s --split-input-file --verify-diagnostics

// One case for each constraint, by its label in the verifiers.

// W1
func.func @f() {
  // expected-error@below {{expected a static shape}}
  %w = terse.weight "w" = dense<1.0> : tensor<2xf32> -> tensor<?xf32>
  return
}

// -----

// W2
func.func @f() {
  // expected-error@below {{expected elements of whole bytes}}
  %w = terse.weight "w" = dense<1> : tensor<2xi4> -> tensor<2xi4>
  return
}

// -----

// W3
func.func @f() {
  // expected-error@below {{expected data of 8 bytes; got 7}}
  %w = terse.weight "w" = #terse.file<"f", 0, 7> -> tensor<2xf32>
  return
}

// -----

// W4
func.func @f() {
  // expected-error@below {{expected data of type}}
  %w = terse.weight "w" = dense<1.0> : tensor<3xf32> -> tensor<2xf32>
  return
}

// -----

// L1
func.func @f(%x: tensor<2x3xf32>, %w: tensor<3xf32>) {
  // expected-error@below {{expected a weight of rank 2}}
  %y = terse.linear %x, %w : tensor<2x3xf32>, tensor<3xf32> -> tensor<2x3xf32>
  return
}

// -----

// L2
func.func @f(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>) {
  // expected-error@below {{expected reduction_axis 0 or 1; got 2}}
  %y = terse.linear %x, %w {reduction_axis = 2 : i64} : tensor<2x3xf32>, tensor<4x3xf32> -> tensor<2x4xf32>
  return
}

// -----

// L3
func.func @f(%x: tensor<f32>, %w: tensor<4x3xf32>) {
  // expected-error@below {{expected an input of rank 1 or more}}
  %y = terse.linear %x, %w : tensor<f32>, tensor<4x3xf32> -> tensor<f32>
  return
}

// -----

// L4
func.func @f(%x: tensor<2x5xf32>, %w: tensor<4x3xf32>) {
  // expected-error@below {{expected the input's last dimension to be 3; got 5}}
  %y = terse.linear %x, %w : tensor<2x5xf32>, tensor<4x3xf32> -> tensor<2x4xf32>
  return
}

// -----

// L5
func.func @f(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>, %b: tensor<3xf32>) {
  // expected-error@below {{expected a bias of shape [4]}}
  %y = terse.linear %x, %w bias %b : tensor<3xf32> : tensor<2x3xf32>, tensor<4x3xf32> -> tensor<2x4xf32>
  return
}

// -----

// L6
func.func @f(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>) {
  // expected-error@below {{expected the last dimension of the result to be 4; got 5}}
  %y = terse.linear %x, %w : tensor<2x3xf32>, tensor<4x3xf32> -> tensor<2x5xf32>
  return
}

// -----

// M1
func.func @f(%a: tensor<2x3xf32>, %b: tensor<1x3x4xf32>) {
  // expected-error@below {{expected operands and result of one rank, 2 or more}}
  %y = terse.matmul %a, %b : tensor<2x3xf32>, tensor<1x3x4xf32> -> tensor<2x4xf32>
  return
}

// -----

// M2
func.func @f(%a: tensor<2x2x3xf32>, %b: tensor<3x3x4xf32>) {
  // expected-error@below {{expected equal batch dimensions}}
  %y = terse.matmul %a, %b : tensor<2x2x3xf32>, tensor<3x3x4xf32> -> tensor<2x2x4xf32>
  return
}

// -----

// M3
func.func @f(%a: tensor<2x3xf32>, %b: tensor<5x4xf32>) {
  // expected-error@below {{expected equal sizes to sum over; got 3 and 5}}
  %y = terse.matmul %a, %b : tensor<2x3xf32>, tensor<5x4xf32> -> tensor<2x4xf32>
  return
}

// -----

// M4
func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) {
  // expected-error@below {{expected a result of 2 by 4}}
  %y = terse.matmul %a, %b : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x5xf32>
  return
}

// -----

// N1
func.func @f(%x: tensor<f32>, %s: tensor<3xf32>) {
  // expected-error@below {{expected an input of rank 1 or more}}
  %y = terse.norm rms %x, %s {epsilon = 1.0e-5 : f64} : tensor<f32>, tensor<3xf32>
  return
}

// -----

// N2
func.func @f(%x: tensor<2x3xf32>, %s: tensor<4xf32>) {
  // expected-error@below {{expected a scale of shape [3]}}
  %y = terse.norm rms %x, %s {epsilon = 1.0e-5 : f64} : tensor<2x3xf32>, tensor<4xf32>
  return
}

// -----

// N3
func.func @f(%x: tensor<2x3xf32>, %s: tensor<3xf32>, %b: tensor<4xf32>) {
  // expected-error@below {{expected a bias of shape [3]}}
  %y = terse.norm layer %x, %s bias %b : tensor<4xf32> {epsilon = 1.0e-5 : f64} : tensor<2x3xf32>, tensor<3xf32>
  return
}

// -----

// N4
func.func @f(%x: tensor<2x3xf32>, %s: tensor<3xf32>, %b: tensor<3xf32>) {
  // expected-error@below {{expected no bias in RMS normalization}}
  %y = terse.norm rms %x, %s bias %b : tensor<3xf32> {epsilon = 1.0e-5 : f64} : tensor<2x3xf32>, tensor<3xf32>
  return
}

// -----

// N5
func.func @f(%x: tensor<2x3xf32>, %s: tensor<3xf32>) {
  // expected-error@below {{expected an epsilon of 0 or more}}
  %y = terse.norm rms %x, %s {epsilon = -1.0 : f64} : tensor<2x3xf32>, tensor<3xf32>
  return
}

// -----

// S1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@below {{expected an axis in 0..1; got 2}}
  %y = terse.softmax %x {axis = 2 : i64} : tensor<2x3xf32>
  return
}

// -----

// E1
func.func @f(%i: tensor<2xi64>, %t: tensor<5xf32>) {
  // expected-error@below {{expected a table of rank 2}}
  %y = terse.embedding %i, %t : tensor<2xi64>, tensor<5xf32> -> tensor<2x5xf32>
  return
}

// -----

// E2
func.func @f(%i: tensor<2xi64>, %t: tensor<5x4xf32>) {
  // expected-error@below {{expected a result of rank 2; got 1}}
  %y = terse.embedding %i, %t : tensor<2xi64>, tensor<5x4xf32> -> tensor<2xf32>
  return
}

// -----

// E3
func.func @f(%i: tensor<2xi64>, %t: tensor<5x4xf32>) {
  // expected-error@below {{expected dimension 0 of the result to be 2; got 3}}
  %y = terse.embedding %i, %t : tensor<2xi64>, tensor<5x4xf32> -> tensor<3x4xf32>
  return
}

// -----

// E4
func.func @f(%i: tensor<2xi64>, %t: tensor<5x4xf32>) {
  // expected-error@below {{expected rows of 4 values; got 5}}
  %y = terse.embedding %i, %t : tensor<2xi64>, tensor<5x4xf32> -> tensor<2x5xf32>
  return
}

// -----

// E5
func.func @f(%i: tensor<2xi64>, %t: tensor<5x4xf16>) {
  // expected-error@below {{expected a result of 'f16'; got 'f32'}}
  %y = terse.embedding %i, %t : tensor<2xi64>, tensor<5x4xf16> -> tensor<2x4xf32>
  return
}

// -----

// R1
func.func @f(%x: tensor<2x8xf32>, %c: tensor<1x3x2xf32>) {
  // expected-error@below {{expected an input of shape [batch, sequence, channels]}}
  %y = terse.rope %x, %c, %c {num_heads = 2 : i64} : tensor<2x8xf32>, tensor<1x3x2xf32>
  return
}

// -----

// R2
func.func @f(%x: tensor<2x3x8xf32>, %c: tensor<3x2xf32>) {
  // expected-error@below {{expected cos and sin of one type and rank 3}}
  %y = terse.rope %x, %c, %c {num_heads = 2 : i64} : tensor<2x3x8xf32>, tensor<3x2xf32>
  return
}

// -----

// R3
func.func @f(%x: tensor<2x3x8xf32>, %c: tensor<1x3x2xf32>) {
  // expected-error@below {{expected channels to be a multiple of num_heads; got 8 and 3}}
  %y = terse.rope %x, %c, %c {num_heads = 3 : i64} : tensor<2x3x8xf32>, tensor<1x3x2xf32>
  return
}

// -----

// R4
func.func @f(%x: tensor<2x3x8xf32>, %c: tensor<1x3x3xf32>) {
  // expected-error@below {{expected at most 2 angles a head; got 3}}
  %y = terse.rope %x, %c, %c {num_heads = 2 : i64} : tensor<2x3x8xf32>, tensor<1x3x3xf32>
  return
}

// -----

// R5
func.func @f(%x: tensor<2x3x8xf32>, %c: tensor<1x4x2xf32>) {
  // expected-error@below {{expected angles for 3 tokens; got 4}}
  %y = terse.rope %x, %c, %c {num_heads = 2 : i64} : tensor<2x3x8xf32>, tensor<1x4x2xf32>
  return
}

// -----

// R6
func.func @f(%x: tensor<2x3x8xf32>, %c: tensor<3x3x2xf32>) {
  // expected-error@below {{expected angles for a batch of 1 or 2; got 3}}
  %y = terse.rope %x, %c, %c {num_heads = 2 : i64} : tensor<2x3x8xf32>, tensor<3x3x2xf32>
  return
}

// -----

// A1
func.func @f(%q: tensor<3x8xf32>, %k: tensor<1x1x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index) {
  // expected-error@below {{expected query and result of shape [batch, sequence, channels]}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A2
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index) {
  // expected-error@below {{expected key and value of shape [batch, heads, rows, size]}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A3
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x?x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index) {
  // expected-error@below {{expected static numbers of KV heads and head sizes}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x?x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A4
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x3x5x4xf32>, %v: tensor<1x3x5x4xf32>, %n: index) {
  // expected-error@below {{expected num_heads to be a multiple of the KV heads; got 2, 3 and 3}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x3x5x4xf32>, tensor<1x3x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A5
func.func @f(%q: tensor<1x3x9xf32>, %k: tensor<1x1x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index) {
  // expected-error@below {{expected query channels of 8; got 9}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x9xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A6
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x1x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index) {
  // expected-error@below {{expected result channels of 8; got 9}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x9xf32>
  return
}

// -----

// A7
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x1x5x4xf32>, %v: tensor<1x1x6x4xf32>, %n: index) {
  // expected-error@below {{expected as many keys as values; got 5 and 6}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x6x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A8
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x1x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index, %p: tensor<5xi1>) {
  // expected-error@below {{expected padding of shape [batch, rows]}}
  %y = terse.attention %q, %k, %v length %n padding %p : tensor<5xi1> {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A9
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x1x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index, %p: tensor<5xf32>) {
  // expected-error@below {{expected a bias of rank 4}}
  %y = terse.attention %q, %k, %v length %n bias %p : tensor<5xf32> {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A10
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x1x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index) {
  // expected-error@below {{expected a window of 1 or more in causal attention; got 4}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64, window = 4 : i64} : tensor<1x3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A11
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x1x5x4xf32>, %v: tensor<1x1x5x4xf32>, %n: index) {
  // expected-error@below {{expected a softcap above 0}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64, softcap = 0.0 : f64} : tensor<1x3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A12
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x1x5x4xf32>, %n: index, %s: tensor<2xi64>) {
  // expected-error@below {{expected starts of shape [batch]; got 'tensor<2xi64>'}}
  %y = terse.attention %q, %k, %k length %n starts %s : tensor<2xi64> {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// A13
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x1x5x4xf32>, %n: index, %s: tensor<3xf32>) {
  // expected-error@below {{expected slopes of shape [2]; got 'tensor<3xf32>'}}
  %y = terse.attention %q, %k, %k length %n slopes %s : tensor<3xf32> {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x1x5x4xf32>, tensor<1x1x5x4xf32> -> tensor<1x3x8xf32>
  return
}

// -----

// C4
func.func @f(%c: tensor<1x1x5x4xf32>, %u: tensor<1x2x4xf32>, %n: index, %s: tensor<2xi64>) {
  // expected-error@below {{expected starts of shape [batch]; got 'tensor<2xi64>'}}
  %y = terse.cache_update %c, %u at %n starts %s : tensor<2xi64> : tensor<1x1x5x4xf32>, tensor<1x2x4xf32>
  return
}

// -----

// C1
func.func @f(%c: tensor<1x2x4xf32>, %u: tensor<1x3x8xf32>, %p: index) {
  // expected-error@below {{expected a cache of shape [batch, heads, rows, size]}}
  %y = terse.cache_update %c, %u at %p : tensor<1x2x4xf32>, tensor<1x3x8xf32>
  return
}

// -----

// C2
func.func @f(%c: tensor<1x2x5x4xf32>, %u: tensor<3x8xf32>, %p: index) {
  // expected-error@below {{expected an update of shape [batch, sequence, channels]}}
  %y = terse.cache_update %c, %u at %p : tensor<1x2x5x4xf32>, tensor<3x8xf32>
  return
}

// -----

// C3
func.func @f(%c: tensor<1x2x5x4xf32>, %u: tensor<1x3x9xf32>, %p: index) {
  // expected-error@below {{expected update channels of heads times size}}
  %y = terse.cache_update %c, %u at %p : tensor<1x2x5x4xf32>, tensor<1x3x9xf32>
  return
}

// -----

// C1
func.func @f(%x: tensor<?x33xf32>, %s: tensor<33xf32>) {
  // expected-error@below {{expected an axis of 'tensor<?x33xf32>'; got 2}}
  %0 = terse.scale_channels %x, %s {axis = 2 : i64} : tensor<?x33xf32>, tensor<33xf32>
  return
}

// -----

// C2
func.func @f(%x: tensor<?x33xf32>, %s: tensor<32xf32>) {
  // expected-error@below {{expected a scale for each of a static number of channels; got 'tensor<32xf32>' for axis 1}}
  %0 = terse.scale_channels %x, %s {axis = 1 : i64} : tensor<?x33xf32>, tensor<32xf32>
  return
}

// -----

// C2
func.func @f(%x: tensor<?x33xf32>, %s: tensor<?xf32>) {
  // expected-error@below {{expected a scale for each of a static number of channels; got 'tensor<?xf32>' for axis 0}}
  %0 = terse.scale_channels %x, %s {axis = 0 : i64} : tensor<?x33xf32>, tensor<?xf32>
  return
}

// -----

// D1
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xf16>) {
  // expected-error@below {{expected a result of rank 1 or more with a static last dimension}}
  %y = terse.dequantize <i4, scale = f16, zero = none> %c, %s : tensor<2x2xi8>, tensor<2x1xf16> -> tensor<2x?xf32>
  return
}

// -----

// Q1
func.func @f(%c: tensor<2x3xi8>, %s: tensor<2x1xf16>) {
  // expected-error@below {{expected codes of shape [2, 2]}}
  %y = terse.dequantize <i4, scale = f16, zero = none> %c, %s : tensor<2x3xi8>, tensor<2x1xf16> -> tensor<2x4xf32>
  return
}

// -----

// Q2
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x2xf16>) {
  // expected-error@below {{expected scales of shape [2, 1]}}
  %y = terse.dequantize <i4, scale = f16, zero = none> %c, %s : tensor<2x2xi8>, tensor<2x2xf16> -> tensor<2x4xf32>
  return
}

// -----

// Q3
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xf32>) {
  // expected-error@below {{expected scales of 'f16'; got 'f32'}}
  %y = terse.dequantize <i4, scale = f16, zero = none> %c, %s : tensor<2x2xi8>, tensor<2x1xf32> -> tensor<2x4xf32>
  return
}

// -----

// Q4
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xf16>) {
  // expected-error@below {{expected zero points exactly when the scheme has them}}
  %y = terse.dequantize <i4, scale = f16, zero = integer> %c, %s : tensor<2x2xi8>, tensor<2x1xf16> -> tensor<2x4xf32>
  return
}

// -----

// Q5
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xf16>, %z: tensor<2x2xi8>) {
  // expected-error@below {{expected zero points of shape [2, 1]}}
  %y = terse.dequantize <i4, scale = f16, zero = integer> %c, %s zero %z : tensor<2x2xi8> : tensor<2x2xi8>, tensor<2x1xf16> -> tensor<2x4xf32>
  return
}

// -----

// Q7
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xi8>) {
  // expected-error@below {{expected scales of rows exactly when scales are of i8}}
  %y = terse.dequantize <i4, scale = i8, zero = none> %c, %s : tensor<2x2xi8>, tensor<2x1xi8> -> tensor<2x4xf32>
  return
}

// -----

// Q7
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xf16>, %r: tensor<2x1xf32>) {
  // expected-error@below {{expected scales of rows exactly when scales are of i8}}
  %y = terse.dequantize <i4, scale = f16, zero = none> %c, %s rows %r : tensor<2x1xf32> : tensor<2x2xi8>, tensor<2x1xf16> -> tensor<2x4xf32>
  return
}

// -----

// Q8
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xi8>, %r: tensor<2xf32>) {
  // expected-error@below {{expected scales of rows of shape [2, 1]; got 'tensor<2xf32>'}}
  %y = terse.dequantize <i4, scale = i8, zero = none> %c, %s rows %r : tensor<2xf32> : tensor<2x2xi8>, tensor<2x1xi8> -> tensor<2x4xf32>
  return
}

// -----

// Q6: where scales are of i8
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xi8>, %r: tensor<2x1xf32>, %z: tensor<2x1xi8>) {
  // expected-error@below {{expected zero points of 'f16'; got 'tensor<2x1xi8>'}}
  %y = terse.dequantize <i4, scale = i8, zero = float> %c, %s rows %r : tensor<2x1xf32> zero %z : tensor<2x1xi8> : tensor<2x2xi8>, tensor<2x1xi8> -> tensor<2x4xf32>
  return
}

// -----

// Q6
func.func @f(%c: tensor<2x2xi8>, %s: tensor<2x1xf16>, %z: tensor<2x1xf32>) {
  // expected-error@below {{expected zero points of 'f16'; got 'tensor<2x1xf32>'}}
  %y = terse.dequantize <i4, scale = f16, zero = float> %c, %s zero %z : tensor<2x1xf32> : tensor<2x2xi8>, tensor<2x1xf16> -> tensor<2x4xf32>
  return
}

// -----

// Y1
func.func @f(%x: tensor<f32>) {
  // expected-error@below {{expected rank 1 or more}}
  %y = terse.quantize_dynamic %x : tensor<f32>
  return
}

// -----

// Y2
func.func @f(%x: tensor<2xf32>) {
  // expected-error@below {{expected 2 to 8 bits; got 9}}
  %y = terse.quantize_dynamic %x {bits = 9 : i64} : tensor<2xf32>
  return
}

// -----

// Y3
func.func @f(%x: tensor<2xf32>) {
  // expected-error@below {{expected 8 bits of a whole tensor; got 4}}
  %y = terse.quantize_dynamic %x {bits = 4 : i64, per_tensor} : tensor<2xf32>
  return
}

// -----

// S1
func.func @f(%x: tensor<2xf32>) {
  // expected-error@below {{expected a scale above 0}}
  %y = terse.quantize_static %x {scale = 0.0, zero = 0 : i64, low = 0 : i64, high = 255 : i64} : tensor<2xf32>
  return
}

// -----

// S2
func.func @f(%x: tensor<2xf32>) {
  // expected-error@below {{expected low <= zero <= high within -32768..65535; got 7, 0 and 255}}
  %y = terse.quantize_static %x {scale = 1.0, zero = 0 : i64, low = 7 : i64, high = 255 : i64} : tensor<2xf32>
  return
}

// -----

// T1
func.func @f(%x: tensor<2xf32>) {
  // expected-error@below {{expected codes of the input's shape}}
  %c, %s, %z = terse.quantize_tensor %x : tensor<2xf32> -> tensor<3xi8>, tensor<f32>, tensor<i8>
  return
}

// -----

// T2
func.func @f(%x: tensor<2xf32>) {
  // expected-error@below {{expected a scale and a zero point of rank 0; got 'tensor<1xf32>'}}
  %c, %s, %z = terse.quantize_tensor %x : tensor<2xf32> -> tensor<2xi8>, tensor<1xf32>, tensor<i8>
  return
}

// -----

// grid
// expected-error@below {{expected low <= zero <= high and at most 256 values; got 0, 0 and 256}}
func.func private @f() attributes {g = #terse.grid<fixed, scale = 1.0 : f64, zero = 0, low = 0, high = 256>}

// -----

// grid
// expected-error@below {{expected a scale, a zero point and a range of fixed grids alone}}
func.func private @f() attributes {g = #terse.grid<tensor, zero = 3>}

// -----

// X1
func.func @f(%x: tensor<3x4xf32>, %c: tensor<2x2xi8>, %s: tensor<2x1xf16>) {
  // expected-error@below {{expected input and result of one rank, 1 or more}}
  %y = terse.qlinear <i4, scale = f16, zero = none> %x, %c, %s : tensor<3x4xf32>, tensor<2x2xi8>, tensor<2x1xf16> -> tensor<1x3x2xf32>
  return
}

// -----

// X2
func.func @f(%x: tensor<3x?xf32>, %c: tensor<2x2xi8>, %s: tensor<2x1xf16>) {
  // expected-error@below {{expected static numbers of channels and codes of rank 2}}
  %y = terse.qlinear <i4, scale = f16, zero = none> %x, %c, %s : tensor<3x?xf32>, tensor<2x2xi8>, tensor<2x1xf16> -> tensor<3x2xf32>
  return
}

// -----

// X3
func.func @f(%x: tensor<3x4xf32>, %c: tensor<2x2xi8>, %s: tensor<2x1xf16>) {
  // expected-error@below {{expected equal leading dimensions}}
  %y = terse.qlinear <i4, scale = f16, zero = none> %x, %c, %s : tensor<3x4xf32>, tensor<2x2xi8>, tensor<2x1xf16> -> tensor<4x2xf32>
  return
}

// -----

// X4
func.func @f(%x: tensor<3x4xf32>, %c: tensor<2x2xi8>, %s: tensor<2x1xf16>, %b: tensor<3xf32>) {
  // expected-error@below {{expected a bias of shape [2]}}
  %y = terse.qlinear <i4, scale = f16, zero = none> %x, %c, %s bias %b : tensor<3xf32> : tensor<3x4xf32>, tensor<2x2xi8>, tensor<2x1xf16> -> tensor<3x2xf32>
  return
}

// -----

// scheme
// expected-error@below {{expected storage of 2, 3, 4 or 8 bits; got 5}}
func.func private @f() attributes {s = #terse.scheme<i5, scale = f16, zero = none>}

// -----

// scheme
// expected-error@below {{expected a signless storage type}}
func.func private @f() attributes {s = #terse.scheme<si4, scale = f16, zero = none>}

// -----

// scheme
// expected-error@below {{expected a positive group size; got -1}}
func.func private @f() attributes {s = #terse.scheme<i4, group = -1, scale = f16, zero = none>}

// -----

// scheme
// expected-error@below {{expected scales of type f16, bf16, f32 or i8; got}}
func.func private @f() attributes {s = #terse.scheme<i4, scale = f64, zero = none>}

// -----

// scheme
// expected-error@below {{expected 4 bits without zero points of codes from a table; got 3 bits, zero = none}}
func.func private @f() attributes {s = #terse.scheme<i3, scale = f16, zero = none, codebook = nf4>}

// -----

// scheme
// expected-error@below {{expected 4 bits without zero points of codes from a table; got 4 bits, zero = integer}}
func.func private @f() attributes {s = #terse.scheme<i4, scale = f16, zero = integer, codebook = nf4>}

// -----

// O1
func.func @f(%x: tensor<3x?xf32>) {
  // expected-error@below {{expected a static number of channels; got 'tensor<3x?xf32>'}}
  %0 = terse.rotate %x : tensor<3x?xf32>
  return
}

// -----

// O2
func.func @f(%x: tensor<3x6xf32>) {
  // expected-error@below {{expected a block that divides 6; got 4}}
  %0 = terse.rotate %x {block = 4 : i64} : tensor<3x6xf32>
  return
}

// -----

// B1
func.func @f(%c: tensor<1x2x5x8xi8>, %u: tensor<1x3x8xf32>, %p: index) {
  // expected-error@below {{expected bits of 4 or 8; got 5}}
  %y = terse.cache_update %c, %u at %p {bits = 5 : i64} : tensor<1x2x5x8xi8>, tensor<1x3x8xf32>
  return
}

// -----

// B2
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x2x5x4xf32>, %v: tensor<1x2x5x8xi8>, %n: index) {
  // expected-error@below {{expected value_bits exactly with a cache of i8; got 'tensor<1x2x5x8xi8>'}}
  %y = terse.attention %q, %k, %v length %n {num_heads = 2 : i64, scale = 1.0 : f64} : tensor<1x3x8xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x8xi8> -> tensor<1x3x8xf32>
  return
}

// -----

// B3
func.func @f(%c: tensor<1x2x5x4xi8>, %u: tensor<1x3x8xf32>, %p: index) {
  // expected-error@below {{expected rows of more than 4 bytes; got 'tensor<1x2x5x4xi8>'}}
  %y = terse.cache_update %c, %u at %p {bits = 8 : i64} : tensor<1x2x5x4xi8>, tensor<1x3x8xf32>
  return
}

// -----

// C3
func.func @f(%c: tensor<1x2x5x8xi8>, %u: tensor<1x3x8xf32>, %p: index) {
  // expected-error@below {{expected update channels of heads times size}}
  %y = terse.cache_update %c, %u at %p {bits = 4 : i64} : tensor<1x2x5x8xi8>, tensor<1x3x8xf32>
  return
}

// -----

// H1
func.func @f(%x: tensor<3x8xf32>) {
  // expected-error@below {{expected an input of shape [batch, sequence, channels] with static channels}}
  %y = terse.quantize_heads %x {bits = 4 : i64, num_heads = 2 : i64} : tensor<3x8xf32>
  return
}

// -----

// H2
func.func @f(%x: tensor<1x3x8xf32>) {
  // expected-error@below {{expected channels to be a multiple of num_heads; got 8 and 3}}
  %y = terse.quantize_heads %x {bits = 4 : i64, num_heads = 3 : i64} : tensor<1x3x8xf32>
  return
}

// -----

// H3
func.func @f(%x: tensor<1x3x8xf32>) {
  // expected-error@below {{expected 4 or 8 bits; got 3}}
  %y = terse.quantize_heads %x {bits = 3 : i64, num_heads = 2 : i64} : tensor<1x3x8xf32>
  return
}
