"""Runs on the Hugging Face Hub: `hf://USER/NAME`, or `hf://USER/NAME@REVISION` for a branch, a tag or a commit.

A run is downloaded once per commit, to `hub/USER/NAME/COMMIT/NAME` in the cache: only tensors, JSON, YAML, and the
source of a user's cell, which is never imported without `--trust`. `revisions.json` stores the last known commit of
each branch, in case the Hub cannot be reached.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmctl.cache import cache_folder
from lstmctl.errors import LstmctlError, ResourceError, RunError, UsageError
from lstmctl.progress import report
from lstmctl.registry import is_user_class
from lstmctl.runs.published import WEIGHTS
from lstmctl.storage import FULL, new_folder, read_json, replace_json

if TYPE_CHECKING:
    from huggingface_hub import HfApi

log = logging.getLogger(__name__)

SCHEME = "hf://"
ADDRESS = re.compile(r"hf://([\w.-]+)/([\w.-]+)(?:@([\w./-]+))?", re.ASCII)
COMMIT = re.compile("[0-9a-f]{40}")
CARD = "README.md"
FILES = (
    *("run.json", "config.yaml", "encoding.json", "calibration.json", "evaluation.json", "metrics.jsonl"),
    *(WEIGHTS, "final.safetensors"),
)
"""Files of a published run that are read again. The Hub shows two more, the card and the report."""
ELSEWHERE = "keep downloads elsewhere: LSTMCTL_CACHE=FOLDER"


@dataclass(frozen=True)
class Address:
    """A repository on the Hub."""

    repository: str
    """USER/NAME."""
    revision: str | None = None
    """A branch, a tag or a commit; None for the newest commit of the main branch."""

    def __str__(self) -> str:
        return SCHEME + self.repository + (f"@{self.revision}" if self.revision else "")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `hf://USER/NAME` or `hf://USER/NAME@REVISION`.

        Raises:
            UsageError: it is something else.
        """
        found = ADDRESS.fullmatch(text)
        if found is None or found[1] in ("datasets", "spaces", "models") or {found[1], found[2]} & {".", ".."}:
            hint = "write hf://USER/NAME, or hf://USER/NAME@REVISION for a fixed version"
            raise UsageError(f"`{text}` does not name a run on the Hub", hint=hint)
        return cls(f"{found[1]}/{found[2]}", found[3])


def is_on_hub(name: str) -> bool:
    """Return True if a name is meant as the address of a run on the Hub."""
    return name.lower().startswith(SCHEME)


def hub() -> HfApi:
    """Return the client, at the Hub that `HF_ENDPOINT` names.

    Raises:
        UsageError: its package is not installed.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars
    except ImportError as error:
        raise UsageError(
            "runs on the Hub need the package huggingface_hub", hint="pip install 'lstmctl[hub]'"
        ) from error
    disable_progress_bars()
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="lstmctl")


def fetched(name: str) -> Path:
    """Return the folder of a run on the Hub, downloaded if that commit is not in the cache.

    Raises:
        UsageError: the address is malformed, or the package is missing.
        RunError: the run does not exist, it cannot be read without a token, or the Hub cannot be reached.
        ResourceError: the cache cannot be written.
    """
    address = Address.parse(name)
    cache = cache_folder()
    if cache is None:
        raise ResourceError("no home folder for downloads", hint="set one: LSTMCTL_CACHE=FOLDER")
    folder = cache.absolute() / "hub" / address.repository
    revision = address.revision or "main"
    if COMMIT.fullmatch(revision) and (path := _downloaded(folder, revision)):
        return path
    api = hub()
    try:
        with hub_errors(address, api.endpoint):
            commit = str(api.model_info(address.repository, revision=revision).sha)
    except UnreachableError as error:
        if path := _downloaded(folder, str(_revisions(folder).get(revision))):
            log.warning("%s; using the copy of %s in the cache", error, path.parent.name[:12])
            return path
        raise
    path = _downloaded(folder, commit) or _download(api, address, folder, commit)
    if not COMMIT.fullmatch(revision):
        replace_json(folder / "revisions.json", {**_revisions(folder), revision: commit})
    return path


def _downloaded(folder: Path, commit: str) -> Path | None:
    path = folder / commit / folder.name
    return path if (path / "run.json").is_file() else None


def _revisions(folder: Path) -> dict[str, Any]:
    with suppress(RunError):
        return read_json(folder / "revisions.json")
    return {}


def _download(api: HfApi, address: Address, folder: Path, commit: str) -> Path:
    path = folder / commit / folder.name
    with new_folder(path, remedy=ELSEWHERE) as temporary, hub_errors(address, api.endpoint):
        report(f"downloading {address}")
        api.hf_hub_download(address.repository, "run.json", revision=commit, local_dir=temporary)
        info = read_json(temporary / "run.json")
        cell = str(info.get("cell"))
        module = cell.partition(":")[0]
        source = [f"{module}.py"] if is_user_class(cell) and module.isidentifier() else []
        api.snapshot_download(
            address.repository, revision=commit, local_dir=temporary, allow_patterns=[*FILES, *source]
        )
        shutil.rmtree(temporary / ".cache", ignore_errors=True)  # the library's notes on its downloads
        replace_json(temporary / "run.json", {**info, "hub": f"{SCHEME}{address.repository}@{commit}"})
    return path


class UnreachableError(RunError):
    """The Hub does not answer."""


@contextmanager
def hub_errors(address: Address, endpoint: str) -> Iterator[None]:
    """Translate the errors of the Hub's library and of its HTTP client.

    Raises:
        RunError: replaces each of them.
        OSError: the disk is full.
    """
    from huggingface_hub import errors

    access = "log in with `hf auth login`, or set HF_TOKEN, if it is private"
    try:
        yield
    except LstmctlError:
        raise
    except errors.GatedRepoError as error:
        where = f"accept its conditions at {endpoint}/{address.repository}, then log in with `hf auth login`"
        raise RunError(f"{address} is only for those who accepted its conditions", hint=where) from error
    except errors.RepositoryNotFoundError as error:
        raise RunError(f"there is no {address} on {endpoint}", hint=f"check the name; {access}") from error
    except errors.RevisionNotFoundError as error:
        raise RunError(f"{SCHEME}{address.repository} has no revision `{address.revision}`") from error
    except errors.EntryNotFoundError as error:
        raise RunError(
            f"{address} is not a run of lstmctl: it has no run.json", hint="upload one: lstmctl runs push RUN hf://…"
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise RunError(
                f"{endpoint} refuses access to {address}: {_first_line(error)}",
                hint="log in with `hf auth login`, or set HF_TOKEN; to upload, the token needs write access",
            ) from error
        raise UnreachableError(f"{endpoint} answered {status}: {_first_line(error)}") from error
    except Exception as error:  # of its HTTP client too, which is another one in every version
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise UnreachableError(f"the connection to {endpoint} failed: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    """Return the first line of an error, which may be a page, and of its cause."""
    lines = [line.strip() for line in str(getattr(error, "server_message", None) or error).splitlines()]
    line = next(filter(None, lines), type(error).__name__)[:200]
    return f"{line} ({_first_line(error.__cause__)})" if error.__cause__ is not None else line
