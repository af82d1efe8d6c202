"""Exports of every task, to every target."""

from __future__ import annotations

import datetime
import json
import math
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl import Run, load_run
from lstmctl.data.calendar import PHASES, calendar_features
from lstmctl.data.timesteps import Step
from lstmctl.errors import UsageError
from lstmctl.export import describe, export
from lstmctl.export.c_check import checking_program, compiled, packed
from lstmctl.export.calendars import calendar
from lstmctl.export.graph import Body
from lstmctl.export.numpy_code import HELPERS, code
from tests.conftest import Trained
from tests.export.checks import CLOSE, TARGETS, checked

FEW = ("training.budget=8 steps", "model.hidden=12", "threads=1")
SHOPS_CONFIG = """\
task: {type: forecast, lookback: 12, horizon: 4, segment: 2, season: 7, levels: [50, 80], loss: quantile}
data: {series: shops.csv, id: shop, time: date, targets: [load], past: [temp], known: [promo], static: [size],
  calendar: [weekday, day-of-year, day-of-month, month, hour], missing: mask, split: [0.6, 0.2, 0.2]}
model: {cell: lstm, hidden: 12, embedding: 8, ridge: auto}
training: {budget: 8 steps, batch: 16}
threads: 1
"""
CATEGORIES = ("data.past=[temp, weather]", "data.static=[size, kind]", "data.categories=[weather, kind]")
SEQUENCES = {
    "classification": ("intents", *FEW),
    "classification of frames": ("movements", *FEW, "model.cell=rnn"),
    "regression": ("adding", *FEW),
    "tagging": ("tags", *FEW, "model.layers=2", "model.cell=gru"),
    "transduction": ("dates", *FEW),
    "transduction without attention": ("dates", *FEW, "model.attention=false", "model.cell=gru"),
    "generation from a label": ("places", "data.vocabulary=training"),
    "spoken words": ("spoken-words", *FEW, "model.layers=1"),
    "voice activity": ("voice-activity", *FEW, "model.layers=1", "model.cell=gru"),
}
FORECASTERS = {
    "several series with everything": ("shops",),
    "categories and a logarithm": ("shops", *CATEGORIES, "data.transform=log", "task.decoding=recursive"),
    "categories and a power": ("shops", *CATEGORIES, "data.transform=box-cox", "data.calendar=[quarter]"),
    "refined": ("waves", "task.decoding=refined", "task.loss=quantile", "model.linear=true", "model.ensemble=2"),
    "refined, of one channel": ("shops", "task.decoding=refined", "model.cell=slstm", "task.symmetry=odd"),
    "recursive": ("shops", "task.decoding=recursive", "task.normalisation=window", "task.symmetry=odd"),
    "encoder and decoder": ("shops", "task.decoding=encoder-decoder", "task.normalisation=window", "model.ensemble=2"),
    "from the last state": ("shops", "task.loss=student-t", "task.shape=many-to-one", "model.linear=true"),
    "a transformer": ("shops", "model.cell=transformer", "model.options={context: 5, heads: 2}"),
    "an mLSTM": ("waves", "model.cell=mlstm", "task.decoding=recursive", "task.loss=mae"),
    "a convolution": ("shops", "model.cell=tcn", "model.options={levels: 2}"),
    "columns": ("waves", "task.loss=mae", "task.normalisation=none", "model.ridge=0.3", "model.cell=rnn"),
    "columns jointly": ("waves", "task.loss=gaussian", "task.channels=joint", "task.calibration=none"),
}


FUZZED = {
    "language model": ("small",),
    "n-gram model": ("small", "model.ngram=0.4"),
    "transformer": ("small", "model.cell=transformer", "model.hidden=8"),
    "tagging": SEQUENCES["tagging"],
    "transduction": SEQUENCES["transduction"],
    "several series with everything": FORECASTERS["several series with everything"],
    "categories and a power": FORECASTERS["categories and a power"],
    "theta and ETS": ("shops", "data.transform=log"),
}
SHARES = {"theta": 0.3, "ETS": 0.3, "last value": 0.1}


def write_shops(folder: Path) -> Path:
    """A config of three shops with missing values, and covariates of every kind."""
    draw, start = random.Random(3), datetime.date(2019, 11, 1)
    lines = ["date,shop,load,temp,promo,size,weather,kind"]
    for shop in range(3):
        for row in range(200):
            load = 100 * (shop + 1) + 10 * math.sin(row / 3) + draw.gauss(0, 1)
            temperature = "" if draw.random() < 0.03 else f"{draw.gauss(10, 3):.3f}"
            values = "" if draw.random() < 0.05 else f"{load:.4f}"
            day = start + datetime.timedelta(days=row)
            promo, weather = draw.randint(0, 1), draw.choice(("sun", "rain", "snow"))
            kind = "big" if shop else "small"
            lines.append(f"{day},s{shop},{values},{temperature},{promo},{shop * 10 + 5},{weather},{kind}")
    (folder / "shops.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = folder / "shops.yaml"
    path.write_text(SHOPS_CONFIG, encoding="utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def shops(trained: Trained) -> None:
    trained.configs["shops"] = write_shops(trained.folder)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences(trained: Trained, kind: str, target: str) -> None:
    assert checked(trained(*SEQUENCES[kind]), target) < CLOSE


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", FORECASTERS)
def test_forecasters(trained: Trained, kind: str, target: str) -> None:
    assert checked(trained(*FORECASTERS[kind]), target) < CLOSE


def test_raw_rows_give_what_the_command_forecasts(trained: Trained) -> None:
    run = trained("waves")
    export(run, "numpy", "model")
    names: dict[str, Any] = {"__file__": str(Path("model", "model.py")), "__name__": "exported"}
    exec(Path("model", "model.py").read_text(), names)
    values = np.loadtxt(trained.folder / "small.csv", delimiter=",", skiprows=1, usecols=(1, 2))[-12:]
    point, low, high = names["forecast"](values)
    for column, theirs in enumerate(run.forecast()):
        np.testing.assert_allclose(point[:, column], theirs.point, atol=1e-5)
        np.testing.assert_allclose(low[:, column, 0], theirs.intervals[80][0], atol=1e-5)
        np.testing.assert_allclose(high[:, column, 0], theirs.intervals[80][1], atol=1e-5)


def test_calendars_are_those_of_the_run() -> None:
    days = np.concatenate([np.arange(-40_000, 60_000, 97), np.arange(18_200, 19_800)])
    times = days * 86_400 + (days * 7_919) % 86_400
    body = Body("features", "", {})
    x = body.input("times", (len(times), 1), "", type="float64")
    body.output("features", calendar(body, x, tuple(PHASES)), "")
    names: dict[str, Any] = {"np": np}
    exec(HELPERS["joined"] + code(body.function()), names)
    (found,) = names["features"](times[:, None].astype(float))
    expected = calendar_features(times * 1_000_000, tuple(PHASES), Step(1, "hours"))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_text_in_and_text_out(trained: Trained) -> None:
    run = trained(*SEQUENCES["classification"])
    export(run, "numpy", "model")
    names: dict[str, Any] = {"__file__": str(Path("model", "model.py")), "__name__": "exported"}
    exec(Path("model", "model.py").read_text(), names)
    texts = ["switch the lamp on", "Ω is unknown"]
    assert [names["answer"](text) for text in texts] == [[one.label] for one in run.predict(texts)]
    run = trained(*SEQUENCES["transduction"])
    export(run, "numpy", "pairs")
    names = {"__file__": str(Path("pairs", "model.py")), "__name__": "exported"}
    exec(Path("pairs", "model.py").read_text(), names)
    (theirs,) = run.predict(["3 May 1998"])
    assert names["write"]("3 May 1998", temperature=0, length=run.model.limit) == theirs.text


def test_sample_paths_are_refused(trained: Trained) -> None:
    run = trained("waves", "task.loss=gaussian", "task.decoding=recursive")
    with pytest.raises(UsageError, match="forecasts by sample paths, which exports do not have"):
        export(run, "numpy", "model")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("kind", FUZZED)
def test_c_withstands_any_input(trained: Trained, kind: str, compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    run = with_shares(trained, SHARES, *FUZZED[kind]) if kind == "theta and ETS" else trained(*FUZZED[kind])
    predictor, probe = (found := describe(run)).predictor, found.probe
    export(run, "c", "model", precision="int8")
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O0"]  # optimising takes minutes
    program = compiled(compiler, Path("model"), checking_program(predictor), tmp_path, flags)
    draw = np.random.default_rng(1)
    calls = bytearray()
    for turn, call in enumerate(probe.calls[:200]):
        inputs = {name: np.array(values, copy=True) for name, values in call.inputs.items()}
        for values in inputs.values():
            where = draw.random(values.shape) < 0.3
            odd = [np.nan, np.inf, -np.inf, 1e30, 0.0] if values.dtype.kind == "f" else [-1, 2**31 - 1, 255, 3]
            if turn % 2:
                values[where] = draw.choice(odd, values.shape)[where]
        calls += packed(predictor, type(call)(call.function, inputs, {}, bool(turn % 3)))
    done = subprocess.run([str(program)], input=bytes(calls), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout


ECHO = """\
#include "model.h"
#include <stdio.h>

int main(int count, char **given)
{
    const char *text = given[count - 1];
    while (*text) {
        char symbol[4];
        int32_t number = model_read_symbols(&text);
        if (number < 0)
            putchar('?');
        else
            fwrite(symbol, 1, (size_t)model_write_symbols(number, symbol), stdout);
    }
    return 0;
}
"""


def test_c_reads_and_writes_utf8(trained: Trained, tmp_path: Path) -> None:
    compiler = next(filter(None, map(shutil.which, ("gcc", "clang", "cc"))), None)
    if compiler is None:
        pytest.skip("no C compiler is installed")
    known = "Zoë fährt — 中文 😀."
    (tmp_path / "world.txt").write_text(f"{known}\n" * 300, encoding="utf-8")
    run = trained("small", f"data.text={tmp_path / 'world.txt'}", "training.budget=3 steps")
    export(run, "c", "model")
    program = compiled(compiler, Path("model"), ECHO, tmp_path)
    for text, expected in ((known, known), ("Zoé 中x😁\u00c3", "Zo? 中???")):
        done = subprocess.run([str(program), text], capture_output=True, check=True)
        assert done.stdout.decode() == expected


def with_shares(trained: Trained, shares: dict[str, float], name: str, *overrides: str) -> Run:
    """A run in whose forecast baselines have shares."""
    run = trained(name, *overrides)
    path = run.path / "calibration.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "shares": shares}))
    return load_run(run.path)


HISTORIES = {
    "a short lookback": ("waves",),
    "missing values": ("shops",),
    "a logarithm": ("shops", "data.transform=log"),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", HISTORIES)
def test_forecasts_with_theta_and_ets(trained: Trained, kind: str, target: str) -> None:
    run = with_shares(trained, SHARES, *HISTORIES[kind])
    assert checked(run, target) < CLOSE


def test_theta_and_ets_are_fitted_as_the_command_fits_them(trained: Trained) -> None:
    run = with_shares(trained, {"theta": 0.5, "ETS": 0.5}, "waves", "model.ridge=auto")
    export(run, "numpy", "model")
    names: dict[str, Any] = {"__file__": str(Path("model", "model.py")), "__name__": "exported"}
    exec(Path("model", "model.py").read_text(), names)
    rows = describe(run).predictor.entry.inputs["values"].value.shape[0]
    assert rows == 100  # of a lookback of 12
    values = np.loadtxt(trained.folder / "small.csv", delimiter=",", skiprows=1, usecols=(1, 2))[-rows:]
    point = names["forecast"](values)[0]
    for column, theirs in enumerate(run.forecast()):
        np.testing.assert_allclose(point[:, column], theirs.point, atol=1e-5)
    # A series that is shorter than its export's rows.
    lines = (trained.folder / "small.csv").read_text().splitlines()
    Path("short.csv").write_text("\n".join([lines[0], *lines[-40:]]) + "\n")
    values[:-40] = np.nan
    point = names["forecast"](values)[0]
    for column, theirs in enumerate(run.forecast("short.csv")):
        np.testing.assert_allclose(point[:, column], theirs.point, atol=1e-5)


def test_baselines_can_be_left_out(trained: Trained) -> None:
    run = with_shares(trained, {"theta": 0.3, "ETS": 0.1, "last value": 0.2}, "waves")
    shares = run.task.mixed_in
    found = export(run, "numpy", "model", without=["theta", "ETS"])
    assert found.difference is not None
    assert found.difference < CLOSE
    assert found.left_out is not None
    assert found.left_out.shares == {"theta": 0.3, "ETS": 0.1}
    corpus = run.corpus()
    assert found.left_out.with_them == run.score(corpus, "test").metrics[found.left_out.metric]
    assert found.left_out.with_them != found.left_out.without_them
    # Of the 60 % that are left, a third is the last value's.
    less = describe(run, ["theta", "ETS"])
    values = np.loadtxt(trained.folder / "small.csv", delimiter=",", skiprows=1, usecols=(1, 2))[-12:]
    names: dict[str, Any] = {"__file__": str(Path("model", "model.py")), "__name__": "exported"}
    exec(Path("model", "model.py").read_text(), names)
    export(run, "numpy", "network", without=list(shares))
    alone: dict[str, Any] = {"__file__": str(Path("network", "model.py")), "__name__": "exported"}
    exec(Path("network", "model.py").read_text(), alone)
    mixed, network = names["forecast"](values)[0], alone["forecast"](values)[0]
    np.testing.assert_allclose(mixed, 2 / 3 * network + 1 / 3 * values[-1], rtol=1e-5)
    assert "left out" in less.predictor.facts
