"""A finished run, published: its files in a folder, or uploaded to the Hugging Face Hub.

Published are the weights, the config, the encoding, metrics, a report and a card; not checkpoints, samples, the data or
examples of it, paths, or the name of the machine. Two kinds of runs keep some of their data, which is published only
with `with_data`: a forecaster the last rows of its table, and an n-gram share the text that it counts.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from lstmctl import shell
from lstmctl.config import Settings, dump, from_mapping, load
from lstmctl.errors import RunError, UsageError
from lstmctl.progress import report
from lstmctl.registry import is_user_class
from lstmctl.reporting.model_card import model_card
from lstmctl.reporting.run_page import write_report
from lstmctl.runs.checkpoint_files import read_best_weights
from lstmctl.runs.folder import CALIBRATION, EVALUATION, FINAL_WEIGHTS, RunFolder, find_any, runs_root
from lstmctl.runs.hub import CARD, FILES, Address, hub, hub_errors, is_on_hub
from lstmctl.runs.published import WEIGHTS
from lstmctl.storage import disk_errors, new_folder, read_json, read_plain, replace_file, replace_json

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PRIVATE = ("host", "launch", "order", "peak_memory", "hub", "published")
"""Facts about the machine or the runs folder, which are not published."""
EXCERPTS = ("examples", "fans", "clips")
"""Parts of `evaluation.json` with rows or sound of the data."""
FOLDERS = re.compile(r"(?<![\w:/.\\])(?:~|[A-Za-z]:)?(?:[/\\][^/\\\s'\"=,]+)*[/\\](?=[^/\\\s])")
"""The folders of an absolute path in a text."""
ANOTHER_DISK = "choose a folder on another disk"


def publish(
    run: str | Path | None,
    target: str | Path,
    *,
    public: bool = False,
    with_data: bool = False,
    licence: str | None = None,
    replace_card: bool = False,
) -> str:
    """Upload a finished run to the Hub, or write what would be uploaded into a new folder.

    Args:
        run: a run's folder or name; None or `latest` for the newest.
        target: `hf://USER/NAME`, or a folder that does not exist.
        public: show a new repository to everyone; by default, it is private.
        with_data: also publish what the run keeps of its data.
        licence: of the card; by default left to be filled in.
        replace_card: write the card anew if the repository has one.

    Returns:
        The address of the commit, or the folder.

    Raises:
        UsageError: the target cannot be used, or the run cannot be published without its data.
        RunError: the run is not finished or damaged, or the Hub refuses it or cannot be reached.
        ResourceError: the disk is full.
    """
    folder = find_any(str(run) if run is not None else None, runs_root())
    _require_finished(folder)
    if not is_on_hub(str(target)):
        path = Path(target)
        if path.exists():
            raise UsageError(f"{path} exists already", hint="name a new folder, or hf://USER/NAME")
        with new_folder(path, remedy=ANOTHER_DISK) as temporary:
            write_published(folder, temporary, f"hf://USER/{folder.name}", with_data=with_data, licence=licence)
        return str(path)
    address = Address.parse(str(target))
    if address.revision is not None:
        raise UsageError(f"{address}: a run is uploaded to the main branch", hint=f"hf://{address.repository}")
    api = hub()
    with tempfile.TemporaryDirectory() as written:
        with disk_errors(Path(written), remedy="name another folder for temporary files: TMPDIR=FOLDER"):
            write_published(folder, Path(written), str(address), with_data=with_data, licence=licence)
        report(f"uploading to {address}")
        with hub_errors(address, api.endpoint):
            commit = _uploaded(api, address, Path(written), folder.name, public=public, replace_card=replace_card)
    return f"{address}@{commit}"


def _uploaded(api: HfApi, address: Address, written: Path, name: str, *, public: bool, replace_card: bool) -> str:
    """Upload files in a single commit, which appears as a whole or not at all; return it.

    Raises:
        UsageError: the repository has something else.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_token

    if get_token() is None:
        raise UsageError(
            "no token for the Hub", hint="log in with `hf auth login`, or set HF_TOKEN; it needs write access"
        )
    api.create_repo(address.repository, private=not public, exist_ok=True)
    there = set(api.list_repo_files(address.repository)) - {".gitattributes"}
    if there - {CARD} and "run.json" not in there:
        raise UsageError(
            f"{address} has other files and is not a run of lstmctl: {', '.join(sorted(there)[:3])}",
            hint="choose another name",
        )
    kept = {CARD} & there if not replace_card else set()
    files = [path for path in sorted(written.iterdir()) if path.name not in kept]
    former = {file for file in there if file in FILES or file.endswith(".py")} - {path.name for path in files}
    commit = api.create_commit(
        address.repository,
        [
            *(CommitOperationAdd(path_in_repo=path.name, path_or_fileobj=path) for path in files),
            *(CommitOperationDelete(path_in_repo=file) for file in sorted(former)),
        ],
        commit_message=f"Upload {name}",
    )
    return str(commit.oid)


def write_published(run: RunFolder, to: Path, address: str, *, with_data: bool, licence: str | None) -> None:
    """Write the files of a published run into a folder.

    Args:
        run: a finished run.
        to: an empty folder.
        address: of the run on the Hub, for the card.
        with_data, licence: see `publish`.

    Raises:
        UsageError: it cannot be used without what it keeps of its data, and `with_data` is not given.
        RunError: it is damaged.
        ResourceError: the disk is full.
    """
    info = run.info()
    # Only the names of code are read, and no code is imported.
    settings = load(str(run.config_path()), trust=True).settings
    weights = {WEIGHTS: _weights(run, info)}
    if info.get("final_fit"):
        weights[FINAL_WEIGHTS] = _read(run.path / FINAL_WEIGHTS)
    if (calibration := run.calibration()) is not None:
        if "ngram" in calibration and not with_data:
            raise UsageError(
                f"{run.name} needs the text that it was trained on, which its n-gram share counts (model.ngram)",
                hint="--with-data uploads the text too; or train with model.ngram=0",
            )
        replace_json(to / CALIBRATION, calibration)
    for name, content in weights.items():
        replace_file(to / name, content)
    if (source := _source(run, settings)) is not None:
        replace_file(to / source.name, _read(source))
    encoding = run.encoding()
    replace_json(to / "encoding.json", encoding if with_data else without_rows(encoding))
    if (run.path / EVALUATION).is_file():
        evaluation = read_json(run.path / EVALUATION)
        replace_json(to / EVALUATION, _bare({key: evaluation[key] for key in evaluation if key not in EXCERPTS}))
    if (run.path / "metrics.jsonl").is_file():
        replace_file(to / "metrics.jsonl", _read(run.path / "metrics.jsonl"))
    replace_file(to / "config.yaml", dump(_bare_settings(settings)).encode())
    facts = {key: value for key, value in info.items() if key not in PRIVATE}
    hashes = {name: sha256(content).hexdigest() for name, content in weights.items()}
    step = run.checkpoints.pointers()[info.get("headline", "last")]
    replace_json(to / "run.json", {**_bare(facts), "published": {"step": step, "sha256": hashes}})
    write_report(to)
    _remove_plots(to)  # the page contains them
    card = model_card(to, run.name, _usage(settings, address), licence=licence, own_code=source is not None)
    replace_file(to / CARD, card.encode())


def without_rows(encoding: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of an encoding without the last rows of the table, if it is a forecaster's."""
    tail = encoding.get("tail")
    if not isinstance(tail, Mapping):
        return dict(encoding)
    series = len(tail["ids"])
    rows: dict[str, Any] = {"bounds": [0] * (series + 1), "ends": [0] * series}
    rows |= {key: [] for key in ("times", "targets", "past", "known")}
    return {**encoding, "tail": {**tail, **rows}}


def _require_finished(folder: RunFolder) -> None:
    info = folder.info()
    if info.get("published"):
        raise RunError(f"{folder.name} is a published run itself", hint="upload the run that was trained")
    if (status := str(info.get("status"))) == "finished":
        return
    again = shell.join(["lstmctl", "train", "--resume", str(folder.path)])
    if folder.is_held():
        raise RunError(f"{folder.name} is still being trained", hint="upload it once it is finished")
    if status == "diverged":
        raise RunError(f"{folder.name} diverged", hint="train again with a smaller learning rate")
    raise RunError(f"{folder.name} is not finished", hint=f"finish it first: {again}")


def _weights(run: RunFolder, info: Mapping[str, Any]) -> bytes:
    """Return the weights that the run's scores refer to."""
    pointers, headline = run.checkpoints.pointers(), info.get("headline", "last")
    if headline not in pointers:
        raise RunError(f"{run.checkpoints.folder} contains no checkpoint")
    return read_best_weights(run.checkpoints.folder / f"step-{pointers[headline]}")


def _usage(settings: Settings, address: str) -> list[str]:
    """Return command lines that use a published run."""
    trust = ["--trust"] if is_user_class(settings.model.cell) else []
    abilities = settings.task.abilities
    found = []
    if "write" in abilities:
        found.append(["generate", address, "--prompt", "…"])
    if "write for a label" in abilities:
        found.append(["generate", address, "--label", "…"])
    if "forecast" in abilities:
        found.append(["forecast", address, "FILE"])
    if "predict tables" in abilities:
        found.append(["predict", address, "FILE"])
    found.append(["evaluate", address, "FILE"])
    return [shell.join(["lstmctl", *words, *trust]) for words in found]


def _source(run: RunFolder, settings: Settings) -> Path | None:
    """Return the source of the run's own cell, if it keeps one."""
    module = settings.model.cell.partition(":")[0]
    path = run.path / f"{module}.py"
    return path if is_user_class(settings.model.cell) and module.isidentifier() and path.is_file() else None


def _read(path: Path) -> bytes:
    try:
        return read_plain(path)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error


def _remove_plots(folder: Path) -> None:
    with disk_errors(folder, remedy=ANOTHER_DISK):
        if (folder / "plots").is_dir():
            shutil.rmtree(folder / "plots")


def _bare_settings(settings: Settings) -> Settings:
    """Return settings that name files of data without their folders."""
    values = settings.model_dump(mode="json")
    for key in (settings.data.source, "test", "holidays"):
        names = values["data"].get(key)
        if names is not None:
            values["data"][key] = [*map(_file_name, names)] if isinstance(names, list) else _file_name(names)
    return from_mapping(values)


def _file_name(name: Any) -> Any:
    if not isinstance(name, str) or "://" in name:
        return name
    is_windows = bool(PureWindowsPath(name).drive)
    return (PureWindowsPath(name) if is_windows else PurePosixPath(name)).name or name


def _bare(value: Any) -> Any:
    """Return a value from JSON whose texts name files without the folders of absolute paths."""
    if isinstance(value, str):
        return FOLDERS.sub("", value)
    if isinstance(value, Mapping):
        return {key: _bare(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_bare(inner) for inner in value]
    return value
