"""Blocks as self-contained HTML: no scripts, no requests, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lstmctl.reporting.blocks import Block, Heading, plots
from lstmctl.reporting.console import inert
from lstmctl.reporting.palette import DARK, LIGHT, ON_PAGE
from lstmctl.storage import replace_file

if TYPE_CHECKING:
    from jinja2 import Environment, Template

PAGE = "report.html"


def page(blocks: Sequence[Block]) -> str:
    """Return a complete document, named after its first heading."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "lstmctl")
    return _template().render(title=title, content=blocks, is_page=True)


def write_page(folder: Path, blocks: Sequence[Block], files: Mapping[str, str] | None = None) -> Path:
    """Write `report.html` in a folder, every plot in it into `plots/`, and further files.

    Returns:
        The page.

    Raises:
        ResourceError: the disk is full or the folder cannot be written; an older page is kept.
    """
    for plot in plots(blocks).values():
        plot.write(folder)
    for name, content in {**(files or {}), PAGE: page(blocks)}.items():
        replace_file(folder / name, content.encode())
    return folder / PAGE


def fragment(blocks: Sequence[Block]) -> str:
    """Return an element for a notebook, with its own styles; links, which would not work there, become plain text."""
    return _template().render(title="", content=blocks, is_page=False)


def filled(template: str, *, markup: Mapping[str, str | Sequence[str]], **values: object) -> str:
    """Fill a page's own template, which may include `style.css`.

    Args:
        template: the text of the template.
        markup: values that are not escaped.
        values: values that are.
    """
    from markupsafe import Markup

    own = {
        name: Markup(one) if isinstance(one, str) else [Markup(part) for part in one] for name, one in markup.items()
    }
    return _environment().from_string(template).render(is_page=True, **own, **values)


def _template() -> Template:
    return _environment().get_template("blocks.html")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def in_one_line(value: object) -> object:
        """Remove control characters from everything that is not markup."""
        return value if isinstance(value, Markup) else inert(str(value))

    def lines(text: str) -> Markup:
        """Keep line breaks and tabs, and write every other invisible character as an escape."""
        rows = text.replace("\r\n", "\n").split("\n")
        return escape("\n".join("\t".join(inert(cell) for cell in row.split("\t")) for row in rows))

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        finalize=in_one_line,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"lines": lines, "kind": lambda block: type(block).__name__}
    environment.globals |= {"light": LIGHT, "dark": DARK, "on_page": ON_PAGE}
    return environment
