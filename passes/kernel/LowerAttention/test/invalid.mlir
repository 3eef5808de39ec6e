// RUN: terse-opt %s --terse-lower-attention -split-input-file -verify-diagnostics

// One order of bytes does not serve keys and values.
func.func @forward(%cache: tensor<?x2x?x8xi8> {terse.state = "c"}, %q: tensor<?x?x8xf32>, %p: index, %n: index) -> (tensor<?x?x8xf32>, tensor<?x2x?x8xi8> {terse.state = "c"}) {
  %c = terse.cache_update %cache, %q at %p {bits = 8 : i64} : tensor<?x2x?x8xi8>, tensor<?x?x8xf32>
  // expected-error@below {{expected the quantized cache of keys to be state that nothing else reads, and sizes and elements that there is a kernel for}}
  %y = terse.attention %q, %c, %c length %n {key_bits = 8 : i64, num_heads = 2 : i64, scale = 0.5 : f64, value_bits = 8 : i64} : tensor<?x?x8xf32>, tensor<?x2x?x8xi8>, tensor<?x2x?x8xi8> -> tensor<?x?x8xf32>
  return %y, %c : tensor<?x?x8xf32>, tensor<?x2x?x8xi8>
}

// -----

// A cache that is no state.
func.func @forward(%k: tensor<?x2x?x8xi8>, %v: tensor<?x2x?x4xf32>, %q: tensor<?x?x8xf32>, %n: index) -> tensor<?x?x8xf32> {
  // expected-error@below {{expected the quantized cache of keys to be state that nothing else reads}}
  %y = terse.attention %q, %k, %v length %n {key_bits = 8 : i64, num_heads = 2 : i64, scale = 0.5 : f64} : tensor<?x?x8xf32>, tensor<?x2x?x8xi8>, tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}
