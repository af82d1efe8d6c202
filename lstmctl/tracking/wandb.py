"""Weights & Biases; `WANDB_MODE=offline` writes files that `wandb sync` uploads later."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import ClassVar

from lstmctl.tracking.listening import TrackedRun

SECONDS_TO_CONNECT = 10.0
"""wandb's default of 90 seconds would also delay the end of the process, where wandb waits for its connection."""


class WandB:
    """A run of the project WHERE, by default `lstmctl`."""

    package: ClassVar[str] = "wandb"

    def __init__(self, where: str, run: TrackedRun) -> None:
        import wandb

        self._wandb = wandb
        self._run = wandb.init(
            project=where or "lstmctl",
            id=run.id,
            name=run.name,
            config=run.described(),
            dir=str(run.path),
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True, init_timeout=SECONDS_TO_CONNECT),
        )
        # A resumed run logs some steps again. With `step` as the x-axis, they are plotted where they were.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({"step": step, **values})

    def text(self, step: int, name: str, text: str) -> None:
        self._run.log({"step": step, name: self._wandb.Html(f"<pre>{escape(text)}</pre>", inject=False)})

    def plot(self, step: int, path: Path) -> None:
        self._run.log({"step": step, path.stem: self._wandb.Image(str(path))})

    def close(self, status: str) -> None:
        self._run.finish(exit_code=0 if status == "finished" else 1, quiet=True)
