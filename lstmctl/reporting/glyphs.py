"""Symbols that the plots' font lacks: drawn in another font of the machine, otherwise written as `U+XXXX`."""

from __future__ import annotations

import logging
import unicodedata
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

log = logging.getLogger(__name__)

LAST_OF_ASCII = 0x7F
INVISIBLE = {"Cf", "Mn"}
"""Categories of symbols that change others, such as an emoji's variant; without a glyph they are left out."""
MOST_NAMED = 8
_told: set[int] = set()


@contextmanager
def boxes_for_glyphs() -> Iterator[None]:
    """Draw symbols without a glyph as boxes inside this context, without matplotlib's warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def lacking_in(figure: Figure) -> set[int]:
    """Return the code points in the texts of a drawn figure for which its font has no glyph."""
    from matplotlib.font_manager import FontProperties, findfont, get_font
    from matplotlib.text import Text

    shown = {symbol for text in figure.findobj(Text) if isinstance(text, Text) for symbol in text.get_text()}
    font = get_font(findfont(FontProperties()))
    return {ord(symbol) for symbol in shown if ord(symbol) > LAST_OF_ASCII and not font.get_char_index(ord(symbol))}


def fonts_with(lacking: Collection[int]) -> tuple[list[str], set[int]]:
    """Find fonts of the machine that have these symbols.

    Returns:
        The names of as few fonts as cover what can be covered, and the symbols that none has.
    """
    from matplotlib.font_manager import FontProperties, fontManager

    left, chosen = set(lacking), list[str]()
    fonts = {path: {code for code in left if _has(path, code)} for path in _fonts()}
    while left:
        best = max(fonts, key=lambda path: (len(fonts[path] & left), *_preference(path)), default=None)
        if best is None or not fonts[best] & left:
            break
        fontManager.addfont(best)
        chosen.append(FontProperties(fname=best).get_name())
        left -= fonts[best]
    return chosen, left


def escape(figure: Figure, lacking: Collection[int]) -> None:
    """Write these symbols of a figure as `U+XXXX`, with one warning for each."""
    from matplotlib.text import Text
    from matplotlib.ticker import Formatter

    class Escaping(Formatter):
        """Labels of another formatter, escaped."""

        def __init__(self, inner: Formatter) -> None:
            self.inner = inner

        def __call__(self, x: float, pos: int | None = None) -> str:
            return escaped(self.inner(x, pos), lacking)

        def set_locs(self, locs: object) -> None:
            self.inner.set_locs(locs)  # type: ignore[arg-type]

    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(Escaping(axis.get_major_formatter()))
            axis.set_minor_formatter(Escaping(axis.get_minor_formatter()))
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(escaped(text.get_text(), lacking))
    _tell(code for code in lacking if unicodedata.category(chr(code)) not in INVISIBLE)


def escaped(text: str, lacking: Collection[int]) -> str:
    """Return `text` with these symbols written as `U+XXXX`, without what only changes them."""
    parts, is_escaped = list[str](), False
    for symbol in text:
        if unicodedata.category(symbol) in INVISIBLE and (is_escaped or ord(symbol) in lacking):
            continue
        is_escaped = ord(symbol) in lacking
        parts.append(f"U+{ord(symbol):04X}" if is_escaped else symbol)
    return "".join(parts)


def _tell(codes: Iterable[int]) -> None:
    new = sorted(set(codes) - _told)
    if not new:
        return
    _told.update(new)
    named = ", ".join(f"{chr(code)} (U+{code:04X})" for code in new[:MOST_NAMED])
    more = f" and {len(new) - MOST_NAMED:,} more" if len(new) > MOST_NAMED else ""
    log.warning("no font here has %s%s; PNG files show U+… instead, SVG files and reports keep them", named, more)


@cache
def _fonts() -> list[str]:
    from matplotlib.font_manager import findSystemFonts

    return sorted(findSystemFonts())


def _preference(path: str) -> tuple[bool, ...]:
    """Order fonts that have equally many symbols: upright, regular and without serifs first."""
    name = Path(path).stem.lower()
    is_plain = not any(style in name for style in ("bold", "italic", "oblique", "black", "light", "thin", "condensed"))
    return is_plain, "sans" in name, "mono" not in name, "ui" not in name


@cache
def _has(path: str, code: int) -> bool:
    """Return True if a scalable font has a symbol."""
    font = _opened(path)
    return font is not None and bool(font.get_char_index(code))


@cache
def _opened(path: str) -> FT2Font | None:
    from matplotlib.ft2font import FT2Font

    with suppress(RuntimeError, OSError):  # a damaged file, or a form that matplotlib does not read
        font = FT2Font(path)
        return font if font.scalable else None
    return None
