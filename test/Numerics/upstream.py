# RUN: %python %s
"""Upstream operations as importers write them, through buffers, threads and the arena, against NumPy."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from harness import Compiled

rng = np.random.default_rng(11)
x = rng.standard_normal((2, 5, 6)).astype(np.float32)
y = rng.standard_normal((2, 5, 6)).astype(np.float32)
v = rng.standard_normal(6).astype(np.float32)
ids = rng.integers(0, 5, (4, 3))
mask = rng.random((2, 5, 6)) < 0.5
MAPS = "#i = affine_map<(a, b, c) -> (a, b, c)>\n#v = affine_map<(a, b, c) -> (c)>\n"
CASES = []


def case(name, signature, inputs, results, body):
    CASES.append((name, signature, inputs, results, body))


XY = "%x: tensor<?x?x6xf32>, %y: tensor<?x?x6xf32>"
DIMS = """%c0 = arith.constant 0 : index
%c1 = arith.constant 1 : index
%c2 = arith.constant 2 : index
%b = tensor.dim %x, %c0 : tensor<?x?x6xf32>
%s = tensor.dim %x, %c1 : tensor<?x?x6xf32>
"""

case("chain", XY, (x, y), [(("?x?x6xf32"), np.where(x > y, np.exp(x) * y + 2, np.tanh(x)))], """
%e = math.exp %x : tensor<?x?x6xf32>
%m = arith.mulf %e, %y : tensor<?x?x6xf32>
%two = arith.constant 2.0 : f32
%twos = tensor.splat %two[%b, %s] : tensor<?x?x6xf32>
%a = arith.addf %m, %twos : tensor<?x?x6xf32>
%t = math.tanh %x : tensor<?x?x6xf32>
%c = arith.cmpf ogt, %x, %y : tensor<?x?x6xf32>
%r = arith.select %c, %a, %t : tensor<?x?x6xi1>, tensor<?x?x6xf32>
return %r : tensor<?x?x6xf32>""")

case("broadcast", XY + ", %v: tensor<6xf32>", (x, y, v), [("?x?x6xf32", x * v)], """
%o = tensor.empty(%b, %s) : tensor<?x?x6xf32>
%w = linalg.broadcast ins(%v : tensor<6xf32>) outs(%o : tensor<?x?x6xf32>) dimensions = [0, 1]
%r = arith.mulf %x, %w : tensor<?x?x6xf32>
return %r : tensor<?x?x6xf32>""")

case("transpose and reshape", XY, (x, y), [("?x?xf32", x.transpose(1, 0, 2).reshape(5, 12)), ("?x?x2x3xf32", x.reshape(2, 5, 2, 3))], """
%o = tensor.empty(%s, %b) : tensor<?x?x6xf32>
%t = linalg.transpose ins(%x : tensor<?x?x6xf32>) outs(%o : tensor<?x?x6xf32>) permutation = [1, 0, 2]
%r = tensor.collapse_shape %t [[0], [1, 2]] : tensor<?x?x6xf32> into tensor<?x?xf32>
%q = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [%b, %s, 2, 3] : tensor<?x?x6xf32> into tensor<?x?x2x3xf32>
return %r, %q : tensor<?x?xf32>, tensor<?x?x2x3xf32>""")

case("concat and slice", XY, (x, y), [("?x?x6xf32", np.concatenate([x, -y, x[:, 1:3]], 1)), ("?x?x6xf32", x[:, 1:5:2])], """
%n = arith.negf %y : tensor<?x?x6xf32>
%p = tensor.extract_slice %x[0, 1, 0] [%b, 2, 6] [1, 1, 1] : tensor<?x?x6xf32> to tensor<?x2x6xf32>
%pd = tensor.cast %p : tensor<?x2x6xf32> to tensor<?x?x6xf32>
%r = tensor.concat dim(1) %x, %n, %pd : (tensor<?x?x6xf32>, tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
%q = tensor.extract_slice %x[0, 1, 0] [%b, 2, 6] [1, 2, 1] : tensor<?x?x6xf32> to tensor<?x2x6xf32>
%qd = tensor.cast %q : tensor<?x2x6xf32> to tensor<?x?x6xf32>
return %r, %qd : tensor<?x?x6xf32>, tensor<?x?x6xf32>""")

case("collapse of a slice", XY, (x, y), [("?xf32", x[:, :, 1:4].ravel())], """
%p = tensor.extract_slice %x[0, 0, 1] [%b, %s, 3] [1, 1, 1] : tensor<?x?x6xf32> to tensor<?x?x3xf32>
%r = tensor.collapse_shape %p [[0, 1, 2]] : tensor<?x?x3xf32> into tensor<?xf32>
return %r : tensor<?xf32>""")

case("reductions", XY, (x, y), [("?x6xf32", x.sum(1)), ("?x?xf32", x.max(2)), ("f32", x.sum())], """
%z = arith.constant 0.0 : f32
%e0 = tensor.empty(%b) : tensor<?x6xf32>
%f0 = linalg.fill ins(%z : f32) outs(%e0 : tensor<?x6xf32>) -> tensor<?x6xf32>
%r0 = linalg.reduce ins(%x : tensor<?x?x6xf32>) outs(%f0 : tensor<?x6xf32>) dimensions = [1]
  (%in: f32, %acc: f32) { %0 = arith.addf %in, %acc : f32 linalg.yield %0 : f32 }
%ninf = arith.constant 0xFF800000 : f32
%e1 = tensor.empty(%b, %s) : tensor<?x?xf32>
%f1 = linalg.fill ins(%ninf : f32) outs(%e1 : tensor<?x?xf32>) -> tensor<?x?xf32>
%r1 = linalg.reduce { arith.maximumf } ins(%x : tensor<?x?x6xf32>) outs(%f1 : tensor<?x?xf32>) dimensions = [2]
%e2 = tensor.empty() : tensor<f32>
%f2 = linalg.fill ins(%z : f32) outs(%e2 : tensor<f32>) -> tensor<f32>
%r2 = linalg.reduce { arith.addf } ins(%x : tensor<?x?x6xf32>) outs(%f2 : tensor<f32>) dimensions = [0, 1, 2]
return %r0, %r1, %r2 : tensor<?x6xf32>, tensor<?x?xf32>, tensor<f32>""")

case("gather", XY + ", %i: tensor<?x?xi64>", (x, y, ids), [("?x?x?x6xf32", x[:, ids])], """
%i0 = tensor.dim %i, %c0 : tensor<?x?xi64>
%i1 = tensor.dim %i, %c1 : tensor<?x?xi64>
%o = tensor.empty(%b, %i0, %i1) : tensor<?x?x?x6xf32>
%r = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (b, c)>, affine_map<(a, b, c, d) -> (a, b, c, d)>],
    iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%i : tensor<?x?xi64>) outs(%o : tensor<?x?x?x6xf32>) {
  ^bb0(%id: i64, %out: f32):
    %at = arith.index_cast %id : i64 to index
    %a = linalg.index 0 : index
    %d = linalg.index 3 : index
    %e = tensor.extract %x[%a, %at, %d] : tensor<?x?x6xf32>
    linalg.yield %e : f32
} -> tensor<?x?x?x6xf32>
return %r : tensor<?x?x?x6xf32>""")

case("reversed and cumulative", XY, (x, y), [("?x?x6xf32", x[:, ::-1]), ("?x?x6xf32", np.cumsum(x, 1))], """
%o = tensor.empty(%b, %s) : tensor<?x?x6xf32>
%last = arith.subi %s, %c1 : index
%r = linalg.generic {indexing_maps = [#i], iterator_types = ["parallel", "parallel", "parallel"]} outs(%o : tensor<?x?x6xf32>) {
  ^bb0(%out: f32):
    %i0 = linalg.index 0 : index
    %i1 = linalg.index 1 : index
    %i2 = linalg.index 2 : index
    %at = arith.subi %last, %i1 : index
    %e = tensor.extract %x[%i0, %at, %i2] : tensor<?x?x6xf32>
    linalg.yield %e : f32
} -> tensor<?x?x6xf32>
%q = linalg.generic {indexing_maps = [#i], iterator_types = ["parallel", "parallel", "parallel"]} outs(%o : tensor<?x?x6xf32>) {
  ^bb0(%out: f32):
    %i0 = linalg.index 0 : index
    %i1 = linalg.index 1 : index
    %i2 = linalg.index 2 : index
    %zero = arith.constant 0.0 : f32
    %end = arith.addi %i1, %c1 : index
    %sum = scf.for %t = %c0 to %end step %c1 iter_args(%acc = %zero) -> f32 {
      %e = tensor.extract %x[%i0, %t, %i2] : tensor<?x?x6xf32>
      %n = arith.addf %acc, %e : f32
      scf.yield %n : f32
    }
    linalg.yield %sum : f32
} -> tensor<?x?x6xf32>
return %r, %q : tensor<?x?x6xf32>, tensor<?x?x6xf32>""")

case("booleans and integers", XY + ", %m: tensor<?x?x6xi1>", (x, y, mask), [("?x?x6xi1", mask & (x < y)), ("?x?x6xi64", np.where(mask, x.astype(np.int64), 7))], """
%lt = arith.cmpf olt, %x, %y : tensor<?x?x6xf32>
%r = arith.andi %lt, %m : tensor<?x?x6xi1>
%n = arith.fptosi %x : tensor<?x?x6xf32> to tensor<?x?x6xi64>
%k = arith.constant 7 : i64
%ks = tensor.splat %k[%b, %s] : tensor<?x?x6xi64>
%q = arith.select %m, %n, %ks : tensor<?x?x6xi1>, tensor<?x?x6xi64>
return %r, %q : tensor<?x?x6xi1>, tensor<?x?x6xi64>""")

case("pad, generate and constants", XY, (x, y), [("?x?x6xf32", np.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=3)),
     ("?x3xi64", np.arange(5)[:, None] * np.array([1, 10, 100]))], """
%three = arith.constant 3.0 : f32
%r = tensor.pad %x low[0, 1, 0] high[0, 2, 0] { ^bb0(%i: index, %j: index, %k: index): tensor.yield %three : f32 } : tensor<?x?x6xf32> to tensor<?x?x6xf32>
%f = arith.constant dense<[1, 10, 100]> : tensor<3xi64>
%q = tensor.generate %s {
^bb0(%i: index, %j: index):
  %n = arith.index_cast %i : index to i64
  %g = tensor.extract %f[%j] : tensor<3xi64>
  %p = arith.muli %n, %g : i64
  tensor.yield %p : i64
} : tensor<?x3xi64>
return %r, %q : tensor<?x?x6xf32>, tensor<?x3xi64>""")

# Work that depends on data: a loop whose trip count and a branch whose condition are loaded.
case("control", XY + ", %i: tensor<?x?xi64>", (x, y, ids), [("?x?x6xf32", x + y * int(ids[0, 0] + 2)), ("?x?x6xf32", x if ids[0, 0] > 2 else y * 2)], """
%n = tensor.extract %i[%c0, %c0] : tensor<?x?xi64>
%n2 = arith.index_cast %n : i64 to index
%end = arith.addi %n2, %c2 : index
%r = scf.for %k = %c0 to %end step %c1 iter_args(%acc = %x) -> tensor<?x?x6xf32> {
  %next = arith.addf %acc, %y : tensor<?x?x6xf32>
  scf.yield %next : tensor<?x?x6xf32>
}
%large = arith.cmpi sgt, %n2, %c2 : index
%q = scf.if %large -> tensor<?x?x6xf32> {
  scf.yield %x : tensor<?x?x6xf32>
} else {
  %d = arith.addf %y, %y : tensor<?x?x6xf32>
  scf.yield %d : tensor<?x?x6xf32>
}
return %r, %q : tensor<?x?x6xf32>, tensor<?x?x6xf32>""")

# The argument itself, a constant and the same value twice as results.
case("passed on", XY, (x, y), [("?x?x6xf32", x), ("2xf32", np.array([1, 2], np.float32)), ("?x?x6xf32", x + y), ("?x?x6xf32", x + y)], """
%k = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
%r = arith.addf %x, %y : tensor<?x?x6xf32>
return %x, %k, %r, %r : tensor<?x?x6xf32>, tensor<2xf32>, tensor<?x?x6xf32>, tensor<?x?x6xf32>""")

case("bfloat", XY, (x, y), [("?x?x6xf32", x + y)], """
%a = arith.truncf %x : tensor<?x?x6xf32> to tensor<?x?x6xbf16>
%c = arith.truncf %y : tensor<?x?x6xf32> to tensor<?x?x6xbf16>
%d = arith.addf %a, %c : tensor<?x?x6xbf16>
%r = arith.extf %d : tensor<?x?x6xbf16> to tensor<?x?x6xf32>
return %r : tensor<?x?x6xf32>""")

names = sys.argv[1:]
for name, signature, inputs, results, body in CASES:
    if names and name not in names:
        continue
    types = ", ".join(f"tensor<{type}>" for type, _ in results)
    mlir = f"{MAPS}func.func @forward({signature}) -> ({types}) {{\n{DIMS}{body}\n}}"
    for fuse in (False, True):
        compiled = Compiled(mlir, fuse=fuse)
        first = None
        for threads in (1, 2, 5):
            got = compiled(*[i.copy() for i in inputs], outputs=[np.shape(want) for _, want in results], threads=threads)
            got = got if isinstance(got, list) else [got]
            for g, (_, want) in zip(got, results):
                tolerance = 2e-2 if name == "bfloat" else 2e-6
                if not np.allclose(g, want, tolerance, tolerance):
                    sys.exit(f"FAILED {name}, fuse={fuse}, {threads} threads:\n{g}\n{want}")
            texts = [g.tobytes() for g in got]
            if first and first != texts:
                sys.exit(f"FAILED {name}: {threads} threads give another result than 1")
            first = texts
    print(name, "ok", flush=True)
