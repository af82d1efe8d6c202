"""Data frames where a table's path is taken, and back."""

from __future__ import annotations

import math
from typing import Any

import polars
import pytest

from lstmctl import Forecaster, load_run, train
from lstmctl.errors import UsageError
from tests.conftest import Trained

FEW = "training.budget=3 steps"


def columns() -> dict[str, list[Any]]:
    return {
        "date": [f"{2000 + month // 12}-{month % 12 + 1:02d}-01" for month in range(60)],
        "sales": [100 + month + 20 * math.sin(2 * math.pi * month / 12) for month in range(60)],
    }


def test_a_frame_goes_in_and_a_frame_of_the_same_library_comes_out() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(columns()).assign(date=lambda table: pandas.to_datetime(table.date)).set_index("date")
    ahead = Forecaster("task.horizon=3", FEW).fit(frame).predict()
    assert isinstance(ahead, pandas.DataFrame)
    assert list(ahead.columns[:3]) == ["unique_id", "ds", "forecast"]
    assert ahead["ds"].tolist() == ["2005-01-01", "2005-02-01", "2005-03-01"]
    assert (ahead["forecast-lo-80"] <= ahead["forecast-hi-80"]).all()
    again = Forecaster("task.horizon=3", FEW).fit(polars.DataFrame(columns())).predict()
    assert isinstance(again, polars.DataFrame)
    assert again["forecast"].to_list() == ahead["forecast"].tolist()


def test_a_run_takes_newer_rows_as_a_frame() -> None:
    run = train(polars.DataFrame(columns()), ["task.horizon=3", FEW])
    rows = columns()
    newer = polars.DataFrame({**rows, "date": [f"{int(date[:4]) + 3}{date[4:]}" for date in rows["date"]]})
    ahead = load_run(run.path).forecast(newer)
    assert ahead[0].times[0] == "2008-01-01"
    assert ahead.frame()["forecast"].to_list() == list(ahead[0].point)
    assert run.evaluate(file=newer).windows == 60 - 3 + 1 - run.settings.task.lookback


def test_metrics_are_a_frame(trained: Trained) -> None:
    evaluation = trained("waves", FEW).evaluate()
    frame = evaluation.frame()
    models = ["run", "last value", "seasonal naive", "drift", "theta", "ETS", "ridge"]
    assert frame["unique_id"].to_list() == ["a"] * 7 + ["b"] * 7
    assert frame["model"].to_list() == models * 2
    assert frame["mae"][8] == evaluation.by_series["last value"]["b"]["mae"]
    single = train(polars.DataFrame(columns()), ["task.horizon=3", FEW]).evaluate()
    assert single.by_series == {}
    assert single.frame()["model"][0] == "run"
    assert single.frame()["mase"][1] == single.baselines[single.frame()["model"][1]]["mase"]


def test_predictions_are_a_frame() -> None:
    texts = polars.DataFrame({"text": ["good film", "bad film"] * 30, "label": ["up", "down"] * 30})
    run = train(texts, [FEW])
    assert run.settings.task.type == "classification"
    found = run.predict(texts.head(2)).frame()
    assert found.columns == ["text", "label", "probability", "given_label"]
    assert found["text"].to_list() == ["good film", "bad film"]


def test_what_cannot_be_had_is_said() -> None:
    with pytest.raises(UsageError, match="the forecaster has not been fitted"):
        Forecaster().predict()
    run = train(polars.DataFrame(columns()), ["task.horizon=3", FEW])
    with pytest.raises(UsageError, match="no data frame of nonsense"):
        run.forecast().frame("nonsense")
