"""A run folder with real logs, made by hand so that every number in it is known."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MakeRun = Callable[..., Path]


class Screen(io.TextIOWrapper):
    """A stream of a given encoding that may say it is a terminal, and keeps what was written."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = False) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, errors="strict", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def text(self) -> str:
        return self.bytes.getvalue().decode(self.encoding)


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
    """`make_run(metrics=…, samples=…, config=…, **facts)`: a finished run of 100 steps, or what is asked for.

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
