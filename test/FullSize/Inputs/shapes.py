"""Shapes of decoders by name."""

SHAPES = {  # width, layers, heads, KV heads, feed-forward, vocabulary
    "tiny": (64, 2, 4, 2, 160, 96),
    "100m": (768, 12, 12, 4, 2048, 16000),
    "1b": (2048, 22, 32, 4, 5632, 32000),
    "7b": (4096, 32, 32, 32, 11008, 32000),
}
FIELDS = ("width", "layers", "heads", "kv_heads", "ffn", "vocabulary")
