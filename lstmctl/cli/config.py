"""`lstmctl config list/show/copy/check/schema`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lstmctl.cli.arguments import ConfigArguments, Json, Trust, complete_config, split_arguments

app = typer.Typer(help="List, copy and check configs.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A bundled config.", autocompletion=complete_config)]


@app.command("list", epilog="Examples:\n\n\b\n  lstmctl config list\n  lstmctl config list --json")
def list_(json: Json = False) -> None:
    """List the bundled configs, each with what it demonstrates."""
    from lstmctl.cli import output
    from lstmctl.config import list_bundled
    from lstmctl.reporting import console

    configs = list_bundled()
    if json:
        output.write_json({"configs": [{"name": name, "shows": shows} for name, shows in configs]})
        return
    console.print_table("", ["config", "shows"], [list(row) for row in configs], stream=sys.stdout)


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl config show travellers\n  lstmctl config show travellers model.cell=gru"
)
def show(arguments: ConfigArguments = None, trust: Trust = False) -> None:
    """Print a config with every default filled in.

    A bundled config without overrides is printed unchanged, with its comments.
    """
    from lstmctl.cli import output
    from lstmctl.config import bundled_text, dump, load
    from lstmctl.config.examples import bundled_names
    from lstmctl.config.loading import DEFAULT

    config, overrides = split_arguments(arguments, "CONFIG")
    if not overrides and (config or DEFAULT) in bundled_names():
        output.write(bundled_text(config or DEFAULT))
        return
    output.write(dump(load(config, overrides, trust=trust).settings))


@app.command(epilog="Examples:\n\n\b\n  lstmctl config copy travellers my.yaml")
def copy(
    name: Name, file: Annotated[str | None, typer.Argument(metavar="FILE", help="Default: NAME.yaml here.")] = None
) -> None:
    """Copy a bundled config for editing.

    Existing files are never overwritten.
    """
    from lstmctl.config import bundled_text

    _write_new(Path(file or f"{name.removesuffix('.yaml')}.yaml"), bundled_text(name))


def _write_new(target: Path, text: str) -> None:
    """Write a config to a file that does not exist yet, and print how to run it."""
    from lstmctl import shell
    from lstmctl.errors import ResourceError, UsageError
    from lstmctl.reporting import console
    from lstmctl.storage import FULL, write_synced

    is_new = not target.exists()
    try:
        write_synced(target, text.encode())
    except FileExistsError as error:
        raise UsageError(f"{target} already exists", hint="choose another FILE, or remove it first") from error
    except OSError as error:
        if is_new:
            target.unlink(missing_ok=True)
        hint = "free some space, or choose a FILE on another disk" if error.errno in FULL else "choose another FILE"
        raise ResourceError(f"{target} cannot be written: {error.strerror}", hint=hint) from error
    console.write_line(f"Wrote {target}; run it with: {shell.join(['lstmctl', 'train', str(target)])}")


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl config new sales.csv\n  lstmctl config new sales.csv my.yaml task.horizon=6"
)
def new(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA [FILE] [KEY=VALUE]…",
            help="A text, a table or a folder of texts; the config to write, by default NAME.yaml here; settings.",
        ),
    ],
    time: Annotated[
        str | None, typer.Option(metavar="TIME", help="Training time to derive sizes and budget for, such as 10m.")
    ] = None,
) -> None:
    """Write a config for your own data, with comments, to edit."""
    from lstmctl import shell
    from lstmctl.config import from_mapping
    from lstmctl.deriving import derive
    from lstmctl.errors import UsageError

    plain = [argument for argument in arguments if "=" not in argument]
    overrides = [argument for argument in arguments if "=" in argument]
    if not 1 <= len(plain) <= 2:
        raise UsageError("give the data, and at most one file to write", hint="lstmctl config new sales.csv sales.yaml")
    data, target = plain[0], Path(plain[1] if len(plain) == 2 else f"{Path(plain[0]).resolve().stem}.yaml")
    derived = derive(data, overrides, time)
    from_mapping(derived.values(), overrides)
    _write_new(target, derived.yaml(shell.join(["lstmctl", "train", str(target)])))


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl config check travellers\n  lstmctl config check my.yaml seed=3\n"
    "  lstmctl config check --data data.text=my-text.txt"
)
def check(
    arguments: ConfigArguments = None,
    data: Annotated[bool, typer.Option("--data", help="Also read the data, and check that the task fits it.")] = False,
    trust: Trust = False,
) -> None:
    """Check a config and report all problems, without running it."""
    from lstmctl.cli.opening import checked_config, origins_named
    from lstmctl.config import load
    from lstmctl.config.loading import DEFAULT_LABEL
    from lstmctl.reporting import console
    from lstmctl.reporting.console import loading

    config, overrides = split_arguments(arguments, "CONFIG")
    what = (config or DEFAULT_LABEL) + (" with these settings" if overrides else "")
    if not data:
        load(config, overrides, trust=trust)
        console.write_line(f"{what} is valid")
        return
    loaded = checked_config(config, overrides, trust=trust)
    with origins_named(loaded):
        with loading():
            from lstmctl.api.assembly import build_task, open_data

        corpus = open_data(loaded.settings, loaded.folder)
        build_task(loaded.settings, corpus).check(corpus)
    console.write_line(f"{what} is valid, and its data fits: {', '.join(corpus.names)}")


@app.command(epilog="Examples:\n\n\b\n  lstmctl config schema > schema.json")
def schema() -> None:
    """Print the JSON Schema of a config, for editors."""
    import json

    from lstmctl.cli import output
    from lstmctl.config import json_schema

    output.write(json.dumps(json_schema(), indent=2) + "\n")
