"""Plots of series: every value in its place, readable for one series and for many, always the same bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.dates import date2num

from lstmctl.errors import ResourceError, UsageError
from lstmctl.reporting.drawing import Plot
from lstmctl.reporting.forecast_plots import (
    FORECAST,
    PATHS,
    SeriesCourse,
    extremes,
    forecast_plot,
    series_plot,
    step_plot,
)
from lstmctl.reporting.time_axis import moments
from lstmctl.results.forecasts import SeriesForecast

pytestmark = pytest.mark.drawn

SVG = "{http://www.w3.org/2000/svg}"
MakeForecast = Callable[..., SeriesForecast]
to_places: Callable[..., Any] = date2num
MODELS = ("run", "last value", "seasonal naive", "drift", "ridge")


def of(plot: Plot | None) -> Plot:
    assert plot is not None
    return plot


def picture(plot: Plot | None, width: float = 6.5) -> Any:
    """A figure, examined through its matplotlib objects."""
    return of(plot).draw(width, "black")


def words(svg: str) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def places(*times: str) -> list[float]:
    return [float(place) for place in to_places([datetime.fromisoformat(time) for time in times])]


def legend(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def by_step(*factors: float, steps: int = 24) -> dict[str, list[dict[str, float]]]:
    return {
        name: [{"mse_scaled": factor * (0.2 + 0.02 * step)} for step in range(steps)]
        for name, factor in zip(MODELS, factors, strict=False)
    }


def test_times_are_dates_whole_numbers_or_counted_through() -> None:
    assert moments(["7", "8", "10"]).places == [7, 8, 10]
    assert not moments([7, 8]).are_dates
    dates = moments(["2018-06-26", "2018-06-26 12:00:00"])
    assert dates.are_dates
    assert dates.places[1] - dates.places[0] == 0.5
    assert moments([datetime(2018, 6, 26)]).places == dates.places[:1]
    assert moments(["2018-06-26", "soon"]).places == [0, 1]
    assert moments([]).places == []


def test_the_point_what_came_and_the_history_stand_at_their_times(make_forecast: MakeForecast) -> None:
    forecast = make_forecast()
    (panel,) = picture(forecast_plot([forecast])).axes
    history, actual, point = [line for line in panel.lines if len(line.get_xdata()) > 2]
    assert list(history.get_xdata()) == places(*forecast.history_times[-48:])
    assert list(history.get_ydata()) == list(forecast.history[-48:])
    # Both continue from the last known row.
    assert list(point.get_xdata()) == places(forecast.history_times[-1], *forecast.times)
    assert list(point.get_ydata()) == [forecast.history[-1], 10, 11, 12, 13]
    assert list(actual.get_ydata()) == [forecast.history[-1], 10.5, 11.5, 12.5, 13.5]
    assert point.get_color() == FORECAST
    assert actual.get_linestyle() != "-"


def test_the_wider_interval_is_drawn_first_and_looks_lighter(make_forecast: MakeForecast) -> None:
    figure = picture(forecast_plot([make_forecast()]))
    outer, inner = [band.get_paths()[0].vertices[:, 1].max() for band in figure.axes[0].collections]
    assert (outer, inner) == (13 + 95 / 40, 13 + 80 / 40)
    shades = {handle.get_label(): handle.get_alpha() for handle in figure.legends[0].legend_handles}
    assert shades["95 % interval"] < shades["80 % interval"]
    assert legend(figure) == ["history", "true values", "forecast", "95 % interval", "80 % interval"]


def test_what_is_not_there_is_neither_drawn_nor_named(make_forecast: MakeForecast) -> None:
    bare = make_forecast(intervals={}, actual=(), history=(), history_times=())
    figure = picture(forecast_plot([bare]))
    assert legend(figure) == ["forecast"]
    (line,) = figure.axes[0].lines
    assert list(line.get_ydata()) == [10, 11, 12, 13]


def test_of_many_sample_paths_some_are_drawn_and_the_legend_says_how_many(make_forecast: MakeForecast) -> None:
    paths = tuple((float(number), 1.0, 2.0, 3.0) for number in range(100))
    figure = picture(forecast_plot([make_forecast(paths=paths)]))
    drawn = [line for line in figure.axes[0].lines if line.get_color() == PATHS]
    assert [line.get_ydata()[1] for line in drawn] == list(range(20))
    assert "20 of 100 sample paths" in legend(figure)
    assert "sample paths" in legend(picture(forecast_plot([make_forecast(paths=paths[:3])])))


def test_a_missing_value_is_a_gap_and_a_lonely_one_a_dot(make_forecast: MakeForecast) -> None:
    history = (*[1.0] * 50, None, 2.0, None, *[1.0] * 6, None)
    forecast = make_forecast(history=history, actual=(1.0, None, math.inf, 2.0))
    panel = picture(forecast_plot([forecast])).axes[0]
    known, actual, point = [line for line in panel.lines if len(line.get_xdata()) > 2]
    assert [math.isnan(value) for value in known.get_ydata()] == [value is None for value in history[-48:]]
    assert known.get_markevery() == [history[-48:].index(2.0)]
    # Without a last known value there is nothing to continue from.
    assert list(point.get_ydata()) == [10, 11, 12, 13]
    assert [math.isnan(value) for value in actual.get_ydata()] == [False, True, True, False]


def test_a_horizon_of_one_row_can_be_seen(make_forecast: MakeForecast) -> None:
    panel = picture(forecast_plot([make_forecast(horizon=1)])).axes[0]
    point = panel.lines[-1]
    assert (list(point.get_ydata())[1:], point.get_marker(), point.get_markevery()) == ([10.0], "o", [-1])
    assert len(panel.collections) == 2


def test_eight_series_are_drawn_and_the_others_counted(make_forecast: MakeForecast) -> None:
    figure = picture(forecast_plot([make_forecast(f"channel {number}") for number in range(321)]))
    assert [panel.get_title(loc="left") for panel in figure.axes] == [f"channel {number}" for number in range(8)]
    assert figure.get_supxlabel() == "and 313 more series"
    assert len(figure.legends) == 1
    assert picture(forecast_plot([make_forecast()] * 8)).get_supxlabel() == ""


def test_windows_of_one_series_are_distinguished_by_their_first_row(make_forecast: MakeForecast) -> None:
    later = make_forecast(times=("2018-07-01", "2018-07-02", "2018-07-03", "2018-07-04"))
    panels = picture(forecast_plot([make_forecast(), later, make_forecast("LULL")])).axes
    titles = [panel.get_title(loc="left") for panel in panels]
    assert titles == ["OT, from 2018-06-28 12:00", "OT, from 2018-07-01", "LULL"]


@pytest.mark.parametrize(("count", "width"), [(1, 6.5), (2, 6.5), (7, 6.5), (3, 3.6)])
def test_no_words_overlap(make_forecast: MakeForecast, count: int, width: float) -> None:
    """Titles, labels and the legend of a figure with all elements."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    paths = tuple((1.0, 2.0, 3.0, float(number)) for number in range(30))
    forecasts = [make_forecast(f"a channel with a name {number}", paths=paths) for number in range(count)]
    figure = picture(forecast_plot(forecasts, title="a title"), width)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [figure.legends[0].get_title(), *figure.legends[0].get_texts()]
    for panel in figure.axes:
        texts += [panel._left_title, panel.xaxis.get_offset_text()]
        for axis, (low, high) in ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim())):
            # Labels of ticks beyond the axis are there, and not drawn.
            texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [text.get_window_extent() for text in texts if text.get_text() and text.get_visible()]
    boxes = [box for box in boxes if box.width]
    assert len(boxes) > 8 * count
    assert not [(a, b) for number, a in enumerate(boxes) for b in boxes[:number] if a.overlaps(b)]


def test_dates_and_whole_numbers_are_written_in_full(make_forecast: MakeForecast, tmp_path: Path) -> None:
    dated = words(of(forecast_plot([make_forecast()])).svg())
    assert "2018-Jun-28" in dated
    rows = {"times": ("1060", "1061", "1062", "1063"), "history_times": tuple(map(str, range(1000, 1060)))}
    numbered = words(of(forecast_plot([make_forecast(**rows)])).svg())
    assert "1,024" in numbered
    assert "2018-Jun-28" not in numbered


def test_values_are_written_without_an_offset_to_add(make_forecast: MakeForecast) -> None:
    point = (100_001.0, 100_002.0, 100_003.0, 100_004.0)
    bare = make_forecast(point=point, history=(100_000.0,) * 60, intervals={}, actual=())
    shown = words(of(forecast_plot([bare])).svg())
    assert "100003.0" in shown
    assert not [word for word in shown if word.startswith("+") or "1e" in word]


def test_the_kind_of_a_file_goes_by_its_name(make_forecast: MakeForecast, tmp_path: Path) -> None:
    forecast = make_forecast()
    png, svg = tmp_path / "a.png", tmp_path / "a.SVG"
    plot = of(forecast_plot([forecast], title="sea-lstm-001"))
    assert plot.save(png) == png
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    plot.save(svg)
    assert ElementTree.fromstring(svg.read_bytes()).tag == f"{SVG}svg"
    before = svg.read_bytes()
    plot.save(svg)
    assert svg.read_bytes() == before
    with pytest.raises(UsageError, match=r"a\.pdf has an unsupported file extension"):
        plot.save(tmp_path / "a.pdf")
    with pytest.raises(ResourceError, match="cannot be written"):
        plot.save(tmp_path / "gone" / "a.png")


def test_on_a_page_the_figure_takes_its_colours_and_is_reported_in_words(make_forecast: MakeForecast) -> None:
    svg = of(forecast_plot([make_forecast()])).svg()
    root = ElementTree.fromstring(svg)
    assert root.get("class") == "wide"
    assert root.get("aria-label") == (
        "OT: 4 steps ahead (2018-06-28 12:00:00 to 2018-06-28 15:00:00), from 10.000 to 13.000, "
        "95 % interval at the end from 10.625 to 15.375."
    )
    assert "currentColor" in svg
    assert "var(--colour-1, #0072b2)" in svg
    assert not re.findall(r"#010203|#ffffff|#000000", svg)
    identities = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(str(identity).startswith("forecasts-wide-") for identity in identities)
    assert forecast_plot([]) is None


def test_names_are_drawn_as_they_are(make_forecast: MakeForecast) -> None:
    svg = of(forecast_plot([make_forecast('<b>$x$\x1b" onload="x'), make_forecast("漢字" * 20)])).svg()
    assert '<b>$x$\\x1b" onload="x' in words(svg)
    assert "漢字" * 11 + "漢…" in words(svg)
    assert "<b>" not in svg
    root = ElementTree.fromstring(svg)
    assert not [name for element in root.iter() for name in element.keys() if name.startswith("on")]  # noqa: SIM118


def test_errors_by_step_are_a_line_each_the_run_first() -> None:
    courses = by_step(1.0, 2.0, 1.5, 2.5, 0.9)
    figure = picture(step_plot({**{"ridge": courses["ridge"]}, **courses}, "mse_scaled"))
    assert legend(figure) == ["this run", "ridge", "last value", "seasonal naive", "drift"]
    run = figure.axes[0].lines[0]
    assert list(run.get_xdata()) == list(range(1, 25))
    assert list(run.get_ydata()) == [step["mse_scaled"] for step in courses["run"]]
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in figure.axes[0].lines}) == 5
    assert figure.axes[0].get_ylabel() == "MSE, scaled"
    assert figure.axes[0].get_ylim()[0] == 0


def test_a_baseline_far_off_leaves_the_view_and_is_named() -> None:
    figure = picture(step_plot(by_step(1.0, 2.0, 1.5, 9.0, 0.9), "mse_scaled"))
    assert figure.axes[0].get_xlabel() == "step of the horizon\noutside the view: drift (up to 5.940)"
    assert 1.32 < figure.axes[0].get_ylim()[1] < 2
    near = picture(step_plot(by_step(1.0, 2.0, 1.5, 2.9, 0.9), "mse_scaled"))
    assert near.axes[0].get_xlabel() == "step of the horizon"
    assert near.axes[0].get_ylim()[1] > 2.9 * 0.66


def test_one_step_or_an_unknown_value_is_not_a_course() -> None:
    assert step_plot(by_step(1.0, 2.0, steps=1), "mse_scaled") is None
    assert step_plot(by_step(1.0, 2.0), "mase") is None
    assert step_plot({}, "mse_scaled") is None
    assert step_plot({"run": [{"mse_scaled": math.nan}] * 3}, "mse_scaled") is None


def test_errors_by_step_on_paper_and_on_a_page(tmp_path: Path) -> None:
    courses = {"run": by_step(1.0)["run"], "_<i>ridge</i>": by_step(1.1)["run"]}
    path = of(step_plot(courses, "mse_scaled", title="sea")).save(tmp_path / "steps.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    svg = of(step_plot(courses, "mse_scaled")).svg("narrow")
    assert "_<i>ridge</i>" in words(svg)
    assert "step of the horizon" in words(svg)
    label = ElementTree.fromstring(svg).get("aria-label")
    assert label == "MSE, scaled by step of the horizon: run from 0.200 to 0.660; _<i>ridge</i> from 0.220 to 0.726."


def hours(count: int) -> list[datetime]:
    return [datetime(2016, 7, 1) + timedelta(hours=hour) for hour in range(count)]


def test_a_long_series_keeps_its_peaks(tmp_path: Path) -> None:
    values: list[float | None] = [math.sin(hour / 24) for hour in range(17_420)]
    values[5_003], values[5_004] = 40.0, -40.0
    for hour in range(9_000, 9_500):
        values[hour] = None
    course = SeriesCourse("OT", hours(17_420), values, {"training": (0, 8640), "test": (11_520, 14_400)})
    figure = picture(series_plot([course]))
    line = max(figure.axes[0].lines, key=lambda line: len(line.get_xdata()))
    drawn = list(line.get_ydata())
    assert len(drawn) <= 2000
    assert (max(drawn), min(drawn)) == (40.0, -40.0)
    assert sum(map(math.isnan, drawn)) >= 20
    assert list(line.get_xdata()) == sorted(line.get_xdata())
    assert figure.get_supxlabel() == "of every 18 rows the lowest and the highest are drawn"
    assert of(series_plot([course])).save(tmp_path / "series.png").read_bytes().startswith(b"\x89PNG")


def test_thinning_keeps_both_ends_of_every_stretch_in_order() -> None:
    assert extremes([3.0, 1.0, 2.0, 5.0, 9.0, 4.0, 7.0, 8.0], 4) == [1, 3, 4, 5]
    assert extremes([1.0, 2.0], 4) == [0, 1]
    assert extremes([math.nan, math.nan, 1.0, math.nan], 2) == [2]
    assert extremes([math.nan] * 4 + [1.0] * 4, 4) == [0, 4]


def test_parts_are_shaded_from_their_first_row_to_the_next_part() -> None:
    parts = {"training": (0, 6), "validation": (6, 8), "test": (8, 10)}
    course = SeriesCourse("passengers", list(range(100, 110)), [1.0] * 10, parts)
    figure = picture(series_plot([course]))
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in figure.axes[0].patches]
    assert spans == [(100, 106), (106, 108), (108, 109)]
    assert len({patch.get_facecolor() for patch in figure.axes[0].patches}) == 3
    assert legend(figure) == [
        "training: 100 to 105 (6 rows)",
        "validation: 106 to 107 (2 rows)",
        "test: 108 to 109 (2 rows)",
    ]


def test_parts_that_differ_between_series_are_named_without_dates() -> None:
    courses = [SeriesCourse(str(last), hours(10), [1.0] * 10, {"training": (0, last)}) for last in (5, 6)]
    assert legend(picture(series_plot(courses))) == ["training"]
    same = [SeriesCourse(name, hours(10), [1.0] * 10, {"training": (0, 5)}) for name in "ab"]
    assert legend(picture(series_plot(same))) == ["training: 2016-07-01 to 2016-07-01 04:00:00 (5 rows)"]


def test_many_series_share_one_axis_of_time() -> None:
    courses = [SeriesCourse(f"_<b>{number}", hours(30), [float(number)] * 30) for number in range(12)]
    figure = picture(series_plot(courses, title="a title"))
    assert [panel.get_title(loc="left") for panel in figure.axes] == [f"_<b>{number}" for number in range(8)]
    assert figure.get_supxlabel() == "and 4 more series"
    assert figure.get_suptitle() == "a title"
    assert not figure.legends
    assert series_plot([]) is None
