"""run-tests.py BUILD [--again] [lit options]: runs all suites of a build with lit.

The last line is `N passed, N failed, N skipped`; the exit status is 0 only if a
test passed and none failed. Where nothing that a test could depend on has
changed since all of them passed, that run's totals are printed, with a line that
says so; --again runs the tests all the same.
"""

import hashlib
import json
import os
import subprocess
import sys

LIT = "/usr/lib/llvm-22/bin/lit"
PASSED = {"PASS", "FLAKYPASS", "XFAIL"}
SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}
TIMEOUT_S = 3600  # a slow machine that others use too must not fail; what hangs is found all the same


def digest(*folders):
    """Names, sizes and times of all files below these folders, and the processor."""
    state = hashlib.sha256()
    for top in folders:
        for folder, subfolders, files in os.walk(top):
            subfolders[:] = sorted(d for d in subfolders if d not in (".git", "build", "__pycache__"))
            for name in sorted(f for f in files if not f.startswith(".lit_test_times")):
                path = os.path.join(folder, name)
                info = os.lstat(path)
                state.update(f"{path} {info.st_size} {info.st_mtime_ns}\n".encode(
                    errors="surrogateescape"))
    with open("/proc/cpuinfo") as cpuinfo:
        state.update(next((line for line in cpuinfo if line.startswith("flags")), "").encode())
    state.update(f"{os.geteuid()} {os.environ.get('TERSE_DATA')}".encode())
    return state.hexdigest()


def main():
    build, options = os.path.realpath(sys.argv[1]), sys.argv[2:]
    again = "--again" in options
    options = [option for option in options if option != "--again"]
    source = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    data = os.environ.get("TERSE_DATA") or os.path.join(
        os.path.dirname(source), "shared", "data")
    if not os.path.isdir(os.path.join(data, "models")):
        print(f"no models in {data}: the tests that need them are skipped "
              "(TERSE_DATA names the folder)")

    passed = os.path.join(build, "test", "passed.json")
    state = digest(source, data, *(os.path.join(build, d) for d in ("bin", "lib", "plugins", "docs")),
                   os.path.join(build, "test", "unit", "bin"))
    if not options and not again and os.path.exists(passed):
        with open(passed) as file:
            last = json.load(file)
        if last["state"] == state:
            print("nothing has changed since all tests passed; --again runs them")
            print(last["totals"])
            return
    results = os.path.join(build, "test", "results.json")
    if os.path.exists(results):
        os.remove(results)
    suites = [os.path.join(build, suite)
              for suite in ("dialects", "passes", "test", "test/unit/bin")]
    subprocess.run([sys.executable, LIT, "--output", results, "--quiet",
                    f"--timeout={TIMEOUT_S}", "-v", "-j", str(os.cpu_count()),
                    "--order=smart", *options, *suites])

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        with open(results) as file:
            tests = json.load(file)["tests"]
    except OSError:
        print("test: error: lit did not finish", file=sys.stderr)
        tests = []
    skipped = []
    for test in tests:
        if test["code"] in PASSED:
            counts["passed"] += 1
        elif test["code"] in SKIPPED:
            counts["skipped"] += 1
            skipped.append(test["name"])
        else:
            counts["failed"] += 1
    if skipped:
        print("skipped:", ", ".join(sorted(skipped)))
    totals = ", ".join(f"{number} {name}" for name, number in counts.items())
    succeeded = counts["passed"] and not counts["failed"]
    if succeeded and not options:
        with open(passed, "w") as file:
            json.dump({"state": state, "totals": totals}, file)
    elif not options and os.path.exists(passed):
        os.remove(passed)
    print(totals)
    sys.stdout.flush()
    sys.exit(0 if succeeded else 1)


main()
