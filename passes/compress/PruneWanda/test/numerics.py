# RUN: env PYTHONPATH=%source/passes/compress/Pruning/Inputs:%source/test/Inputs %python %s %terse-opt %t
"""Zeros against Wanda's definition (Sun et al., 2023) in NumPy."""

import sys

import numpy as np
import pruning

opt, base = sys.argv[1:]
rng = np.random.default_rng(3)
for n, k, sparsity, pattern, axis in [(35, 96, 0.5, None, 1), (3, 101, 0.3, None, 0), (40, 99, 0.5, (2, 4), 1), (7, 64, 0.5, (1, 8), 0)]:
    w, hessian = pruning.problem(rng, n, k, 2 * k, dead=(5,))
    options = f"pattern={pattern[0]}:{pattern[1]}" if pattern else f"sparsity={sparsity}"
    got, facts = pruning.run(opt, base, "terse-prune-wanda", w, hessian, options, axis)
    scores = np.abs(w) * np.sqrt(np.diag(hessian))
    wanted = w.copy()
    size = pattern[1] if pattern else k
    for begin in range(0, k, size):
        part = scores[:, begin:begin + size]
        zeros = part.shape[1] - min(pattern[0], part.shape[1]) if pattern else round(k * sparsity)
        least = np.argsort(part, axis=1, kind="stable")[:, :zeros]
        np.put_along_axis(wanted[:, begin:begin + size], least, 0, axis=1)
    assert (got == wanted).all(), (n, k, (got != wanted).sum())
    relative = np.sqrt(pruning.cost(w - got, hessian) / pruning.cost(w, hessian))
    assert abs(float(facts["output-error"]) - relative) < 1e-4, (facts, relative)
print("ok")
