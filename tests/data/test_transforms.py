"""Transforms of targets: values, their inverse, the power of Box and Cox, and what cannot be transformed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import boxcox

from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series
from lstmctl.data.transforms import fit_power, restored, transformed
from lstmctl.errors import DataError, RunError

START = np.datetime64("2020-01-01T00:00:00")
ROWS = 200


def growing(seed: int = 0, size: float = 1.0) -> list[float]:
    draw = np.random.default_rng(seed)
    return (size * np.exp(np.arange(ROWS) / 60 + draw.normal(0, 0.2, ROWS))).tolist()


def read(values: list[Any], name: str = "a.csv", **settings: Any) -> SeriesCorpus:
    lines = [f"{START + np.timedelta64(row, 'h')},{value}" for row, value in enumerate(values)]
    Path(name).write_text("\n".join(["date,y", *lines]) + "\n")
    encoding = settings.pop("encoding", None)
    layout = Layout(**{"split": (120, 40, 40), **settings})
    return open_series(name, layout, None, lookback=6, horizon=3, encoding=encoding)


@pytest.mark.parametrize(
    ("name", "power", "function"),
    [
        ("log", 0.0, np.log),
        ("log1p", 0.0, np.log1p),
        ("box-cox", 0.0, np.log),
        ("box-cox", 0.3, lambda values: boxcox(values, 0.3)),
        ("box-cox", 1.0, lambda values: values - 1),
    ],
)
def test_values_and_their_inverse(name: str, power: float, function: Any) -> None:
    values = np.array([1e-3, 0.5, 1, 7, 3e4])
    there = transformed(name, values, power)
    assert there == pytest.approx(function(values), rel=1e-12, abs=1e-12)
    assert restored(name, there, power) == pytest.approx(values, rel=1e-9)
    assert np.isnan(transformed(name, np.array([np.nan]), power)).all()
    assert restored(name, np.array([-np.inf, np.inf]), power).tolist() == [-np.inf, np.inf]


def test_what_no_value_has_becomes_the_lowest_value() -> None:
    assert restored("box-cox", np.array([-2.0, -2.1, -50.0]), 0.5).tolist() == [0, 0, 0]
    assert restored("log", np.array([-800.0]), 0.0).tolist() == [0]


def test_each_channel_has_its_own_power() -> None:
    values = np.array([[4.0, 4.0], [9.0, 9.0]])
    found = transformed("box-cox", values, np.array([0.5, 0.0]))
    assert found == pytest.approx(np.array([[2, np.log(4)], [4, np.log(9)]]))
    assert restored("box-cox", found, np.array([0.5, 0.0])) == pytest.approx(values)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_power_evens_out_the_deviation(power: float) -> None:
    """The deviation of each season grows with level^(1 - power), so that the transformed ones are equal."""
    levels = np.geomspace(10, 1000, 40)
    wave = np.sin(2 * np.pi * np.arange(12) / 12)
    values = (levels[:, np.newaxis] + 0.05 * levels[:, np.newaxis] ** (1 - power) * wave).ravel()
    assert fit_power(values, 12) == pytest.approx(power, abs=0.015)
    values[5::50] = np.nan
    assert fit_power(values, 12) == pytest.approx(power, abs=0.015)


def test_a_few_seasons_tell_no_power() -> None:
    assert fit_power(np.array([1.0, 5, 2, 9]), 2) == 1
    assert fit_power(np.full(100, 3.0), 2) == 1


@pytest.mark.parametrize("name", ["log", "log1p", "box-cox"])
def test_a_table_is_transformed_scaled_by_training_rows_and_restored(name: str) -> None:
    corpus = read(growing(), transform=name)
    encoding, values = corpus.encoding, corpus.table.targets
    assert encoding.transform is not None
    power = encoding.transform.power[0, 0]
    expected = transformed(name, values, power)
    training = expected[:120]
    scaled = corpus.scaled().values
    assert scaled == pytest.approx((expected - training.mean()) / training.std(), abs=1e-5)
    assert encoding.in_units(scaled.astype(np.float64), 0) == pytest.approx(values, rel=1e-5)
    # Metrics are scaled without the transform.
    assert encoding.centre[0, 0] == pytest.approx(values[:120].mean())
    assert encoding.spread[0, 0] == pytest.approx(values[:120].std())


def test_the_power_comes_from_training_rows() -> None:
    values = growing()
    found = read(values, transform="box-cox").encoding.transform
    other = read([*values[:120], *growing(5, 70)[120:]], transform="box-cox").encoding.transform
    assert found is not None
    assert other is not None
    assert found.power.tolist() == other.power.tolist() != [[1.0]]
    assert found.centre.tolist() == other.centre.tolist()


def test_a_run_keeps_its_transform() -> None:
    corpus = read(growing(), transform="box-cox")
    encoding = SeriesEncoding.from_json(json.loads(json.dumps(corpus.encoding.to_json())))
    assert encoding.transform is not None
    assert encoding.transform.name == "box-cox"
    assert encoding.scaled(corpus.table).values.tobytes() == corpus.scaled().values.tobytes()
    newer = read(growing(3), "b.csv", transform="none", encoding=encoding)
    assert newer.scaled().values[0, 0] == encoding.transform.scaled(newer.table.targets, 0)[0, 0].astype(np.float32)
    plain = read(growing()).encoding
    assert plain.transform is None
    assert plain.to_json()["transform"] is None


@pytest.mark.parametrize(
    "damage",
    [{"name": "cube"}, {"power": [[2.0]]}, {"spread": [[0.0]]}, {"centre": [[None]]}, {"centre": [[1.0, 2.0]]}],
)
def test_a_damaged_transform_is_refused(damage: dict[str, Any]) -> None:
    stored = read(growing(), transform="log").encoding.to_json()
    stored["transform"] |= damage
    with pytest.raises(RunError, match=r"encoding\.json is damaged at"):
        SeriesEncoding.from_json(stored)


@pytest.mark.parametrize(
    ("value", "transform", "said", "hint"),
    [
        ("0", "log", "line 161, column `y`: 0, but data.transform=log takes values above 0", "data.transform=log1p"),
        ("0", "box-cox", "line 161, column `y`: 0, but data.transform=box-cox takes values above 0", "log1p"),
        ("-3", "log", "line 161, column `y`: -3, but", "data.transform=none"),
        ("-1", "log1p", "line 161, column `y`: -1, but data.transform=log1p takes values above -1", "none"),
    ],
)
def test_values_that_cannot_be_transformed_are_named_with_their_row(
    value: str, transform: str, said: str, hint: str
) -> None:
    values: list[Any] = growing()
    values[159] = value
    with pytest.raises(DataError) as error:
        read(values, transform=transform)
    assert said in str(error.value)
    assert hint in str(error.value.hint)
    assert ("log1p takes" in str(error.value.hint)) == (value == "0")


def test_a_newer_table_is_checked_like_the_runs_own() -> None:
    encoding = read(growing(), transform="log").encoding
    values: list[Any] = growing()
    values[3] = 0
    with pytest.raises(DataError, match=r"line 5, column `y`: 0, but the run's data\.transform=log takes values above"):
        read(values, "b.csv", encoding=encoding)


def test_missing_values_stay_missing_and_zeros_are_taken_by_log1p() -> None:
    values: list[Any] = growing()
    values[7], values[9] = "", 0
    scaled = read(values, transform="log1p", missing="mask").scaled().values[:, 0]
    assert np.isnan(scaled).tolist() == [row == 7 for row in range(ROWS)]
    assert scaled[9] == scaled[np.isfinite(scaled)].min()


def test_a_prepared_table_is_transformed_when_it_is_opened() -> None:
    direct = read(growing(), transform="log")
    folder = prepare_table("a.csv", Layout(), block=1000).folder
    layout = Layout(split=(120, 40, 40), transform="log")
    mapped = open_series(str(folder), layout, None, lookback=6, horizon=3)
    assert mapped.is_mapped
    assert mapped.encoding.to_json() == direct.encoding.to_json()
    assert mapped.scaled().values == pytest.approx(direct.scaled().values, abs=1e-6)
    values: list[Any] = growing()
    values[150] = 0
    read(values)
    folder = prepare_table("a.csv", Layout(), Path("zero"), block=1000).folder
    with pytest.raises(DataError, match="line 152, column `y`: 0"):
        open_series(str(folder), layout, None, lookback=6, horizon=3)
