"""What the runtime's tests share: building toys, running terse-run."""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def toy(out, *args):
    subprocess.run([sys.executable, str(HERE / "toy.py"), "build", str(out), *args], check=True)
    return str(out)


def run(*args, ok=True, said="", **keywords):
    """terse-run with arguments; its CompletedProcess. Fails unless it succeeds
    (ok=True), with `said` on standard error, or ends with an error message and no signal (ok=False)."""
    done = subprocess.run(["terse-run", *map(str, args)], capture_output=True, **keywords)
    error = done.stderr.decode(errors="replace")
    if ok:
        assert done.returncode == 0, (args, done.returncode, error)
        assert error == said or "--timing" in args, (args, error)
    else:
        assert done.returncode in (1, 2), (args, done.returncode, error)
        assert error.startswith("terse-run: error: ") and error.count("\n") == 1, (args, error)
    return done


def run_json(*args):
    out = run(*args, "--json").stdout
    assert out.endswith(b"\n") and out.count(b"\n") == 1, out
    return json.loads(out)


def error(*args):
    return run(*args, ok=False).stderr.decode()[len("terse-run: error: "):].rstrip("\n")


def reference(*args):
    out = subprocess.run([sys.executable, str(HERE / "toy.py"), *map(str, args)],
                         check=True, capture_output=True, text=True).stdout
    return out.strip()
