//===- Page.cpp - parts of an HTML page -----------------------------------===//
#include "Page.h"

using namespace terse;
using namespace terse::report;

llvm::StringRef report::getStyleSheet() {
  return R"css(
:root { color-scheme: light dark; --page: #fff; --text: #1d2430; --soft: #5b6676; --rule: #d9dee6; --card: #f4f6f9;
  --mark: #1f5fbf; --warm: #b4531a; --good: #1c7a45; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --text: #e4e8ee; --soft: #9aa5b4; --rule: #343b46;
  --card: #1e232b; --mark: #74a9ff; --warm: #f0a26b; --good: #63c78e; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 960px; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
p { margin: .5rem 0; max-width: 70ch; }
.soft, caption { color: var(--soft); }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.4rem 0 1rem; }
.card { flex: 1 1 150px; background: var(--card); border-radius: 8px; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.card span { display: block; font-size: .85rem; color: var(--soft); }
.verdict { border-left: 4px solid var(--good); padding: .4rem .8rem; background: var(--card); max-width: none; }
.verdict.broken { border-color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .7rem 0; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 1.5px solid var(--rule); vertical-align: bottom; }
th, td { padding: .3rem .9rem .3rem 0; }
th:last-child, td:last-child { padding-right: 0; }
td { border-bottom: 1px solid var(--rule); vertical-align: top; overflow-wrap: break-word; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.n { white-space: normal; }
.c { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .84em;
  overflow-wrap: anywhere; }
td.c { min-width: 9rem; } #layers td.c { min-width: 16rem; } #layers td, #layers th { padding-right: .6rem; }
figure { margin: 1rem 0; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { display: block; width: 100%; height: auto; font-size: 12px; font-family: inherit; }
svg text { fill: var(--text); } svg .tick, svg .axis { fill: var(--soft); }
svg .grid { stroke: var(--rule); stroke-width: 1; } svg .base { stroke: var(--soft); stroke-width: 1.2; }
svg .bar { fill: var(--mark); } svg .bar.negative { fill: var(--good); }
svg .point { fill: var(--mark); stroke: var(--page); stroke-width: 1.5; } svg .point.marked { fill: var(--warm); }
svg .name.marked { font-weight: 600; }
svg .front { fill: none; stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 5 4; }
svg .line { fill: none; stroke-width: 2.2; } svg .line.l0 { stroke: var(--warm); } svg .line.l1 { stroke: var(--mark); }
svg .name.l0 { fill: var(--warm); } svg .name.l1 { fill: var(--mark); }
details summary { cursor: pointer; color: var(--soft); margin: .5rem 0; }
@media print { :root { --page: #fff; --text: #000; --soft: #444; --rule: #bbb; --card: #f2f2f2; --mark: #1f5fbf;
  --warm: #b4531a; --good: #1c7a45; --bad: #b3261e; }
  body { max-width: none; padding: 0; font-size: 10.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  h2 { break-after: avoid; } figure, tr, .cards { break-inside: avoid; } thead { display: table-header-group; }
  details summary { display: none; } }
)css";
}

void Table::print(llvm::raw_ostream &os) const {
  std::vector<bool> shown(columns.size());
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      shown[i] = shown[i] || !row[i].empty();
  auto attributes = [&](size_t i) {
    return columns[i].align == Align::Number ? " class=\"n\"" : columns[i].align == Align::Code ? " class=\"c\"" : "";
  };
  os << "<div class=\"scroll\"><table>\n<thead><tr>";
  for (size_t i = 0; i < columns.size(); ++i)
    if (shown[i])
      os << "<th" << (columns[i].align == Align::Number ? " class=\"n\"" : "") << '>' << columns[i].title << "</th>";
  os << "</tr></thead>\n<tbody>\n";
  for (const auto &row : rows) {
    os << "<tr>";
    for (size_t i = 0; i < columns.size(); ++i)
      if (shown[i])
        os << "<td" << attributes(i) << '>' << (i < row.size() && !row[i].empty() ? row[i] : "–") << "</td>";
    os << "</tr>\n";
  }
  os << "</tbody></table></div>\n";
}
