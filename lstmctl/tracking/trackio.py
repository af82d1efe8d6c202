"""trackio: a local dashboard, `trackio show`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lstmctl.tracking.listening import TrackedRun


def _nothing(*_: object, **__: object) -> None:
    """Print nothing."""


class Trackio:
    """A run of the project WHERE, by default `lstmctl`."""

    package: ClassVar[str] = "trackio"

    def __init__(self, where: str, run: TrackedRun) -> None:
        import trackio
        import trackio.run
        import trackio.utils

        for module in (trackio, trackio.run, trackio.utils):  # it prints to stdout, which belongs to the results
            vars(module)["print"] = _nothing
        self._trackio = trackio
        self._run = trackio.init(project=where or "lstmctl", name=run.id, config=run.described(), resume="allow")

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def text(self, step: int, name: str, text: str) -> None:
        self._run.log({name: text}, step=step)

    def plot(self, step: int, path: Path) -> None:
        self._run.log({path.stem: self._trackio.Image(str(path))}, step=step)

    def close(self, status: str) -> None:
        self._run.finish()
