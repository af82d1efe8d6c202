"""A wide and a long table of the same series have the same metrics, and each series its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lstmctl.results.evaluation import Score
from lstmctl.tasks.forecast import Forecast
from tests.tasks.conftest import CPU, Posed, pose

ROWS = 300
SIZES = {"calm": 1.0, "lively": 20.0, "wild": 300.0}


def tables(folder: Path, change: dict[int, float] | None = None) -> None:
    """Three hourly series around 0 that differ in size and noise, as wide.csv and long.csv; `change` adds to rows."""
    draw = np.random.default_rng(3)
    start = np.datetime64("2020-01-01T00:00:00")
    times = [str(start + np.timedelta64(row, "h")) for row in range(ROWS)]
    noise = dict(zip(SIZES, (0.1, 0.4, 2.0), strict=True))
    values = {
        name: size * (np.sin(2 * np.pi * np.arange(ROWS) / 6) + noise[name] * draw.normal(size=ROWS))
        for name, size in SIZES.items()
    }
    for row, added in (change or {}).items():
        values["wild"][row] += added
    lines = [f"{time},{','.join(f'{values[name][row]:.6f}' for name in SIZES)}" for row, time in enumerate(times)]
    (folder / "wide.csv").write_text("\n".join(["date,calm,lively,wild", *lines]) + "\n")
    rows = [f"{name},{time},{values[name][row]:.6f}" for name in SIZES for row, time in enumerate(times)]
    (folder / "long.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")


def posed(config: Path, form: str, *settings: str) -> Posed:
    base = ["task.loss=quantile", "task.channels=independent", "model.channel_embedding=false"]
    return pose(config, f"data.series={form}.csv", "task.calibration=shared", *base, *settings)


@pytest.fixture
def both(series_config: Path, tmp_path: Path) -> dict[str, Posed]:
    """The same network for both forms, calibrated."""
    tables(tmp_path)
    found = {form: posed(series_config, form) for form in ("wide", "long")}
    found["long"][2].load_state_dict(found["wide"][2].state_dict())
    for task, corpus, model in found.values():
        task.calibrate_on(model, task.part(corpus, "validation", CPU))
    return found


def scores(task: Forecast, corpus: object, model: object) -> dict[str, Score]:
    part = task.part(corpus, "test", CPU)  # type: ignore[arg-type]
    return {"run": task.evaluate(model, part), **task.references(corpus, "test")}  # type: ignore[arg-type]


def test_wide_and_long_forms_have_the_same_metrics(both: dict[str, Posed]) -> None:
    wide, long = (scores(*both[form]) for form in ("wide", "long"))
    assert list(wide) == list(long) == ["run", "last value", "seasonal naive", "drift", "theta", "ETS", "ridge"]
    for name, one in wide.items():
        assert long[name].metrics == pytest.approx(one.metrics, rel=1e-5), name
        assert list(one.by_series) == list(long[name].by_series) == list(SIZES)
        for series in SIZES:
            assert long[name].by_series[series] == pytest.approx(one.by_series[series], rel=1e-5)
            assert one.by_series[series] == pytest.approx(one.by_channel[series], rel=1e-9)
        for mine, theirs in zip(one.by_step, long[name].by_step, strict=True):
            assert theirs == pytest.approx(mine, rel=1e-5)


def test_metrics_in_units_of_the_data_are_means_over_series(both: dict[str, Posed]) -> None:
    for form in ("wide", "long"):
        found = scores(*both[form])["last value"]
        for name in ("mae", "rmse", "width_80"):
            mean = np.mean([metrics[name] for metrics in found.by_series.values()])
            assert found.metrics[name] == pytest.approx(mean)


def test_a_series_calibrates_its_own_intervals(both: dict[str, Posed]) -> None:
    """The network is untrained, so its errors are far larger for the noisy series, in scaled units too."""
    task, corpus, model = both["long"]
    assert task.calibration is not None
    windows = task.part(corpus, "validation", CPU).counts.tolist()
    assert task.calibration.windows.ravel().tolist() == windows
    own = task.evaluate(model, task.part(corpus, "validation", CPU)).by_series
    task.calibration = type(task.calibration)(
        task.calibration.pool, np.repeat(task.calibration.pool[None], 3, axis=0), task.calibration.windows
    )
    pooled = task.evaluate(model, task.part(corpus, "validation", CPU)).by_series

    def spread(of: object) -> float:
        shares = [metrics["coverage_80"] for metrics in of.values()]  # type: ignore[attr-defined]
        return max(shares) - min(shares)

    assert spread(own) < 0.7 * spread(pooled)


def test_test_rows_calibrate_nothing(series_config: Path, tmp_path: Path) -> None:
    found = []
    for change in ({}, dict.fromkeys(range(240, ROWS), 1e4)):
        tables(tmp_path, change)
        task, corpus, model = posed(series_config, "long")
        found.append(task.calibrate_on(model, task.part(corpus, "validation", CPU)))
    assert found[0] == found[1]
    assert found[0] is not None
    assert list(found[0]["series"]) == list(SIZES)


def test_a_calibration_is_restored_to_the_bit(both: dict[str, Posed]) -> None:
    for form in ("wide", "long"):
        task = both[form][0]
        assert task.calibration is not None
        kept = task.calibration.to_json(task.encoding.channels)
        shape = (4, len(task.encoding.targets), 1)
        restored = type(task.calibration).from_json(kept, task.encoding.channels, shape)
        assert np.array_equal(restored.by_series, task.calibration.by_series)
        assert np.array_equal(restored.windows, task.calibration.windows)
        old = type(task.calibration).from_json({"offsets": kept["offsets"]}, task.encoding.channels, shape)
        assert np.array_equal(old.by_series, np.broadcast_to(old.pool, old.by_series.shape))
