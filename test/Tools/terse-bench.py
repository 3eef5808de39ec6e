# RUN: %python %s
"""terse-bench --floors: each figure of one thread and of all, as a table and as JSON; each level that the machine has."""

import json
import subprocess


def bench(*options):
    return subprocess.run(["terse-bench", *options], capture_output=True, text=True)


quick = ["--floors", "--threads=2", "--megabytes=8", "--runs=1"]
result = bench(*quick, "--json")
assert result.returncode == 0, result.stderr
report = json.loads(result.stdout)
found = [(floor["name"], floor["threads"], floor["unit"]) for floor in report["floors"]]
assert found == [(name, threads, unit) for name, unit in (("read bandwidth", "GB/s"), ("integer dot", "GOPS"), ("f32 multiply-add", "GOPS"))
                 for threads in (1, 2)], found
assert all(floor["value"] > 0 and floor["by"] for floor in report["floors"]), report

levels = ["baseline", "avx2", "avx512vnni"]
best = levels.index(report["cpu_level"])
for index, level in enumerate(levels):
    result = bench(*quick, f"--cpu-level={level}")
    if index <= best:
        lines = result.stdout.splitlines()
        assert result.returncode == 0 and len(lines) == 7 and lines[0].split() == ["floor", "threads", "value", "unit", "by"], result
    else:
        assert result.returncode == 1 and "cannot run CPU level" in result.stderr, result

for wrong in (["--floors", "--cpu-level=z80"], [], ["--floors", "--threads=0"], ["--flors"]):
    result = bench(*wrong)
    assert result.returncode == 2 and result.stderr.startswith("terse-bench: error: "), result
