"""Blocks on a terminal or in a pipe, where plots are left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from lstmctl.reporting.blocks import Block, Code, Facts, Heading, Prose, Table, plain, simpler
from lstmctl.reporting.console import inert, print_table, write_line, write_sentence
from lstmctl.reporting.drawing import Plot


def show(blocks: Iterable[Block], *, stream: TextIO | None = None) -> None:
    """Write blocks to stderr or `stream`, with an empty line after a table that something follows.

    Raises:
        OSError: `stream` is stdout and its disk is full.
    """
    after_table = False
    for block in blocks:
        if isinstance(block, Plot):
            continue
        if after_table or isinstance(block, Heading):
            write_line("", stream)
        _show(block, stream)
        after_table = isinstance(block, Table)


def _show(block: Block, stream: TextIO | None) -> None:
    match block:
        case Table():
            print_table(block.title, block.columns, block.all_rows, stream=stream)
            for note in (*block.warnings, *block.notes):
                write_sentence(inert(note), stream)
        case Heading() | Prose():
            write_sentence(inert(block.text), stream)
        case Facts():
            print_table("", ("", ""), [(plain(name), value) for name, value in block.rows], stream=stream)
        case Code():
            write_line(block.text, stream)
        case Plot():
            pass
        case _:
            show(simpler(block), stream=stream)
