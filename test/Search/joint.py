# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""auto with calibration: methods and zeros are choices; trials take the original's statistics, what is shipped is calibrated as asked; a search that is
killed goes on and ends with the same bytes; keys bind."""

from endtoend import *

import glob
import random
import re

sys.path.insert(0, os.path.join(SOURCE, "test", "Search", "Inputs"))
from searching import TEXT, Searches

folder = sys.argv[1]
searches = Searches(folder)
report, tersec, sha256 = searches.report, searches.tersec, searches.sha256
calibration = [f"--calib={TEXT}", "--calib-windows=8", "--calib-window=64", "--calib-seed=3"]


def search(name, *options):
    """The report's figures, what is shipped among what was measured, and the names of all that was."""
    said = tersec(name, *options, f"--report={report}", "--skip-pass-losses", f"--search-dir={folder}/{name}-search")
    with open(report) as file:
        figures = json.load(file)
    with open(os.path.join(folder, f"{name}-search", "trials.jsonl")) as file:
        names = [json.loads(line)["name"] for line in file.read().splitlines()[1:]]
    points = [point for point in figures["pareto"] if not point.get("chosen")]
    shipped = [point for point in points if point["loss"] == figures["quality"]["loss"]]
    check("search: chosen: " in said and shipped, f"what is shipped was measured to the last bit: {points}")
    return figures, shipped[-1], names


def methods(names):
    return set(re.findall(r"method[:=](\w+)", " ".join(names)))


options = ["--recipe=auto:group-size=32", "--max-loss=4%", "--search-trials=12", *calibration]
figures, shipped, names = search("open", *options)
asShipped = [name for name in names if "by the original: " not in name]
check(figures["quality"]["loss"] <= 0.04 and shipped["name"].endswith("calibrated as it is shipped"), f"the promise holds for what is shipped: {shipped}")
check(0 < len(asShipped) <= 3 and all(name.startswith("auto:") for name in asShipped), f"all others took the original's statistics: {asShipped}")
check(methods(names) == {"gptq", "rtn", "hqq"} and any("pattern:2:4" in name for name in names), f"methods and zeros were tried: {methods(names)}")
check(any("loss" in layer for layer in figures["layers"]), "what single layers lose is in the report")
check("method:gptq" in figures["pipeline"], f"methods are each layer's: {figures['pipeline']}")

# Killed while it wrote a line, in calibration or in trials, with the same end.
os.mkdir(os.path.join(folder, "killed.so.search"))
with open(os.path.join(folder, "open-search", "trials.jsonl")) as file:
    lines = file.readlines()
with open(os.path.join(folder, "killed.so.search", "trials.jsonl"), "w") as file:
    file.writelines([*lines[:-4], lines[-4][:99]])
draw = random.Random(7)
kills = 0
for attempt in range(40):
    child = subprocess.Popen(searches.command("killed", *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        status = child.wait(timeout=draw.uniform(1, 6) if attempt < 2 else 3600)
        check(status == 0, f"status {status} in the end")
        break
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        kills += 1
check(kills > 0 and sha256("killed") == sha256("open"), f"the same bytes after {kills} kills")
check(not glob.glob(folder + "/killed.so.search*"), "no folder is left")

# Where the options ask for the original's statistics nothing else is calibrated; keys leave less to choose.
figures, _, names = search("bound", "--recipe=auto:group-size=32,layers=_proj,method=gptq,symmetric=true,prune=2:4", "--max-loss=300%", "--search-trials=4",
                           *calibration, "--calib-inputs=original")
check(all("by the original: " in name for name in names), "trials were not calibrated")
check(methods(names) == {"gptq"} and not re.search("pattern|symmetric:false", " ".join(names)), f"keys bind: {methods(names)}")
finish()
