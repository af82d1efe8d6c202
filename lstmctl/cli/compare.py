"""`lstmctl compare`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstmctl import registry
from lstmctl.cli.arguments import (
    Baselines,
    Devices,
    Jobs,
    Json,
    On,
    Quiet,
    Track,
    Trust,
    check_budget_is_quoted,
    complete_cell,
    complete_comparison,
    complete_config,
    without_name,
)

if TYPE_CHECKING:
    from lstmctl.reporting.live_comparison import ComparisonDisplay
    from lstmctl.results.comparison import Comparison, Sweep

EXAMPLES = """\
Examples:

\b
  lstmctl compare rnn lstm
  lstmctl compare rnn lstm gru --config next-character --seeds 5 --jobs 2 threads=1
  lstmctl compare rnn lstm gru --data sales.csv --time 5m
  lstmctl compare lstm --arm "wide: lstm model.hidden=512" --match hidden training.learning_rate=2e-3
  lstmctl compare lstm gru --tune training.learning_rate=4e-3,8e-3 --table latex
  lstmctl compare lstm gru --tune search:20 --space training.learning_rate=1e-3..3e-2:log
  lstmctl compare rnn lstm --config adding --sweep data.length=50,100,200
  lstmctl compare --resume latest --seeds 5
"""


class Match(StrEnum):
    """Quantity that is equal for all arms."""

    parameters = "parameters"
    hidden = "hidden"
    time = "time"


TableForm = StrEnum("TableForm", list(registry.TABLE_FORMS))  # type: ignore[misc]
"""Format of a printed table."""


def compare(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CELL|KEY=VALUE",
            help="Cells to compare; then settings that apply to every arm.",
            autocompletion=complete_cell,
            show_default=False,
        ),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(metavar='"NAME: CELL [KEY=VALUE …]"', help="Another arm with its own settings; repeatable."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "--data",
            metavar="CONFIG",
            help="A config file, a bundled config, - for stdin, or your own text or table; by default travellers, with "
            "560k characters per run and a learning rate that suits each cell.",
            autocompletion=complete_config,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Number of runs per arm, each with a different seed; if given, one arm is enough. [default: 3]"
        ),
    ] = None,
    match: Annotated[
        Match | None,
        typer.Option(
            help="Equalise parameters (by width), hidden (width) or time (of training). [default: parameters]"
        ),
    ] = None,
    tune: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,VALUE|search:N",
            help="Try these values on every arm and select by validation; repeatable. Or search:N, for N trials on "
            "every arm in the --space.",
        ),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW..HIGH[:log]|KEY=VALUE,VALUE", help="A setting that --tune search:N searches; repeatable."
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,VALUE,…",
            help="Run one comparison for each of these values and plot the arms' scores over them.",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --data: training time per run to derive the budget for, such as 10m."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the comparison; default: CONFIG-comparison-001."),
    ] = None,
    jobs: Jobs = None,
    devices: Devices = None,
    on: On = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="COMPARISON",
            help="Continue a comparison or sweep that was stopped, or help another command with its runs; "
            "latest: the newest unfinished one. With --seeds, add seeds to it.",
            autocompletion=complete_comparison,
        ),
    ] = None,
    baseline: Baselines = None,
    table: Annotated[TableForm | None, typer.Option(help="Print the table in this format to stdout.")] = None,
    track: Track = None,
    trust: Trust = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compare cells, trained with the same budget and several seeds.

    Every arm reads the same data in the same order. Tables go to stderr, --table and --json to stdout. Ctrl-C saves
    and prints the command to continue.
    """
    from lstmctl.cli.comparing import displayed, print_compared
    from lstmctl.cli.opening import checked_config
    from lstmctl.comparison.arms import DEFAULT, arms_of, least_arms, parse_grid
    from lstmctl.comparison.space import parse_tuning
    from lstmctl.errors import UsageError
    from lstmctl.reporting.console import loading
    from lstmctl.runs.comparisons import find_comparison
    from lstmctl.runs.folder import runs_root
    from lstmctl.tracking.listening import check_trackers

    check_trackers(track or ())
    if json and table is not None:
        raise UsageError("--json and --table both write to stdout; use only one of them")
    device = None
    if resume is not None:
        given = [argument for argument in arguments or () if not argument.startswith("device=")]
        if (
            given
            or arm
            or tune
            or space
            or sweep
            or any(option is not None for option in (config, match, name, time, baseline))
        ):
            raise UsageError(
                "--resume continues a comparison's own plan; only --seeds can be increased, and device=NAME changed"
            )
        device = next((argument.partition("=")[2] for argument in reversed(arguments or ())), None)
    if sweep and len(sweep) > 1:
        raise UsageError("--sweep takes one setting; use it only once")
    check_budget_is_quoted(arguments or ())
    cells = [argument for argument in arguments or () if "=" not in argument]
    overrides = [argument for argument in arguments or () if "=" in argument]
    loaded = None
    if resume is not None:
        find_comparison(resume, runs_root(), seeds=seeds)
    else:
        arms = arms_of(cells, arm or (), least=least_arms(seeds, is_sweep=bool(sweep)))
        if parse_tuning(tune or (), space or (), (match or Match.parameters).value, arms) is None:
            parse_grid(tune or ())
        defaults = () if config is not None else DEFAULT[1]
        loaded = checked_config(config, overrides, trust=trust, defaults=defaults, time=time)
    with loading(quiet=quiet):
        from lstmctl import api, comparison

    where: dict[str, Any] = {"jobs": jobs, "devices": comparison.devices_of(devices), "on": on}

    def make(display: ComparisonDisplay) -> Comparison | Sweep:
        if resume is not None:
            return comparison.resume(
                resume, seeds=seeds, device=device, **where, track=track or (), trust=trust, observe=display
            )
        asked: dict[str, Any] = {
            "arms": arm or (),
            "seeds": seeds,
            "match": (match or Match.parameters).value,
            "tune": tune or (),
            "space": space or (),
            **where,
            "track": track or (),
            "trust": trust,
            "observe": display,
            "name": name,
            "baselines": baseline or (),
            "command": without_name(api.command_line()),
        }
        given = None if config is None else loaded
        if not sweep:
            return comparison.compare(cells, given, overrides, **asked)
        key, values = comparison.parse_sweep(sweep[0])
        return comparison.sweep(cells, given, overrides, key=key, values=values, **asked)

    result = displayed(loaded, make, quiet=quiet)
    print_compared(result, quiet=quiet, json=json, table=None if table is None else table.value)
