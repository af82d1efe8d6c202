"""The frame of a page that needs nothing but itself: no scripts, no requests, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from html import escape

from lstmctl.reporting.console import inert
from lstmctl.reporting.drawing import Plot

STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --card: #f5f7f9;
  --colour-1: #0072b2; --colour-2: #d55e00; --colour-3: #00805c; --colour-4: #b0578c; --colour-5: #a86f00; --colour-6: #2b8fc9;
  --colour-7: #4d4d4d; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --ink: #e4e8ec; --soft: #9aa5b1; --line: #333a42; --card: #1d2126;
  --colour-1: #4a9fe0; --colour-2: #f28e3c; --colour-3: #2fc296; --colour-4: #e39ac6; --colour-5: #f0c04a; --colour-6: #a3d8f7;
  --colour-7: #c3c9d0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 58rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.status { display: inline-block; padding: .05rem .6rem; border: 1px solid currentColor; border-radius: 1rem;
  font-size: .85rem; }
.finished { color: var(--colour-3); } .interrupted, .running { color: var(--colour-2); }
.diverged, .failed { color: var(--colour-2); font-weight: 600; }
.cards { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
.card h3 { margin: 0; font-size: .9rem; font-weight: 600; color: var(--soft); }
.card .figure { font-size: 1.9rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.cards.whole { grid-template-columns: minmax(0, 1fr); }
.card pre { margin-bottom: 0; padding: 0; border: 0; }
.card.arm { border-left: .3rem solid var(--own, var(--line)); }
.lead { font-size: 1.1rem; }
.warning { padding-left: .75rem; border-left: .2rem solid var(--colour-2); }
.card ul { list-style: none; margin: .25rem 0 0; padding: 0; font-size: .9rem; }
figure { margin: .75rem 0; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: system-ui, sans-serif; }
.narrow { display: none !important; }
@media (max-width: 34rem) { .narrow { display: block !important; } .wide { display: none !important; } }
.box { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
td.number, th.number { text-align: right; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .3rem 1.25rem; margin: 0;
  font-size: .95rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
pre { margin: .4rem 0 1rem; padding: .7rem .9rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; font: .85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  overflow-x: auto; max-width: 100%; }
pre.prose { white-space: pre-wrap; overflow-wrap: anywhere; }
code { font: .9em ui-monospace, Menlo, Consolas, "Liberation Mono", monospace; }
summary { cursor: pointer; }
@media print { body { max-width: none; } pre, .card, svg { break-inside: avoid; } }
"""


def text(value: object) -> str:
    """`value` as one line of a page: no markup, nothing invisible."""
    return escape(inert(str(value)))


def lines(value: str) -> str:
    """`value` with its line breaks and tabs, everything else that cannot be seen written as an escape."""
    kept = value.replace("\r\n", "\n")
    return escape("\n".join("\t".join(inert(cell) for cell in line.split("\t")) for line in kept.split("\n")))


def section(title: str, *parts: str) -> str:
    """A part of the page under its heading, or nothing where it would be empty."""
    content = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{text(title)}</h2>\n{content}\n</section>" if content else ""


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Names and values, those without a value left out."""
    rows = [f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs if value not in (None, "", [])]
    return "<dl>\n" + "\n".join(rows) + "\n</dl>" if rows else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, words: Container[str] = ()) -> str:
    """A table of figures that scrolls in its own box where the screen is narrow; columns of `words` stand left."""
    if not rows:
        return ""
    kinds = ["" if name in words else ' class="number"' for name in columns]
    head = "".join(f'<th{kind} scope="col">{text(name)}</th>' for name, kind in zip(columns, kinds, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{text(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="box" tabindex="0"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def figure(plot: Plot | None) -> str:
    """A plot in two widths, with how it is read; nothing where there is none."""
    if plot is None:
        return ""
    caption = f'\n<p class="soft">{text(plot.caption)}</p>' if plot.caption else ""
    return f"<figure>\n{plot.svg('wide')}\n{plot.svg('narrow')}\n</figure>{caption}"


def preformatted(content: str, *, prose: bool = False) -> str:
    """Text as it was written; prose is wrapped, code scrolls in its box."""
    opening = '<pre class="prose">' if prose else '<pre tabindex="0">'
    # A line break right after the tag is dropped by readers of HTML: one more keeps the text's own.
    return f"{opening}\n{lines(content)}</pre>" if content.strip() else ""


def folded(summary: str, content: str) -> str:
    """Content behind a line that opens it, or nothing where there is none."""
    return f"<details><summary>{text(summary)}</summary>\n{content}\n</details>" if content else ""


def page(title: str, parts: Iterable[str]) -> str:
    """The whole document."""
    body = "\n".join(part for part in parts if part)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""
