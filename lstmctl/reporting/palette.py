"""Colours, line styles and markers, the same in every plot and on every page."""

from __future__ import annotations

from typing import Any

BLUE, ORANGE, GREEN, PINK, AMBER, SKY, GREY = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#4d4d4d",
)
# Okabe and Ito's palette, without the yellow, which is invisible on white, and with a grey instead of black, which the
# axes use. People with any kind of colour vision can distinguish these colours, and their lightness differs in grey
# print.
COLOURS = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, GREY)
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
# 7 colours, 5 line styles and 6 markers have no common factor, so the first 210 lines of a plot all differ: in grey
# print by line style and marker.

LIGHT = (BLUE, ORANGE, "#00805c", "#b0578c", "#a86f00", "#2b8fc9", GREY)
"""`COLOURS` on a light page, dark enough to read words in them."""
DARK = ("#4a9fe0", "#f28e3c", "#2fc296", "#e39ac6", "#f0c04a", "#a3d8f7", "#c3c9d0")
"""`COLOURS` on a dark page."""
ON_PAGE = {colour: f"var(--colour-{number}, {colour})" for number, colour in enumerate(COLOURS, 1)}
"""The CSS value of each colour, which the page's style sheet sets from `LIGHT` and `DARK`."""

BLUE_RGB = (0.0, 0.447, 0.698)
SHARES, SIGNED, POWERS = "cividis", "RdBu_r", "magma"
"""Colour maps of values from 0 to 1, of values around 0, and of the logarithm of a power. All are safe for the
colour-blind, and in grey print."""
LEVEL, SOLVED_LEVEL = (0, (2, 2)), (0, (7, 2))
"""Lines of baselines, and of the level that counts as solved."""
DASHES = (0, (2.2, 1.0))
"""Lines of what is not a model: what came, the border of a part, a median."""

STOPS = 17
"""Colours of a colour map that a page interpolates between."""
DARK_PAPER = "#14171b"


def page_colours() -> dict[str, Any]:
    """Return the colour maps of a page: lists of [red, green, blue], each from 0 to 255.

    Returns:
        `shares`, and `signed` for `light` and for `dark` pages, whose 0 has the colour of the paper.
    """
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    dark = LinearSegmentedColormap.from_list("dark", [DARK[0], DARK_PAPER, DARK[1]])
    maps = {"shares": colormaps[SHARES], "light": colormaps[SIGNED], "dark": dark}
    own = {
        name: [[round(255 * part) for part in one(stop / (STOPS - 1))[:3]] for stop in range(STOPS)]
        for name, one in maps.items()
    }
    return {"shares": own["shares"], "signed": {"light": own["light"], "dark": own["dark"]}}


def colour_of(number: int) -> str:
    """Return the colour of the line with this number, from 0."""
    return COLOURS[number % len(COLOURS)]


def line_of(number: int) -> Any:
    """Return the line style of the line with this number, from 0."""
    return LINES[number % len(LINES)]


def marker_of(number: int) -> str:
    """Return the marker of the line with this number, from 0."""
    return MARKERS[number % len(MARKERS)]
