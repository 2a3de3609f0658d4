"""The look of reports: one style sheet for light, dark and paper."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f5f7fa; --card: #ffffff; --ink: #1f2933; --muted: #52606d; --line: #dde2e8;
  --accent: #0072b2; --fill: #cfe5f3; --warn: #8a5a00; --warn-card: #fff6e0; --warn-line: #e69f00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161b; --card: #1b2129; --ink: #e6eaee; --muted: #9aa7b4; --line: #323c47;
    --accent: #6cb8e6; --fill: #1f4a66; --warn: #ffd27a; --warn-card: #2b2413; --warn-line: #b37a00;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 74rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; max-width: 48rem; }
.summary { font-size: 1.05rem; color: var(--muted); }
.headlines, .pictures { display: grid; gap: 1rem; }
.headlines { grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); margin: 1.75rem 0; }
.headline, .card {
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
}
.headline { padding: .9rem 1.1rem; margin: 0; }
.headline dt { color: var(--muted); font-size: .85rem; }
.headline dd { margin: 0; }
.headline .value { font-size: 1.8rem; font-weight: 650; line-height: 1.3; }
.headline .detail { color: var(--muted); font-size: .85rem; }
.notes {
  background: var(--warn-card); border-left: .3rem solid var(--warn-line); border-radius: .4rem;
  padding: .7rem 1.1rem; margin: 1.5rem 0;
}
.notes h2 { font-size: 1rem; margin: 0 0 .25rem; color: var(--warn); }
.notes ul { margin: 0; padding-left: 1.2rem; }
.scroll { overflow-x: auto; padding: .25rem 1rem 1rem; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption {
  caption-side: bottom; text-align: left; color: var(--muted); font-size: .85rem;
  padding-top: .7rem;
}
th, td { padding: .5rem .7rem; text-align: right; white-space: nowrap; }
th[scope=row], th:first-child { text-align: left; }
thead th { border-bottom: 2px solid var(--line); font-size: .85rem; color: var(--muted); }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th { font-weight: 500; }
tr.bound > * { color: var(--muted); }
td[colspan] { text-align: left; font-style: italic; }
td.best { font-weight: 700; }
.deviation { color: var(--muted); font-weight: 400; font-size: .87em; }
.gap { display: inline-flex; align-items: center; gap: .5rem; justify-content: flex-end; }
.bar { width: 5rem; height: .55rem; background: var(--line); border-radius: .3rem; }
.bar > span { display: block; height: 100%; background: var(--accent); border-radius: .3rem; }
tr.bound .bar > span { background: var(--muted); }
.pictures {
  grid-auto-flow: dense; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
}
figure { margin: 0; padding: .8rem; }
figure.wide { grid-column: 1 / -1; }
figure img {
  display: block; max-width: 100%; height: auto; margin: 0 auto; background: #ffffff;
  border-radius: .35rem;
}
figcaption { color: var(--muted); font-size: .87rem; padding-top: .6rem; }
.terms { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; margin: .5rem 0; }
.terms dt { font-weight: 600; }
.terms dd { margin: 0; overflow-wrap: anywhere; }
.facts dt { color: var(--muted); font-weight: 400; }
.facts dd, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
.facts dd { font-size: .87rem; }
.facts, pre { padding: .9rem 1.1rem; }
pre { overflow-x: auto; margin: .5rem 0; font-size: .87rem; }
footer { margin-top: 3rem; color: var(--muted); font-size: .85rem; }
@media (max-width: 40rem) { .terms { grid-template-columns: 1fr; gap: .1rem; } }
@media print {
  :root { --page: #ffffff; --card: #ffffff; }
  main { max-width: none; padding: 0; }
  .headline, figure, tr { break-inside: avoid; }
}
"""
