"""Blocks on a terminal or in a pipe, where plots are left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from lstmctl.reporting.blocks import Block, Card, Cards, Code, Facts, Folded, Heading, Prose, Status, Table, Words
from lstmctl.reporting.console import inert, print_table, write_line
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
                write_line(inert(note), stream)
        case Heading() | Prose():
            write_line(inert(block.text), stream)
        case Status():
            write_line(inert(f"{block.status} {block.about}"), stream)
        case Facts():
            print_table("", ("", ""), [(_plain(name), value) for name, value in block.rows], stream=stream)
        case Code():
            write_line(block.text, stream)
        case Cards():
            for card in block.cards:
                _show_card(card, stream)
        case Folded():
            show(block.blocks, stream=stream)
        case Plot():
            pass


def _show_card(card: Card, stream: TextIO | None) -> None:
    items = [
        " ".join(filter(None, (card.value, card.words))),
        *(f"{value} {_plain(words)}" for value, words in card.items),
    ]
    write_line(inert(f"{card.title}: {', '.join(filter(None, [*items, card.foot]))}"), stream)
    if card.body is not None:
        _show(card.body, stream)


def _plain(words: Words) -> str:
    return words if isinstance(words, str) else words.words
