"""Checkpoints: immutable folders of tensors and JSON, published atomically, verified by SHA-256 when read.

    checkpoints/
        step-200/
            weights.safetensors     weights that the optimizer updates
            averaged.safetensors    their running average, if configured
            state.safetensors       optimizer moments, carried hidden state
            state.json              step, best metric, patience, log offsets
            manifest.json           size and SHA-256 of each file above, written last
        pointers.json               the steps that are last, previous and best

A crash at any point leaves the folders that `pointers.json` names untouched. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmctl.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

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
        """The weights for evaluation and generation: the averages if there are any."""
        return self.averaged if self.averaged is not None else self.weights


def read_checkpoint(path: Path) -> Snapshot:
    """One checkpoint folder as a snapshot.

    Raises:
        RunError: a file is missing, damaged or differs from the manifest; or the folder is named after another step.
    """
    contents = read_contents(path)
    try:
        progress = json.loads(contents["state.json"])
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path / 'state.json'} is damaged: {error}") from error
    if not isinstance(progress, dict) or type(step := progress.pop("step", None)) is not int:
        raise RunError(f"{path / 'state.json'} is damaged: it contains no step")
    if path.name != f"step-{step}":
        raise RunError(f"{path} is the checkpoint of step {step} under another name")
    return Snapshot(
        step=step,
        weights=tensors_of(contents["weights.safetensors"], path / "weights.safetensors"),
        averaged=tensors_of(contents["averaged.safetensors"], path / "averaged.safetensors")
        if "averaged.safetensors" in contents
        else None,
        state=tensors_of(contents["state.safetensors"], path / "state.safetensors"),
        progress=progress,
    )


def read_best_weights(path: Path) -> bytes:
    """Return the verified safetensors file for evaluation and generation: the averages if there are any.

    No other file in the folder is read, so damage to one does not affect these weights.

    Raises:
        RunError: that file or the manifest is missing or damaged.
    """
    files = read_manifest(path)
    name = "averaged.safetensors" if "averaged.safetensors" in files else "weights.safetensors"
    return _verified(path / name, files[name])


def read_contents(path: Path) -> dict[str, bytes]:
    """The verified bytes of a checkpoint's files.

    Raises:
        RunError: a file is missing, damaged or differs from the manifest.
    """
    return {name: _verified(path / name, entry) for name, entry in read_manifest(path).items()}


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of each file of a checkpoint, by name.

    Raises:
        RunError: the manifest is missing or damaged, or of a newer format.
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
        raise RunError(f"{manifest_path} is damaged: its contents have changed")
    return files


def _verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    try:
        content = _plain_bytes(path, entry["bytes"])
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise RunError(f"{path} is damaged: its SHA-256 is not the one in the manifest")
    return content


def _plain_bytes(path: Path, size: int | None = None) -> bytes:
    """Return the bytes of a file of the stated size, or of a small one if no size is stated.

    A link leads out of the run folder and a pipe may never end, so neither is followed.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise RunError(f"{path} is a link or not a file; a checkpoint contains only plain files")
    if size is not None and status.st_size != size:
        raise RunError(f"{path} is damaged: {status.st_size:,} bytes, expected {size:,}")
    if size is None and status.st_size > LARGEST_MANIFEST:
        raise RunError(f"{path} is damaged: larger than {LARGEST_MANIFEST:,} bytes")
    with path.open("rb") as file:
        return file.read(status.st_size)


def contents_of(snapshot: Snapshot) -> dict[str, bytes]:
    """The files of a checkpoint by name, the manifest last."""
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


def tensors_of(content: bytes, path: Path) -> dict[str, Tensor]:
    """Parse the tensors in the bytes of a safetensors file.

    Raises:
        RunError: they are damaged; the message names `path`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
