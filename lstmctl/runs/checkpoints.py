"""The checkpoints of one run: published atomically, pointed to, read with a fallback, and pruned."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lstmctl import shell
from lstmctl.errors import RunError
from lstmctl.runs.checkpoint_files import Snapshot, contents_of, read_best_weights, read_checkpoint, tensors_of
from lstmctl.runs.exported import EXPORTED, export, is_exported
from lstmctl.storage import (
    disk_errors,
    leftovers,
    read_plain,
    rename_over,
    replace_json,
    require_folder,
    sync_folder,
    write_synced,
)

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

Found = TypeVar("Found")
POINTERS = "pointers.json"
MOST_ATTEMPTS = 100
"""Attempts to read while a training run moves the pointers and prunes checkpoints."""


@dataclass(frozen=True)
class Weights:
    """Weights of a checkpoint for evaluation and generation."""

    step: int
    tensors: Mapping[str, Tensor]
    fallback: str | None
    """Why this is not the requested checkpoint; None if it is."""


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, run: Path) -> None:
        self.run, self.folder = run, run / "checkpoints"
        self._standing: int | None = None
        """The step that this object last read as `last`, or wrote: known to be intact, and part of this history."""
        self._exported: dict[str, int] = {}
        """The steps whose weights this object exported."""

    def pointers(self) -> dict[str, int]:
        """The steps that `last`, `previous` and `best` name; empty without a checkpoint.

        Raises:
            RunError: the pointer file is damaged.
        """
        path = self.folder / POINTERS
        try:
            pointers = json.loads(read_plain(path))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{path} cannot be read: {error}") from error
        if not isinstance(pointers, dict) or not all(
            name in ("last", "previous", "best") and type(step) is int and step >= 0 for name, step in pointers.items()
        ):
            raise RunError(f"{path} must name whole steps for last, previous and best")
        return dict(pointers)

    def write(self, snapshot: Snapshot, *, best: bool) -> Path:
        """Publish a snapshot, point to it, and delete checkpoints that no pointer names any more.

        Raises:
            ResourceError: it cannot be written; every earlier checkpoint is kept.
        """
        path = self.folder / f"step-{snapshot.step}"
        pointers = self._pointers_or_none()
        # A folder of this step that a killed process left, or that is damaged, belongs to another history: its log
        # offsets may differ from the current ones.
        if self._standing != snapshot.step:
            contents = contents_of(snapshot)
            with disk_errors(path, sum(map(len, contents.values()))):
                self._publish(path, contents)
            pointers["previous"] = pointers.get("last", snapshot.step) if self._standing is None else self._standing
        pointers["last"] = self._standing = snapshot.step
        if best or "best" not in pointers:
            pointers["best"] = snapshot.step
        replace_json(self.folder / POINTERS, pointers)
        for name in EXPORTED:
            if self._exported.get(name) != pointers[name]:
                self._export(name, pointers[name])
        with disk_errors(path):
            self._prune(set(pointers.values()))
        return path

    def read(self, name: str = "last") -> Snapshot:
        """Return the checkpoint that a pointer names, verified; a damaged `last` falls back to `previous`, with a
        warning.

        Raises:
            RunError: all are damaged; the problem of each is listed.
        """
        step, snapshot, _ = self._first_sound(name, read_checkpoint)
        if name == "last":
            self._standing = step
        return snapshot

    def read_weights(self, name: str = "last") -> Weights:
        """Return the weights for use of the checkpoint that a pointer names; no other file of it is needed.

        Raises:
            RunError: the weights of all checkpoints are damaged; the problem of each is listed.
        """
        step, tensors, problems = self._first_sound(name, lambda path: tensors_of(read_best_weights(path), path))
        return Weights(step, tensors, "; ".join(problems) or None)

    def starting_point(self) -> Snapshot | None:
        """Return the checkpoint that a stopped run continues from; None to start from the beginning, if there is none.

        It is the newest intact one; or if the best one is damaged, the newest intact one before it, so that training
        recreates it.

        Raises:
            RunError: none is intact, or the best one is damaged and no earlier one is left.
        """
        if not self.steps_on_disk():
            return None
        snapshot = self.read("last")
        pointers = self._pointers_or_none()
        lost = not {"last", "best"} <= set(pointers)
        best = _best_step(snapshot) if lost else pointers["best"]
        if best > snapshot.step:  # training recreates it
            return snapshot
        if (problem := self._problem_with(best, read_best_weights)) is None:
            if lost:
                earlier = [step for step in self.steps_on_disk() if step < snapshot.step]
                pointers = {"last": snapshot.step, "previous": max(earlier, default=snapshot.step), "best": best}
                replace_json(self.folder / POINTERS, pointers)
            return snapshot
        self._standing = None
        for step in sorted(self.steps_on_disk(), reverse=True):
            if step < best and self._problem_with(step, read_checkpoint) is None:
                log.warning("%s; training continues from step %d to recreate it", problem, step)
                self._standing = step
                return read_checkpoint(self.folder / f"step-{step}")
        raise RunError(
            f"{problem}; it is the best checkpoint, and no earlier one is left to recreate it from",
            hint="train again: " + shell.join(["lstmctl", "train", str(self.run / "config.yaml")]),
        )

    def is_whole(self) -> bool:
        """Return True if the last checkpoint and the best weights are intact, and pointed to."""
        pointers = self._pointers_or_none()
        return {"last", "best"} <= set(pointers) and (
            self._problem_with(pointers["last"], read_checkpoint) is None
            and self._problem_with(pointers["best"], read_best_weights) is None
        )

    def is_tidy(self) -> bool:
        """Return True if the exported weights match the checkpoints, and every checkpoint is named by a pointer."""
        pointers = self._pointers_or_none()
        return (
            set(self.steps_on_disk()) <= set(pointers.values())
            and not leftovers(self.folder)
            and all(
                self._problem_with(pointers[name], partial(self._require_exported, name)) is None
                for name in EXPORTED
                if name in pointers
            )
        )

    def tidy(self) -> None:
        """Export weights again if they do not match the checkpoints, and delete checkpoints that no pointer names.

        Raises:
            ResourceError: they cannot be written.
        """
        pointers = self._pointers_or_none()
        if not pointers:
            return
        for name in EXPORTED:
            if name in pointers:
                self._export(name, pointers[name])
        if self._standing in (
            None,
            pointers.get("last"),
        ):  # otherwise a run would continue from one that no pointer may name
            with disk_errors(self.folder):
                self._prune(set(pointers.values()))

    def _export(self, name: str, step: int) -> None:
        try:
            content = read_best_weights(self.folder / f"step-{step}")
        except RunError:  # the reader of this checkpoint reports it
            return
        export(self.run, name, content)
        self._exported[name] = step

    def _require_exported(self, name: str, path: Path) -> None:
        """Raises RunError unless the exported file contains the weights of the checkpoint at `path`."""
        if not is_exported(self.run, name, read_best_weights(path)):
            raise RunError(f"{name}.safetensors does not match {path}")

    def _problem_with(self, step: int, read: Callable[[Path], object]) -> RunError | None:
        try:
            read(self.folder / f"step-{step}")
        except RunError as error:
            return error
        return None

    def _first_sound(self, name: str, read: Callable[[Path], Found]) -> tuple[int, Found, list[str]]:
        """Return the step and content of the first intact candidate, and the problems of those before it.

        While a run trains, a checkpoint may be pruned after its pointer was read. So apparent damage counts only if the
        pointers are unchanged afterwards.
        """
        for attempt in range(MOST_ATTEMPTS):
            before = self._pointer_bytes()
            problems: list[str] = []
            candidates = self._candidates(name)
            for step in candidates:
                try:
                    found = read(self.folder / f"step-{step}")
                except RunError as error:
                    problems.append(str(error))
                    if attempt + 1 < MOST_ATTEMPTS and self._pointer_bytes() != before:
                        break
                    continue
                for problem in problems:
                    log.warning("%s; using step %d instead", problem, step)
                return step, found, problems
            else:
                raise RunError("; ".join(problems) if candidates else f"{self.folder} contains no checkpoint")
        raise AssertionError("the last attempt returns or raises")

    def _pointer_bytes(self) -> bytes | None:
        try:
            return read_plain(self.folder / POINTERS)
        except (OSError, RunError):
            return None

    def _candidates(self, name: str) -> list[int]:
        """Steps to try, best first: the requested one, then all others on disk, newest first."""
        try:
            pointers = self.pointers()
        except RunError as error:
            log.warning("%s; searching the folder instead", error)
            pointers = {}
        on_disk = sorted(self.steps_on_disk(), reverse=True)
        wanted = [pointers[key] for key in (name, "last", "previous") if key in pointers]
        newest = [step for step in on_disk if step <= max(wanted, default=on_disk[0] if on_disk else 0)]
        return list(dict.fromkeys([*wanted, *newest]))

    def steps_on_disk(self) -> list[int]:
        """The steps that have a checkpoint folder, intact or not."""
        found = (re.fullmatch(r"step-(\d+)", path.name) for path in self.folder.glob("step-*"))
        return [int(match[1]) for match in found if match]

    def _pointers_or_none(self) -> dict[str, int]:
        try:
            return self.pointers()
        except RunError:
            return {}

    def _publish(self, path: Path, contents: Mapping[str, bytes]) -> None:
        require_folder(self.folder)
        self.folder.mkdir(exist_ok=True)
        temporary = self.folder / f".{path.name}.tmp-{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            for name, content in contents.items():
                write_synced(temporary / name, content)
            sync_folder(temporary)
            if path.is_symlink():
                path.unlink()
            shutil.rmtree(path, ignore_errors=True)  # of another history, or damaged; no pointer needs it
            rename_over(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(self.folder)

    def _prune(self, keep: set[int]) -> None:
        for step in self.steps_on_disk():
            if step not in keep:
                shutil.rmtree(self.folder / f"step-{step}", ignore_errors=True)


def _best_step(snapshot: Snapshot) -> int:
    """The best step up to a checkpoint; before the first evaluation, its own."""
    step = snapshot.progress.get("best_step")
    return step if type(step) is int and snapshot.progress.get("best") is not None else snapshot.step
