"""How every figure is drawn: one style and the same bytes each time for a paper, the page's own colours for a page."""

from __future__ import annotations

import io
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lstmctl.errors import UsageError
from lstmctl.reporting.console import inert
from lstmctl.storage import ANOTHER_FILE, disk_errors, replace_file, require_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[[float, str], "Figure"]
"""Draws a figure of a width in inches, with text and axes in a colour."""

INK = "#010203"
"""The colour of text and axes for a page: nothing else has it, so it can be replaced in the finished SVG."""
PAPER_WIDTH = 6.5
"""Inches: the width of a text column."""
NARROW_WIDTH = 3.6
"""Inches of the figure for a phone."""
WIDE = 4.5
"""Inches from which two panels stand side by side."""
SMALL = 7.5
"""Points of the words inside a figure."""
LONGEST_NAME = 24
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def write_plot(folder: Path, name: str, draw: Draw) -> list[Path]:
    """Write `plots/NAME.svg` and `plots/NAME.png` (200 dots per inch) in `folder`, on white.

    Returns:
        The two files.

    Raises:
        ResourceError: the disk is full or the folder is gone.
        RunError: `plots` is a link, which may lead out of the folder.
    """
    written = []
    for kind, content in _rendered(draw, ("svg", "png"), PAPER_WIDTH, "black", white=True, text_as="path").items():
        path = folder / "plots" / f"{name}.{kind}"
        require_folder(path.parent)
        with disk_errors(path.parent):
            path.parent.mkdir(exist_ok=True)
        replace_file(path, content)
        written.append(path)
    return written


def write_figure(path: Path, draw: Draw) -> Path:
    """Write one figure on white, as a PNG (200 dots per inch) or an SVG by the end of its name.

    Raises:
        UsageError: the name ends in neither.
        ResourceError: the disk is full or the folder is not there.
    """
    kind = path.suffix[1:].lower()
    if kind not in ("png", "svg"):
        raise UsageError(f"a figure is a .png or a .svg file, and {path.name} is neither")
    content = _rendered(draw, (kind,), PAPER_WIDTH, "black", white=True, text_as="path")[kind]
    replace_file(path, content, remedy=ANOTHER_FILE)
    return path


def inline_plot(
    draw: Draw, colours: Mapping[str, str], words: str, *, width: float, identity: str, shown: str = ""
) -> str:
    """A figure as an `<svg>` element that takes the colours of the page around it, light or dark.

    Args:
        colours: what stands in the page for each colour that is drawn, beside the ink.
        words: the figure for those who do not see it.
        width: in inches; text keeps its size, so a narrow figure is for a narrow screen.
        identity: begins every id inside, so that several figures fit on one page.
        shown: the element's class, such as `wide` or `narrow`; `identity` by default.
    """
    svg = _rendered(draw, ("svg",), width, INK, white=False, text_as="none")["svg"].decode()
    svg = svg[svg.index("<svg") :].strip()
    for drawn, on_page in {INK: "currentColor", **colours}.items():
        svg = svg.replace(drawn, on_page)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{identity}-", svg)
    opening = svg[: svg.index(">")]
    box = re.search(r'viewBox="[^"]*"', opening)
    assert box is not None
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return (
        f'<svg {names} {box[0]} class="{shown or identity}" role="img" aria-label="{escape(inert(words))}"'
        + svg[len(opening) :]
    )


def ruled(panel: Axes, ink: str, axis: Literal["both", "x", "y"] = "both") -> None:
    """Faint lines behind what is drawn."""
    panel.grid(color=ink, alpha=0.12, linewidth=0.6, axis=axis)
    panel.set_axisbelow(True)


def label_powers(panel: Axes) -> None:
    """Powers of ten beside a panel whose axis is logarithmic and has its limits, in plain characters: what stands in a
    figure is not read as mathematics. Where there are few of them, 2 and 5 stand between."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = panel.get_ylim()
    decades = math.log10(high / low)

    def named(value: float, _: object) -> str:
        power = math.log10(value) if value > 0 else 0.0
        whole = math.isclose(power, round(power), abs_tol=1e-9)
        return f"10{str(round(power)).translate(SUPERSCRIPTS)}" if whole and decades >= 3 else f"{value:g}"

    panel.yaxis.set_major_locator(LogLocator(10, subs=(1,) if decades >= 3 else (1, 2, 5), numticks=9))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(named))


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """A name as a figure has room for it, in one line."""
    shown = inert(name)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def legend_name(name: str) -> str:
    """A name for a legend, which would drop it where it begins with `_`."""
    return f" {name}" if name.startswith("_") else name


def _rendered(
    draw: Draw, kinds: Sequence[str], width: float, ink: str, *, white: bool, text_as: str
) -> dict[str, bytes]:
    """Draw one figure and return its file of each kind, `svg` or `png`.

    Args:
        text_as: `path` (the same everywhere) or `none` (the reader's own fonts).
    """
    _load_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    style: Any = {
        "svg.fonttype": text_as,
        "svg.hashsalt": "lstmctl",  # the same figure gives the same file
        "font.family": "DejaVu Sans" if text_as == "path" else "sans-serif",
        "font.size": 9,
        "axes.edgecolor": ink,
        "axes.facecolor": "white" if white else "none",
        "axes.labelcolor": ink,
        "text.color": ink,
        "text.parse_math": False,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    files = {}
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes: nothing a reader of the terminal could act on.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        matplotlib.rcdefaults()  # a reader's own matplotlibrc changes nothing
        matplotlib.rcParams.update(style)
        drawing = draw(width, ink)
        for kind in kinds:
            buffer = io.BytesIO()
            drawing.set(dpi=200, facecolor=style["axes.facecolor"])
            # Not by `savefig`, which draws everything once more to lay it out.
            canvas: Any = FigureCanvasAgg(drawing) if kind == "png" else FigureCanvasSVG(drawing)
            if kind == "png":
                canvas.print_png(buffer, metadata={"Software": None})
            else:
                canvas.print_svg(buffer, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
            files[kind] = buffer.getvalue()
            drawing.set_layout_engine("none")  # the first file's layout serves the others
    return files


def _load_matplotlib() -> None:
    """Import matplotlib, with its own defaults where the user's settings keep it from starting: a backend that is not
    there in MPLBACKEND, or a matplotlibrc that is not UTF-8. Neither has any use here."""
    try:
        import matplotlib
    except ImportError:
        raise
    except Exception:
        for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
            del sys.modules[name]  # they hold on to the half that was imported
        found = find_spec("matplotlib")
        assert found is not None
        assert found.origin is not None
        backend = os.environ.pop("MPLBACKEND", None)
        try:
            # The current folder is the first place where it looks for a matplotlibrc, and this one has its defaults.
            with chdir(Path(found.origin).with_name("mpl-data")):
                import matplotlib  # noqa: F401
        finally:
            if backend is not None:
                os.environ["MPLBACKEND"] = backend
