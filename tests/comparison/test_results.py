"""Results derived from runs, computed by hand."""

from __future__ import annotations

import pytest

from lstmctl.comparison.results import runs_at_once, seconds_to
from lstmctl.metrics import metric
from lstmctl.results.comparison import CurvePoint

FALLING = [CurvePoint(100, 1.0, 3.0), CurvePoint(200, 2.0, 2.0), CurvePoint(300, 4.0, 1.0)]


@pytest.mark.parametrize(
    ("level", "seconds"),
    [(3.5, 1.0), (3.0, 1.0), (2.5, 1.5), (2.0, 2.0), (1.25, 3.5), (1.0, 4.0), (0.9, None)],
)
def test_a_level_is_reached_on_the_line_between_two_evaluations(level: float, seconds: float | None) -> None:
    assert seconds_to(level, FALLING, metric("mse")) == seconds


def test_where_higher_is_better_the_level_is_reached_from_below() -> None:
    rising = [CurvePoint(point.units, point.seconds, -point.value) for point in FALLING]
    assert seconds_to(-2.5, rising, metric("accuracy")) == 1.5
    assert seconds_to(0.0, rising, metric("accuracy")) is None


def test_a_curve_that_turns_counts_its_first_passing() -> None:
    curve = [CurvePoint(1, 1.0, 2.0), CurvePoint(2, 2.0, 1.0), CurvePoint(3, 3.0, 5.0), CurvePoint(4, 4.0, 1.0)]
    assert seconds_to(1.5, curve, metric("mse")) == 1.5
    assert seconds_to(1.0, [], metric("mse")) is None


def test_runs_at_once_are_counted_for_each_machine() -> None:
    def made(host: str | None, started: str, ended: str | None) -> dict[str, str | None]:
        day = "2026-01-31T"
        return {"host": host, "started": day + started, "ended": ended and day + ended}

    one_after_the_other = [made("a", "10:00:00", "10:00:05"), made("a", "10:00:05", "10:00:09")]
    assert runs_at_once(one_after_the_other) == 1
    assert runs_at_once([*one_after_the_other, made("b", "10:00:01", "10:00:08")]) == 1
    assert runs_at_once([*one_after_the_other, made("a", "10:00:01", "10:00:08")]) == 2
    assert runs_at_once([made("a", "10:00:00", None), made("a", "10:00:01", None)]) == 1
