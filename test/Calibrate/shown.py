# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""terse-inspect shows what lies in a file of statistics; of a damaged one it gives one error."""

from endtoend import *

import tstats

folder = sys.argv[1]
path = os.path.join(folder, "s.tstats")
rng = np.random.default_rng(0)
x = rng.standard_normal((30, 12)).astype(np.float32)
x[:, 5] *= 100
tensors = {"a/count": np.array([30]), "a/abs_max": np.abs(x).max(0), "a/abs_mean": np.abs(x).mean(0), "a/second_moment": x.T @ x / 30,
           "b/count": np.array([7])}
tstats.write(path, {"q": "a", "k": "a"}, tensors)
found = json.loads(must("terse-inspect", path, "--json").stdout)
with open(path, "rb") as file:
    whole = file.read()
check(found["sha256"] == hashlib.sha256(whole).hexdigest() and found["bytes"] == len(whole), "hash and size")
rows = {row["name"]: row for row in found["taps"]}
largest = np.abs(x).max(0)
check(rows["a"]["tokens"] == 30 and rows["a"]["channels"] == 12 and np.isclose(rows["a"]["abs_max"], largest.max())
      and np.isclose(rows["a"]["ratio"], largest.max() / np.median(largest)) and np.isclose(rows["a"]["abs_mean"], np.abs(x).mean())
      and rows["a"]["outlier_channels"] == list(np.flatnonzero(largest > 10 * np.median(largest))) == [5]
      and rows["a"]["layers"] == ["k", "q"] and rows["a"]["second_moment"] and not rows["a"]["histogram"], f"a tap: {rows['a']}")
check(rows["b"]["tokens"] == 7 and "abs_max" not in rows["b"] and rows["b"]["layers"] == [], f"nothing but a count: {rows['b']}")
text = must("terse-inspect", path).stdout
check(any(line.split()[:3] == ["a", "30", "12"] and line.endswith("k, q") for line in text.splitlines()), text)


def refuse(content, message):
    bad = os.path.join(folder, "bad.tstats")
    with open(bad, "wb") as file:
        file.write(content)
    result = run("terse-inspect", bad)
    check(result.returncode == 1 and not result.stdout and result.stderr.count("error:") == 1 and message in result.stderr
          and len(result.stderr.splitlines()) == 1, f"{message}: {result.stderr}")


for length in (0, 7, 8, 100, len(whole) - 1):
    refuse(whole[:length], "bad.tstats")
refuse(whole.replace(b"terse-statistics", b"terse-statistic5"), "expected the format 'terse-statistics'")
tstats.write(path, {"q": "a"}, {**tensors, "b/abs_max": np.array([np.nan], np.float32)})
refuse(open(path, "rb").read(), "expected finite numbers at the tap 'b'")
tstats.write(path, {"q": "a"}, {**tensors, "b/mean": np.zeros((2, 2), np.float32)})
refuse(open(path, "rb").read(), "unexpected types or shapes at the tap 'b'")
check(run("terse-inspect", folder + "/no.tstats").returncode == 1, "no such file")
finish()
