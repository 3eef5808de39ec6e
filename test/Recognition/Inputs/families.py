"""Small models of the well-known families, in the single operators that exporters write, with random weights."""
import numpy as np
from onnx import TensorProto

from decoders import VOCABULARY, Graph, heads_first, layer_norm, merged, past_inputs

F, I64 = TensorProto.FLOAT, TensorProto.INT64
LOWEST = np.float32(np.finfo(np.float32).min)


def vector(g, size, around=0.0):
    return g.constant(around + 0.1 * g.rng.standard_normal(size))


#===--- Norms ---===#
def onnx_norm(g, x, size):
    return g.LayerNormalization(x, vector(g, size, 1), vector(g, size), axis=-1, epsilon=1e-5)


def no_parameters(g, x, size):
    """OLMo."""
    return g.LayerNormalization(x, g.constant(np.ones(size)), g.constant(np.zeros(size)), axis=-1, epsilon=1e-5)


def moments(g, x, size):
    """The variance is the mean of squares less the square of the mean."""
    mean = g.ReduceMean(x, axes=[-1], keepdims=1)
    variance = g.Sub(g.ReduceMean(g.Mul(x, x), axes=[-1], keepdims=1), g.Mul(mean, mean))
    return g.Add(g.Mul(g.Mul(g.Sub(x, mean), g.Reciprocal(g.Sqrt(g.Add(variance, np.float32(1e-5))))), vector(g, size, 1)), vector(g, size))


def scale_only(g, x, size):
    """Cohere: no bias."""
    centered = g.Sub(x, g.ReduceMean(x, axes=[-1], keepdims=1))
    variance = g.ReduceMean(g.Pow(centered, np.float32(2)), axes=[-1], keepdims=1)
    return g.Mul(vector(g, size, 1), g.Mul(centered, g.Reciprocal(g.Sqrt(g.Add(variance, np.float32(1e-5))))))


def rms(g, x, size):
    return g.Mul(vector(g, size, 1), g.Mul(x, g.Reciprocal(g.Sqrt(g.Add(g.ReduceMean(g.Pow(x, np.float32(2)), axes=[-1], keepdims=1), np.float32(1e-6))))))


def rms_plus_one(g, x, size):
    """Gemma: the scale is 1 + w."""
    normal = g.Mul(x, g.Reciprocal(g.Sqrt(g.Add(g.ReduceMean(g.Pow(x, np.float32(2)), axes=[-1], keepdims=1), np.float32(1e-6)))))
    return g.Mul(normal, g.Add(vector(g, size), np.float32(1)))


#===--- Feed-forward ---===#
def erf_gelu(g, x):
    return g.Mul(g.Mul(x, g.Add(g.Erf(g.Div(x, np.float32(np.sqrt(2)))), np.float32(1))), np.float32(0.5))


def tanh_gelu(g, x):
    cube = g.Add(x, g.Mul(g.Pow(x, np.float32(3)), np.float32(0.044715)))
    return g.Mul(g.Mul(x, np.float32(0.5)), g.Add(g.Tanh(g.Mul(cube, np.float32(np.sqrt(2 / np.pi)))), np.float32(1)))


def bloom_gelu(g, x):
    inner = g.Mul(g.Mul(x, np.float32(0.79788456)), g.Add(g.Mul(g.Mul(x, np.float32(0.044715)), x), np.float32(1)))
    return g.Mul(g.Mul(x, np.float32(0.5)), g.Add(g.Tanh(inner), np.float32(1)))


def quick_gelu(g, x):
    return g.Mul(x, g.Sigmoid(g.Mul(x, np.float32(1.702))))


def silu(g, x):
    return g.Mul(x, g.Sigmoid(x))


def feed_forward(activation, bias=True):
    return lambda g, x, width: g.linear(activation(g, g.linear(x, width, 2 * width, bias)), 2 * width, width, bias)


def gated(activation):
    return lambda g, x, width: g.linear(g.Mul(activation(g, g.linear(x, width, 2 * width)), g.linear(x, width, 2 * width)), 2 * width, width)


#===--- Positions ---===#
def rotary(pairs, interleaved=False, scaling=None):
    """Rotation of the first 2 * pairs elements of each head; `scaling` turns frequencies and says by what cos and sin are scaled."""

    def angles(g, state):
        if "angles" not in state:
            frequency, factor = (10000.0 ** (-np.arange(pairs) / pairs)).astype(np.float32), 1.0
            if scaling == "llama3":
                frequency = np.where(frequency > 0.1, frequency, np.where(frequency > 0.01, frequency / 3, frequency / 8)).astype(np.float32)
            if scaling == "yarn":
                ramp = np.clip(np.arange(pairs) / pairs * 2 - 0.5, 0, 1)
                frequency, factor = (frequency * (1 - ramp) + frequency / 4 * ramp).astype(np.float32), 1.14
            frequency = frequency.reshape(1, pairs, 1)
            if scaling == "longrope":  # other factors for long texts
                factor = 1.19
                long = g.Greater(state["total"], np.array(8, np.int64))
                frequency = g.Where(long, frequency / np.linspace(1, 3, pairs).astype(np.float32).reshape(1, pairs, 1), frequency)
            place = g.Cast(g.unsqueeze(state["positions"], 1), to=F)
            product = g.Transpose(g.MatMul(frequency, place), perm=[0, 2, 1])
            both = g.Concat(product, product, axis=-1)
            state["angles"] = [g.unsqueeze(g.Mul(f(both), np.float32(factor)), 1) for f in (g.Cos, g.Sin)]
            state["halves"] = [g.unsqueeze(g.Mul(f(product), np.float32(factor)), 1) for f in (g.Cos, g.Sin)]
        return state["halves" if interleaved else "angles"]

    def rotate(g, x, state):
        cos, sin = angles(g, state)
        size = state["size"]
        turned = x if 2 * pairs == size else g.slice(x, 0, 2 * pairs, 3)
        if interleaved:
            even, odd = g.slice(turned, 0, 1 << 62, 3, 2), g.slice(turned, 1, 1 << 62, 3, 2)
            parts = g.Sub(g.Mul(even, cos), g.Mul(odd, sin)), g.Add(g.Mul(even, sin), g.Mul(odd, cos))
            both = g.Concat(*(g.unsqueeze(p, 4) for p in parts), axis=-1)
            turned = g.Reshape(both, np.array([0, 0, 0, 2 * pairs], np.int64))
        else:
            low, high = g.slice(turned, 0, pairs, 3), g.slice(turned, pairs, 1 << 62, 3)
            turned = g.Add(g.Mul(turned, cos), g.Mul(g.Concat(g.Neg(high), low, axis=-1), sin))
        return turned if 2 * pairs == size else g.Concat(turned, g.slice(x, 2 * pairs, 1 << 62, 3), axis=-1)

    return rotate


def slopes(heads):
    return (2.0 ** (-8 * np.arange(1, heads + 1) / heads)).astype(np.float32)


def bloom_alibi(g, state):
    """Slopes times the position among what is not padding."""
    place = g.Cast(g.Mul(g.Sub(g.CumSum(state["mask"], np.array(-1, np.int64)), np.array(1, np.int64)), state["mask"]), to=F)
    return g.unsqueeze(g.Mul(g.unsqueeze(place, 1), slopes(state["heads"]).reshape(1, -1, 1)), 2)


def mpt_alibi(g, state):
    """Slopes times the distance to the last key."""
    place = g.Cast(g.Sub(g.range(0, state["total"]), g.Sub(state["total"], np.array(1, np.int64))), to=F)
    return g.Mul(g.unsqueeze(place, 0, 1, 2), slopes(state["heads"]).reshape(1, -1, 1, 1))


#===--- Masks, as [B, 1, S, T] of 0 and very low numbers ---===#
def causal(g, state, window=None):
    name = f"mask {window}"
    if name not in state:
        query, key = g.unsqueeze(state["places"], 1), g.unsqueeze(g.range(0, state["total"]), 0)
        hidden = g.Greater(key, query)
        if window:
            hidden = g.Or(hidden, g.LessOrEqual(key, g.Sub(query, np.array(window, np.int64))))
        bias = g.unsqueeze(g.Where(hidden, LOWEST, np.float32(0)), 0, 1)
        padding = g.Mul(g.Sub(np.float32(1), g.Cast(g.unsqueeze(state["mask"], 1, 2), to=F)), LOWEST)
        shape = g.vector(state["batch"], 1, state["tokens"], state["total"])
        masked = g.Equal(g.Add(g.Expand(bias, shape), padding), np.float32(0))
        state[name] = g.Where(masked, np.float32(0), LOWEST)
    return state[name]


def decoder(heads=4, kv=None, size=8, width=32, layers=2, norm=rms, mlp=gated(silu), rotate=None, alibi=None, window=None, bias=False, qk_norm=None,
            softcap=None, final_softcap=None, parallel=False, embed_scale=None, tied=False, cache=True, fused=False, post_norm=False, scale=None,
            learned=False, logit_scale=None, shared_norm=False, seed=1):
    g = Graph(seed)
    kv = kv or heads
    ids, mask = g.input("input_ids", ["batch", "sequence"]), g.input("attention_mask", ["batch", "total" if cache else "sequence"])
    batch, tokens = g.dim(ids, 0), g.dim(ids, 1)
    state = {"batch": batch, "tokens": tokens, "mask": mask, "heads": heads, "size": size}
    pasts = [past_inputs(g, layer, kv, size) for layer in range(layers)] if cache else None
    before = g.dim(pasts[0][0], 2) if cache else g.constant(np.array(0, np.int64))
    state["total"] = g.Add(before, tokens) if cache else tokens
    state["places"] = g.range(before, state["total"])
    state["positions"] = g.unsqueeze(state["places"], 0)
    table = g.weight(VOCABULARY, width, scale=1.0)
    x = g.Gather(table, ids, axis=0)
    if embed_scale:
        x = g.Mul(x, np.float32(embed_scale))
    if learned:  # OPT: positions count what is not padding, two rows further on
        place = g.Sub(g.Mul(g.CumSum(mask, np.array(1, np.int64)), mask), np.array(1, np.int64))
        place = g.Slice(place, g.unsqueeze(before, 0), np.array([1 << 62], np.int64), np.array([1], np.int64)) if cache else place
        x = g.Add(x, g.Gather(g.weight(64, width, scale=0.5), g.Add(place, np.array(2, np.int64)), axis=0))

    def attention(x, layer):
        if fused:
            q, k, v = g.Split(g.linear(x, width, (heads + 2 * kv) * size, bias), np.array([heads * size, kv * size, kv * size], np.int64), axis=2, outputs=3)
        else:
            q, k, v = (g.linear(x, width, n * size, bias) for n in (heads, kv, kv))
        q, k, v = (heads_first(g, part, batch, tokens, n, size) for part, n in ((q, heads), (k, kv), (v, kv)))
        if qk_norm:
            q, k = qk_norm(g, q, size), qk_norm(g, k, size)
        if rotate:
            q, k = rotate(g, q, state), rotate(g, k, state)
        if cache:
            k, v = (g.Concat(past, new, axis=2) for past, new in zip(pasts[layer], (k, v)))
            state.setdefault("presents", []).extend((part, f"present.{layer}.{kind}") for part, kind in ((k, "key"), (v, "value")))
        if kv != heads:
            shape = g.vector(batch, kv, heads // kv, state["total"], size)
            k, v = (g.Reshape(g.Expand(g.unsqueeze(part, 2), shape), g.vector(batch, heads, state["total"], size)) for part in (k, v))
        scores = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(scale or size ** -0.5))
        if softcap:
            scores = g.Mul(g.Tanh(g.Div(scores, np.float32(softcap))), np.float32(softcap))
        if alibi:
            scores = g.Add(scores, alibi(g, state))
        scores = g.Add(scores, causal(g, state, window(layer) if window else None))
        y = merged(g, g.MatMul(g.Softmax(scores, axis=-1), v), batch, tokens, heads * size)
        return g.linear(y, heads * size, width, bias)

    for layer in range(layers):
        normal = norm(g, x, width)
        y = attention(normal, layer)
        if parallel:
            x = g.Add(g.Add(x, y), mlp(g, normal if shared_norm else norm(g, x, width), width))
            continue
        x = g.Add(x, norm(g, y, width) if post_norm else y)
        y = mlp(g, norm(g, x, width), width)
        x = g.Add(x, norm(g, y, width) if post_norm else y)
    x = norm(g, x, width)
    logits = g.MatMul(x, g.Transpose(table, perm=[1, 0])) if tied else g.linear(x, width, VOCABULARY)
    if logit_scale:
        logits = g.Mul(logits, np.float32(logit_scale))
    if final_softcap:
        logits = g.Mul(g.Tanh(g.Div(logits, np.float32(final_softcap))), np.float32(final_softcap))
    g.output(logits, "logits", ["batch", "sequence", VOCABULARY])
    for value, name in state.get("presents", []):
        g.output(value, name, ["batch", kv, "total", size])
    return g.model()


#: name: (options, attentions, rotations, biased attentions, states, norms, activations, layers with weights)
DECODERS = {
    "gptneox": (dict(norm=onnx_norm, mlp=feed_forward(erf_gelu), rotate=rotary(2), parallel=True, fused=True, bias=True), 2, 4, 0, 4, 5, 2, 9),
    "falcon": (dict(norm=layer_norm, mlp=feed_forward(erf_gelu, False), kv=1, rotate=rotary(4), parallel=True, shared_norm=True, fused=True, cache=False), 2, 4, 0, 4, 3, 2, 9),
    "opt": (dict(norm=moments, mlp=feed_forward(lambda g, x: g.Relu(x)), bias=True, learned=True), 2, 0, 0, 4, 5, 2, 13),
    "bloom": (dict(norm=onnx_norm, mlp=feed_forward(bloom_gelu), alibi=bloom_alibi, bias=True, fused=True), 2, 0, 2, 4, 5, 2, 9),
    "mpt": (dict(norm=onnx_norm, mlp=feed_forward(erf_gelu, False), alibi=mpt_alibi, fused=True), 2, 0, 0, 4, 5, 2, 9),
    "gemma2": (dict(norm=rms_plus_one, mlp=gated(tanh_gelu), kv=2, rotate=rotary(4), window=lambda layer: None if layer % 2 else 5, softcap=3.0, final_softcap=5.0,
                    embed_scale=5.66, post_norm=True, scale=0.4, tied=True), 2, 4, 0, 4, 9, 2, 15),
    "gemma3": (dict(norm=rms_plus_one, mlp=gated(tanh_gelu), kv=1, rotate=rotary(4), window=lambda layer: None if layer % 2 else 5, qk_norm=rms_plus_one,
                    embed_scale=5.66, post_norm=True, tied=True, cache=False), 2, 4, 0, 4, 13, 2, 15),
    "qwen2": (dict(kv=2, rotate=rotary(4), bias=True, tied=True), 2, 4, 0, 4, 5, 2, 15),
    "qwen3": (dict(kv=2, size=12, rotate=rotary(6, scaling="yarn"), qk_norm=rms), 2, 4, 0, 4, 9, 2, 15),
    "phi2": (dict(norm=layer_norm, mlp=feed_forward(tanh_gelu), rotate=rotary(2), parallel=True, shared_norm=True, bias=True), 2, 4, 0, 4, 3, 2, 13),
    "phi3": (dict(kv=2, rotate=rotary(4, scaling="longrope"), fused=True, window=lambda layer: 6), 2, 4, 0, 4, 5, 2, 11),
    "stablelm": (dict(norm=onnx_norm, rotate=rotary(1), mlp=gated(silu)), 2, 4, 0, 4, 5, 2, 15),
    "cohere": (dict(norm=scale_only, kv=2, rotate=rotary(4, interleaved=True), parallel=True, shared_norm=True, logit_scale=0.25, tied=True), 2, 4, 0, 4, 3, 2, 15),
    "olmo": (dict(norm=no_parameters, rotate=rotary(4, scaling="llama3")), 2, 4, 0, 4, 5, 2, 15),
    "quick": (dict(norm=moments, mlp=feed_forward(quick_gelu), bias=True, learned=True, cache=False), 2, 0, 0, 0, 5, 2, 13),
}


#===--- Encoders, and decoders that read an encoder ---===#
def buckets(g, distance, count, farthest, bidirectional):
    """The bucket of key - query, as T5 has it."""
    offset = np.array(0, np.int64)
    if bidirectional:
        count //= 2
        offset = g.Mul(g.Cast(g.Greater(distance, np.array(0, np.int64)), to=I64), np.array(count, np.int64))
        n = g.Abs(distance)
    else:
        n = g.Neg(g.Min(distance, np.array(0, np.int64)))
    exact = count // 2
    ratio = g.Div(g.Cast(n, to=F), np.float32(exact))
    far = g.Add(g.Cast(g.Mul(g.Div(g.Log(ratio), np.float32(np.log(farthest / exact))), np.float32(count - exact)), to=I64), np.array(exact, np.int64))
    far = g.Min(far, np.array(count - 1, np.int64))
    return g.Add(offset, g.Where(g.Less(n, np.array(exact, np.int64)), n, far))


def relative_bias(g, table, queries, keys, bidirectional):
    """[1, H, S, T] of places [S] and [T]."""
    distance = g.Sub(g.unsqueeze(keys, 0), g.unsqueeze(queries, 1))
    return g.unsqueeze(g.Transpose(g.Gather(table, buckets(g, distance, 8, 20, bidirectional), axis=0), perm=[2, 0, 1]), 0)


def encoder(heads=4, size=8, width=32, layers=2, norm=onnx_norm, mlp=feed_forward(erf_gelu), bias=True, mask="add", post=True, relative=False, scale=None,
            learned=True, shared=False, seed=3):
    """BERT (post), or T5 (relative); `shared`: all layers have the weights of the first (ALBERT)."""
    g = Graph(seed)
    ids, attention_mask = g.input("input_ids", ["batch", "sequence"]), g.input("attention_mask", ["batch", "sequence"])
    batch, tokens = g.dim(ids, 0), g.dim(ids, 1)
    places = g.range(0, tokens)
    x = g.Gather(g.weight(VOCABULARY, width, scale=1.0), ids, axis=0)
    if learned:
        x = g.Add(x, g.Gather(g.weight(64, width, scale=0.5), g.unsqueeze(places, 0), axis=0))
        x = norm(g, x, width)
    low = g.Mul(g.Sub(np.float32(1), g.Cast(g.unsqueeze(attention_mask, 1, 2), to=F)), LOWEST)
    if relative:
        low = g.Add(relative_bias(g, g.weight(8, heads, scale=1.0), places, places, True), low)
    for layer in range(layers):
        if shared:
            g.rng = np.random.default_rng(seed)
        normal = x if post else norm(g, x, width)
        q, k, v = (heads_first(g, g.linear(normal, width, heads * size, bias), batch, tokens, heads, size) for _ in range(3))
        if mask == "where":
            q = g.Div(q, np.float32(np.sqrt(size)))
        scores = g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2]))
        if mask == "where":
            hidden = g.Expand(g.Reshape(g.Equal(attention_mask, np.array(0, np.int64)), g.vector(batch, 1, 1, tokens)), g.Shape(scores))
            scores = g.Where(hidden, LOWEST, scores)
        else:
            scores = g.Add(g.Div(scores, np.float32(np.sqrt(size))) if scale is None else scores, low)
        y = g.linear(merged(g, g.MatMul(g.Softmax(scores, axis=-1), v), batch, tokens, heads * size), heads * size, width, bias)
        x = g.Add(x, y)
        x = norm(g, x, width) if post else x
        y = mlp(g, x if post else norm(g, x, width), width)
        x = g.Add(x, y)
        x = norm(g, x, width) if post else x
    g.output(x if post else norm(g, x, width), "last_hidden_state", ["batch", "sequence", width])
    return g.model()


def reader(heads=4, size=8, width=32, layers=2, norm=rms, mlp=gated(tanh_gelu), relative=True, bias=False, seed=4):
    """The decoder of T5 (relative) or BART, one call after the first: its own cache grows, the encoder's is read."""
    g = Graph(seed)
    ids, mask = g.input("input_ids", ["batch", "sequence"]), g.input("encoder_attention_mask", ["batch", "encoder_sequence"])
    batch, tokens = g.dim(ids, 0), g.dim(ids, 1)
    names = [[f"past_key_values.{layer}.{side}.{kind}" for kind in ("key", "value")] for layer in range(layers) for side in ("decoder", "encoder")]
    pasts = [[g.input(name, ["batch", heads, "past" if i % 2 == 0 else "encoder_sequence", size], F) for name in pair] for i, pair in enumerate(names)]
    before = g.dim(pasts[0][0], 2)
    total = g.Add(before, tokens)
    queries, keys = g.range(before, total), g.range(0, total)
    x = g.Gather(g.weight(VOCABULARY, width, scale=1.0), ids, axis=0)
    hidden = g.Greater(g.unsqueeze(keys, 0), g.unsqueeze(queries, 1))
    causal_mask = g.unsqueeze(g.Where(hidden, LOWEST, np.float32(0)), 0, 1)
    low = g.Mul(g.Sub(np.float32(1), g.Cast(g.unsqueeze(mask, 1, 2), to=F)), LOWEST)
    if relative:
        causal_mask = g.Add(relative_bias(g, g.weight(8, heads, scale=1.0), queries, keys, False), causal_mask)
    else:
        x = g.Add(x, g.Gather(g.weight(64, width, scale=0.5), g.unsqueeze(g.Add(queries, np.array(2, np.int64)), 0), axis=0))
    presents = []
    for layer in range(layers):
        for side in range(2):
            normal = norm(g, x, width)
            count = 3 if side == 0 else 1
            q, *rows = (heads_first(g, g.linear(normal, width, heads * size, bias), batch, tokens, heads, size) for _ in range(count))
            k, v = pasts[2 * layer + side]
            if side == 0:
                k, v = (g.Concat(past, new, axis=2) for past, new in zip((k, v), rows))
                presents += [(part, f"present.{layer}.decoder.{kind}") for part, kind in ((k, "key"), (v, "value"))]
            scores = g.MatMul(q if relative else g.Mul(q, np.float32(size ** -0.5)), g.Transpose(k, perm=[0, 1, 3, 2]))
            scores = g.Add(scores, causal_mask if side == 0 else low)
            y = merged(g, g.MatMul(g.Softmax(scores, axis=-1), v), batch, tokens, heads * size)
            x = g.Add(x, g.linear(y, heads * size, width, bias))
        x = g.Add(x, mlp(g, norm(g, x, width), width))
    g.output(g.linear(norm(g, x, width), width, VOCABULARY), "logits", ["batch", "sequence", VOCABULARY])
    for value, name in presents:
        g.output(value, name, ["batch", heads, "total", size])
    return g.model()


#: name: (make, attentions, rotations, biased attentions, states, norms, activations, layers with weights)
ENCODERS = {
    "bert": (lambda: encoder(), 2, 0, 0, 0, 5, 2, 12),
    "distilbert": (lambda: encoder(norm=layer_norm, mask="where"), 2, 0, 0, 0, 5, 2, 12),
    "albert": (lambda: encoder(norm=layer_norm, mlp=feed_forward(tanh_gelu), shared=True), 2, 0, 0, 0, 5, 2, 12),
    "t5 encoder": (lambda: encoder(norm=rms, mlp=gated(tanh_gelu), bias=False, post=False, relative=True, scale=1, learned=False), 2, 0, 2, 0, 5, 2, 14),
    "t5 decoder": (lambda: reader(), 4, 0, 2, 4, 7, 2, 19),
    "bart decoder": (lambda: reader(norm=onnx_norm, mlp=feed_forward(erf_gelu), relative=False, bias=True), 4, 0, 0, 4, 7, 2, 17),
}
