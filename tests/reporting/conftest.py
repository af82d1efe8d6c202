"""A run folder with real logs and a comparison, made by hand so that every number in them is known."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lstmctl.reporting.display import Display
from lstmctl.results.comparison import ArmResult, Comparison, CurvePoint, Difference, RunResult, Tried
from lstmctl.results.evaluation import Metrics
from lstmctl.results.forecasts import SeriesForecast

MakeRun = Callable[..., Path]
MakeComparison = Callable[..., Comparison]
MakeForecast = Callable[..., SeriesForecast]


class Screen(io.TextIOWrapper):
    """A stream of a given encoding that may claim to be a terminal, and keeps its content."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = False) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, errors="strict", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def text(self) -> str:
        return self.bytes.getvalue().decode(self.encoding)


class Clock:
    """A clock that only advances when asked to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def frame(display: Display) -> list[str]:
    """The lines of the current picture as plain text, without spaces at their ends."""
    shown = display.console
    lines = shown.render_lines(display.picture(), shown.options.update_width(display.width), pad=False)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


@pytest.fixture
def new_screen() -> type[Screen]:
    """`new_screen(encoding, terminal=…)`."""
    return Screen


@pytest.fixture(autouse=True)
def ordinary_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a plain terminal of 80 columns, whatever the tests are started from."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


@pytest.fixture
def make_run(tmp_path: Path, curve: list[dict[str, Any]]) -> MakeRun:
    """`make_run(metrics=…, samples=…, config=…, **facts)`: a finished run of 100 steps, or as requested.

    A file that is None is left out; a fact that is None is left out of `run.json`.
    """

    def make(
        *, metrics: list[dict[str, Any]] | str | None = None, samples: str | None = "", config: str = "", **facts: Any
    ) -> Path:
        run = tmp_path / "sea-lstm-001"
        run.mkdir()
        info: dict[str, Any] = {
            "format": 1,
            "status": "finished",
            "command": "lstmctl train sea",
            "started": "2026-01-02T03:04:05+00:00",
            "steps": 100,
            "step": 100,
            "units": "characters",
            "units_per_step": 64,
            "parameters": 348988,
            "headline": "best",
            "task": "language-model",
            "cell": "lstm",
            "data": {"sha256": "ab" * 32, "bytes": 1040341, "files": ["sea.txt"], "parts": {"training": 832272}},
            "metrics": {"validation": {"nats_per_character": 1.25, "bits_per_character": 1.803}, "test": None},
            **facts,
        }
        info = {name: value for name, value in info.items() if value is not None}
        (run / "run.json").write_text(json.dumps(info), encoding="utf-8")
        (run / "config.yaml").write_text(config or "format: 1\nmodel:\n  hidden: 256\n", encoding="utf-8")
        rows = curve if metrics is None else metrics
        if not isinstance(rows, str):
            rows = "".join(json.dumps(row) + "\n" for row in rows)
        (run / "metrics.jsonl").write_text(rows, encoding="utf-8")
        if samples is not None:
            (run / "samples.txt").write_text(samples, encoding="utf-8")
        return run

    return make


@pytest.fixture
def curve() -> list[dict[str, Any]]:
    """A loss every second step, and an evaluation every 25th: the best at step 75."""
    rows: list[dict[str, Any]] = []
    values = {25: 2.0, 50: 1.5, 75: 1.25, 100: 1.375}
    for step in range(1, 101):
        if step % 2 == 0:
            rows.append(
                {"step": step, "units": step * 64, "loss": 1 + 3 / step, "learning_rate": 0.004, "seconds": step}
            )
        if step in values:
            metrics = {"nats_per_character": values[step], "bits_per_character": values[step] * 1.4427}
            rows.append({"step": step, "validation": metrics, "best": step != 100})
    return rows


ARMS = {
    "rnn": {"value": 1.712, "rate": 152_300.0, "kernel": "stepwise", "parameters": 86_420, "hidden": 248},
    "lstm": {"value": 1.584, "rate": 83_366.0, "kernel": "oneDNN", "parameters": 86_591, "hidden": 112},
    "gru": {"value": 1.571, "rate": 31_050.0, "kernel": "stepwise", "parameters": 86_733, "hidden": 132},
}
SEEDS_MOVE = (0.0, 0.012, -0.009, 0.004, -0.003)
UNITS = 1_048_576
SAMPLE = "The king shall have the hand of me,\nAnd in the world I will not be so free.\n"


def learning_curve(end: float, rate: float, points: int = 24) -> tuple[CurvePoint, ...]:
    """From 3.3 down to `end`, fast at first."""
    seen = [UNITS * number // points for number in range(1, points + 1)]
    values = [end + (3.3 - end) * math.exp(-7 * (units / UNITS) ** 0.6) for units in seen]
    return tuple(CurvePoint(units, units / rate, value) for units, value in zip(seen, values, strict=True))


def run_result(arm: str, seed: int, *, diverged: bool) -> RunResult:
    facts: dict[str, Any] = ARMS[arm]
    value, rate = (
        facts["value"] + (SEEDS_MOVE[seed % 5] + seed // 5 / 1000),
        facts["rate"] * (1 + (SEEDS_MOVE[seed % 5] + seed // 5 / 1000)),
    )
    curve = learning_curve(value - 0.02, rate)
    test = {"nats_per_character": value, "bits_per_character": value * 1.4427, "nats_per_character_cold": value + 0.1}
    validation = {"nats_per_character": value - 0.02, "bits_per_character": (value - 0.02) * 1.4427}
    none: dict[str, Metrics | None] = {"validation": None, "test": None}
    return RunResult(
        name=f"{arm}-seed-{seed}",
        seed=seed,
        status="diverged" if diverged else "finished",
        value=None if diverged else value,
        metrics=none if diverged else {"validation": validation, "test": test},
        curve=curve[:5] if diverged else curve,
        units=curve[5].units if diverged else UNITS,
        seconds=None if diverged else UNITS / rate,
        rate=None if diverged else rate,
        peak_memory=None if diverged else 512_000_000 + seed,
    )


@pytest.fixture
def make_comparison(tmp_path: Path) -> MakeComparison:
    """`make_comparison(…)`: rnn, lstm and gru over three seeds; the folder is made.

    `names` replace the arms' own; `diverged` are runs such as `rnn-seed-1`; `tuned` adds a grid of three learning
    rates. All others are fields of the record.
    """

    def make(
        seeds: Sequence[int] = (0, 1, 2),
        *,
        names: Sequence[str] = tuple(ARMS),
        diverged: Sequence[str] = (),
        tuned: bool = False,
        **fields: Any,
    ) -> Comparison:
        folder = tmp_path / "sea-comparison-001"
        folder.mkdir(exist_ok=True)
        arms = tuple(arm_result(arm, name, seeds, diverged, tuned=tuned) for arm, name in zip(ARMS, names, strict=True))
        facts: dict[str, Any] = {
            "path": str(folder),
            "config": "sea",
            "overrides": ("training.budget=1M characters",),
            "command": "lstmctl compare rnn lstm gru --config sea 'training.budget=1M characters'",
            "primary": "nats_per_character",
            "lower_is_better": True,
            "split": "test",
            "unit": "characters",
            "units": UNITS,
            "seeds": tuple(seeds),
            "match": "parameters",
            "target": 86_591,
            "jobs": 1,
            "confidence": 0.95,
            "baselines": {
                "uniform": {"nats_per_character": 4.1744, "bits_per_character": 6.0224},
                "n-gram": {"nats_per_character": 1.9471, "order": 4.0},
            },
            "level": 1.6933,
            "arms": arms,
            "tests": tuple(difference(a, b) for a, b in itertools.combinations(arms, 2)),
            "statement": "Over 3 seeds, on this data: lstm is better than rnn by 0.128 nats per character; "
            "no difference was shown between lstm and gru.",
            "machine": {
                "device_name": "cpu, 2 threads",
                "precision": "bfloat16",
                "threads": 2,
                "platform": "Linux",
                "versions": {"torch": "2.13.0"},
            },
            "data": {
                "files": ["sea.txt"],
                "bytes": 1_115_394,
                "vocabulary": 65,
                "parts": {"training": 892_315, "validation": 111_539, "test": 111_540},
                "sha256": "ab" * 32,
            },
            **fields,
        }
        return Comparison(**facts)

    return make


def arm_result(arm: str, name: str, seeds: Sequence[int], diverged: Sequence[str], *, tuned: bool) -> ArmResult:
    facts: dict[str, Any] = ARMS[arm]
    runs = tuple(run_result(arm, seed, diverged=f"{arm}-seed-{seed}" in diverged) for seed in seeds)
    values = [run.value for run in runs if run.value is not None]
    mean = statistics.fmean(values) if values else None
    half = 0.026 if mean is not None and len(values) > 1 else None
    rates = (1e-3, 3e-3, 1e-2)
    chosen = {"training.learning_rate": 3e-3} if tuned else {}
    reached = {"rnn": 6.876, "lstm": 2.41, "gru": 6.13}[arm]
    return ArmResult(
        name=name,
        cell=arm,
        settings={"model.hidden": facts["hidden"], **chosen},
        chosen=chosen,
        tuning=tuple(
            Tried(
                {"training.learning_rate": rate},
                None if rate == 1e-2 and arm == "rnn" else facts["value"] + 10 * abs(rate - 3e-3),
            )
            for rate in (rates if tuned else ())
        ),
        parameters=facts["parameters"],
        deviation=facts["parameters"] / 86_591 - 1,
        steps=1024,
        kernel=facts["kernel"],
        runs=runs,
        mean=mean,
        low=None if mean is None or half is None else mean - half,
        high=None if mean is None or half is None else mean + half,
        seconds=UNITS / facts["rate"] if values else None,
        rate=facts["rate"] if values else None,
        peak_memory=512_000_000 if values else None,
        seconds_to_level=reached if values else None,
        sample=f"{arm} {SAMPLE}" if values else "",
        status="finished" if len(values) == len(runs) else "partly diverged" if values else "diverged",
    )


def difference(a: ArmResult, b: ArmResult) -> Difference:
    if a.mean is None or b.mean is None:
        return Difference(a.name, b.name, None, None, None, None, "paired")
    gap = a.mean - b.mean
    if a.low is None or b.low is None:
        return Difference(a.name, b.name, gap, None, None, None, "paired")
    paired = a.status == b.status == "finished"
    p = 0.0004 if gap > 0.1 else 0.182
    return Difference(a.name, b.name, gap, gap - 0.021, gap + 0.021, p, "paired" if paired else "welch")


@pytest.fixture
def make_forecast() -> MakeForecast:
    """`make_forecast(series, horizon=…, …)`: 60 hours of history, then a forecast with two intervals and what came.

    All else is a field of the record.
    """

    def make(series: str = "OT", horizon: int = 4, **fields: Any) -> SeriesForecast:
        hours = [f"2018-06-{26 + hour // 24:02} {hour % 24:02}:00:00" for hour in range(60 + horizon)]
        point = tuple(10.0 + step for step in range(horizon))
        facts: dict[str, Any] = {
            "series": series,
            "times": tuple(hours[60:]),
            "point": point,
            "intervals": {
                level: (tuple(value - level / 40 for value in point), tuple(value + level / 40 for value in point))
                for level in (80, 95)
            },
            "history_times": tuple(hours[:60]),
            "history": tuple(9.0 + math.sin(hour / 4) for hour in range(60)),
            "actual": tuple(value + 0.5 for value in point),
            **fields,
        }
        return SeriesForecast(**facts)

    return make


def forecast_figures(times_as_bad: float, *, unit: float = 1.0) -> dict[str, float]:
    """Metrics of a forecast as named in `metrics.forecasts`; `unit` is the size of the series' own unit."""
    bad = times_as_bad
    return {
        "mse_scaled": 0.369 * bad,
        "mae_scaled": 0.398 * bad,
        "mae": 2.61 * bad * unit,
        "rmse": 4.02 * bad * unit,
        "smape": 46.2 * bad,
        "mase": 0.91 * bad,
        "pinball": 0.81 * bad * unit,
        "pinball_scaled": 0.124 * bad,
        "coverage_80": 0.793,
        "width_80": 7.9 * unit,
        "width_scaled_80": 1.31,
    }


MODELS = {"run": 1.0, "last value": 3.1, "seasonal naive": 1.37, "drift": 9.3, "ridge": 1.08}


@pytest.fixture
def stored_evaluation(make_forecast: MakeForecast) -> dict[str, Any]:
    """`evaluation.json` of a run that beats its four baselines: two channels, four steps, two examples."""
    return {
        "format": 1,
        "split": "test",
        "primary": "mse_scaled",
        "metrics": forecast_figures(1.0),
        "baselines": {name: forecast_figures(bad) for name, bad in MODELS.items() if name != "run"},
        "by_channel": {
            name: {"HUFL": forecast_figures(0.8 * bad), "OT": forecast_figures(1.2 * bad, unit=1000.0)}
            for name, bad in MODELS.items()
        },
        "by_step": {name: [forecast_figures(bad * (1 + step)) for step in range(4)] for name, bad in MODELS.items()},
        "notes": ["The rows that chose the weights calibrated the intervals."],
        "windows": 2785,
        "examples": [dataclasses.asdict(make_forecast(name)) for name in ("HUFL", "OT")],
    }


@pytest.fixture
def make_forecast_run(make_run: MakeRun, stored_evaluation: dict[str, Any]) -> MakeRun:
    """`make_forecast_run(loss=…, evaluation=…)`: a finished run of 100 steps that forecasts two channels.

    `evaluation` is the content of `evaluation.json`: the fixture's by default, no file for None.
    """

    def make(loss: str = "mse", evaluation: Any = ..., **facts: Any) -> Path:
        rows: list[dict[str, Any]] = []
        for step in range(10, 101, 10):
            rows.append({"step": step, "units": step * 32, "loss": 0.4 + 1 / step, "learning_rate": 0.003})
            rows.append({"step": step, "validation": forecast_figures(1 + 1 / step), "best": True})
        described: dict[str, Any] = {
            "task": "forecast",
            "shape": "many-to-many",
            "units": "windows",
            "units_per_step": 32,
            "data": {
                "files": ["ETTh1.csv"],
                "bytes": 2_589_657,
                "sha256": "ab" * 32,
                "rows": 17_420,
                "series": 1,
                "channels": ["HUFL", "OT"],
                "step": "1 hour",
                "season": 24,
                "scaled_by": "rows 0 to 8,639",
                "parts": {"training": 8640, "validation": 2880, "test": 2880},
                "windows": {"training": 8521, "validation": 2785, "test": 2785},
                "notes": ["12 missing values were filled."],
            },
        }
        config = (
            f"format: 1\ntask:\n  type: forecast\n  lookback: 96\n  horizon: 24\n  loss: {loss}\nmodel:\n  hidden: 64\n"
        )
        run = make_run(metrics=rows, samples=f"── step 100\n{COURSE}\n\n", config=config, **{**described, **facts})
        info = json.loads((run / "run.json").read_text(encoding="utf-8"))
        info["metrics"] = {"validation": forecast_figures(1.1), "test": forecast_figures(1.0)}
        (run / "run.json").write_text(json.dumps(info), encoding="utf-8")
        evaluation = stored_evaluation if evaluation is ... else evaluation
        if evaluation is not None:
            text = evaluation if isinstance(evaluation, str) else json.dumps(evaluation)
            (run / "evaluation.json").write_text(text, encoding="utf-8")
        return run

    return make


COURSE = "▁▂▃▄▅▆▇█▇▆▅▄▃▂▁▂▃▄▅▆ → ▇█▇▆▅▄▃▂▁▂  HUFL\n▁▁▁▁▂▂▂▂▃▃▃▃▄▄▄▄▅▅▅▅ → ▅▅▅▅▆▆▆▆▇▇  OT"


@pytest.fixture
def make_forecast_comparison(make_comparison: MakeComparison) -> MakeComparison:
    """`make_forecast_comparison(…)`: `make_comparison` of forecasting runs, with four baselines."""

    def make(**fields: Any) -> Comparison:
        comparison = make_comparison(
            **{
                "primary": "mse_scaled",
                "unit": "windows",
                "baselines": {
                    name: {"mse_scaled": value}
                    for name, value in {
                        "last value": 1.75,
                        "seasonal naive": 1.735,
                        "drift": 1.742,
                        "ridge": 1.6,
                    }.items()
                },
                "data": {
                    "files": ["ETTh1.csv"],
                    "series": 1,
                    "channels": ["HUFL", "OT"],
                    "step": "1 hour",
                    "season": 24,
                },
                **fields,
            }
        )
        arms = tuple(
            dataclasses.replace(
                arm,
                sample=COURSE,
                runs=tuple(
                    dataclasses.replace(run, metrics={"test": {"mse_scaled": run.value, "coverage_80": 0.8}})
                    for run in arm.runs
                    if run.value is not None
                ),
            )
            for arm in comparison.arms
        )
        return dataclasses.replace(comparison, arms=arms)

    return make
