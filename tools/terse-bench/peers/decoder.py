"""decoder.py ONNX OUT.gguf: a Llama in ONNX, its linear layers with Transformers' names, as a GGUF file in f16 (needs the package gguf).

Norms' epsilon is 1e-5 and rotations have base 10000, as in the models here: the logits below show it where a model has others.
"""
import os
import re
import sys

import numpy as np
import onnx
from onnx import numpy_helper

PROMPT = [1, 29, 7, 41, 3, 86, 19, 55]
EPSILON, BASE = 1e-5, 10000.0
LINEAR = {"attn_q": "q_proj", "attn_k": "k_proj", "attn_v": "v_proj", "attn_output": "o_proj",
          "ffn_gate": "gate_proj", "ffn_up": "up_proj", "ffn_down": "down_proj"}


class Decoder:
    """Sizes of the model, and its weights as they are asked for."""

    def __init__(self, path):
        self.folder, model = os.path.dirname(path), onnx.load(path, load_external_data=False)
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.linear = {}
        for node in model.graph.node:
            found = re.search(r"(?:layers\W(\d+)\W\w+\W(\w+_proj)|(lm_head))\b", node.name)
            if node.op_type == "MatMul" and found and node.input[1] in self.tensors:
                self.linear[found[3] or (int(found[1]), found[2])] = node.input[1]
        caches = {i.name: i.type.tensor_type.shape.dim for i in model.graph.input if re.fullmatch(r"past_key_values\.\d+\.key", i.name)}
        if not caches or "lm_head" not in self.linear or "model.embed_tokens.weight" not in self.tensors:
            raise ValueError("expected a Llama with past keys and values whose layers have Transformers' names")
        self.layers = len(caches)
        self.kv_heads, self.head = (next(iter(caches.values()))[axis].dim_value for axis in (1, 3))
        self.vocabulary, self.width = self.tensors["model.embed_tokens.weight"].dims
        self.heads = self.width // self.head
        self.ffn = self.tensors[self.linear[0, "up_proj"]].dims[1]

    def array(self, name):
        return numpy_helper.to_array(self.tensors[name], self.folder)

    def matrix(self, *key):
        """[K, N]."""
        return self.array(self.linear[key if len(key) > 1 else key[0]])

    def norm_weight(self, name):
        return self.array(name + ".weight").astype(np.float32)

    def logits(self):
        """Behind the last token of PROMPT, in f32."""
        x = self.array("model.embed_tokens.weight")[PROMPT].astype(np.float32)
        count = len(PROMPT)
        angles = np.outer(np.arange(count), BASE ** (-np.arange(0, self.head, 2) / self.head))
        cos, sin = (np.tile(f(angles), 2)[:, None].astype(np.float32) for f in (np.cos, np.sin))
        hidden = np.triu(np.full((count, count), -np.inf, np.float32), 1)

        def norm(x, name):
            return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * self.norm_weight(name)

        def linear(x, *key):
            return x @ self.matrix(*key).astype(np.float32)

        def rotate(x):
            return x * cos + np.concatenate([-x[..., self.head // 2:], x[..., :self.head // 2]], -1) * sin

        for layer in range(self.layers):
            h = norm(x, f"model.layers.{layer}.input_layernorm")
            q, k, v = (linear(h, layer, part + "_proj").reshape(count, -1, self.head) for part in "qkv")
            repeats = self.heads // self.kv_heads
            q, k, v = rotate(q), rotate(k).repeat(repeats, 1), v.repeat(repeats, 1)
            scores = np.einsum("qhd,khd->hqk", q, k) / np.float32(self.head**0.5) + hidden
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            y = np.einsum("hqk,khd->qhd", weights / weights.sum(-1, keepdims=True), v)
            x = x + linear(y.reshape(count, -1), layer, "o_proj")
            h = norm(x, f"model.layers.{layer}.post_attention_layernorm")
            gate = linear(h, layer, "gate_proj")
            x = x + linear(gate / (1 + np.exp(-gate)) * linear(h, layer, "up_proj"), layer, "down_proj")
        return linear(norm(x[-1:], "model.norm"), "lm_head")

    def write_gguf(self, path):
        import gguf
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_context_length(4096)
        writer.add_embedding_length(self.width)
        writer.add_block_count(self.layers)
        writer.add_feed_forward_length(self.ffn)
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_layer_norm_rms_eps(EPSILON)
        writer.add_rope_freq_base(BASE)
        writer.add_rope_dimension_count(self.head)
        writer.add_vocab_size(self.vocabulary)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        writer.add_tokenizer_model("llama")
        writer.add_token_list([b"<unk>", b"<s>", b"</s>"] + [f"<{i}>".encode() for i in range(3, self.vocabulary)])
        writer.add_token_scores([0.0] * self.vocabulary)
        writer.add_token_types([gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
                               + [gguf.TokenType.NORMAL] * (self.vocabulary - 3))

        def add(name, *key, heads=0):
            weight = self.matrix(*key).T
            if heads:  # llama.cpp keeps the halves of a rotated pair side by side
                weight = weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
            writer.add_tensor(name + ".weight", np.ascontiguousarray(weight, np.float16))

        writer.add_tensor("token_embd.weight", self.array("model.embed_tokens.weight").astype(np.float16))
        for layer in range(self.layers):
            for name, norm in (("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")):
                writer.add_tensor(f"blk.{layer}.{name}.weight", self.norm_weight(f"model.layers.{layer}.{norm}"))
            for name, part in LINEAR.items():
                add(f"blk.{layer}.{name}", layer, part, heads={"attn_q": self.heads, "attn_k": self.kv_heads}.get(name, 0))
        writer.add_tensor("output_norm.weight", self.norm_weight("model.norm"))
        add("output", "lm_head")
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


if __name__ == "__main__":
    Decoder(sys.argv[1]).write_gguf(sys.argv[2])
