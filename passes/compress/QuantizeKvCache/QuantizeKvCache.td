include "mlir/Pass/PassBase.td"

def QuantizeKvCache : Pass<"terse-quantize-kv-cache", "::mlir::ModuleOp"> {
  let summary = "rounds keys and values as they enter the KV cache";
  let description = [{
    The rows that enter a cache are rounded by `terse.quantize_heads`: each head of a token on a grid of its own, asymmetric, of 8 or 4 bits, with an f16 scale
    and an f16 low. That is 8.5 or 4.5 bits a value of heads of 64, of 32 in float. Attention reads what was rounded, also for tokens of the same run.

    A cache that something else than attention reads, whose heads' size does not fill whole bytes, or for which there is no kernel is left, since nothing
    would be saved.

    Keys lose more than values: after rotary embedding a few of their channels are much larger than the others. `rotate-keys` multiplies queries and keys by a
    Hadamard matrix in each head (QuaRot, Ashkboos et al., 2024), which leaves their products as they are; values are rotated by `terse-rotate-hadamard`, offline.

    Facts: `caches`, `caches-left` with `left-because`, `bytes-per-token` of those that were quantized, and `bytes-per-token-before`.

    Example: `--terse-quantize-kv-cache="bits=4"` turns
    ```mlir
    %k = terse.cache_update %keys, %rows at %past ...
    ```
    into
    ```mlir
    %rounded = terse.quantize_heads %rows {bits = 4 : i64, num_heads = 2 : i64} ...
    %k = terse.cache_update %keys, %rounded at %past ...
    ```
  }];
  let options = [
    Option<"bits", "bits", "int64_t", "8", "of keys and values: 8 or 4">,
    Option<"keyBits", "key-bits", "int64_t", "0", "of keys; 0: as bits says">,
    Option<"valueBits", "value-bits", "int64_t", "0", "of values; 0: as bits says">,
    Option<"rotateKeys", "rotate-keys", "bool", "false", "rotate queries and keys, head by head, at run time">
  ];
  let dependentDialects = ["::terse::TerseDialect"];
}
