"""Theta and exponential smoothing in exports: the same numbers as the baselines, for histories of every kind."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmctl import registry
from lstmctl.baselines.exponential_smoothing import smoothing_forecasts
from lstmctl.baselines.theta import theta_forecasts
from lstmctl.export.fitted_forecasts import History
from lstmctl.export.graph import Body, Function, Predictor
from lstmctl.export.probes import Call, Probe
from lstmctl.export.targets import Target
from tests.export.checks import TARGETS

Floats = NDArray[np.float64]
METHODS: dict[str, tuple[Callable[..., Any], Callable[[History], Any]]] = {
    "theta": (theta_forecasts, History.theta),
    "ETS": (smoothing_forecasts, History.smoothing),
}
ROWS, HORIZON = 60, 15


def histories(season: int) -> Floats:
    """Histories (histories, rows, 3): seasonal ones of both kinds, trends, noise, and odd ones."""
    generator, rows = np.random.default_rng(season), np.arange(ROWS)
    cycle = np.sin(2 * np.pi * rows / season)
    noise = generator.normal(size=(8, ROWS))
    walk = 50 + np.cumsum(noise[0]) + 0.3 * rows
    late, gap, unknown, single = (np.full(ROWS, np.nan) for _ in range(4))
    late[25:] = (walk * (1 + 0.3 * cycle))[25:]
    gap[3:] = (walk + 9 * cycle)[3:]
    gap[[10, 11, 40]] = np.nan
    single[-1] = 4
    short = np.where(rows < ROWS - 8, np.nan, walk)
    columns = [
        walk * (1 + 0.3 * cycle) + noise[1],
        -20 + walk + 8 * cycle,
        0.2 * noise[2],
        3 + 0.5 * rows + 0.1 * noise[3],
        np.cumsum(np.cumsum(noise[4])),
        1e6 + 1e3 * np.cumsum(noise[5]),
        late,
        gap,
        short,
        generator.poisson(0.4, ROWS).astype(float),
        np.full(ROWS, -7.5),
        np.zeros(ROWS),
        unknown,
        single,
        np.abs(noise[6]) + 1e-3,
    ]
    return np.array(columns).reshape(5, 3, ROWS).transpose(0, 2, 1)


def predictor(method: str, season: int) -> Predictor:
    functions, weights = dict[str, Function](), dict[str, NDArray[Any]]()
    body = Body("forecast", "Forecast.", weights)
    values = body.input("values", (ROWS, 3), "the last rows", type="float64")
    history = History(body, functions, values, season, HORIZON)
    body.output("point", METHODS[method][1](history), "the forecast")
    functions["forecast"] = body.function()
    return Predictor(functions, weights, {}, {}, ("forecast",), example={"values": histories(season)[0]})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("season", [1, 2, 7, 12])
@pytest.mark.parametrize("method", METHODS)
def test_exports_fit_what_the_baselines_fit(method: str, season: int, target: str, tmp_path: Path) -> None:
    if target == "onnx" and not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        pytest.skip("the extra onnx is not installed")
    if target == "javascript" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    if target == "c" and not any(map(shutil.which, ("gcc", "clang", "cc"))):
        pytest.skip("no C compiler is installed")
    calls = []
    for history in histories(season):
        expected = METHODS[method][0](history[np.newaxis], HORIZON, season)[0]
        calls.append(Call("forecast", {"values": history}, {"point": expected}))
    probe, own = Probe(calls, "", len(calls)), predictor(method, season)
    form: Target = registry.function(target, registry.EXPORTS)()
    form.write(own, tmp_path, form.precisions[0])
    found = form.run(own, tmp_path, probe)
    for call, outputs in zip(calls, found.outputs, strict=True):
        forecast = np.asarray(outputs["point"]).reshape(HORIZON, 3)
        for channel in range(3):
            size = np.nanmax(np.abs(call.inputs["values"][:, channel]), initial=1e-9)
            assert forecast[:, channel] / size == pytest.approx(call.expected["point"][:, channel] / size, abs=1e-9)
