"""Every block in every renderer, and nothing from outside that becomes markup in any of them."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from lstmctl.reporting import html, papers
from lstmctl.reporting.blocks import (
    Block,
    Card,
    Cards,
    Code,
    Facts,
    Folded,
    Heading,
    Link,
    Prose,
    Status,
    Table,
    section,
)
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.palette import BLUE
from lstmctl.reporting.terminal import show

EVIL = "<b onload=x>\"'&\x1b[2J\u202e`*|$"
TABLE = Table(
    "reached",
    "What was reached",
    ("arm", "loss"),
    (("rnn", "1.7"), ("lstm", "1.5")),
    (("n-gram", "1.9"),),
    about="On one corpus.",
    notes=("and 2 more arms",),
    warnings=("One seed.",),
)


def draw(width: float, ink: str) -> Figure:
    figure = Figure(figsize=(width, 1))
    figure.add_subplot().plot([0, 1], [0, 1], color=ink)
    return figure


PLOT = Plot("curve", draw, "A line from 0 to 1.", "How it is read.")
BLOCKS: list[Block] = [
    Heading("A title", 1),
    Status("finished", "100 of 100 steps"),
    *section("A section", Prose("Plain."), Prose("Be careful.", "warning")),
    Facts(((Link("first", "a%20b/report.html"), "1"), ("second", "2"))),
    TABLE,
    PLOT,
    Code("a line\n\tanother"),
    Cards(
        (Card("rnn", "1.7", "nats", (("1.8", Link("seed 0", "rnn/report.html")),), foot="9 parameters", colour=BLUE),)
    ),
    Folded("More", (Code("folded", wraps=True),)),
]


class Parsed(HTMLParser):
    """The elements of a document, all closed where they should be, and its words outside of plots."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.drawn
def test_a_page_holds_every_block_in_order() -> None:
    page = Parsed(html.page(BLOCKS))
    assert page.text == (
        "A title A title finished 100 of 100 steps A section Plain. Be careful. first 1 second 2 One seed. "
        "What was reached arm loss rnn 1.7 lstm 1.5 n-gram 1.9 On one corpus. and 2 more arms How it is read. "
        "a line another rnn 1.7 nats 1.8 seed 0 9 parameters More folded"
    )
    assert ("p", {"class": "warning"}) in page.elements
    assert ("span", {"class": "status finished"}) in page.elements
    assert ("div", {"class": "card own", "style": "--own: var(--colour-1, #0072b2)"}) in page.elements
    assert [attributes["class"] for tag, attributes in page.elements if tag == "svg"] == ["wide", "narrow"]
    assert [attributes.get("class") for tag, attributes in page.elements if tag == "td"] == [None, "number"] * 3
    assert [attributes["href"] for tag, attributes in page.elements if tag == "a"] == [
        "a%20b/report.html",
        "rnn/report.html",
    ]


@pytest.mark.drawn
def test_a_notebook_gets_one_element_whose_styles_touch_nothing_else() -> None:
    content = html.fragment(BLOCKS)
    page = Parsed(content)
    assert page.elements[0] == ("div", {"class": "lstmctl"})
    assert "What was reached arm loss rnn 1.7" in page.text
    assert not {"a", "html", "body"} & {tag for tag, _ in page.elements}
    style = re.sub(r"@media[^{]*{", "", content[content.index("<style>") + 7 : content.index("</style>")])
    selectors = [one.strip() for rule in re.findall(r"([^{}]+){", style) for one in rule.split(",")]
    assert len(selectors) > 40
    assert [one for one in selectors if "lstmctl" not in one] == []
    for theme in ('[data-jp-theme-light="true"]', '[data-jp-theme-light="false"]', "prefers-color-scheme: dark"):
        assert theme in content


def hostile() -> list[Block]:
    return [
        Heading(EVIL, 1),
        Status(EVIL, EVIL),
        Prose(EVIL),
        Facts(((Link(EVIL, "x"), EVIL), (EVIL, EVIL))),
        Table("t", EVIL, (EVIL, "b"), ((EVIL, EVIL),), ((EVIL, EVIL),), EVIL, (EVIL,), (EVIL,)),
        Code(EVIL),
        Cards((Card(EVIL, EVIL, EVIL, ((EVIL, Link(EVIL, "x")),), Prose(EVIL), EVIL),)),
        Folded(EVIL, (Prose(EVIL),)),
    ]


def test_nothing_becomes_markup_in_html() -> None:
    for content in (html.page(hostile()), html.fragment(hostile())):
        page = Parsed(content)
        assert not [tag for tag, attributes in page.elements if tag == "b" or "onload" in attributes]
        assert "\x1b" not in content
        assert "\u202e" not in content
    assert html.page(hostile()).count("\\x1b[2J\\u202e") == 29  # each word of each block, and the title once more


def test_nothing_becomes_markup_in_markdown_or_drives_a_terminal() -> None:
    stream = io.StringIO()
    show(hostile(), stream=stream)
    for content in (papers.markdown(hostile()), papers.latex(hostile(), EVIL), stream.getvalue()):
        assert "\x1b" not in content
        assert "\u202e" not in content
        assert "\\u202e" in content or "textbackslash{}u202e" in content
    outside_of_code = re.sub(r"```.*?```", "", papers.markdown(hostile()), flags=re.DOTALL)
    assert "<b" not in outside_of_code
    assert not re.search(
        r"(?<!\\)[`*|$](?! |\*|$)", re.sub(r"^\*\*|\*\*$|^\| | \|$| \| |\*\* ", "", outside_of_code, flags=re.M)
    )


def test_a_terminal_shows_words_and_leaves_an_empty_line_after_a_table() -> None:
    stream = io.StringIO()
    show([TABLE, *BLOCKS], stream=stream)
    assert stream.getvalue().splitlines() == [
        "What was reached",
        "arm     loss",
        "rnn      1.7",
        "lstm     1.5",
        "n-gram   1.9",
        "One seed.",
        "and 2 more arms",
        "",
        "A title",
        "finished 100 of 100 steps",
        "",
        "A section",
        "Plain.",
        "Be careful.",
        "first   1",
        "second  2",
        "What was reached",
        "arm     loss",
        "rnn      1.7",
        "lstm     1.5",
        "n-gram   1.9",
        "One seed.",
        "and 2 more arms",
        "",
        "a line",
        "\tanother",
        "rnn: 1.7 nats, 1.8 seed 0, 9 parameters",
        "More",
        "folded",
    ]


def test_markdown_has_every_block() -> None:
    text = papers.markdown(BLOCKS)
    for part in (
        "# A title\n\nfinished 100 of 100 steps\n\n## A section\n\nPlain.\n\nBe careful.\n\n",
        "- [first](a%20b/report.html): 1\n- second: 2\n\n",
        "**What was reached.** On one corpus. and 2 more arms One seed.\n\n| arm | loss |\n| --- | ---: |\n",
        "| rnn | 1.7 |\n| lstm | 1.5 |\n| n-gram | 1.9 |\n\n",
        "![A line from 0 to 1.](plots/curve.svg)\n\n",
        "```\na line\n\tanother\n```\n\n",
        "rnn: 1.7 nats, 1.8 seed 0, 9 parameters\n\n",
        "More\n\n```\nfolded\n```\n",
    ):
        assert part in text


def test_a_table_is_csv_with_its_columns_first() -> None:
    table = Table("runs", "", ("run", "note"), (("a,b", 'say "x"'), ("line\nbreak", "")))
    assert papers.as_csv(table) == 'run,note\n"a,b","say ""x"""\nline\\nbreak,\n'


def test_what_is_empty_is_left_out() -> None:
    assert section("Nothing", None, None) == []
    assert Facts.known([("a", None), ("b", ""), ("c", [])]) is None
    assert Facts.known([("a", 0), ("b", None)]) == Facts((("a", "0"),))
    table = Table("t", "", ("arm", "empty", "loss"), (("rnn", "", "1"),), (("n-gram", "", ""),))
    assert table.without_empty_columns() == Table("t", "", ("arm", "loss"), (("rnn", "1"),), (("n-gram", ""),))
