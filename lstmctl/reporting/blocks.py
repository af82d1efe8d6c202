"""The blocks that every page, terminal output, notebook view and paper consists of.

Functions turn results into lists of blocks. Renderers (`html`, `terminal`, `papers`) know blocks but no results.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

from lstmctl.reporting.drawing import Plot

TEXT_COLUMNS = ("arm", "arms", "cell", "settings", "each seed", "best to worst seed", "kernel", "test")


@dataclass(frozen=True, slots=True)
class Link:
    """Text that links to a file in the page's folder."""

    words: str
    target: str
    """Relative to the page, quoted as a URL."""


Words: TypeAlias = str | Link


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of the page (level 1), of a section (2) or of a subsection (3)."""

    text: str
    level: Literal[1, 2, 3] = 2


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph."""

    text: str
    tone: Literal["", "soft", "lead", "warning"] = ""
    """`lead` for a finding, `warning` for a reservation, `soft` for an explanation."""


@dataclass(frozen=True, slots=True)
class Status:
    """A run's outcome, with a remark."""

    status: str
    about: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    rows: tuple[tuple[Words, str], ...]

    @classmethod
    def known(cls, pairs: Iterable[tuple[str, object]]) -> Self | None:
        """Return the facts without those that are None or empty; None if none is left."""
        rows = tuple((name, str(value)) for name, value in pairs if value not in (None, "", []))
        return cls(rows) if rows else None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of formatted values."""

    name: str
    """The table's label in LaTeX, such as `figures`."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    beneath: tuple[tuple[str, ...], ...] = ()
    """Additional rows, below a rule: the baselines."""
    about: str = ""
    """Explanation for readers who see only the table; a terminal leaves it out."""
    notes: tuple[str, ...] = ()
    """Notes that a terminal shows too."""
    warnings: tuple[str, ...] = ()
    """Reasons not to take the values at face value."""
    text_columns: tuple[str, ...] = TEXT_COLUMNS
    """Columns of text, which are aligned left; all others contain numbers."""

    @property
    def all_rows(self) -> tuple[tuple[str, ...], ...]:
        return (*self.rows, *self.beneath)

    def body(self) -> Table:
        """Return the table alone: without a title, which is in the heading, and without warnings, which are shown
        separately."""
        return replace(self, title="", warnings=())

    def prose_of_warnings(self) -> list[Prose]:
        """Return the warnings as paragraphs, to be placed prominently."""
        return [Prose(warning, "warning") for warning in self.warnings]

    def without_empty_columns(self) -> Table:
        """Return the table without the columns in which every cell is empty."""
        filled = [any(cells) for cells in zip(*self.all_rows, strict=True)]

        def kept(row: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(cell for cell, keep in zip(row, filled, strict=True) if keep)

        return replace(
            self,
            columns=kept(self.columns),
            rows=tuple(map(kept, self.rows)),
            beneath=tuple(map(kept, self.beneath)),
        )


@dataclass(frozen=True, slots=True)
class Code:
    """Text whose lines are kept: a command, a config, a sample."""

    text: str
    wraps: bool = False
    """True if a line may be wrapped, as in prose."""


@dataclass(frozen=True, slots=True)
class Card:
    """One of several items side by side."""

    title: str
    value: str = ""
    """The main value, shown large, and its description in `words`."""
    words: str = ""
    items: tuple[tuple[str, Words], ...] = ()
    """Further values, each with a description."""
    body: Block | None = None
    foot: str = ""
    colour: str = ""
    """Index in `palette.COLOURS`, as in the plots."""

    @property
    def text(self) -> str:
        """The card without its body, on one line."""
        values = [f"{self.value} {self.words}", *(f"{value} {plain(words)}" for value, words in self.items), self.foot]
        return f"{self.title}: {', '.join(value for value in map(str.strip, values) if value)}"


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards side by side, as far as they fit, or stacked."""

    cards: tuple[Card, ...]
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Folded:
    """Collapsed blocks that a reader can open."""

    summary: str
    blocks: tuple[Block, ...]


Block: TypeAlias = Heading | Prose | Status | Facts | Table | Plot | Code | Cards | Folded


def known(*blocks: Block | None) -> list[Block]:
    """Return the blocks that are not None."""
    return [block for block in blocks if block is not None]


def section(title: str, *blocks: Block | None) -> list[Block]:
    """Return the blocks that are not None under a heading; an empty list if there are none."""
    found = known(*blocks)
    return [Heading(title), *found] if found else []


def plots(blocks: Iterable[Block]) -> dict[str, Plot]:
    """Return the plots among blocks by name."""
    return {block.name: block for block in blocks if isinstance(block, Plot)}


def plain(words: Words) -> str:
    """Return the text without its link."""
    return words if isinstance(words, str) else words.words


def simpler(block: Status | Cards | Folded) -> list[Block]:
    """Return an equivalent block of a page, for renderers that do not support this one."""
    match block:
        case Status():
            return [Prose(f"{block.status} {block.about}")]
        case Folded():
            return [Prose(block.summary), *block.blocks]
        case Cards():
            return [part for card in block.cards for part in known(Prose(card.text), card.body)]
