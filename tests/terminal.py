"""A terminal: what is on its screen after some characters and escape sequences were written to it."""

from __future__ import annotations

import re

from rich.cells import cell_len

PART = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(.)", re.DOTALL)
STYLE_OR_CURSOR = ("m", "l", "h")


def screen(written: str, columns: int = 80) -> list[str]:
    """The lines of a terminal with `columns` columns and unlimited rows, without spaces and empty lines at the end."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for numbers, command, character in PART.findall(written):
        if command == "A":
            row -= int(numbers or 1)
            assert row >= 0
        elif command == "K":
            lines[row][0 if numbers == "2" else column :] = []
        elif command:
            assert command in STYLE_OR_CURSOR, command
        elif character == "\r":
            column = 0
        elif character == "\n":
            row, column = row + 1, 0
        else:
            assert character.isprintable(), character
            if column + cell_len(character) > columns:
                row, column = row + 1, 0
            lines.extend([] for _ in range(row + 1 - len(lines)))
            cells = [character, *[""] * (cell_len(character) - 1)]
            lines[row].extend(" " * (column - len(lines[row])))
            lines[row][column : column + len(cells)] = cells
            column += len(cells)
        lines.extend([] for _ in range(row + 1 - len(lines)))
    return "\n".join("".join(line).rstrip() for line in lines).rstrip("\n").split("\n")
