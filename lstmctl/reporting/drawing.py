"""Plots, and their forms: files for a paper, `<svg>` elements in a page's colours, and a matplotlib figure."""

from __future__ import annotations

import io
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from lstmctl.errors import UsageError
from lstmctl.reporting.console import inert
from lstmctl.reporting.glyphs import boxes_for_glyphs, fonts_with, lacking_in
from lstmctl.reporting.glyphs import escape as escape_glyphs
from lstmctl.reporting.palette import ON_PAGE
from lstmctl.storage import ANOTHER_FILE, disk_errors, replace_file, require_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[[float, str], "Figure"]
"""A function that draws a figure of a given width in inches, with text and axes in a given colour."""

INK = "#010203"
"""Placeholder for the colour of text and axes on a page: it occurs nowhere else, so it can be replaced in the SVG."""
PAPER_WIDTH = 6.5
"""Width of a text column in inches."""
WIDTHS = {"wide": PAPER_WIDTH, "narrow": 3.6}
"""Widths of figures in inches, for a screen and for a phone. Text keeps its size."""
WIDE = 4.5
"""Minimum width in inches for two panels side by side."""
SMALL = 7.5
"""Font size inside a figure, in points."""
LONGEST_NAME = 24
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot that is drawn when it is saved, displayed or returned."""

    name: str
    """Name of its files, without the extension."""
    draw: Draw
    words: str = ""
    """A description for readers who cannot see it."""
    caption: str = ""
    """Explanation of how to read the plot."""
    _drawn: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The SVG for a page, by its size, once it is drawn."""

    def write(self, folder: Path) -> list[Path]:
        """Write `plots/NAME.svg` and `plots/NAME.png` (200 dots per inch) in `folder`, on white.

        Returns:
            The two files.

        Raises:
            ResourceError: the disk is full or the folder is gone.
            RunError: `plots` is a link, which may lead out of the folder.
        """
        written = []
        files = _rendered(self.draw, ("svg", "png", "page"))
        self._drawn["wide"] = files.pop("page")
        for kind, content in files.items():
            path = folder / "plots" / f"{self.name}.{kind}"
            require_folder(path.parent)
            with disk_errors(path.parent):
                path.parent.mkdir(exist_ok=True)
            replace_file(path, content)
            written.append(path)
        return written

    def save(self, path: Path) -> Path:
        """Write one file on white: a PNG (200 dots per inch) or an SVG, according to the extension.

        Raises:
            UsageError: the extension is neither `.png` nor `.svg`.
            ResourceError: the disk is full or the folder does not exist.
        """
        kind = path.suffix[1:].lower()
        if kind not in ("png", "svg"):
            raise UsageError(f"{path.name} has an unsupported file extension for a plot; use .png or .svg")
        replace_file(path, _rendered(self.draw, (kind,))[kind], remedy=ANOTHER_FILE)
        return path

    def svg(self, size: Literal["wide", "narrow"] = "wide") -> str:
        """Return an `<svg>` element that takes the colours of the page around it, light or dark.

        Args:
            size: also the element's class. Together with the plot's name, it is the prefix of all ids, so several plots
                fit on one page.
        """
        if size not in self._drawn:
            self._drawn[size] = _rendered(self.draw, ("page",), WIDTHS[size])["page"]
        svg = self._drawn[size].decode()
        svg = svg[svg.index("<svg") :].strip()
        for drawn, shown in {INK: "currentColor", **ON_PAGE}.items():
            svg = svg.replace(drawn, shown)
        svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{self.name}-{size}-", svg)
        opening = svg[: svg.index(">")]
        box = re.search(r'viewBox="[^"]*"', opening)
        assert box is not None
        names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        return (
            f'<svg {names} {box[0]} class="{size}" role="img" aria-label="{escape(inert(self.words))}"'
            + svg[len(opening) :]
        )

    def figure(self, width: float = PAPER_WIDTH) -> Figure:
        """Return a matplotlib figure of a width in inches, on white, which a notebook shows as a picture."""
        with _style("black"):
            figure = self.draw(width, "black")
            figure.set(dpi=100, facecolor="white")
            with boxes_for_glyphs():
                figure.draw_without_rendering()  # ticks are created here and use the style
            if lacking := lacking_in(figure):
                figure = _with_glyphs(partial(self.draw, width, "black"), lacking, dpi=100)
        # Without pyplot, a notebook would show only the figure's name.
        figure._repr_png_ = partial(_png, figure)  # type: ignore[attr-defined]
        return figure


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, with automatic layout."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def legend_columns(names: Sequence[str], width: float) -> int:
    """Return how many names fit into one row of the legend of a figure of a width in inches."""
    return max(1, min(len(names), int(width / (0.75 + 0.075 * max(map(len, names))))))


def ruled(panel: Axes, ink: str, axis: Literal["both", "x", "y"] = "both") -> None:
    """Faint lines behind the data."""
    panel.grid(color=ink, alpha=0.12, linewidth=0.6, axis=axis)
    panel.set_axisbelow(True)


def label_powers(panel: Axes) -> None:
    """Label a logarithmic axis, whose limits are set, with powers of ten in plain characters, since text in a figure is
    not parsed as mathematics. If there are few of them, label 2 and 5 as well."""
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
    """Shorten a name to one line that fits into a figure."""
    shown = inert(name)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def legend_name(name: str) -> str:
    """A name for a legend, which would drop it if it begins with `_`."""
    return f" {name}" if name.startswith("_") else name


def _rendered(draw: Draw, kinds: Collection[str], width: float = PAPER_WIDTH) -> dict[str, bytes]:
    """Draw one figure and return its file of each kind: `svg` or `png` on white, or `page` for a page.

    SVG keeps text as text, in the fonts of the reader. In a PNG, symbols that the figure's font lacks are drawn in
    another font of the machine, or escaped.
    """
    files: dict[str, bytes] = {}
    with _style(INK):
        figure = draw(width, INK)
        figure.set(facecolor="none")
        with boxes_for_glyphs():
            if {"svg", "page"} & set(kinds):
                files["page"] = _svg(figure)
                files["svg"] = _on_white(files["page"])
            else:
                figure.draw_without_rendering()
        if "png" in kinds:
            if lacking := lacking_in(figure):
                figure = _with_glyphs(partial(draw, width, INK), lacking, dpi=200)
            figure.set_layout_engine("none")  # it is laid out
            figure.set(dpi=200, facecolor="white")
            files["png"] = _png(figure)
    return {kind: files[kind] for kind in kinds}


def _with_glyphs(draw: Callable[[], Figure], lacking: Collection[int], dpi: int) -> Figure:
    """Draw a figure again, on white, with symbols that its font lacks from other fonts, or escaped."""
    import matplotlib

    families, left = fonts_with(lacking)
    with matplotlib.rc_context({"font.family": [*matplotlib.rcParams["font.family"], *families]}), boxes_for_glyphs():
        figure = draw()
        figure.set(dpi=dpi, facecolor="white")
        if left:
            escape_glyphs(figure, left)
        with warnings.catch_warnings():
            # Long names of escapes may leave no room for the axes; such a figure is laid out without them.
            warnings.filterwarnings("ignore", message="constrained_layout not applied")
            figure.draw_without_rendering()
    return figure


def _on_white(svg: bytes) -> bytes:
    """An SVG for a page, in black on white."""
    opened = svg.index(b">", svg.index(b"<svg")) + 1
    white = b'\n <rect width="100%" height="100%" fill="#ffffff"/>'
    return (svg[:opened] + white + svg[opened:]).replace(INK.encode(), b"#000000")


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # Without `savefig`, which would draw everything again for the layout.
    buffer, canvas = io.BytesIO(), cast(Any, FigureCanvasAgg(figure))
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _svg(figure: Figure) -> bytes:
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer, canvas = io.BytesIO(), cast(Any, FigureCanvasSVG(figure))
    canvas.print_svg(buffer, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return buffer.getvalue()


@contextmanager
def _style(ink: str) -> Iterator[None]:
    """Draw inside this block with one style, independent of the user's matplotlibrc."""
    _load_matplotlib()
    import matplotlib

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "lstmctl",  # the same figure produces the same file
        "font.family": ["sans-serif"],
        "font.size": 9,
        "axes.edgecolor": ink,
        "axes.facecolor": "none",
        "axes.labelcolor": ink,
        "text.color": ink,
        "text.parse_math": False,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        yield


def _load_matplotlib() -> None:
    """Import matplotlib, with its own defaults if the user's settings prevent the import: MPLBACKEND names an
    unavailable backend, or a matplotlibrc is not UTF-8. Neither is needed here."""
    try:
        import matplotlib
    except ImportError:
        raise
    except Exception:
        for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
            del sys.modules[name]  # they hold on to the partially imported module
        found = find_spec("matplotlib")
        assert found is not None
        assert found.origin is not None
        backend = os.environ.pop("MPLBACKEND", None)
        try:
            # It searches the current folder first for a matplotlibrc, and this one has its defaults.
            with chdir(Path(found.origin).with_name("mpl-data")):
                import matplotlib  # noqa: F401
        finally:
            if backend is not None:
                os.environ["MPLBACKEND"] = backend
