"""Tables in every form: in a terminal, in Markdown and in LaTeX; what stands in them is said elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from lstmctl.reporting.console import inert, print_table, write_line

WORDS = ("arm", "arms", "cell", "settings", "each seed", "kernel", "test")
"""Columns that are read as words, from the left; all others are figures."""
FOLDED_FROM = 24
"""Characters of a cell that does not stand in one line of a paper's table."""
MARKDOWN = {mark: f"\\{mark}" for mark in "\\|*_`~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
LATEX = {mark: f"\\{mark}" for mark in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    # Behind the end of a row these two would be taken for its options.
    "[": "{[}",
    "*": "{*}",
}
NEGATIVE = re.compile(r"(?<![\w.-])-(?=\d)")
"""The sign of a number, not a hyphen inside of a name."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, ready to be shown in any form."""

    name: str
    """`figures`, `costs`, `differences` or `sweep`."""
    title: str
    about: str
    """What a reader must know who has nothing but the table."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    beneath: tuple[tuple[str, ...], ...] = ()
    """Rows of another kind, under a rule: the baselines."""
    notes: tuple[str, ...] = ()
    """What speaks against taking the figures as they stand."""


def show_table(table: Table, *, stream: TextIO | None = None) -> None:
    """Write a table and what speaks against it to stderr or `stream`, and an empty line.

    Raises:
        OSError: `stream` is stdout and its disk is full.
    """
    print_table(table.title, table.columns, (*table.rows, *table.beneath), stream=stream)
    for note in table.notes:
        write_line(inert(note), stream)
    write_line("", stream)


def in_markdown(tables: Iterable[Table], statement: str) -> str:
    """Tables and what they say, in Markdown."""
    parts = []
    for table in tables:
        caption = f"**{_markdown_text(table.title)}.** {_markdown_text(' '.join([table.about, *table.notes]))}"
        rule = _markdown_row("---" if name in WORDS else "---:" for name in table.columns)
        heading, *rows = (_markdown_row(map(_markdown_text, row)) for row in _all_rows(table))
        parts.append("\n".join([caption, "", heading, rule, *rows]))
    return "\n\n".join([*parts, *([_markdown_text(statement)] if statement else [])]) + "\n"


def in_latex(tables: Iterable[Table], statement: str, command: str) -> str:
    """Tables in LaTeX, for the package booktabs; what they say, and the command that made them, stand in comments."""
    lines = [
        r"% Needs \usepackage{booktabs} in the preamble. Names outside of Latin script need LuaLaTeX or XeLaTeX.",
        f"% Made by: {inert(command)}",
        f"% {inert(statement)}",
    ]
    for table in tables:
        caption = " ".join([f"{table.title}.", table.about, *table.notes])
        heading, *rows = (f"    {' & '.join(map(_latex_text, row))} \\\\" for row in _all_rows(table))
        first = len(table.rows)
        longest = [max(map(len, cells)) for cells in zip(*_all_rows(table), strict=True)]
        lines += [
            "",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_latex_text(caption)}}}",
            rf"  \label{{tab:{table.name}}}",
            rf"  \small\begin{{tabular}}{{{''.join(map(_latex_kind, table.columns, longest))}}}",
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


def without_empty_columns(table: Table) -> Table:
    """The table without the columns in which no row says anything."""
    said = [any(cells) for cells in zip(*table.rows, *table.beneath, strict=True)]

    def kept(row: Sequence[str]) -> tuple[str, ...]:
        return tuple(cell for cell, keep in zip(row, said, strict=True) if keep)

    return replace(
        table,
        columns=kept(table.columns),
        rows=tuple(map(kept, table.rows)),
        beneath=tuple(map(kept, table.beneath)),
    )


def _all_rows(table: Table) -> tuple[tuple[str, ...], ...]:
    return (table.columns, *table.rows, *table.beneath)


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_text(text: str) -> str:
    return "".join(MARKDOWN.get(mark, mark) for mark in inert(text)).replace("](", "\\](")


def _latex_kind(column: str, longest: int) -> str:
    """Figures stand right, words left; long cells, such as those of many seeds, are folded."""
    return "r" if column not in WORDS else "p{3.2cm}" if longest > FOLDED_FROM else "l"


def _latex_text(text: str) -> str:
    return NEGATIVE.sub("$-$", "".join(LATEX.get(mark, mark) for mark in inert(text)))
