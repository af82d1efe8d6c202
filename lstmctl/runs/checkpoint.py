"""Checkpoints: immutable folders of tensors and JSON, published whole, verified by SHA-256 when read.

    checkpoints/
        step-200/
            weights.safetensors     what the optimiser moves
            averaged.safetensors    their running average, where the config asks for one
            state.safetensors       optimiser moments, carried hidden state
            state.json              step, best figure, patience, log offsets
            manifest.json           size and SHA-256 of each file above, written last
        pointers.json               which step is last, previous and best

A crash at any point leaves the folders that `pointers.json` names untouched. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmctl.errors import RunError
from lstmctl.storage import disk_errors, link_or_copy, read_plain, rename_over, replace_json, sync_folder, write_synced

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FORMAT = 1
LARGEST_MANIFEST = 100_000
FILES = ("weights.safetensors", "averaged.safetensors", "state.safetensors", "state.json")


@dataclass(frozen=True)
class Snapshot:
    """All mutable state of a training run at one step, on the CPU."""

    step: int
    weights: Mapping[str, Tensor]
    averaged: Mapping[str, Tensor] | None
    state: Mapping[str, Tensor]
    progress: Mapping[str, Any]
    """Plain JSON."""

    @property
    def best_weights(self) -> Mapping[str, Tensor]:
        """What evaluation and generation use: the averages where there are any."""
        return self.averaged if self.averaged is not None else self.weights


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, run: Path) -> None:
        self.run, self.folder = run, run / "checkpoints"
        self._standing: int | None = None
        """The step that this object last read as `last`, or wrote: known to be sound, and part of this history."""

    def pointers(self) -> dict[str, int]:
        """The steps that `last`, `previous` and `best` name; empty when there is no checkpoint.

        Raises:
            RunError: the pointer file is damaged.
        """
        path = self.folder / "pointers.json"
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
        """Publish a snapshot, point to it, and drop what no pointer names any more.

        Raises:
            ResourceError: it cannot be written; every earlier checkpoint stands.
        """
        path = self.folder / f"step-{snapshot.step}"
        pointers = self._pointers_or_none()
        # A folder of this step that a killed process left, or that is damaged, is of another history: its log offsets
        # need not be those of now.
        if self._standing != snapshot.step:
            contents = _contents(snapshot)
            with disk_errors(path, sum(map(len, contents.values()))):
                self._publish(path, contents)
            pointers["previous"] = pointers.get("last", snapshot.step) if self._standing is None else self._standing
        pointers["last"] = self._standing = snapshot.step
        if best or "best" not in pointers:
            pointers["best"] = snapshot.step
        replace_json(self.folder / "pointers.json", pointers)
        for name in ("last", "best"):
            kept = self.folder / f"step-{pointers[name]}"
            averaged = kept / "averaged.safetensors"
            source = averaged if averaged.exists() else kept / "weights.safetensors"
            if source.exists():
                link_or_copy(source, self.run / f"{name}.safetensors")
        with disk_errors(path):
            self._prune(set(pointers.values()))
        return path

    def read(self, name: str = "last") -> Snapshot:
        """The checkpoint that a pointer names, verified; a damaged `last` falls back to `previous`, with a warning.

        Raises:
            RunError: none is sound; each is named with what is wrong.
        """
        candidates = self._candidates(name)
        if not candidates:
            raise RunError(f"{self.folder} holds no checkpoint")
        problems: list[str] = []
        for step in candidates:
            try:
                snapshot = read_checkpoint(self.folder / f"step-{step}")
            except RunError as error:
                problems.append(str(error))
                continue
            if name == "last":
                self._standing = step
            for problem in problems:
                log.warning("%s; using step %d instead", problem, step)
            return snapshot
        raise RunError("; ".join(problems))

    def _candidates(self, name: str) -> list[int]:
        """Steps to try, best first: the one asked for, then every other on the disk, newest first."""
        try:
            pointers = self.pointers()
        except RunError as error:
            log.warning("%s; looking through the folder instead", error)
            pointers = {}
        on_disk = sorted(self.steps_on_disk(), reverse=True)
        wanted = [pointers[key] for key in (name, "last", "previous") if key in pointers]
        newest = [step for step in on_disk if step <= max(wanted, default=on_disk[0] if on_disk else 0)]
        return list(dict.fromkeys([*wanted, *newest]))

    def steps_on_disk(self) -> list[int]:
        """The steps that have a checkpoint folder, sound or not."""
        found = (re.fullmatch(r"step-(\d+)", path.name) for path in self.folder.glob("step-*"))
        return [int(match[1]) for match in found if match]

    def _pointers_or_none(self) -> dict[str, int]:
        try:
            return self.pointers()
        except RunError:
            return {}

    def _publish(self, path: Path, contents: Mapping[str, bytes]) -> None:
        self.folder.mkdir(exist_ok=True)
        temporary = self.folder / f".{path.name}.tmp-{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            for name, content in contents.items():
                write_synced(temporary / name, content)
            sync_folder(temporary)
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


def read_checkpoint(path: Path) -> Snapshot:
    """One checkpoint folder as a snapshot.

    Raises:
        RunError: a file is missing, damaged or not what the manifest says.
    """
    contents = read_contents(path)
    try:
        progress = json.loads(contents["state.json"])
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path / 'state.json'} is damaged: {error}") from error
    if not isinstance(progress, dict) or type(step := progress.pop("step", None)) is not int:
        raise RunError(f"{path / 'state.json'} is damaged: it states no step")
    return Snapshot(
        step=step,
        weights=_tensors(contents["weights.safetensors"], path / "weights.safetensors"),
        averaged=_tensors(contents["averaged.safetensors"], path / "averaged.safetensors")
        if "averaged.safetensors" in contents
        else None,
        state=_tensors(contents["state.safetensors"], path / "state.safetensors"),
        progress=progress,
    )


def read_contents(path: Path) -> dict[str, bytes]:
    """The verified bytes of a checkpoint's files.

    Raises:
        RunError: a file is missing, damaged or not what the manifest says.
    """
    manifest_path = path / "manifest.json"
    if path.is_symlink():
        raise RunError(f"{path} is a link; a checkpoint is a plain folder")
    try:
        raw = _plain_bytes(manifest_path)
        manifest = json.loads(raw)
    except FileNotFoundError as error:
        raise RunError(f"{manifest_path} is missing: not a complete checkpoint") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{manifest_path} is damaged: {error}") from error
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or type(manifest.get("format")) is not int:
        raise RunError(f"{manifest_path} is damaged: it lists no files")
    if manifest["format"] > FORMAT:
        raise RunError(
            f"{manifest_path} has format {manifest['format']}, made by a newer lstmctl; this one reads {FORMAT}"
        )
    if not set(FILES) - {"averaged.safetensors"} <= set(files) <= set(FILES):
        raise RunError(f"{manifest_path} names unexpected files: {', '.join(sorted(set(files) ^ set(FILES)))}")
    for name, entry in files.items():
        if (
            not isinstance(entry, dict)
            or set(entry) != {"bytes", "sha256"}
            or type(entry["bytes"]) is not int
            or type(entry["sha256"]) is not str
        ):
            raise RunError(f"{manifest_path} is damaged: no size and SHA-256 for {name}")
    if raw != _canonical({"format": manifest["format"], "files": files}):
        raise RunError(f"{manifest_path} is damaged: it is not as it was written")
    return {name: _verified(path / name, entry) for name, entry in files.items()}


def _verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    try:
        content = _plain_bytes(path, entry["bytes"])
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise RunError(f"{path} is damaged: its SHA-256 is not the one in the manifest")
    return content


def _plain_bytes(path: Path, size: int | None = None) -> bytes:
    """The bytes of a file that is of the stated size, else small.

    A link leads out of the run folder and a pipe may never end, so neither is followed.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise RunError(f"{path} is a link or no file; a checkpoint holds plain files only")
    if size is not None and status.st_size != size:
        raise RunError(f"{path} is damaged: {status.st_size:,} bytes, expected {size:,}")
    if size is None and status.st_size > LARGEST_MANIFEST:
        raise RunError(f"{path} is damaged: larger than {LARGEST_MANIFEST:,} bytes")
    with path.open("rb") as file:
        return file.read(status.st_size)


def _contents(snapshot: Snapshot) -> dict[str, bytes]:
    """File names to bytes, the manifest last."""
    from safetensors.torch import save

    contents = {"weights.safetensors": save(dict(snapshot.weights), {"format": "pt"})}
    if snapshot.averaged is not None:
        contents["averaged.safetensors"] = save(dict(snapshot.averaged), {"format": "pt"})
    contents["state.safetensors"] = save(dict(snapshot.state), {"format": "pt"})
    contents["state.json"] = json.dumps({"step": snapshot.step, **snapshot.progress}, allow_nan=False).encode()
    manifest = {
        "format": FORMAT,
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        },
    }
    contents["manifest.json"] = _canonical(manifest)
    return contents


def _canonical(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()


def _tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
