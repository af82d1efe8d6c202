"""`lstmctl search`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstmctl.cli.arguments import (
    ConfigArguments,
    Devices,
    Jobs,
    Json,
    On,
    Quiet,
    Track,
    Trust,
    complete_search,
    split_arguments,
    without_name,
)

if TYPE_CHECKING:
    from lstmctl.reporting.live_comparison import ComparisonDisplay
    from lstmctl.results.search import Search

EXAMPLES = """\
Examples:

\b
  lstmctl search travellers --space training.learning_rate=1e-3..3e-2:log --trials 20
  lstmctl search sales.csv --space training.learning_rate=1e-4..1e-1:log model.hidden=64,128,256
  lstmctl search --resume latest --trials 60
"""


class Sampler(StrEnum):
    """Methods to choose points."""

    tpe = "tpe"
    random = "random"


class Pruner(StrEnum):
    """Methods to stop trials that fall behind."""

    median = "median"
    hyperband = "hyperband"
    none = "none"


def search(
    arguments: ConfigArguments = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW..HIGH[:log]|KEY=VALUE,VALUE",
            help="A setting to search; repeatable, and the option's name can be left out.",
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Points to try. [default: 30]", show_default=False)] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each of the best, and of the winner.")] = 3,
    best: Annotated[int, typer.Option(help="Trials that are trained again with several seeds.")] = 3,
    sampler: Annotated[
        Sampler, typer.Option(help="Choose points by earlier results (tpe) or at random.")
    ] = Sampler.tpe,
    pruner: Annotated[
        Pruner, typer.Option(help="End trials that fall behind on the validation curve.")
    ] = Pruner.median,
    time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Training time per trial to derive a budget for, such as 5m; for your data."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the search; default: CONFIG-search-001.")
    ] = None,
    jobs: Jobs = None,
    devices: Devices = None,
    on: On = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="SEARCH",
            help="Continue a search, or with --trials add to it; latest: the newest unfinished one.",
            autocompletion=complete_search,
        ),
    ] = None,
    track: Track = None,
    trust: Trust = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Search for hyperparameters by their validation score, with Optuna.

    Every trial has the same budget. The best few are trained again with several seeds; the winner alone is scored on
    the test part. Ctrl-C saves and prints the command to continue.
    """
    from lstmctl.cli import output
    from lstmctl.cli.comparing import displayed
    from lstmctl.cli.opening import checked_config
    from lstmctl.comparison.space import check_optuna, is_dimension, parse_space
    from lstmctl.errors import UsageError
    from lstmctl.reporting import terminal
    from lstmctl.reporting.console import loading, write_line
    from lstmctl.results.codec import as_json
    from lstmctl.runs.comparisons import find_search
    from lstmctl.runs.folder import runs_root
    from lstmctl.tracking.listening import check_trackers

    check_optuna()
    check_trackers(track or ())
    dimensions = [*(space or ()), *(argument for argument in arguments or () if is_dimension(argument))]
    config, overrides = split_arguments([one for one in arguments or () if not is_dimension(one)], "CONFIG")
    loaded = None
    if resume is not None:
        if config is not None or overrides or dimensions or name is not None or time is not None:
            raise UsageError("--resume continues a search as it was begun; only --trials can be increased")
        find_search(resume, runs_root())
    else:
        parse_space(dimensions)
        loaded = checked_config(config, overrides, trust=trust, time=time)
    with loading(quiet=quiet):
        from lstmctl import api
        from lstmctl import search as searching
        from lstmctl.comparison import devices_of
        from lstmctl.reporting.search_page import in_words

    def make(display: ComparisonDisplay) -> Search:
        where: dict[str, Any] = {"jobs": jobs, "devices": devices_of(devices), "on": on, "track": track or ()}
        if loaded is None:
            assert resume is not None
            return searching.resume_search(resume, trials=trials, trust=trust, observe=display, **where)
        return searching.search(
            loaded,
            overrides,
            space=dimensions,
            trials=trials,
            seeds=seeds,
            best=best,
            sampler=sampler.value,
            pruner=pruner.value,
            trust=trust,
            observe=display,
            name=name,
            command=without_name(api.command_line()),
            **where,
        )

    result = displayed(loaded, make, quiet=quiet)
    if json:
        output.write_json(as_json(result))
    if not quiet:
        terminal.show(in_words(result))
        write_line(f"\n{result.report}")
