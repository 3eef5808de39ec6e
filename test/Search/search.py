# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""A promised loss is kept by more bits for some layers; what cannot be done is said."""

from endtoend import *

import glob

sys.path.insert(0, os.path.join(SOURCE, "test", "Search", "Inputs"))
from searching import WHOLE, Searches

folder = sys.argv[1]
searches = Searches(folder, layers=2)
model, report, tersec = searches.model, searches.report, searches.tersec

# More bits for as few layers as it takes: here it is a band's promise that asks for them.
said = tersec("raised", "--recipe=w3", "--max-loss=50%,rest:5%", "--search-trials=5", f"--report={report}")
with open(report) as file:
    figures = json.load(file)
rest = {band["name"]: band for band in figures["bands"]}["rest"]
check(rest["loss"] <= 0.05 == rest["promised_loss"], f"the promise holds: {rest}")
check("search: raised: " in said and " to 4 bits" in said, "the layers are named")
points = [point for point in figures["pareto"] if "loss" in point and not point.get("chosen")]
plain = [point for point in points if point["name"] == "w3"]
check(len(plain) == 1 and plain[0]["loss"] <= 0.5, f"that of all tokens held before: {plain}")
mixed = {layer["bits"] for layer in figures["layers"] if layer["kind"] == "linear"}
check({3, 4} <= mixed, f"some were raised, some were not: {mixed}")
check(not glob.glob(folder + "/*.search"), "no folder is left")

# A promise that no layer's bits keep: the embedding breaks it. (The cut model is so bad that damage may do it good.)
said = tersec("broken", "--recipe=w4:embedding-bits=2", "--max-loss=1%", "--search-trials=2", ok=False, source=WHOLE)
check("is written, but breaks the promise" in said and os.path.exists(os.path.join(folder, "broken.so")), "the best so far is there")

for more, message in (
    (["--recipe=auto", "--max-loss=1%", "--objective=speed"], "unknown objective 'speed'"),
    (["--recipe=auto", "--max-loss=1%", "--objective=cost"], "expected --query=PROMPT:COMPLETION with --objective=cost"),
    (["--recipe=w4", "--max-loss=1%", "--objective=latency"], "expected the recipe 'auto'"),
    (["--recipe=auto", "--max-loss=-1%"], "expected a share of at least 0"),
    (["--recipe=auto:bits=3", "--max-loss=1%"], "unknown key of the recipe 'auto'"),
    (["--recipe=w3", "--max-loss=0.1%", f"--search-dir={SHIPPED}"], "to be empty or of a search"),
    (["--recipe=w3", "--max-loss=0.1%", "--search-trials=none"], "search-trials"),
):
    check(message in tersec("none", *more, ok=False), message)
refused = run("tersec", model, "-o", os.path.join(folder, "none.so"), "--recipe=auto")
check(refused.returncode != 0 and "the recipe 'auto' needs a promise to search for" in refused.stderr, refused.stderr.strip())
finish()
