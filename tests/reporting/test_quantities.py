"""Numbers formatted for people."""

from __future__ import annotations

import math

import pytest

from lstmctl.reporting.quantities import (
    duration,
    figure,
    fitted_course,
    is_course,
    short_count,
    size,
    smoothed,
    sparkline,
    thinned,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.42, "0.42"),
        (3.42, "3.4"),
        (9.97, "10"),
        (7, "7"),
        (512, "512"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (6240, "6.2k"),
        (61200, "61k"),
        (999_600, "1.0M"),
        (2.5e9, "2.5G"),
    ],
)
def test_short_counts(value: float, shown: str) -> None:
    assert short_count(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00"),
        (42.4, "0:42"),
        (59.6, "1:00"),
        (3723, "1:02:03"),
        (183845, "2 d 3:04:05"),
        (math.inf, "?"),
        (-1, "?"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.83249, "1.832"), (0, "0.000"), (0.00123456, "0.001235"), (12345.6, "1.235e+04"), (-0.5, "-0.500")],
)
def test_figures(value: float, shown: str) -> None:
    assert figure(value) == shown
    assert figure(math.nan) == "nan"


def test_sizes() -> None:
    assert [size(n) for n in (12, 1500, 1040341, 2e9)] == ["12 bytes", "1.5 kB", "1.04 MB", "2 GB"]


def test_a_sparkline_runs_from_the_lowest_to_the_highest() -> None:
    assert sparkline([8, 7, 6, 5, 4, 3, 2, 1], 8) == "█▇▆▅▄▃▂▁"
    assert sparkline([1, math.nan, 2, math.inf], 10, ascii_only=True) == "_#"
    assert sparkline([3, 3], 5) == "▁▁"
    assert sparkline([math.nan], 5) == ""
    assert sparkline([1, 2], 0) == ""


def test_thinning_takes_means_of_neighbours() -> None:
    assert thinned([1, 3, 5, 7, 9, 11], 3) == [2, 6, 10]
    assert thinned([1, 2], 3) == [1, 2]


def test_smoothing_forgets_at_the_stated_pace_and_starts_at_the_first_value() -> None:
    assert smoothed([2.0, 2.0, 2.0], 10) == pytest.approx([2, 2, 2])
    keep = math.exp(-1 / 4)
    assert smoothed([4.0, 2.0], 4) == pytest.approx([4, (4 * keep + 2) / (keep + 1)])
    assert smoothed([1.0, math.nan, 3.0], 0) == [1.0, 1.0, 3.0]


COURSE = "▁▂▃▄▅▆▇█▁▂ → ▅▆▇█▇▆  oil temperature"


def test_a_course_is_distinguished_from_text() -> None:
    assert is_course(COURSE)
    assert is_course(f"{COURSE}\n{COURSE}\n")
    assert is_course(" → ▅▆▇  OT")
    for text in ("", "a → b", "▁▂▃", f"{COURSE}\nand words", "words → ▅▆▇  OT"):
        assert not is_course(text)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (60, "▁▂▃▄▅▆▇█▁▂ → ▅▆▇█▇▆  oil temperature"),
        (30, "▇█▁▂ → ▅▆▇█▇▆  oil temperature"),
        (24, "█▁▂ → ▅▆▇█▇▆  oil tempe…"),
        (12, "█▁▂ → ▅▆▇█▇▆"),
    ],
)
def test_a_course_loses_its_oldest_part_first_and_its_forecast_last(width: int, shown: str) -> None:
    fitted = fitted_course(COURSE, width)
    assert fitted == shown
    assert len(fitted) <= width


def test_a_course_in_ascii() -> None:
    assert fitted_course(COURSE, 60, ascii_only=True) == "_.:-=+*#_. -> =+*#*+  oil temperature"
    assert fitted_course(COURSE, 24, ascii_only=True).isascii()
