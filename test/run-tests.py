"""run-tests.py BUILD [lit options]: runs all suites of a build with lit.

The last line is `N passed, N failed, N skipped`; the exit status is 0 only if a
test passed and none failed.
"""

import json
import os
import subprocess
import sys

LIT = "/usr/lib/llvm-22/bin/lit"
PASSED = {"PASS", "FLAKYPASS", "XFAIL"}
SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}
TIMEOUT_S = 900


def main():
    build, options = os.path.realpath(sys.argv[1]), sys.argv[2:]
    source = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    data = os.environ.get("TERSE_DATA") or os.path.join(
        os.path.dirname(source), "shared", "data")
    if not os.path.isdir(os.path.join(data, "models")):
        print(f"no models in {data}: the tests that need them are skipped "
              "(TERSE_DATA names the folder)")

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
    print(", ".join(f"{number} {name}" for name, number in counts.items()))
    sys.stdout.flush()
    sys.exit(0 if counts["passed"] and not counts["failed"] else 1)


main()
