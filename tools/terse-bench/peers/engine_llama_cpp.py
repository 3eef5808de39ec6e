"""llama.cpp through llama-cpp-python's low-level interface, every weight in one type."""
import ctypes
import os
import subprocess
import sys

import numpy as np
import llama_cpp

import language
from samples import sample

HERE = os.path.dirname(os.path.abspath(__file__))


class Engine:
    def __init__(self, spec):
        self.spec, self.version, self.note = spec, llama_cpp.__version__, spec["type"]
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(self.file().encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError("llama.cpp could not load the model")
        self.measures, evaluator = language.measures(spec, self.evaluator)
        self.sample = lambda: sample(evaluator()(spec["prompt"], True))

    def file(self):
        wide = os.path.join(self.spec["folder"], "f16.gguf")
        if not os.path.exists(wide):
            subprocess.run([sys.executable, os.path.join(HERE, "decoder.py"), self.spec["onnx"], wide + ".new"], check=True)
            os.rename(wide + ".new", wide)
        path = os.path.join(self.spec["folder"], self.spec["type"] + ".gguf")
        if self.spec["type"] == "F16":
            return wide
        if not os.path.exists(path):
            options = llama_cpp.llama_model_quantize_default_params()
            options.ftype = getattr(llama_cpp, {"F32": "LLAMA_FTYPE_ALL_F32"}.get(self.spec["type"], "LLAMA_FTYPE_MOSTLY_" + self.spec["type"]))
            options.pure, options.nthread = True, self.spec["threads"]
            if llama_cpp.llama_model_quantize(wide.encode(), (path + ".new").encode(), ctypes.byref(options)):
                raise RuntimeError(f"llama.cpp could not quantize the model to {self.spec['type']}")
            os.rename(path + ".new", path)
        return path

    def evaluator(self, threads):
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = self.spec["context"]
        options.n_threads = options.n_threads_batch = threads
        context = llama_cpp.llama_init_from_model(self.model, options)
        if not context:
            raise RuntimeError("llama.cpp could not make a context")
        memory, vocabulary = llama_cpp.llama_get_memory(context), self.spec["vocabulary"]

        def run(ids, first):
            if first:
                llama_cpp.llama_memory_clear(memory, False)
            tokens = (llama_cpp.llama_token * len(ids))(*ids)
            if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, len(ids))):
                raise RuntimeError("llama.cpp could not run the model")
            return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (vocabulary,))
        return run
