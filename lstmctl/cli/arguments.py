"""Parsing and completion of arguments shared by several commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lstmctl.errors import UsageError


def split_arguments(arguments: Sequence[str] | None, what: str) -> tuple[str | None, list[str]]:
    """Split arguments into the plain one, if any, and the overrides, which contain `=`.

    Raises:
        UsageError: there are two plain arguments, or a budget is not quoted.
    """
    check_budget_is_quoted(arguments or ())
    plain = [argument for argument in arguments or () if "=" not in argument]
    overrides = [argument for argument in arguments or () if "=" in argument]
    if len(plain) > 1:
        raise UsageError(
            f"expected one {what}, not {len(plain)}: {', '.join(plain)}", hint="settings are written as KEY=VALUE"
        )
    return (plain[0] if plain else None), overrides


def check_budget_is_quoted(arguments: Sequence[str]) -> None:
    """Check that the shell has not split `training.budget=3M characters` into several arguments.

    Raises:
        UsageError: the budget is not quoted.
    """
    from lstmctl import shell
    from lstmctl.config.budget import Budget

    for place, argument in enumerate(arguments):
        if not argument.startswith("training.budget="):
            continue
        for count in (1, 2):
            following = list(arguments[place + 1 : place + 1 + count])
            whole = " ".join([argument, *following])
            try:
                Budget.parse(whole.removeprefix("training.budget="))
            except ValueError:
                continue
            if following:
                raise UsageError(
                    f"`{' '.join(following)}` is a separate argument after `{argument}`",
                    hint=f"quote the setting, since a shell splits words at spaces: {shell.join([whole])}",
                )


def without_name(command: str) -> str:
    """Return a command without its --name, since a name cannot be used twice."""
    return re.sub(r" --name[ =]\S+", "", command)


def complete_config(incomplete: str) -> list[str]:
    """Complete bundled configs and, once their section is typed, config keys."""
    from lstmctl.config.examples import bundled_names

    keys = _keys() if "." in incomplete or incomplete in ("s", "d") else []
    return [word for word in [*bundled_names(), *keys] if word.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """Complete names of runs."""
    from lstmctl.runs.folder import list_runs, runs_root

    names = ["latest", *(folder.name for folder in list_runs(runs_root()))]
    return [name for name in names if name.startswith(incomplete)]


def complete_comparison(incomplete: str) -> list[str]:
    """Complete names of comparisons and sweeps."""
    from lstmctl.runs.comparisons import list_comparisons, list_sweeps
    from lstmctl.runs.folder import runs_root

    root = runs_root()
    names = ["latest", *(folder.name for folder in [*list_comparisons(root), *list_sweeps(root)])]
    return [name for name in names if name.startswith(incomplete)]


def complete_search(incomplete: str) -> list[str]:
    """Complete names of searches."""
    from lstmctl.runs.comparisons import list_searches
    from lstmctl.runs.folder import runs_root

    names = ["latest", *(folder.name for folder in list_searches(runs_root()))]
    return [name for name in names if name.startswith(incomplete)]


def complete_cell(incomplete: str) -> list[str]:
    """Complete names of cells and, once their section is typed, config keys."""
    from lstmctl.registry import CELLS

    keys = _keys() if "." in incomplete else []
    return [word for word in [*CELLS, *keys] if word.startswith(incomplete)]


def _keys() -> list[str]:
    from pydantic import BaseModel

    from lstmctl.config.schema import Settings

    keys = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        inner = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else None
        keys += [f"{name}="] if inner is None else [f"{name}.{key}=" for key in inner]
    return keys


ConfigArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CONFIG|KEY=VALUE",
        help="A config file, a bundled config, - for stdin, or your own text or table; then settings that override it.",
        autocompletion=complete_config,
        show_default=False,
    ),
]
RunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run's folder, its name, latest (the newest trained one), or hf://USER/NAME on the Hub; default: the "
        "newest suitable run.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
FILES = (".csv", ".tsv", ".parquet", ".wav", ".flac", ".ogg")
"""Extensions of data files: no run is named like them."""


def run_and_table(run: str | None, file: str | None) -> tuple[str | None, str | None]:
    """Treat a RUN that is a table or an audio file as the FILE; the run is then the newest suitable one."""
    if run is not None and file is None and run.lower().endswith(FILES):
        return None, run
    return run, file


MOVED = re.compile(r"data\.[a-z_]+=")
Moved = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="New location of the run's own data if it has moved, such as data.text=PATH.",
        show_default=False,
    ),
]


def without_moved(given: Sequence[str | None]) -> tuple[list[str], list[str]]:
    """Split a run's arguments into plain ones and overrides that give the new location of its data."""
    there = [argument for argument in given if argument is not None]
    moved = [argument for argument in there if MOVED.match(argument)]
    return [argument for argument in there if argument not in moved], moved


def run_table_and_moved(
    run: str | None, file: str | None, moved: Sequence[str] | None
) -> tuple[str | None, str | None, list[str]]:
    """Return the result of `run_and_table`, and overrides with the new location of the run's data, in any order.

    Raises:
        UsageError: there are too many arguments, or both a FILE and an override.
    """
    plain, overrides = without_moved([run, file, *(moved or ())])
    if len(plain) > 2:
        raise UsageError(f"expected a RUN and a FILE, not {len(plain)} arguments: {', '.join(plain)}")
    run, file = run_and_table(*[*plain, None, None][:2])
    if file is not None and overrides:
        raise UsageError(f"{file} is read instead of the run's own data; use either it or {overrides[0]}")
    return run, file, overrides


Trust = Annotated[bool, typer.Option("--trust", help="Allow the config or run to import the code that it names.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout (docs/json.md).")]
Jobs = Annotated[
    int | None,
    typer.Option(
        help="Runs in parallel, on each device if there are several; scores stay the same, but times are not "
        "comparable. [default: 1; on Ray as many as fit]",
        show_default=False,
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(metavar="cuda:0,cuda:1|all", help="GPUs of this machine to spread the runs over.", show_default=False),
]
On = Annotated[
    str | None,
    typer.Option(
        metavar="ray|ray://HOST:PORT", help="Make the runs on a Ray cluster (docs/scaling.md).", show_default=False
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[:WHERE]",
        help="Log live to tensorboard, trackio, wandb or mlflow too; repeatable (docs/tracking.md).",
        show_default=False,
    ),
]
Baselines = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        metavar="NAME[=FOLDER]",
        help="Score a forecast of another package too: AutoETS, AutoARIMA, or chronos=FOLDER with its weights; "
        "repeatable.",
        show_default=False,
    ),
]
NoProgress = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no tables.")]


def read_text_argument(path: str) -> str:
    """Read the text of a file, or of stdin for `-`, as UTF-8.

    Raises:
        UsageError: it cannot be read as text.
    """
    import sys

    if path == "-" and sys.stdin is None:
        raise UsageError("stdin is closed; pipe the text into it, or name a file")
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return content.decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 at byte offset {error.start}") from error
