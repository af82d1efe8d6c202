"""Messages and tables for people, on stderr: safe for any terminal, encoding and pipe.

Errors and warnings do not import rich. Names and contents of files are made `inert` before they are shown, and a stream
that is closed, full or unable to show a character never turns a message into a traceback.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Literal, TextIO, cast

from lstmctl.errors import ResourceError

if TYPE_CHECKING:
    from rich.console import Console

PLAIN = str.maketrans(
    {"—": "-", "–": "-", "…": "...", "×": "x", "·": "|", "→": "->", "±": "+-", "“": '"', "”": '"', "‘": "'", "’": "'"}
)
"""Substitutes for our own symbols in encodings that lack them."""
BOLD_RED, BOLD_YELLOW, BOLD_CYAN, RESET = "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[0m"
DUMB = ("dumb", "unknown")
LONGEST = 480
"""Maximum length of a message in characters."""
UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")
"""Characters that move a terminal's cursor, control it, or change the writing direction; line breaks and tabs are
text."""
LEAST_ADDRESSES = 10**9
"""Bytes of address space that PyTorch for a CPU needs: with 0.82 GB it hangs, with 1.02 GB it works."""
SHORT = 12
"""Maximum length of a table's cell that is never wrapped."""


def inert(text: str) -> str:
    """Return `text` as one line that cannot control a terminal.

    Control characters, escape sequences, line breaks, marks that change the writing direction and lone surrogates are
    shown as Python escapes: `\\x1b`, `\\n`, `\\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode("ascii") for part in text)


def harmless(text: str) -> str:
    """Return `text`, of any number of lines, with every character that could control a terminal as a Python escape."""
    return UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def encodable(text: str, encoding: str | None, errors: str = "backslashreplace") -> str:
    """Replace characters that `encoding` lacks: our own symbols by plain ones, the rest according to `errors`."""
    encoding = encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(encoding, errors).decode(encoding)
    except LookupError:  # an encoding Python does not know
        return text.translate(PLAIN).encode("ascii", errors).decode("ascii")
    return text


def is_terminal(stream: TextIO | None) -> bool:
    """Return True if `stream` is a terminal that can move its cursor."""
    return is_screen(stream) and os.environ.get("TERM", "").lower() not in DUMB


def is_screen(stream: TextIO | None) -> bool:
    """Return True if `stream` is a terminal of any kind."""
    if stream is None:
        return False
    try:
        return stream.isatty()
    except (OSError, ValueError):  # closed
        return False


def wants_colour(stream: TextIO | None) -> bool:
    """Return True if colour may be used: on a terminal, and without `NO_COLOR` in the environment.

    Old Windows consoles show colours as `←[1;31m`; Windows Terminal, which sets `WT_SESSION`, supports them.
    """
    if os.name == "nt" and not os.environ.get("WT_SESSION"):
        return False
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def is_broken_pipe(error: OSError) -> bool:
    """Return True if a write failed because the reader closed the stream: on Windows, an invalid argument."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def write_line(text: str, stream: TextIO | None = None) -> None:
    """Write `text`, made `harmless`, and a line break to `stream` (stderr by default) at once.

    A closed or broken stream is ignored.
    """
    Tolerant(stream if stream is not None else sys.stderr).write(harmless(text) + "\n")


def write_sentence(text: str, stream: TextIO | None = None) -> None:
    """Write `text` as `write_line` does; on a terminal in lines that break between words."""
    stream = stream if stream is not None else sys.stderr
    write_line(wrapped(text, columns_of(stream)) if is_terminal(stream) else text, stream)


def columns_of(stream: TextIO | None) -> int:
    """Return the width of a terminal in columns, by `COLUMNS` or the terminal itself; 80 if it is not known."""
    if (columns := os.environ.get("COLUMNS", "")).isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80 if stream is not None else 80
    except (OSError, ValueError):
        return 80


def wrapped(text: str, width: int) -> str:
    """Break a text into lines of at most `width` columns, between words; a longer word is put on a separate line."""
    lines, used = [""], 0
    for word in re.findall(r" *[^ ]+", text):
        columns = _columns(word)
        if used and used + columns > width:
            word = word.lstrip(" ")
            lines.append("")
            used, columns = 0, _columns(word)
        lines[-1] += word
        used += columns
    return "\n".join(lines)


def _columns(text: str) -> int:
    """Return how many columns a text takes on a terminal: two for each wide symbol, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(symbol) else 2 if unicodedata.east_asian_width(symbol) in "WF" else 1
        for symbol in text
    )


def require_addresses() -> None:
    """Refuse to import torch with too little address space for its libraries, which would abort or hang.

    Raises:
        ResourceError: the limit is below `LEAST_ADDRESSES`.
    """
    if sys.platform == "win32":
        return
    try:
        import resource
    except ImportError:  # address space is not limited there
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESSES:
        raise ResourceError(
            f"this process may use {limit / 2**30:.1f} GiB of address space, too little to load PyTorch",
            hint="allow more: ulimit -v unlimited",
        )


@contextmanager
def loading(*, quiet: bool = False) -> Iterator[None]:
    """Show on a terminal that torch is being imported, which can take seconds; the note is erased afterwards.

    Raises:
        ResourceError: see `require_addresses`.
    """
    require_addresses()
    first = os.environ.get("RANK", "0") == "0"  # only one of several processes on a terminal
    shown = first and not quiet and "torch" not in sys.modules and is_terminal(sys.stderr)
    if shown:
        Tolerant(sys.stderr).write("loading PyTorch")
    try:
        yield
    finally:
        if shown:
            Tolerant(sys.stderr).write("\r\x1b[K")


def error(messages: str | Sequence[str], hint: str | None = None, *, stream: TextIO | None = None) -> None:
    """Write one `error: …` line for each message, then `hint: …` if there is one, to stderr."""
    stream = stream if stream is not None else sys.stderr
    for message in [messages] if isinstance(messages, str) else messages:
        _labelled("error", BOLD_RED, message, stream)
    if hint:
        _labelled("hint", BOLD_CYAN, hint, stream)


def warning(message: str, *, stream: TextIO | None = None) -> None:
    """Write one `warning: …` line to stderr."""
    _labelled("warning", BOLD_YELLOW, message, stream if stream is not None else sys.stderr)


def console(stream: TextIO | None = None) -> Console:
    """A rich console on stderr (or `stream`) that prints text literally: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    stream = stream if stream is not None else sys.stderr
    return Console(
        file=cast(IO[str], Tolerant(stream)),
        force_terminal=is_terminal(stream),
        markup=False,
        emoji=False,
        highlight=False,
    )


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, stream: TextIO | None = None
) -> None:
    """Write a table to stderr: fitted to the width of a terminal, otherwise in plain aligned columns that are never
    cut.

    Columns of numbers are right-aligned, and None is an empty cell. The heading is left out if no column has a name.

    Raises:
        OSError: `stream` is stdout and its disk is full.
    """
    stream = stream if stream is not None else sys.stderr
    columns = [inert(name) for name in columns]
    cells = [["" if value is None else inert(str(value)) for value in row] for row in rows]
    numeric = [all(_is_number(row[index]) for row in cells) and bool(cells) for index in range(len(columns))]
    if not is_terminal(stream):
        write_line("\n".join(_plain_table(title, columns, cells, numeric)), stream)
        return
    from rich.table import Table
    from rich.text import Text

    shown = console(stream)
    heading = Text(encodable(inert(title), shown.encoding), style="bold") if title else None
    table = Table(
        title=heading, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(columns)
    )
    for index, (name, right) in enumerate(zip(columns, numeric, strict=True)):
        # Long names are wrapped if the terminal is narrow; short ones stay whole.
        longest = max([len(name), *(len(row[index]) for row in cells)])
        justify: Literal["right", "left"] = "right" if right else "left"
        header = Text(encodable(name, shown.encoding))
        table.add_column(header, justify=justify, overflow="fold", min_width=min(longest, SHORT), header_style="cyan")
    for row in cells:
        table.add_row(*(Text(encodable(cell, shown.encoding)) for cell in row))
    shown.print(table)


class Tolerant(io.TextIOBase):
    """A stream that tolerates errors: characters outside the encoding are replaced, a broken stream is ignored."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed declares a plain attribute
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        if self._stream is not None:
            try:
                self._stream.write(encodable(text, self.encoding))
                self._stream.flush()
            except (OSError, ValueError) as error:  # a full disk, a closed stream
                if isinstance(error, OSError) and is_broken_pipe(error):
                    self._let_go()
                elif self._stream is sys.stdout:
                    raise  # there, the result would be lost
        return len(text)

    def _let_go(self) -> None:
        """The reader has closed the pipe: discard what Python still flushes at exit."""
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
        except (OSError, ValueError):  # not a real stream
            pass

    def isatty(self) -> bool:
        return is_terminal(self._stream)

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError("the stream does not exist")
        return self._stream.fileno()


def _labelled(label: str, colour: str, message: str, stream: TextIO | None) -> None:
    mark = f"{colour}{label}:{RESET}" if wants_colour(stream) else f"{label}:"
    text = f"{label}: {_shortened(inert(message))}"
    if label != "hint" and is_terminal(stream):  # a hint often is a command to copy
        text = wrapped(text, columns_of(stream))
    Tolerant(stream).write(f"{mark}{text.removeprefix(f'{label}:')}\n")


def _shortened(message: str) -> str:
    """Shorten the middle of a long message, since it begins with a location and ends with the remedy."""
    if len(message) <= LONGEST:
        return message
    return f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 + 3 :]}"


def _plain_table(
    title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> list[str]:
    widths = [max(len(name), *(len(row[index]) for row in cells), 0) for index, name in enumerate(columns)]
    lines = [inert(title)] if title else []
    for row in [list(columns), *cells] if any(columns) else cells:
        aligned = zip(row, widths, numeric, strict=True)
        lines.append("  ".join(text.rjust(w) if right else text.ljust(w) for text, w, right in aligned).rstrip())
    return lines


def _is_number(text: str) -> bool:
    """Return True if a cell looks like a number, with a unit, thousands separators or a mark; empty cells qualify
    too."""
    if not text:
        return True
    try:
        float(text.removeprefix("* ").split()[0].replace(",", "").rstrip("%"))
    except (ValueError, IndexError):
        return False
    return True
