"""`lstmctl train`."""

from __future__ import annotations

from typing import Annotated

import typer

from lstmctl.cli.arguments import ConfigArguments, Json, Quiet, Track, Trust, complete_run, split_arguments

EXAMPLES = """\
Examples:

\b
  lstmctl train
  lstmctl train travellers model.cell=gru model.hidden=128
  lstmctl train sales.csv --time 10m
  lstmctl train my-text.txt --name my-text
  lstmctl train --seeds 3
  lstmctl train sales.csv task.horizon=12
  lstmctl train --resume latest
  torchrun --nproc-per-node=2 -m lstmctl train travellers
"""


def train(
    arguments: ConfigArguments = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Continue exactly where a run stopped; latest: the newest unfinished one.",
            autocompletion=complete_run,
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Start from a run's weights, in a new run.", autocompletion=complete_run),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the run; default: CONFIG-CELL-001, or DATA-CELL-001 for your data."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Train N runs with different seeds and report mean and interval; forecast then uses their median.",
            show_default=False,
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Training time to derive sizes and budget for, such as 10m; for your own data."
        ),
    ] = None,
    allow_data_change: Annotated[
        bool, typer.Option("--allow-data-change", help="With --resume: continue although the data changed.")
    ] = False,
    allow_config_change: Annotated[
        bool,
        typer.Option(
            "--allow-config-change", help="With --resume: continue although the config changed, or change it."
        ),
    ] = False,
    track: Track = None,
    trust: Trust = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a network, from a config or on your own file; without arguments, an LSTM on the bundled text.

    Settings are KEY=VALUE, such as model.hidden=512; `lstmctl config schema` describes all of them. Ctrl-C finishes the
    step, saves, and prints the command to resume.
    """
    import os

    from lstmctl.cli import output
    from lstmctl.cli.comparing import train_seeds
    from lstmctl.cli.opening import checked_config, origins_named
    from lstmctl.cli.results import show_trained, trained_json
    from lstmctl.config.loading import DEFAULT
    from lstmctl.errors import UsageError
    from lstmctl.reporting.console import loading
    from lstmctl.reporting.live import TrainingDisplay
    from lstmctl.runs.folder import find_run, find_to_resume, runs_root
    from lstmctl.runs.run_lock import require_free_name
    from lstmctl.tracking.listening import check_trackers

    config, overrides = split_arguments(arguments, "CONFIG")
    check_trackers(track or ())
    if resume is not None and any(given is not None for given in (config, init_from, name, time)):
        raise UsageError(
            "--resume uses the run's own config and name; it cannot be combined with a CONFIG, --init-from, --name or "
            "--time"
        )
    if seeds is not None and (resume is not None or init_from is not None or "RANK" in os.environ):
        raise UsageError(
            "--seeds trains new runs one after the other; it cannot be combined with --resume, --init-from or torchrun",
            hint="continue runs of several seeds: lstmctl compare --resume latest",
        )
    if name is not None:
        require_free_name(name, runs_root())
    if seeds is not None:
        checked = checked_config(config, overrides, trust=trust, time=time)
        train_seeds(checked, overrides, seeds, name, track=track or (), trust=trust, quiet=quiet, json=json)
        return
    loaded = None
    if "RANK" not in os.environ:  # of several processes one reports an error, which takes torch
        if resume is not None:
            found = find_to_resume(resume, runs_root())
            found.info()
            resume = str(found.path)
        else:
            loaded = checked_config(config, overrides, trust=trust, time=time)
        if init_from is not None:
            find_run(init_from, runs_root()).info()
    with loading(quiet=quiet):
        from lstmctl import api
        from lstmctl.training.distributed import joined

    with (
        origins_named(loaded),
        joined() as processes,
        TrainingDisplay(quiet=quiet or not processes.first) as display,
    ):
        if resume is not None:
            run = api.resume(
                resume,
                overrides,
                trust=trust,
                allow_data_change=allow_data_change,
                allow_config_change=allow_config_change,
                track=track or (),
                observe=display,
            )
        else:
            run = api.train(
                loaded or config or DEFAULT,
                overrides,
                init_from=init_from,
                name=name,
                time=time,
                track=track or (),
                trust=trust,
                observe=display,
                command=api.command_line(),
            )
    if json:
        output.write_json(trained_json(run))
    show_trained(run, quiet=quiet)
    if run.status == "interrupted":
        raise typer.Exit(128 + int(run.info["signal"]))
