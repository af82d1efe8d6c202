"""Published runs: their weights are in one file that any program can open, without checkpoints.

`run.json` contains the step of these weights, and the SHA-256 of every file of weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from lstmctl.errors import RunError
from lstmctl.runs.checkpoint_files import tensors_of
from lstmctl.runs.checkpoints import Weights
from lstmctl.storage import read_plain

WEIGHTS = "model.safetensors"


def published_weights(run: Path, facts: Mapping[str, Any]) -> Weights:
    """Return the weights of a published run, verified.

    Args:
        run: its folder.
        facts: `published` in its `run.json`.

    Raises:
        RunError: they are missing or damaged.
    """
    path = run / WEIGHTS
    step, known = facts.get("step"), facts.get("sha256")
    if type(step) is not int or not isinstance(known, Mapping):
        raise RunError(f"{run / 'run.json'} is damaged: `published` has no step or no SHA-256")
    try:
        content = read_plain(path)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    if sha256(content).hexdigest() != known.get(WEIGHTS):
        raise RunError(f"{path} is damaged: its SHA-256 is not the one in run.json")
    return Weights(step, tensors_of(content, path), None)
