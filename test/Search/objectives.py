# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""auto by times of layers and by prices of queries: they are measured once, and what is chosen has their sum."""

from endtoend import *

sys.path.insert(0, os.path.join(SOURCE, "test", "Search", "Inputs"))
from searching import Searches

folder = sys.argv[1]
searches = Searches(folder, layers=1)
report, tersec, sha256 = searches.report, searches.tersec, searches.sha256

# Times instead of bytes; they are noisy, and a search that goes on keeps those that it had.
options = ["--recipe=auto:group-size=64,layers=down_proj", "--max-loss=50%", "--search-trials=4", f"--search-dir={folder}/times", f"--report={report}"]
tersec("fast", *options, "--objective=latency")
with open(report) as file:
    figures = json.load(file)
with open(os.path.join(folder, "times", "trials.jsonl")) as file:
    lines = [json.loads(line) for line in file][1:]
times = {line["name"]: line for line in lines if line["name"].startswith("time of ")}
shapes = {name.split(",")[0] for name in times}
check(shapes == {"time of 128 x 352"} and len(times) == 7 and all(time["prefill"] > 0 and time["decode"] > 0 for time in times.values()),
      f"a layer's shape in each format: {times}")
chosen = [point for point in figures["pareto"] if point.get("chosen")][0]
decodes = [time["decode"] for time in times.values()]
check(figures["objective"] == "latency" and min(decodes) <= chosen["price"] * (1 + 1e-9) and chosen["price"] <= max(decodes) * (1 + 1e-9),
      f"the price of what is chosen is of the layer: {chosen}")
front = figures["computed"]["front"]
priced = sorted((point["price"], point["loss"]) for point in figures["pareto"] if "price" in point)
check(len(priced) >= 4 and len(front) >= 1 and all("price" in point for point in figures["pareto"] if point["name"] in front), f"the front: {front}")
tersec("again", *options, "--objective=latency")
check(sha256("again") == sha256("fast"), "the same bytes from the times that were kept")
tersec("cheap", *options, "--objective=cost", "--query=100:20", "--price-per-hour=3")
with open(report) as file:
    figures = json.load(file)
prices = [(100 * time["prefill"] + 20 * time["decode"]) / 3600 * 3 * 1000 for time in times.values()]
cheap = [point for point in figures["pareto"] if point.get("chosen")][0]["price"]
check(min(prices) <= cheap * (1 + 1e-9) and cheap <= max(prices) * (1 + 1e-9), f"money for 1000 queries: {cheap}, {prices}")
finish()
