"""The report of a comparison: one file that says it all, and that nothing from outside can take over."""

from __future__ import annotations

import dataclasses
import re
import resource
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lstmctl.errors import ResourceError
from lstmctl.reporting import html
from lstmctl.reporting.comparison_page import comparison_blocks, write_comparison
from lstmctl.reporting.comparison_tables import csv, in_words
from lstmctl.reporting.palette import COLOURS, ON_PAGE
from lstmctl.reporting.papers import latex, markdown
from lstmctl.results.comparison import Comparison

pytestmark = pytest.mark.drawn

MakeComparison = Callable[..., Comparison]
VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """A page whose elements are all closed where they should be: its words, links and ids."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "svg" not in self.open:
            self.words.append(data)

    def of(self, name: str) -> list[str]:
        return [value for attribute, value in self.attributes if attribute == name]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def report(comparison: Comparison) -> str:
    return html.page(comparison_blocks(comparison))


def outline(comparison: Comparison) -> Outline:
    content = report(comparison)
    assert re.findall(r'(?<!xmlns=")(?<!xmlns:xlink=")https?://', content) == []
    page = Outline(content)
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert len(page.of("id")) == len(set(page.of("id")))
    return page


def links(page: Outline) -> list[str]:
    return [target for target in page.of("href") if not target.startswith(("#", "data:"))]


def with_reports(comparison: Comparison) -> None:
    for arm in comparison.arms:
        for run in arm.runs:
            if run.status == "finished":
                folder = Path(comparison.path) / run.name
                folder.mkdir()
                (folder / "report.html").touch()


def test_the_folder_holds_the_page_the_plots_and_the_tables(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    folder = Path(comparison.path)
    assert write_comparison(comparison) == folder / "report.html"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "figures.csv",
        "plots/curves.png",
        "plots/curves.svg",
        "plots/differences.png",
        "plots/differences.svg",
        "plots/figures.png",
        "plots/figures.svg",
        "report.html",
        "table.md",
        "table.tex",
    ]
    assert (folder / "report.html").read_text(encoding="utf-8") == report(comparison)
    assert (folder / "figures.csv").read_text(encoding="utf-8") == csv(comparison)
    assert (folder / "table.md").read_text(encoding="utf-8") == markdown(in_words(comparison))
    assert (folder / "table.tex").read_text(encoding="utf-8") == latex(in_words(comparison), comparison.command)


def test_the_page_says_what_was_shown_and_from_what(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    with_reports(comparison)
    page = outline(comparison)
    assert page.text.startswith(
        "rnn, lstm and gru on sea rnn, lstm and gru on sea Over 3 seeds, on this data: lstm is better than rnn by 0.128"
    )
    for part in (
        "nats per character on the test part, lower is better · seeds 0, 1, 2 · training on 1,048,576 characters",
        "lstm 1.585 [1.559, 1.611] 95 % interval 1.584 seed 0 1.596 seed 1 1.575 seed 2 86,591 (+0.0 %) parameters",
        "4.174 uniform (chance) 1.947 n-gram",
        "lstm minus gru +0.013 [-0.008, +0.034] 0.182 paired",
        "it says nothing about other corpora",
        "To level: training time until the mean validation curve is at 1.693 nats per character, which is where",
        "rates compare implementations as much as cells.",
        "gru hidden=132 1,024 31k/s 33.8 s 6.1 s 512 MB stepwise",
        "lstm The king shall have the hand of me,",
        "overrides training.budget=1M characters",
        "match parameters: each arm's width gives it about 86,591 parameters",
        "files sea.txt size 1.12 MB vocabulary 65 parts training 892,315, validation 111,539, test 111,540",
        "lstmctl compare rnn lstm gru --config sea 'training.budget=1M characters'",
        "device cpu, 2 threads precision bfloat16",
        "versions torch 2.13.0",
        "All metrics of 9 runs",
        "gru-seed-2 finished 1,048,576 31k/s 34.1 s 512 MB 1.562",
    ):
        assert part in page.text
    assert links(page) == [f"{arm}-seed-{seed}/report.html" for arm in ("rnn", "lstm", "gru") for seed in range(3)]
    assert "Tuning" not in page.text
    assert "comparable" not in page.text


def test_many_seeds_are_summarised_and_listed_on_request(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(range(15), diverged=["lstm-seed-3"])
    with_reports(comparison)
    page = outline(comparison)
    assert "lower is better · seeds 0 to 14 · training on" in page.text
    # 1.584 plus the move of each seed, from -0.009 to 0.014; of 14 values, the better one of the middle two has none.
    assert "1.575 best, seed 2 1.584 median, seed 0 1.598 worst, seed 11 1 diverged 86,591" in page.text
    assert "All 15 seeds of lstm seed 0 1.584 seed 1 1.596 seed 2 1.575 seed 3 diverged seed 4 1.581" in page.text
    assert "lstm-seed-14/report.html" in links(page)
    assert "seeds 0 to 14 match" in page.text
    assert "best to worst seed" in page.text
    assert "1.575 to 1.598, 1 diverged" in page.text


def test_only_reports_that_are_there_are_linked(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(diverged=["rnn-seed-1"])
    with_reports(comparison)
    page = outline(comparison)
    assert links(page)[:2] == ["rnn-seed-0/report.html", "rnn-seed-2/report.html"]
    assert "1.712 seed 0 diverged seed 1 1.703 seed 2" in page.text
    assert "rnn: 1 of 3 runs diverged; the mean is over the 2 that did not" in page.text


def test_an_arm_that_diverged_keeps_its_card_and_its_place_among_the_samples(make_comparison: MakeComparison) -> None:
    page = outline(make_comparison(diverged=[f"gru-seed-{seed}" for seed in range(3)]))
    assert "gru diverged diverged seed 0 diverged seed 1 diverged seed 2" in page.text
    assert "gru diverged Shared settings" in page.text


def test_one_seed_and_runs_at_once_are_said_on_the_page(make_comparison: MakeComparison) -> None:
    page = outline(make_comparison(seeds=[0], jobs=2))
    assert "1.712 one seed: no interval 1.712 seed 0" in page.text
    assert "* not comparable: 2 runs at once shared the machine." in page.text
    assert "No interval: it needs two seeds" in page.text


def test_tuning_shows_every_point_and_what_was_chosen(make_comparison: MakeComparison) -> None:
    page = outline(make_comparison(tuned=True))
    assert (
        "rnn learning_rate=0.001 1.732 rnn learning_rate=0.003 1.712 chosen rnn learning_rate=0.01 diverged"
        in page.text
    )
    assert "the test part was not used" in page.text
    same = outline(make_comparison(tuned=True, split="validation"))
    assert "the last tenth of the training part, held out for tuning" in same.text


def test_parameters_off_the_target_are_warned_of(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    arms = (dataclasses.replace(comparison.arms[0], deviation=0.034), *comparison.arms[1:])
    assert (
        "More than 2 % from the target of parameters: rnn +3.4 %"
        in outline(dataclasses.replace(comparison, arms=arms)).text
    )


def test_a_match_by_time_does_not_claim_one_budget(make_comparison: MakeComparison) -> None:
    page = outline(make_comparison(match="time", target=None))
    assert "each run training for as long as the config's own cell takes for 1,048,576 characters" in page.text
    assert "match time: every arm trains for about the same time, so steps differ" in page.text


def test_nothing_from_outside_becomes_markup_or_leads_elsewhere(make_comparison: MakeComparison) -> None:
    evil = "<script>alert('1')</script>&amp;\x1b[31m\u202e\"><b>"
    comparison = make_comparison(
        names=(evil, "a_b & 50 %", "javascript:x"),
        config=evil,
        command=evil,
        statement=evil,
        overrides=(evil,),
        baselines={evil: {"nats_per_character": 1.8}},
        machine={"device_name": evil, "versions": {evil: evil}},
        data={"files": [evil], "parts": {evil: 1}, "sha256": evil},
    )
    first = comparison.arms[0]
    run = dataclasses.replace(first.runs[0], name="javascript:alert(1) ")
    first = dataclasses.replace(
        first, cell=evil, kernel=evil, sample=evil, settings={evil: evil}, runs=(run, *first.runs[1:])
    )
    comparison = dataclasses.replace(comparison, arms=(first, *comparison.arms[1:]))
    with_reports(comparison)
    page = outline(comparison)
    content = report(comparison)
    assert "<script" not in content
    assert "\x1b" not in content
    assert "\u202e" not in content
    assert page.text.count("alert('1')") > 15
    assert "\\x1b[31m\\u202e" in page.text
    assert links(page)[0] == "javascript%3Aalert%281%29%20/report.html"
    assert all("/report.html" in link and ":" not in link for link in links(page))


def test_every_arm_has_its_colour_in_light_and_in_dark(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    arms = tuple(dataclasses.replace(comparison.arms[number % 3], name=f"arm{number}") for number in range(8))
    page = outline(dataclasses.replace(comparison, arms=arms, tests=()))
    styles = page.of("style")
    cards = [style for style in styles if style.startswith("--own:")]
    assert cards[:8] == [f"--own: {ON_PAGE[COLOURS[number - 1]]}" for number in (1, 2, 3, 4, 5, 6, 7, 1)]
    content = report(comparison)
    assert all(content.count(f"--colour-{number}: #") == 2 for number in range(1, 8))


def test_a_comparison_in_which_nothing_finished_has_a_report(make_comparison: MakeComparison) -> None:
    runs = [f"{arm}-seed-0" for arm in ("rnn", "lstm", "gru")]
    comparison = make_comparison(seeds=[0], diverged=runs, level=None, baselines={}, machine={}, data={})
    page = outline(comparison)
    assert "rnn diverged diverged seed 0" in page.text
    assert "Data" not in page.text.split()


def test_an_older_report_is_kept_until_the_new_one_is_whole(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    path = write_comparison(comparison)
    path.write_text("old")
    largest = max(file.stat().st_size for file in path.parent.rglob("*.*"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 1000, limits[1]))
    try:
        with pytest.raises(ResourceError, match=r"report\.html cannot be written \(.* bytes needed\): File too large"):
            write_comparison(comparison)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert not list(path.parent.rglob(".*.tmp-*"))


def test_a_comparison_of_forecasts_speaks_of_series(make_forecast_comparison: MakeComparison) -> None:
    comparison = make_forecast_comparison()
    page = outline(comparison)
    for part in (
        "MSE, scaled, on the test part, lower is better · seeds 0, 1, 2 · training on 1,048,576 windows",
        "baselines without a network 1.750 last value 1.735 seasonal naive 1.742 drift 1.600 ridge",
        "on these series and with these settings; it says nothing about other series",
        "During training, only the windows that select the weights are scored",
        "Forecasts after the last row rnn ▁▂▃▄▅▆▇█",
        "series 1 channels 2: HUFL, OT step 1 hour season 24 rows",
        "run status windows seen",
    ):
        assert part in page.text
    for word in ("corpus", "corpora", "empty prompt", "character"):
        assert word not in page.text.replace(comparison.statement, "").replace(comparison.command, "").replace(
            comparison.overrides[0], ""
        )
    assert '<pre tabindex="0">\n▁▂▃▄▅▆▇█' in report(comparison)
    assert "cards stacked" in page.of("class")


def test_arms_that_write_nothing_have_no_place_for_it(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(unit="sequences", primary="accuracy")
    silent = tuple(dataclasses.replace(arm, sample="") for arm in comparison.arms)
    page = outline(dataclasses.replace(comparison, arms=silent))
    for word in ("empty prompt", "corpus", "corpora", "lanes"):
        assert word not in page.text
    assert "it says nothing about other sequences" in page.text
    assert "of the validation part are scored, so these values may differ" in page.text


def test_a_comparison_of_text_does_not_speak_of_series(make_comparison: MakeComparison) -> None:
    page = outline(make_comparison())
    assert "Texts from an empty prompt" in page.text
    assert "series" not in page.text
    assert "cards stacked" not in page.of("class")
