"""Blocks as Markdown, and tables as LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from lstmctl.reporting.blocks import Block, Code, Facts, Heading, Prose, Table, Words, simpler
from lstmctl.reporting.console import harmless, inert
from lstmctl.reporting.drawing import Plot

FOLDED_FROM = 24
"""Characters of a cell that does not fit into one line of a paper's table."""
MARKDOWN = {mark: f"\\{mark}" for mark in "\\|*_`~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
LATEX = {mark: f"\\{mark}" for mark in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    # After the end of a row, LaTeX would read these two as its options.
    "[": "{[}",
    "*": "{*}",
}
NEGATIVE = re.compile(r"(?<![\w.-])-(?=\d)")
"""The sign of a number, not a hyphen inside of a name."""


def markdown(blocks: Iterable[Block], command: str = "") -> str:
    """Blocks in Markdown; plots are links to the files that `Plot.write` makes, and the command is left out."""
    return "\n\n".join(filter(None, map(_in_markdown, blocks))) + "\n"


def latex(blocks: Iterable[Block], command: str = "") -> str:
    """The tables among blocks in LaTeX, for the package booktabs, preceded by prose and the command as comments."""
    blocks = list(blocks)
    comments = [f"Made by: {command}"] if command else []
    comments += [block.text for block in blocks if isinstance(block, Prose)]
    lines = [
        r"% Needs \usepackage{booktabs} in the preamble. Names outside of Latin script need LuaLaTeX or XeLaTeX.",
        *(f"% {inert(comment)}" for comment in comments),
    ]
    for table in blocks:
        if not isinstance(table, Table):
            continue
        caption = " ".join([f"{table.title}.", table.about, *table.notes, *table.warnings])
        heading, *rows = (f"    {' & '.join(map(_latex_text, row))} \\\\" for row in (table.columns, *table.all_rows))
        first = len(table.rows)
        lines += [
            "",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_latex_text(caption)}}}",
            rf"  \label{{tab:{table.name}}}",
            rf"  \small\begin{{tabular}}{{{_latex_kinds(table)}}}",
            r"    \toprule",
            heading,
            r"    \midrule",
            *rows[:first],
            *([r"    \midrule", *rows[first:]] if table.beneath else []),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def as_csv(table: Table) -> str:
    """A table's columns and rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(inert, row) for row in (table.columns, *table.all_rows)])
    return text.getvalue()


def _in_markdown(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_markdown_text(block.text)}"
        case Prose():
            return _markdown_text(block.text)
        case Facts():
            return "\n".join(f"- {_markdown_words(name)}: {_markdown_text(value)}" for name, value in block.rows)
        case Table():
            return _markdown_table(block)
        case Plot():
            return f"![{_markdown_text(block.words)}](plots/{block.name}.svg)"
        case Code():
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", block.text)), default=0))
            return f"{fence}\n{harmless(block.text)}\n{fence}"
        case _:
            return "\n\n".join(map(_in_markdown, simpler(block)))


def _markdown_table(table: Table) -> str:
    parts = [f"**{_markdown_text(table.title)}.**"] if table.title else []
    caption = " ".join(filter(None, [table.about, *table.notes, *table.warnings]))
    parts += [_markdown_text(caption)] if caption else []
    rule = _markdown_row("---" if name in table.text_columns else "---:" for name in table.columns)
    heading, *rows = (_markdown_row(map(_markdown_text, row)) for row in (table.columns, *table.all_rows))
    return "\n".join([*([" ".join(parts), ""] if parts else []), heading, rule, *rows])


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_words(words: Words) -> str:
    return _markdown_text(words) if isinstance(words, str) else f"[{_markdown_text(words.words)}]({words.target})"


def _markdown_text(text: str) -> str:
    return "".join(MARKDOWN.get(mark, mark) for mark in inert(text)).replace("](", "\\](")


def _latex_kinds(table: Table) -> str:
    """Numbers are aligned right, words left; long cells, such as those of many seeds, are folded."""
    longest = [max(map(len, cells)) for cells in zip(table.columns, *table.all_rows, strict=True)]
    return "".join(
        "r" if name not in table.text_columns else "p{3.2cm}" if length > FOLDED_FROM else "l"
        for name, length in zip(table.columns, longest, strict=True)
    )


def _latex_text(text: str) -> str:
    return NEGATIVE.sub("$-$", "".join(LATEX.get(mark, mark) for mark in inert(text)))
