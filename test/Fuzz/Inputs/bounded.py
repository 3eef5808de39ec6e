"""bounded.py FOLDER TARGET RUNS: fuzzes for so many executions or 15 seconds.

The seed is fixed and nothing depends on time but when it stops, so it fails only
where an input crashes; that input's bytes are printed.
"""

import base64
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 15


def main():
    folder, target, runs = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        seeds = os.path.join(scratch, "seeds")
        subprocess.run([sys.executable, os.path.join(HERE, "seeds.py"), target, seeds], check=True)
        new = os.path.join(scratch, "new")
        os.mkdir(new)
        done = subprocess.run(
            [os.path.join(folder, "fuzz-" + target), "-seed=1", f"-runs={runs}", f"-max_total_time={SECONDS}",
             "-timeout=30", "-rss_limit_mb=3000", "-max_len=4096", f"-artifact_prefix={scratch}/", new, seeds],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        print(done.stderr[-6000:])
        if done.returncode:
            for name in os.listdir(scratch):
                path = os.path.join(scratch, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        print(f"{name}: base64:", base64.b64encode(file.read()).decode())
            sys.exit(1)


main()
