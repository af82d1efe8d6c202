"""TensorBoard, by its file format: `tensorboard --logdir runs`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lstmctl.storage import require_folder
from lstmctl.tracking.listening import TrackedRun

SECONDS_BETWEEN_WRITES = 5


class TensorBoard:
    """Event files in `RUN/tensorboard`, or in `WHERE/NAME`."""

    package: ClassVar[str] = "tensorboardX"

    def __init__(self, where: str, run: TrackedRun) -> None:
        from tensorboardX import SummaryWriter

        folder = Path(where) / run.name if where else run.path / "tensorboard"
        require_folder(folder)
        # Values that an earlier session logged after the checkpoint are hidden, since they are logged again.
        purge = run.step + 1 if folder.is_dir() else None
        # Files are named by the second and this suffix: a quick stop and start must not overwrite one.
        suffix = f".{run.step:012d}"
        self._writer = SummaryWriter(
            str(folder), purge_step=purge, flush_secs=SECONDS_BETWEEN_WRITES, filename_suffix=suffix
        )
        rows = [f"| {key} | `{value}` |" for key, value in run.described().items()]
        self.text(run.step, "config", "\n".join(["| key | value |", "| --- | --- |", *rows]))

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def text(self, step: int, name: str, text: str) -> None:
        self._writer.add_text(name, text, step)

    def plot(self, step: int, path: Path) -> None:
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            self._writer.add_image(path.stem, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self, status: str) -> None:
        self._writer.add_text("status", status)
        self._writer.close()
