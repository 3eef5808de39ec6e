# RUN: rm -rf %t && mkdir -p %t && %python %s %t
"""A report's page: well-formed, self-contained, every figure where it belongs; nothing made of absent data."""

import html.parser
import json
import math
import pathlib
import re
import subprocess
import sys

tmp = pathlib.Path(sys.argv[1])
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(html.parser.HTMLParser):
    """The page as a tree: each element [tag, attributes, children and texts]."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.root = ["root", {}, []]
        self.stack = [self.root]
        self.feed(text)
        self.close()
        assert self.stack == [self.root], [node[0] for node in self.stack]

    def handle_starttag(self, tag, attributes):
        node = [tag, dict(attributes), []]
        self.stack[-1][2].append(node)
        if tag not in VOID:
            self.stack.append(node)

    def handle_startendtag(self, tag, attributes):
        self.stack[-1][2].append([tag, dict(attributes), []])

    def handle_endtag(self, tag):
        assert self.stack.pop()[0] == tag, tag

    def handle_data(self, data):
        self.stack[-1][2].append(data)

    def all(self, tag, node=None, **wanted):
        for child in (node or self.root)[2]:
            if isinstance(child, str):
                continue
            if child[0] == tag and all(child[1].get(key.replace("_", "-")) == value for key, value in wanted.items()):
                yield child
            yield from self.all(tag, child, **wanted)


def text(node):
    return "".join(child if isinstance(child, str) else text(child) for child in node[2])


def make(report, ok=True):
    source, out = tmp / "report.json", tmp / "report.html"
    source.write_text(json.dumps(report) if isinstance(report, dict) else report)
    if out.exists():
        out.unlink()
    done = subprocess.run(["terse-report", source, "-o", out], capture_output=True, text=True)
    if not ok:
        assert done.returncode == 1 and not out.exists(), done
        return done.stderr
    assert done.returncode == 0, done.stderr
    again = tmp / "again.json"
    subprocess.run(["terse-report", source, "-o", again], check=True)
    return Page(out.read_text(encoding="utf-8")), out.read_text(encoding="utf-8"), json.loads(again.read_text())


def section(page, name):
    found = list(page.all("section", id=name))
    assert len(found) == 1, (name, len(found))
    return found[0]


def scale(page, svg, axis, invert):
    """Places of values from two ticks: `invert` makes linear what the axis shows."""
    ticks = [(float(t[1]["data-value"]), t) for t in page.all("text", svg) if f"tick {axis}" in t[1].get("class", "")]
    assert len(ticks) >= 2, ticks
    place = lambda t: float(t[1]["x"]) if axis == "x" else float(t[1]["y"]) - 4
    (a, first), (b, last) = ticks[0], ticks[-1]
    slope = (place(last) - place(first)) / (invert(b) - invert(a))
    for value, tick in ticks:
        assert abs(place(first) + slope * (invert(value) - invert(a)) - place(tick)) < 0.05, (axis, value)
    return lambda value: place(first) + slope * (invert(value) - invert(a))


EVIL = "<script>alert('x')</script>&\"\x01é"
report = {
    "title": f"model {EVIL}", "date": "2026-01-02", "recipe": "w4:exclude=<b>", "recipe_sha256": "ab" * 32,
    "source": {"name": "model.onnx", "sha256": "cd" * 32, "bytes": 32000000},
    "before": {"name": "keep", "artifact_bytes": 32000000, "perplexity": 12.5, "prefill_tokens_per_s": 1000.0,
               "decode_tokens_per_s": 100.0},
    "after": {"name": "w4", "artifact_bytes": 5000000, "perplexity": 12.75, "prefill_tokens_per_s": 2000.0,
              "decode_tokens_per_s": 400.0},
    "quality": {"tokens": 5120, "windows": 20, "window": 256, "loss": 0.02, "kl": 0.011, "promised_loss": 0.01},
    "bands": [{"name": "rarest_1", "mass": 0.0135, "tokens": 163, "loss": 0.31},
              {"name": "rarest_10", "mass": 0.0884, "tokens": 0},
              {"name": "rest", "mass": 0.8981, "tokens": 4448, "loss": -0.004, "promised_loss": 0.005}],
    "passes": [{"name": "terse-quantize-weights", "loss": 0.015, "added": 0.015},
               {"name": "terse-quantize-activations", "loss": 0.02, "added": 0.005}],
    "layers": [{"name": f"layers.{i}.{EVIL}", "shape": [256, 704], "bits": 4, "bytes_after": 1000 * i,
                "relative_error": 0.01 * (i % 7 + 1)} for i in range(20)],
    "pareto": [{"name": "keep", "bytes": 32000000, "loss": 0.0}, {"name": "w8", "bytes": 9000000, "loss": -0.0002},
               {"name": "w4", "bytes": 5000000, "loss": 0.02, "chosen": True},
               {"name": "w4 of another kind", "bytes": 5050000, "loss": 0.021}, {"name": "w2", "bytes": 4000000, "loss": 0.13},
               {"name": "unknown", "bytes": 4500000}],
    "outliers": [{"tap": f"tap{i}", "abs_max": 3.5 * i, "abs_mean": 0.1, "ratio": 1.0 + i * i} for i in range(5)],
    "texts": [{"name": "calib.txt", "role": "calibration", "sha256": "ef" * 32, "tokens": 1000},
              {"name": "val.txt", "role": "held-out", "perplexity_before": 12.5, "perplexity_after": 12.75}],
    "distances": [{"from": "calib.txt", "to": "val.txt", "jensen_shannon": 0.0423, "unseen": 0.0071}],
    "refused": [{"what": "embed", "why": "a lookup, no product"}],
    "facts": [{"pass": "terse-quantize-weights", "name": "layers-quantized", "value": "57"}],
    "cost": {"price_per_hour": 3.6, "currency": "$", "prompt_tokens": 500, "completion_tokens": 200, "batch": 1, "compression_s": 7200.0},
}
page, raw, again = make(report)

# Nothing from elsewhere, nothing that runs, and no text of the report's has become markup.
assert not list(page.all("script")) and "http" not in raw and "url(" not in raw and "@import" not in raw
assert not list(page.all("b", section(page, "identity"))) and EVIL.replace("\x01", " ") in text(next(page.all("h1")))
assert "\x01" not in raw and "\x01" not in raw
assert "prefers-color-scheme: dark" in raw and "@media print" in raw

# The same figures as JSON; what follows from them is computed by the definition.
computed = again.pop("computed")
clean = json.loads(json.dumps(report))
assert again == clean, (again, clean)
assert computed["front"] == ["w2", "w4", "w8"], computed
query = lambda rates: 500 / rates["prefill_tokens_per_s"] + 200 / rates["decode_tokens_per_s"]
for side in ("before", "after"):
    got = computed[f"cost_{side}"]
    rates = report[side]
    assert math.isclose(got["million_prompt_tokens"], 1e6 / rates["prefill_tokens_per_s"] * 3.6 / 3600, rel_tol=1e-12)
    assert math.isclose(got["million_completion_tokens"], 1e6 / rates["decode_tokens_per_s"] * 3.6 / 3600, rel_tol=1e-12)
    assert math.isclose(got["thousand_queries"], 1000 * query(rates) * 3.6 / 3600, rel_tol=1e-12)
saved = (query(report["before"]) - query(report["after"])) * 0.001
assert math.isclose(computed["break_even"]["queries"], 7.2 / saved, rel_tol=1e-9), computed
assert math.isclose(computed["break_even"]["hours"], 7.2 / saved * query(report["after"]) / 3600, rel_tol=1e-9)
assert f"{math.ceil(7.2 / saved):,} queries" in text(section(page, "cost"))
header = text(next(page.all("header")))
assert "Promise broken" in header and "Promise kept" in header and "the rest; measured" in header, header
assert "cd" * 32 in text(section(page, "identity")) and "ef" * 32 in text(section(page, "identity"))

# Bars begin at 0 and end at their values.
for name, values in (("bands", [0.31, -0.004]), ("passes", [0.015, 0.005]),
                     ("layers", sorted((l["relative_error"] for l in report["layers"]), reverse=True)[:16]),
                     ("outliers", [17, 10, 5, 2, 1])):
    svg = next(page.all("svg", section(page, name)))
    x = scale(page, svg, "x", lambda v: v)
    bars = list(page.all("rect", svg))
    assert [float(bar[1]["data-value"]) for bar in bars] == values, (name, bars)
    for bar, value in zip(bars, values):
        left, width = float(bar[1]["x"]), float(bar[1]["width"])
        assert abs(min(x(0), x(value)) - left) < 0.05 and abs(abs(x(value) - x(0)) - width) < 0.55, (name, bar)

# Points lie where the axes say: sizes linear, losses asinh-scaled as they differ much.
svg = next(page.all("svg", section(page, "pareto")))
smallest = 10 ** math.floor(math.log10(0.0002))
x, y = scale(page, svg, "x", lambda v: v), scale(page, svg, "y", lambda v: math.asinh(2 * v / smallest))
points = list(page.all("circle", svg))
assert len(points) == 5, points  # nothing is drawn of what has no loss
for point, data in zip(points, report["pareto"]):
    assert (float(point[1]["data-x"]), float(point[1]["data-y"])) == (data["bytes"], data["loss"])
    assert abs(float(point[1]["cx"]) - x(data["bytes"])) < 0.05 and abs(float(point[1]["cy"]) - y(data["loss"])) < 0.05
    assert ("marked" in point[1]["class"]) == data.get("chosen", False)
line = [tuple(map(float, pair.split(","))) for pair in next(page.all("polyline", svg))[1]["points"].split()]
assert len(line) == 3 and all(abs(a - x(b)) < 0.05 for (a, _), b in zip(line, (4e6, 5e6, 9e6))), line

# Texts of a plot do not lie on each other.
for svg in page.all("svg"):
    width, height = map(float, svg[1]["viewbox"].split()[2:])
    boxes = []
    for node in page.all("text", svg):
        if "transform" in node[1]:
            continue
        size = 5.5 * len(text(node))
        left = float(node[1]["x"]) - size * {"start": 0, "middle": 0.5, "end": 1}[node[1]["text-anchor"]]
        box = (left, float(node[1]["y"]) - 9, left + size, float(node[1]["y"]))
        assert -1 <= box[0] and box[2] <= width + 1 and box[3] <= height, (text(node), box)
        for other, what in boxes:
            assert box[0] >= other[2] or other[0] >= box[2] or box[1] >= other[3] or other[1] >= box[3], (
                text(node), what)
        boxes.append((box, text(node)))

# Absent data are neither zeros nor sections.
bands = [[text(cell) for cell in page.all("td", row)] for row in page.all("tr", section(page, "bands"))][1:]
assert bands[1][2] == "0" and bands[1][3] == "–" and len(bands[0]) == 5 and bands[2][4] == "0.50\u00a0%", bands
page, raw, again = make({"title": "little", "after": {"artifact_bytes": 5000000}})
assert [node[1]["id"] for node in page.all("section")] == ["comparison"], raw
assert again == {"title": "little", "after": {"artifact_bytes": 5000000}}, again
assert "perplexity" not in text(page.root) and "0 %" not in text(page.root)
page, raw, again = make({})
assert not list(page.all("section")) and again == {}
page, raw, again = make({"cost": report["cost"], "before": report["after"], "after": report["before"]})
assert "never pays for itself" in text(section(page, "cost")) and "queries" not in again["computed"]["break_even"]
page, raw, again = make({"cost": dict(report["cost"], completion_tokens=0), "before": {"prefill_tokens_per_s": 10.0}})
assert again["computed"]["cost_before"]["seconds_per_query"] == 50 and "cost_after" not in again["computed"]
page, raw, again = make({"cost": report["cost"], "before": {"prefill_tokens_per_s": 10.0}})
assert "thousand_queries" not in again["computed"]["cost_before"]

# The output depends on nothing else.
assert make(report)[1] == make(report)[1]

for wrong, message in ((dict(report, layer=[]), "unknown key 'layer'"),
                       ({"layers": [{"name": "x"}, {"nam": "y"}]}, "unknown key 'layers[1].nam'"),
                       ({"before": {"perplexity": "12"}}, "expected 'before.perplexity' to be a number"),
                       ({"bands": {}}, "expected 'bands' to be a list"), ("{", "report.json"), ("[]", "expected a JSON object")):
    assert message in make(wrong, ok=False), (wrong, message)
done = subprocess.run(["terse-report", tmp / "report.json", "-o", tmp / "x.pdf"], capture_output=True, text=True)
(tmp / "report.json").write_text("{}")
done = subprocess.run(["terse-report", tmp / "report.json", "-o", tmp / "x.pdf"], capture_output=True, text=True)
assert "expected a file .html or .json for the report; got" in done.stderr, done.stderr
