// RUN: terse-opt %s --terse-quantize-kv-cache="bits=4" --terse-print-report 2>&1 | FileCheck %s
// RUN: terse-opt %s --terse-quantize-kv-cache="key-bits=8 value-bits=4 rotate-keys" | FileCheck %s --check-prefix=ROTATE
// RUN: terse-opt %s --terse-quantize-kv-cache --terse-integerize --terse-print-report 2>&1 | FileCheck %s --check-prefix=CODES
// RUN: not terse-opt %s --terse-quantize-kv-cache="bits=6" 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not terse-opt %s --terse-quantize-kv-cache="value-bits=3" 2>&1 | FileCheck %s --check-prefix=VALUE-BITS

// BITS: terse-quantize-kv-cache: expected bits to be 8 or 4; got 6
// VALUE-BITS: terse-quantize-kv-cache: expected value-bits to be 8 or 4; got 3

// Two heads of 4: 2 bytes of codes, 2 of the scale, 2 of the low each. The third cache is an output too.
// CHECK: terse-quantize-kv-cache: caches 2
// CHECK: terse-quantize-kv-cache: caches-left 1
// CHECK: terse-quantize-kv-cache: left-because something else than attention with a kernel reads it
// CHECK: terse-quantize-kv-cache: bytes-per-token 24
// CHECK: terse-quantize-kv-cache: bytes-per-token-before 64

// CODES: terse-integerize: caches-integerized 2
// CODES-LABEL: func.func @forward
// CODES-SAME: %[[KEYS:[a-z0-9]*]]: tensor<?x2x?x8xi8> {terse.dims = ["1", "2", "capacity", "8"], terse.state = "k"}
// CODES-SAME: tensor<?x2x?x8xi8> {terse.state = "v"}
// CODES-SAME: -> (tensor<?x?x8xf32>, tensor<?x2x?x8xi8> {terse.dims = ["1", "2", "capacity", "8"], terse.state = "k"}
// CODES: terse.cache_update %[[KEYS]], %{{.*}} at %{{.*}} {bits = 8 : i64} : tensor<?x2x?x8xi8>, tensor<?x?x8xf32>
// CODES: terse.cache_update %{{.*}} {bits = 8 : i64}
// CODES: terse.attention %{{.*}} {key_bits = 8 : i64, num_heads = 2 : i64, scale = 5.000000e-01 : f64, value_bits = 8 : i64}
// CODES-NOT: quantize_heads

// CHECK-LABEL: func.func @forward
// CHECK-SAME: (%[[KEYS:[a-z0-9]*]]: tensor{{.*}}, %[[VALUES:[a-z0-9]*]]: tensor<?x2x?x4xf32> {terse.state = "v"}, %[[SEEN:[a-z0-9]*]]: {{.*}}, %[[Q:[a-z0-9]*]]: tensor<?x?x8xf32>
// CHECK: %[[KR:.*]] = terse.quantize_heads %[[Q]] {bits = 4 : i64, num_heads = 2 : i64} : tensor<?x?x8xf32>
// CHECK: terse.cache_update %[[KEYS]], %[[KR]]
// CHECK: %[[VR:.*]] = terse.quantize_heads %[[Q]] {bits = 4 : i64, num_heads = 2 : i64}
// CHECK: terse.cache_update %[[VALUES]], %[[VR]]
// CHECK: terse.cache_update %[[SEEN]], %[[Q]]

// Queries and keys are rotated alike.
// ROTATE-LABEL: func.func @forward
// ROTATE: %[[KT:.*]] = terse.rotate %[[Q:.*]] {block = 4 : i64} : tensor<?x?x8xf32>
// ROTATE: terse.quantize_heads %[[KT]] {bits = 8 : i64
// ROTATE: terse.quantize_heads %[[Q]] {bits = 4 : i64
// ROTATE: %[[QT:.*]] = terse.rotate %[[Q]] {block = 4 : i64}
// ROTATE: terse.attention %[[QT]],
func.func @forward(%keys: tensor<?x2x?x4xf32> {terse.state = "k", terse.dims = ["1", "2", "capacity", "4"]}, %values: tensor<?x2x?x4xf32> {terse.state = "v"},
                   %seen: tensor<?x2x?x4xf32> {terse.state = "s"}, %q: tensor<?x?x8xf32>, %past: index, %length: index)
    -> (tensor<?x?x8xf32>, tensor<?x2x?x4xf32> {terse.state = "k", terse.dims = ["1", "2", "capacity", "4"]}, tensor<?x2x?x4xf32> {terse.state = "v"},
        tensor<?x2x?x4xf32> {terse.state = "s"}, tensor<?x2x?x4xf32>) {
  %k = terse.cache_update %keys, %q at %past : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  %v = terse.cache_update %values, %q at %past : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  %s = terse.cache_update %seen, %q at %past : tensor<?x2x?x4xf32>, tensor<?x?x8xf32>
  %y = terse.attention %q, %k, %v length %length {num_heads = 2 : i64, scale = 0.5 : f64} : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %y, %k, %v, %s, %s : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
