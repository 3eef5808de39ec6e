"""Modules of one terse.attention, their inputs and what they compute."""
import numpy as np

import reference


def case(rng, batch, heads, kv, size, value_size, capacity, tokens, length, causal=False, window=None, softcap=None, bias=None, padding=False,
         starts=False, slopes=False, sinks=False, element="f32"):
    """(module, inputs, result). `bias` is the shape of one; rows of keys and values from `length` on are not numbers."""
    dtype = {"f32": np.float32, "f16": np.float16}[element]
    normal = lambda *shape: rng.standard_normal(shape).astype(dtype)
    q, k, v = normal(batch, tokens, heads * size), normal(batch, kv, capacity, size), normal(batch, kv, capacity, value_size)
    k[:, :, length:] = np.nan
    v[:, :, length:] = np.nan
    attributes = dict(num_heads=heads, scale=0.4, causal=causal, window=window, softcap=softcap)
    types = [f"tensor<?x?x{heads * size}x{element}>", f"tensor<?x{kv}x?x{size}x{element}>", f"tensor<?x{kv}x?x{value_size}x{element}>"]
    arguments, text, inputs = [], [], [q, k, v, length]

    def give(name, array, type):
        attributes[name] = array
        text.append(f"{name} %{name} : {type}")
        arguments.append(f"%{name}: {type}")
        inputs.append(array)

    if starts:
        give("starts", rng.integers(-1, length - tokens + 1, batch), "tensor<?xi64>")
    if padding:
        read = rng.random((batch, capacity)) < 0.6
        read[0, 1:length] = True
        read[0, 0] = False
        read[-1, length - 2:] = False  # with causal attention some query reads nothing
        give("padding", read, "tensor<?x?xi1>")
    if bias:
        give("bias", normal(*bias), "tensor<" + "".join(f"{n if n == 1 else '?'}x" for n in bias) + f"{element}>")
        attributes["bias"][..., :1] = -np.inf
    if slopes:
        give("slopes", (2.0 ** -np.arange(heads)).astype(np.float32), f"tensor<{heads}xf32>")
    if sinks:
        give("sinks", normal(heads), f"tensor<{heads}x{element}>")
    options = [f"num_heads = {heads} : i64", "scale = 0.4 : f64"] + ["causal"] * causal
    options += [f"window = {window} : i64"] if window else []
    options += [f"softcap = {softcap} : f64"] if softcap else []
    result = f"tensor<?x?x{heads * value_size}x{element}>"
    module = f"""func.func @forward(%q: {types[0]}, %k: {types[1]}, %v: {types[2]}, %n: index{"".join(", " + a for a in arguments)}) -> {result} {{
      %y = terse.attention %q, %k, %v length %n {" ".join(text)} {{{", ".join(options)}}} : {", ".join(types)} -> {result}
      return %y : {result} }}"""
    return module, inputs, reference.attention(q, k, v, length, **attributes).astype(dtype)
