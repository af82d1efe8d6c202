"""Several seeds of one network: mean, interval, and the median of their forecasts."""

from __future__ import annotations

import csv
import io
import json
import statistics
from pathlib import Path

import numpy as np
import pytest

from lstmctl.api import load_run
from lstmctl.comparison import compare
from lstmctl.comparison.ensemble import SeedEnsemble, median_forecasts
from lstmctl.errors import RunError
from lstmctl.results.codec import from_json
from lstmctl.results.comparison import Comparison
from lstmctl.results.forecasts import SeriesForecast
from tests.conftest import Command

QUICK = ["training.budget=10 steps"]
SEEDS = Path("runs/waves-gru-seeds-001")


@pytest.fixture
def seeds(lstmctl: Command, series_config: Path) -> Path:
    """Three runs of one config."""
    assert lstmctl("train", "waves.yaml", "--seeds", "3", "--quiet", *QUICK).code == 0
    return SEEDS


def test_the_median_is_of_each_time_and_of_each_end_of_an_interval() -> None:
    def one(*point: float, low: float, high: float) -> list[SeriesForecast]:
        return [SeriesForecast("a", ("1", "2"), point, {80: ((low, low), (high, high))})]

    (found,) = median_forecasts([one(1, 9, low=0, high=20), one(3, 2, low=-5, high=10), one(2, 4, low=1, high=30)])
    assert (found.point, found.intervals[80]) == ((2.0, 4.0), ((0.0, 0.0), (20.0, 20.0)))
    (without,) = median_forecasts([one(1, 2, low=0, high=3), [SeriesForecast("a", ("1", "2"), (3, 4), {})]])
    assert (without.point, without.intervals) == ((2.0, 3.0), {})


def test_several_seeds_are_scored_and_their_median_forecasts(lstmctl: Command, seeds: Path) -> None:
    result = from_json(Comparison, {**json.loads((seeds / "comparison.json").read_text()), "path": str(seeds)})
    (arm,) = result.arms
    assert [run.seed for run in arm.runs] == [0, 1, 2]
    runs = [load_run(seeds / run.name) for run in arm.runs]
    values = [run.metrics["test"][result.primary] for run in runs]
    assert arm.mean == pytest.approx(statistics.fmean(values))
    assert arm.low is not None
    assert arm.high is not None
    assert arm.low < statistics.fmean(values) < arm.high
    # The mean over windows of the errors of the median forecast, worked out from backtests one row apart.
    tested = [run.backtest(stride=1).forecasts for run in runs]
    errors = [
        np.mean(np.abs(np.median([one.point for one in same], axis=0) - np.array(same[0].actual)))
        for same in zip(*tested, strict=True)
    ]
    assert arm.ensemble is not None
    assert arm.ensemble["mae"] == pytest.approx(float(np.mean(errors)), rel=1e-5)
    assert f"The median forecast of gru's seeds reaches {arm.ensemble[result.primary]:.3f}." in result.statement

    told = lstmctl("forecast")
    points = [[one.point for one in run.forecast()] for run in runs]
    rows = list(csv.DictReader(io.StringIO(told.out)))
    expected = np.median(points, axis=0).ravel()
    assert [float(row["gru"]) for row in rows] == pytest.approx(expected.tolist(), rel=1e-12)
    assert "waves-gru-seeds-001: the median forecast of 3 runs, of seeds 0, 1, 2." in told.err
    for name in (seeds.name, str(seeds), "latest"):
        assert lstmctl("forecast", name).out == told.out
    shown = json.loads(lstmctl("forecast", "--json").out)
    assert (shown["run"], shown["seeds"], shown["final_fit"]) == (str(seeds), [0, 1, 2], True)


def test_a_newer_run_is_forecast_instead(lstmctl: Command, seeds: Path) -> None:
    assert lstmctl("train", "waves.yaml", "--quiet", "seed=3", *QUICK).code == 0
    from lstmctl.runs.folder import RunFolder

    run = RunFolder(Path("runs/waves-gru-001"))
    run.update(started="9999-01-01T00:00:00+00:00")
    assert json.loads(lstmctl("forecast", "--json").out)["seeds"] == [3]
    run.update(started="2000-01-01T00:00:00+00:00")
    assert json.loads(lstmctl("forecast", "--json").out)["seeds"] == [0, 1, 2]
    assert json.loads(lstmctl("forecast", "waves-gru-001", "--json").out)["seeds"] == [3]


def test_seeds_are_of_one_network(lstmctl: Command, config: Path) -> None:
    result = compare(["rnn"], config, ["training.budget=2 steps"], seeds=2, quiet=True)
    assert result.arms[0].ensemble is None
    assert "rnn reaches" in result.statement
    other = compare(["rnn", "gru"], config, ["training.budget=2 steps"], seeds=1, quiet=True)
    with pytest.raises(RunError, match="compares rnn, gru; an ensemble has the seeds of one"):
        SeedEnsemble(other.path)
    refused = lstmctl("forecast", Path(other.path).name)
    assert "is a comparison; name one of its runs" in refused.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "1"], "--seeds 1: 2 or more"),
        (["--seeds", "2", "--resume", "latest"], "cannot be combined with --resume"),
        (["--seeds", "2", "--init-from", "latest"], "cannot be combined with --resume, --init-from"),
    ],
)
def test_seeds_that_cannot_be_trained(lstmctl: Command, config: Path, options: list[str], message: str) -> None:
    result = lstmctl("train", *([] if "latest" in options else [str(config)]), *options)
    assert result.code != 0
    assert message in result.err


def test_arms_that_are_compared_have_no_final_fit_unless_asked(series_config: Path) -> None:
    def fits(*overrides: str) -> list[object]:
        result = compare(["rnn", "gru"], series_config, [*QUICK, *overrides], seeds=1, quiet=True)
        return [load_run(Path(result.path) / f"{arm}-seed-0").info.get("final_fit") for arm in ("rnn", "gru")]

    assert fits() == [None, None]
    assert all(fits("task.final_fit=continue"))
