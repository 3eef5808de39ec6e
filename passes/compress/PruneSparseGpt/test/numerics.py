# RUN: env PYTHONPATH=%source/passes/compress/Pruning/Inputs:%source/test/Inputs %python %s %terse-opt %t
"""SparseGPT against the algorithm as its paper has it (Frantar and Alistarh, 2023) in NumPy float64, by the inverse Hessian; coordinate
descent against the least squares solution."""

import sys

import numpy as np
import pruning

opt, base = sys.argv[1:]
rng = np.random.default_rng(5)


def reference(w, hessian, sparsity, pattern, damping, window=128, rows=32):
    n, k = w.shape
    h = hessian.copy()
    mean, dead = np.mean(np.diag(hessian)), np.diag(hessian) == 0
    h[dead, dead] = mean
    h[~dead, ~dead] += damping * mean
    upper = np.linalg.cholesky(np.linalg.inv(h)).T
    left, result = w.astype(np.float64), np.zeros(w.shape)
    size = pattern[1] if pattern else window
    for begin in range(0, k, size):
        end = min(k, begin + size)
        cost = left[:, begin:end] ** 2 / np.diag(upper)[begin:end] ** 2
        zero = np.zeros(cost.shape, bool)
        step = 1 if pattern else rows
        for row in range(0, n, step):
            part = cost[row:row + step]
            count = end - begin - min(pattern[0], end - begin) if pattern else int(part.size * sparsity + 0.5)
            flat = np.zeros(part.size, bool)
            flat[np.argsort(part.ravel(), kind="stable")[:count]] = True
            zero[row:row + step] = flat.reshape(part.shape)
        for j in range(begin, end):
            result[:, j] = np.where(zero[:, j - begin], 0, left[:, j])
            left[:, j:] -= np.outer((left[:, j] - result[:, j]) / upper[j, j], upper[j, j:])
    return result


for n, k, sparsity, pattern, axis in [(35, 300, 0.5, None, 1), (3, 101, 0.3, None, 0), (40, 99, 0.5, (2, 4), 1), (33, 144, 0.5, (3, 7), 0)]:
    w, hessian = pruning.problem(rng, n, k, 2 * k, dead=(5,))
    options = (f"pattern={pattern[0]}:{pattern[1]}" if pattern else f"sparsity={sparsity}") + " damping=0.02"
    name = "terse-prune-sparsegpt"
    once, _ = pruning.run(opt, base, name, w, hessian, options + " sweeps=0", axis)
    wanted = reference(w, hessian, sparsity, pattern, 0.02)
    assert ((once == 0) == (wanted == 0)).mean() > 0.999 and np.abs(once - wanted)[(once == 0) == (wanted == 0)].max() < 1e-2, (n, k)
    before = pruning.cost(w - once, hessian)
    assert abs(before - pruning.cost(w - wanted, hessian)) < 0.01 * before

    some, facts = pruning.run(opt, base, name, w, hessian, options, axis)
    many, _ = pruning.run(opt, base, name, w, hessian, options + " sweeps=3000", axis)
    assert ((some == 0) == (once == 0)).all()
    after, best = pruning.cost(w - some, hessian), pruning.cost(w - many, hessian)
    assert best <= after * (1 + 1e-6) and after < 0.9 * before, (before, after, best)
    whole = pruning.cost(w, hessian)
    assert abs(float(facts["output-error"]) - np.sqrt(after / whole)) < 1e-3

    # The least squares solution with these zeros.
    least = 0
    for row, values in zip(w.astype(np.float64), once):
        kept = np.flatnonzero(values)
        solved = np.linalg.lstsq(hessian[np.ix_(kept, kept)], hessian[kept] @ row, rcond=None)[0]
        error = row.copy()
        error[kept] -= solved
        least += error @ hessian @ error
    assert least * 0.999 < best < 1.02 * least, (best, least)
print("ok")
