"""`report.html` and the plots, from the files of a run."""

from __future__ import annotations

import json
import math
import re
import resource
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmctl.errors import ResourceError, RunError
from lstmctl.metrics import metric
from lstmctl.reporting import html
from lstmctl.reporting.curve_plots import curve_plot, spikes
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.history import EvaluationPoint, History, LossPoint, read_history
from lstmctl.reporting.run_page import run_blocks, spread, write_report
from lstmctl.reporting.stored_evaluation import read_evaluation

pytestmark = pytest.mark.drawn

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


def curves(history: History) -> Plot:
    plot = curve_plot(history)
    assert plot is not None
    return plot


def point(step: int, loss: float) -> LossPoint:
    return LossPoint(step, step * 100, loss, 0.01)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], set()),
        ([1.0], set()),
        ([1.0, 900.0], set()),
        ([3.0, 2.0, 1.5, 1.2, 1.1], set()),
        ([3.0, 2.0, 900.0, 1.2, 1.1], {2}),
        ([900.0, 2.0, 1.5, 1.2, 1.1], set()),
        ([3.0, 2.0, 900.0, 800.0, 1.1], set()),
        ([3.0, 2.0, math.inf, 1.2, 1.1, 70.0], {5}),
        ([3.0] * 20 + [50.0, 60.0] + [1.0] * 20, {20, 21}),
        ([1.0] * 10 + [2.0] + [1.0] * 10, set()),
    ],
)
def test_a_few_values_far_above_all_others_are_spikes(values: list[float], found: set[int]) -> None:
    assert spikes(values) == found


def test_a_spike_is_named_instead_of_pressing_the_curve_flat() -> None:
    losses = [point(step, 3.0 - step / 50) for step in range(100)]
    losses[60] = point(60, 5000.0)
    evaluations = [
        EvaluationPoint(step, step * 100, {"nats_per_character": 3.0 - step / 50}, best=False)
        for step in range(0, 100, 9)
    ]
    history = History("run", {"units": "characters"}, losses=losses, evaluations=evaluations)
    panel = curves(history).draw(6.5, "black").axes[0]
    assert panel.get_ylim() == pytest.approx((1.02 - 0.05 * 1.98, 3.0 + 0.1 * 1.98), abs=0.05)
    assert panel.get_title(loc="right") == "above the frame: training 5000 at 6.0k"
    evaluations[7] = EvaluationPoint(63, 6300, {"nats_per_character": 812.5}, best=False)
    history = History("run", {"units": "characters"}, losses=losses[:60], evaluations=evaluations)
    panel = curves(history).draw(6.5, "black").axes[0]
    assert panel.get_ylim()[1] < 4
    assert re.fullmatch(r"above the frame: validation 812\S* at 6\.3k", panel.get_title(loc="right"))


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
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;\\x1b[31m\\u202e&lt;b&gt;\nsecond\tline" in content
    assert text.count("alert('1')") >= 9


def test_an_interrupted_run_shows_the_best_evaluation_on_the_way(make_run: MakeRun, curve: Curve) -> None:
    run = make_run(metrics=curve[:-2], samples=None, status="interrupted", step=None)
    (run / "run.json").write_text(
        json.dumps({**json.loads((run / "run.json").read_text()), "metrics": None}), encoding="utf-8"
    )
    text = outline(run).text
    assert "interrupted 98 of 100 steps" in text
    assert "validation during training, best (step 75) 1.250 nats per character" in text
    assert "Samples during training" not in text
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
def test_a_run_with_hardly_any_metrics_has_a_report(make_run: MakeRun, metrics: list[dict[str, object]] | str) -> None:
    run = make_run(metrics=metrics, status="diverged", problem="the loss is NaN", data=None)
    text = outline(run).text
    assert "diverged" in text
    assert "the loss is NaN" in text
    history = read_history(run)
    assert ("No training curve was recorded" in text) == (not history.losses and not history.evaluations)


def test_a_run_without_logs_has_a_report(make_run: MakeRun) -> None:
    run = make_run()
    for name in ("metrics.jsonl", "samples.txt", "config.yaml"):
        (run / name).unlink()
    (run / "run.json").write_text('{"format": 1}')
    text = outline(run).text
    assert "No part was scored." in text
    assert "No training curve was recorded." in text
    assert not (run / "plots").exists()


@pytest.mark.parametrize(("content", "message"), [(None, "is missing"), ("{", "cannot be read"), ("[]", "JSON object")])
def test_a_folder_that_is_not_a_run_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=message):
        write_report(tmp_path)


def test_an_older_report_is_kept_until_the_new_one_is_whole(make_run: MakeRun) -> None:
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
    svg, png = curves(read_history(run)).write(run)
    assert (svg, png) == (run / "plots" / "curves.svg", run / "plots" / "curves.png")
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    content = svg.read_text(encoding="utf-8")
    assert ElementTree.fromstring(content).tag == f"{SVG}svg"
    assert "#0072b2" in content
    assert "#d55e00" in content
    assert "#ffffff" in content
    before = svg.read_bytes()
    curves(read_history(run)).write(run)
    assert svg.read_bytes() == before


def test_inline_curves_take_the_colours_of_the_page(make_run: MakeRun) -> None:
    svg = curves(read_history(make_run())).svg()
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert (root.get("width"), root.get("height")) == (None, None)
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert "#ffffff" not in svg
    assert "var(--colour-1, #0072b2)" in svg
    words = ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]
    for label in ("nats per character", "characters seen", "learning rate", "validation", "best: 1.250 at step 75"):
        assert label in words
    assert root.get("aria-label") == (
        "Curves over the characters seen. Training loss from 2.500 to 1.030. "
        "Best validation: 1.250 nats per character at step 75."
    )
    identities = {element.get("id") for element in root.iter() if element.get("id")}
    assert identities
    assert all(str(name).startswith("curves-wide-") for name in identities)
    used = set(re.findall(r"url\(#([^)]*)\)", svg)) | set(re.findall(r'href="#([^"]*)"', svg))
    assert used <= identities


def test_a_metric_in_another_unit_than_the_loss_has_an_axis_of_its_own(make_run: MakeRun, curve: Curve) -> None:
    rows = [row for row in curve if "loss" in row]
    rows.append({"step": 100, "validation": {"accuracy": 0.75}, "best": True})
    root = ElementTree.fromstring(curves(read_history(make_run(metrics=rows))).svg())
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


def without_figures(run: Path) -> str:
    """The text of the page outside the plots."""
    content = re.sub(r"<svg.*?</svg>", "", write_report(run).read_text(encoding="utf-8"), flags=re.DOTALL)
    return Outline(content).text


def test_a_forecasting_run_is_shown_with_its_baselines(make_forecast_run: MakeRun) -> None:
    run = make_forecast_run()
    outline(run)
    text = without_figures(run)
    for part in (
        "test 0.369 MSE, scaled 0.398 MAE, scaled",
        "It beats every baseline: 0.3690 MSE, scaled, the best of them 0.3985 (ridge).",
        "Run and baselines: test, 2,785 windows run last value seasonal naive drift ridge "
        "MSE, scaled * 0.3690 1.1439 0.5055 3.4317 0.3985",
        "coverage of 80 % 0.793",
        "* the best of its row. The rows that chose the weights calibrated the intervals.",
        "Forecasts Windows of the test part, in the series' own units. Intervals over the whole part: "
        "those of 80 % cover 79.3 % and are 7.9 wide, as a mean over channels.",
        "Error by step As a table step run last value seasonal naive drift ridge 1 * 0.3690",
        "By channel channel MSE, scaled MAE MASE coverage of 80 % HUFL run * 0.2952",
        "OT run * 0.4428 3,132",
        "task forecast, many-to-many loss mse lookback 96 horizon 24",
        "series 1 channels 2: HUFL, OT step 1 hour season 24 rows "
        "rows in each part training 8,640, validation 2,880, test 2,880 "
        "windows in each part training 8,521, validation 2,785, test 2,785 scaled by rows 0 to 8,639",
        "12 missing values were filled.",
    ):
        assert part in text
    assert text.index("Run and baselines") < text.index("Forecasts Windows") < text.index("Curves")
    assert 'class="warning"' not in (run / "report.html").read_text(encoding="utf-8")
    assert {path.name for path in (run / "plots").iterdir()} == {
        f"{name}.{kind}" for name in ("curves", "forecasts", "steps") for kind in ("png", "svg")
    }


def test_a_forecasting_run_shows_example_windows_and_errors_by_step(make_forecast_run: MakeRun) -> None:
    page = outline(make_forecast_run())
    labels = [attributes["aria-label"] or "" for tag, attributes in page.elements if "aria-label" in attributes]
    assert [label.split(":")[0] for label in labels] == [
        "Forecasts of 2 series. HUFL",
        "Forecasts of 2 series. HUFL",
        "MSE, scaled by step of the horizon",
        "MSE, scaled by step of the horizon",
        "Curves over the windows seen. Training loss from 0.500 to 0.410. Best validation",
        "Curves over the windows seen. Training loss from 0.500 to 0.410. Best validation",
    ]
    assert "ridge from 0.399 to 1.594" in labels[2]
    for word in ("true values", "95 % interval", "2018-Jun-28", "seasonal naive", "step of the horizon"):
        assert word in page.text


def test_a_run_that_loses_against_a_baseline_is_reported(
    make_forecast_run: MakeRun, stored_evaluation: dict[str, Any]
) -> None:
    stored_evaluation["metrics"]["mse_scaled"] = 0.41
    run = make_forecast_run(evaluation=stored_evaluation)
    write_report(run)
    assert (
        '<p class="warning">It does not beat ridge (0.3985 MSE, scaled, the run 0.4100): prefer the baseline, or train '
        "longer.</p>" in (run / "report.html").read_text(encoding="utf-8")
    )


def test_one_channel_has_no_table_of_channels(make_forecast_run: MakeRun, stored_evaluation: dict[str, Any]) -> None:
    for channels in stored_evaluation["by_channel"].values():
        del channels["HUFL"]
    text = without_figures(make_forecast_run(evaluation=stored_evaluation))
    assert "By channel" not in text
    assert "are 7.9 wide." in text


@pytest.mark.parametrize("evaluation", [None, "{", "[]", {"format": 1}, {"format": 1, "metrics": {"mse_scaled": 0.3}}])
def test_without_a_sound_evaluation_the_rest_of_the_report_is_kept(make_forecast_run: MakeRun, evaluation: Any) -> None:
    text = outline(make_forecast_run(evaluation=evaluation)).text
    assert "test 0.369 MSE, scaled" in text
    assert "Run and baselines" not in text
    assert "Forecasts" not in text


def test_samples_of_a_forecast_are_not_wrapped(make_forecast_run: MakeRun, make_run: MakeRun) -> None:
    content = write_report(make_forecast_run()).read_text(encoding="utf-8")
    assert '<pre tabindex="0">\n▁▂▃▄▅▆▇█▇▆▅▄▃▂▁▂▃▄▅▆ → ▇█▇▆▅▄▃▂▁▂  HUFL\n▁▁▁▁' in content


def test_a_text_run_has_its_baselines_next_to_its_metrics(make_run: MakeRun) -> None:
    run = make_run()
    evaluation = {
        "format": 1,
        "split": "validation",
        "primary": "nats_per_character",
        "metrics": {"nats_per_character": 1.25, "bits_per_character": 1.803},
        "baselines": {
            "uniform": {"nats_per_character": 4.1744, "bits_per_character": 6.0224},
            "n-gram": {"nats_per_character": 1.9471, "order": 4.0},
        },
        "notes": [],
        "windows": 12,
    }
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    text = outline(run).text
    assert "It beats every baseline: 1.250 nats per character, the best of them 1.947 (n-gram)." in text
    assert (
        "Run and baselines: validation, 12 windows run uniform n-gram nats per character * 1.250 4.174 1.947 "
        "bits per character * 1.803 6.022" in text
    )
    assert "Forecasts" not in text
    assert "order" not in text


@pytest.mark.parametrize(
    ("loss", "primary", "shared"),
    [
        ("mse", "mse_scaled", True),
        ("mae", "mae_scaled", True),
        ("huber", "mae_scaled", False),
        ("quantile", "pinball_scaled", True),
        ("gaussian", "pinball_scaled", False),
        ("student-t", "pinball_scaled", False),
    ],
)
def test_validation_shares_the_axis_of_a_loss_in_its_unit_alone(
    make_forecast_run: MakeRun, loss: str, primary: str, shared: bool
) -> None:
    history = read_history(make_forecast_run(loss, evaluation=None))
    assert (history.loss, history.primary) == (loss, primary)
    root = ElementTree.fromstring(curves(history).svg())
    words = {"".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")}
    assert metric(primary).words in words
    assert (f"loss ({loss})" in words) != shared


def test_the_primary_metric_is_the_one_that_the_evaluation_names(
    make_forecast_run: MakeRun, stored_evaluation: dict[str, Any]
) -> None:
    stored_evaluation["primary"] = "mae_scaled"
    run = make_forecast_run("gaussian", evaluation=stored_evaluation)
    assert read_history(run).primary == "mae_scaled"
    assert "test 0.398 MAE, scaled 0.369 MSE, scaled" in outline(run).text


EVIL = "<script>alert('1')</script>&amp;\x1b[31m\u202e\"><b onload=x>"


def test_no_name_or_note_of_a_forecast_becomes_markup(
    make_forecast_run: MakeRun, stored_evaluation: dict[str, Any]
) -> None:
    stored_evaluation["notes"] = [EVIL]
    stored_evaluation["split"] = EVIL
    stored_evaluation["baselines"][EVIL] = stored_evaluation["baselines"]["ridge"]
    stored_evaluation["metrics"][f"z{EVIL}"] = 1.0
    for model in ("by_channel", "by_step"):
        stored_evaluation[model][EVIL] = stored_evaluation[model]["ridge"]
    for channels in stored_evaluation["by_channel"].values():
        channels[EVIL] = channels["OT"]
    stored_evaluation["examples"][0]["series"] = EVIL
    stored_evaluation["examples"][1]["times"] = [EVIL] * 4
    data = {"channels": [EVIL], "step": EVIL, "season": EVIL, "scaled_by": EVIL, "notes": [EVIL], "series": EVIL}
    run = make_forecast_run(EVIL, evaluation=stored_evaluation, data=data)
    page = outline(run)
    content = (run / "report.html").read_text(encoding="utf-8")
    assert "<script" not in content
    assert "<b onload" not in content
    assert "\x1b" not in content
    assert "\u202e" not in content
    assert page.text.count("alert('1')") > 12


@settings(max_examples=25)
@given(name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), note=st.text(st.characters(codec="utf-8")))
def test_no_channel_or_note_can_add_an_element(stored_evaluation: dict[str, Any], name: str, note: str) -> None:
    def elements(channel: str, noted: str) -> list[str]:
        stored = {**stored_evaluation, "notes": [noted], "examples": []}
        figures = stored_evaluation["metrics"]
        stored["by_channel"] = {"run": {channel: figures, "another": figures}, "ridge": {channel: figures}}
        stored["by_step"] = {}
        stored["examples"] = []
        info = {"task": "forecast", "data": {"channels": [channel], "notes": [noted]}}
        with TemporaryDirectory() as folder:
            (Path(folder) / "evaluation.json").write_text(json.dumps(stored), encoding="utf-8")
            history = History("run", info, evaluation=read_evaluation(Path(folder)))
        return [tag for tag, _ in Outline(html.page(run_blocks(history))).elements]

    assert elements(name, f"n{note}") == elements("OT", "a note")


def test_nothing_from_a_file_becomes_markup_in_a_figure(
    make_forecast_run: MakeRun, stored_evaluation: dict[str, Any]
) -> None:
    name = f"mse_{EVIL}"
    stored_evaluation["primary"] = name
    stored_evaluation["metrics"][name] = 1.0
    for steps in stored_evaluation["by_step"].values():
        for step in steps:
            step[name] = 1.0
    run = make_forecast_run(EVIL, evaluation=stored_evaluation, units=EVIL)
    rows = (run / "metrics.jsonl").read_text().replace('"mse_scaled"', json.dumps(name))
    (run / "metrics.jsonl").write_text(rows)
    outline(run)
    assert read_history(run).primary == name
    content = (run / "report.html").read_text(encoding="utf-8")
    assert "<script" not in content
    assert "\x1b" not in content
    assert "\u202e" not in content
