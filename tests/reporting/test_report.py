"""`report.html` and the plots, from the files of a run."""

from __future__ import annotations

import json
import re
import resource
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lstmctl.errors import ResourceError, RunError
from lstmctl.reporting.history import read_history
from lstmctl.reporting.plots import inline_curves, write_curves
from lstmctl.reporting.report import spread, write_report

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "link", "br"}
MakeRun = Callable[..., Path]
Curve = list[dict[str, Any]]


class Outline(HTMLParser):
    """Checks that every element is closed where it should be, and keeps the text and the attributes."""

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
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def outline(run: Path) -> Outline:
    path = write_report(run)
    assert path == run / "report.html"
    content = path.read_text(encoding="utf-8")
    # Self-contained: the only addresses are the names of XML's vocabularies.
    assert re.findall(r'(?<!xmlns=")(?<!xmlns:xlink=")https?://', content) == []
    parsed = Outline(content)
    assert not [tag for tag, _ in parsed.elements if tag in ("script", "img", "iframe", "object", "embed", "base")]
    identities = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(identities) == len(set(identities))
    for tag, attributes in parsed.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), tag
    return parsed


def test_a_finished_run_says_what_it_reached_and_of_what(make_run: MakeRun) -> None:
    run = make_run(
        samples="── step 50\nfirst words\n\n── step 100\nlast words\n\n",
        config="format: 1\nmodel:\n  cell: lstm\n  hidden: 256\n",
        rate=61200.5,
        training_seconds=42.4,
        kernel="oneDNN",
        versions={"torch": "2.13.0"},
        resumed=[{"at": "2026-01-02T04:00:00+00:00", "step": 50}],
    )
    text = outline(run).text
    for part in (
        "sea-lstm-001",
        "finished 100 of 100 steps · 2026-01-02 03:04:05 UTC",
        "validation 1.250 nats per character 1.803 bits per character",
        "best on the validation part (step 75)",
        "after step 50 first words after step 100 last words",
        "hidden units 256",
        "parameters 348,988",
        "kernel oneDNN",
        "time in training steps 0:42",
        "rate 61k characters per second",
        "files sea.txt size 1.04 MB",
        "parts training 832,272",
        "SHA-256 " + "ab" * 32,
        "model: cell: lstm hidden: 256",
        "lstmctl train sea",
        "versions torch 2.13.0",
        "resumed 2026-01-02 04:00:00 UTC, at step 50",
        "75 4,800 1.250 1.803 best so far",
    ):
        assert part in text
    assert not list(run.glob(".*.tmp-*"))


def test_nothing_from_a_file_becomes_markup(make_run: MakeRun) -> None:
    evil = "<script>alert('1')</script>&amp;\x1b[31m\u202e<b>"
    run = make_run(
        samples=f"── step 1\n{evil}\nsecond\tline\n\n",
        config=f"format: 1 # {evil}\n",
        command=evil,
        status='x" onclick="alert(1)',
        problem=evil,
        units=f"<i>{evil}",
        kernel=evil,
        data={"files": [evil], "parts": {evil: 1}, "sha256": evil},
        versions={evil: evil},
        metrics={"validation": {f"<script>{evil}": 1.0}},
    )
    text = outline(run).text
    content = (run / "report.html").read_text(encoding="utf-8")
    assert "<script" not in content
    assert "\x1b" not in content
    assert "\u202e" not in content
    assert (
        "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;amp;\\x1b[31m\\u202e&lt;b&gt;\nsecond\tline" in content
    )
    assert text.count("alert('1')") >= 9


def test_an_interrupted_run_shows_the_best_evaluation_on_the_way(make_run: MakeRun, curve: Curve) -> None:
    run = make_run(metrics=curve[:-2], samples=None, status="interrupted", step=None)
    (run / "run.json").write_text(
        json.dumps({**json.loads((run / "run.json").read_text()), "metrics": None}), encoding="utf-8"
    )
    text = outline(run).text
    assert "interrupted 98 of 100 steps" in text
    assert "validation on the way, best (step 75) 1.250 nats per character" in text
    assert "Samples as training went on" not in text
    assert "Scored with" not in text


@pytest.mark.parametrize(
    "metrics",
    [
        [{"step": 1, "units": 64, "loss": 4.0, "learning_rate": 0.1}],
        [{"step": 1, "validation": {"nats_per_character": 3.0}, "best": True}],
        [{"step": 1, "validation": {"nats_per_character": float("nan")}, "best": False}, {"step": 2, "loss": None}],
        '{"step": 1, "units": 64, "loss": 4.0, "learning_rate": 0.1}\n{"step": 2, "un',
        'null\n[1]\n{"step": "x", "loss": 1}\nnot json\n',
        "",
    ],
)
def test_a_run_with_hardly_any_figures_has_a_report(make_run: MakeRun, metrics: list[dict[str, object]] | str) -> None:
    run = make_run(metrics=metrics, status="diverged", problem="the loss is NaN", data=None)
    text = outline(run).text
    assert "diverged" in text
    assert "the loss is NaN" in text
    history = read_history(run)
    assert ("Training left no curve" in text) == (not history.losses and not history.evaluations)


def test_a_run_without_logs_has_a_report(make_run: MakeRun) -> None:
    run = make_run()
    for name in ("metrics.jsonl", "samples.txt", "config.yaml"):
        (run / name).unlink()
    (run / "run.json").write_text('{"format": 1}')
    text = outline(run).text
    assert "No part was scored." in text
    assert "Training left no curve." in text
    assert not (run / "plots").exists()


@pytest.mark.parametrize(("content", "message"), [(None, "is missing"), ("{", "cannot be read"), ("[]", "JSON object")])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=message):
        write_report(tmp_path)


def test_an_older_report_stands_until_the_new_one_is_whole(make_run: MakeRun) -> None:
    run = make_run(metrics="")
    (run / "report.html").write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ResourceError, match=r"report\.html cannot be written \(.* bytes needed\): File too large"):
            write_report(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (run / "report.html").read_text() == "old"
    assert not list(run.glob(".*.tmp-*"))


def test_plots_are_a_png_and_an_svg_in_ink_on_white(make_run: MakeRun) -> None:
    run = make_run()
    svg, png = write_curves(run)
    assert (svg, png) == (run / "plots" / "curves.svg", run / "plots" / "curves.png")
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    content = svg.read_text(encoding="utf-8")
    assert ElementTree.fromstring(content).tag == f"{SVG}svg"
    assert "#0072b2" in content
    assert "#d55e00" in content
    assert "#ffffff" in content
    before = svg.read_bytes()
    write_curves(run)
    assert svg.read_bytes() == before


def test_inline_curves_take_the_colours_of_the_page(make_run: MakeRun) -> None:
    svg = inline_curves(read_history(make_run()), identity="wide")
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert (root.get("width"), root.get("height")) == (None, None)
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert "#ffffff" not in svg
    assert "var(--training" in svg
    words = ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]
    for label in ("nats per character", "characters seen", "learning rate", "validation", "best: 1.250 at step 75"):
        assert label in words
    assert root.get("aria-label") == (
        "Curves over the characters seen. Training loss from 2.500 to 1.030. "
        "Best validation: 1.250 nats per character at step 75."
    )
    identities = {element.get("id") for element in root.iter() if element.get("id")}
    assert identities
    assert all(str(name).startswith("wide-") for name in identities)
    used = set(re.findall(r"url\(#([^)]*)\)", svg)) | set(re.findall(r'href="#([^"]*)"', svg))
    assert used <= identities


def test_a_figure_in_another_unit_than_the_loss_has_an_axis_of_its_own(make_run: MakeRun, curve: Curve) -> None:
    rows = [row for row in curve if "loss" in row]
    rows.append({"step": 100, "validation": {"accuracy": 0.75}, "best": True})
    root = ElementTree.fromstring(inline_curves(read_history(make_run(metrics=rows))))
    words = ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]
    assert {"loss", "accuracy", "learning rate"} <= set(words)


def test_evaluations_between_two_reports_are_placed_by_their_step(make_run: MakeRun) -> None:
    history = read_history(make_run())
    assert [(point.step, point.units) for point in history.evaluations] == [
        (25, 1600),
        (50, 3200),
        (75, 4800),
        (100, 6400),
    ]
    assert history.best is not None
    assert history.best.step == 75
    assert history.primary == "nats_per_character"


def test_the_samples_shown_are_spread_from_the_first_to_the_last() -> None:
    samples = [(step, "") for step in range(1, 11)]
    assert [step for step, _ in spread(samples, 4)] == [1, 4, 7, 10]
    assert spread(samples[:2], 4) == samples[:2]


def test_samples_keep_their_own_lines(make_run: MakeRun) -> None:
    run = make_run(samples="── step 5\n\n  indented\n\nnew paragraph\n\n── step 6\n\n\n")
    assert read_history(run).samples == [(5, "  indented\n\nnew paragraph"), (6, "")]
