"""The terse dialect's operations in NumPy, in float64, written from their definitions."""
import numpy as np
from math import erf, sqrt, tanh


def linear(x, w, bias=None, reduction_axis=1):
    y = x.astype(np.float64) @ (w.astype(np.float64).T if reduction_axis == 1 else w.astype(np.float64))
    return y if bias is None else y + bias


def norm(kind, x, scale, bias=None, epsilon=1e-5):
    x = x.astype(np.float64)
    if kind == "layer":
        x = x - x.mean(-1, keepdims=True)
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * scale
    return y if bias is None else y + bias


def softmax(x, axis):
    e = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def activation(kind, x):
    x = x.astype(np.float64)
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    return {"relu": lambda: np.maximum(x, 0),
            "silu": lambda: x * sigmoid(x),
            "sigmoid": lambda: sigmoid(x),
            "gelu": lambda: x / 2 * (1 + np.vectorize(erf)(x / sqrt(2))),
            "gelu_tanh": lambda: x / 2 * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))),
            "quick_gelu": lambda: x * sigmoid(1.702 * x)}[kind]()


def quantize_heads(x, heads, bits):
    """Each head of each token of x [B, S, heads * D] on a grid of its own: an f16 low and an f16 scale."""
    values = x.reshape(*x.shape[:2], heads, -1).astype(np.float32)
    half = lambda v: np.clip(v, -65504, 65504).astype(np.float16).astype(np.float32)
    low = half(values.min(-1, keepdims=True))
    scale = half((values.max(-1, keepdims=True) - low) / np.float32(2 ** bits - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        codes = np.clip(np.nan_to_num(np.round((values - low) / scale), nan=0), 0, 2 ** bits - 1)
    return (low + codes * scale).reshape(x.shape).astype(x.dtype)


def embedding(ids, table):
    rows = np.clip(np.where(ids < 0, ids + len(table), ids), 0, len(table) - 1)
    return table[rows]


def rope(x, cos, sin, num_heads, interleaved=False):
    batch, tokens, channels = x.shape
    half = cos.shape[-1]
    y = x.astype(np.float64).reshape(batch, tokens, num_heads, channels // num_heads).copy()
    first = np.arange(half) * 2 if interleaved else np.arange(half)
    second = first + 1 if interleaved else first + half
    a, b = y[..., first].copy(), y[..., second].copy()
    c, s = cos[:, :, None].astype(np.float64), sin[:, :, None].astype(np.float64)
    y[..., first] = a * c - b * s
    y[..., second] = b * c + a * s
    return y.reshape(x.shape)


def attention(q, k, v, length, num_heads, scale, padding=None, bias=None, causal=False, window=None, softcap=None, starts=None,
              slopes=None, sinks=None):
    batch, tokens, _ = q.shape
    kv_heads, size, value_size = k.shape[1], k.shape[3], v.shape[3]
    y = np.zeros((batch, tokens, num_heads * value_size))
    for b in range(batch):
        for h in range(num_heads):
            kv = h // (num_heads // kv_heads)
            for i in range(tokens):
                position = (length - tokens if starts is None else int(starts[b])) + i
                scores = np.full(length, -np.inf)
                for t in range(length):
                    if causal and (t > position or (window is not None and t <= position - window)):
                        continue
                    if padding is not None and not padding[b, t]:
                        continue
                    s = scale * float(q[b, i, h * size:(h + 1) * size].astype(np.float64) @ k[b, kv, t].astype(np.float64))
                    if softcap:
                        s = softcap * tanh(s / softcap)
                    if bias is not None:
                        at = [0 if n == 1 else j for n, j in zip(bias.shape, (b, h, i, t))]
                        s += float(bias[tuple(at)])
                    if slopes is not None:
                        s += float(slopes[h]) * (t - position)
                    scores[t] = s
                if np.isneginf(scores).all():
                    continue
                highest = scores.max() if sinks is None else max(scores.max(), sinks[h])
                p = np.exp(scores - highest)
                total = p.sum() + (0 if sinks is None else np.exp(np.float64(sinks[h]) - highest))
                y[b, i, h * value_size:(h + 1) * value_size] = (p / total) @ v[b, kv, :length].astype(np.float64)
    return y


def pack_codes(codes, bits):
    """[N, K] codes 0 .. 2^bits - 1 to rows of little-endian bit streams."""
    rows, columns = codes.shape
    packed = np.zeros((rows, (columns * bits + 7) // 8), np.uint8)
    for n in range(rows):
        for k in range(columns):
            for j in range(bits):
                at = k * bits + j
                packed[n, at // 8] |= ((int(codes[n, k]) >> j) & 1) << (at % 8)
    return packed


def dequantize(codes, scales, zeros, bits, group):
    at = np.arange(codes.shape[1]) // group
    zero = zeros.astype(np.float64)[:, at] if zeros is not None else 2.0 ** (bits - 1)
    return (codes - zero) * scales.astype(np.float64)[:, at]


def quantize_dynamic(x, bits=8):
    x = x.astype(np.float32)
    scale = (np.abs(x).max(-1, keepdims=True) / np.float32(2 ** (bits - 1) - 1)).astype(np.float32)
    safe = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.where(scale == 0, 0, np.round(x / safe).astype(np.float64) * scale)


def rotation_matrix(n):
    """The orthogonal matrix of `terse.rotate` for n channels, by its definition."""
    powers = (n & -n).bit_length() - 1
    odd = n >> powers

    def is_prime(q):
        return q > 1 and all(q % i for i in range(2, int(q**0.5) + 1))

    def sylvester(order):
        h = np.ones((1, 1))
        while len(h) < order:
            h = np.block([[h, h], [h, -h]])
        return h

    def conference(q):
        squares = {i * i % q for i in range(1, q)}
        jacobsthal = np.array([[0 if i == j else 1 if (i - j) % q in squares else -1 for j in range(q)] for i in range(q)])
        border = 1 if q % 4 == 1 else -1
        return np.block([[np.zeros((1, 1)), np.ones((1, q))], [border * np.ones((q, 1)), jacobsthal]])

    def paley(order):
        if (order - 1) % 4 == 3 and is_prime(order - 1):
            return np.eye(order) + conference(order - 1)
        if (order // 2 - 1) % 4 == 1 and is_prime(order // 2 - 1):
            return np.kron(conference(order // 2 - 1), [[1, 1], [1, -1]]) + np.kron(np.eye(order // 2), [[1, -1], [-1, -1]])
        return None

    candidates = [h for h in map(paley, [odd << k for k in range(2, min(powers, 5) + 1)]) if h is not None]
    if odd == 1:
        factor = sylvester(min(n, 16)) / np.sqrt(min(n, 16))
    elif candidates:
        factor = candidates[0] / np.sqrt(len(candidates[0]))
    else:
        row, column = np.mgrid[:odd, :odd]
        factor = np.sqrt(np.where(column, 2, 1) / odd) * np.cos(np.pi * (2 * row + 1) * column / (2 * odd))
    count = n // len(factor)
    matrix = np.kron(sylvester(count) / np.sqrt(count), factor)
    assert np.allclose(matrix @ matrix.T, np.eye(n))
    return matrix
