"""Make a comparison and print it, for `compare` and `train --seeds`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lstmctl.config import LoadedConfig
    from lstmctl.reporting.live_comparison import ComparisonDisplay
    from lstmctl.results.comparison import Comparison, Sweep
    from lstmctl.results.search import Search

Made = TypeVar("Made", bound="Comparison | Sweep | Search")


def displayed(loaded: LoadedConfig | None, make: Callable[[ComparisonDisplay], Made], *, quiet: bool) -> Made:
    """Return what `make` returns, showing its events; when it is interrupted, print the command to continue.

    Raises:
        typer.Exit: it was interrupted.
    """
    import typer

    from lstmctl.cli.opening import origins_named
    from lstmctl.comparison.execution import Interrupted
    from lstmctl.reporting.console import write_line
    from lstmctl.reporting.live_comparison import ComparisonDisplay

    try:
        with origins_named(loaded), ComparisonDisplay(quiet=quiet) as display:
            return make(display)
    except Interrupted as interrupted:
        saved = (
            "Stopped and saved."
            if interrupted.is_saved
            else "Stopped at once: runs continue from their last checkpoints."
        )
        write_line(f"{saved} To continue:")
        write_line(f"  {interrupted.again}")
        raise typer.Exit(128 + interrupted.signal) from None


def print_compared(result: Comparison | Sweep, *, quiet: bool, json: bool, table: str | None = None) -> None:
    """Print a comparison or a sweep: JSON or a table to stdout, and all tables to stderr.

    Raises:
        typer.Exit: every run diverged.
    """
    import typer

    from lstmctl import registry
    from lstmctl.cli import output
    from lstmctl.errors import DivergedError
    from lstmctl.reporting import comparison_tables, sweep_page
    from lstmctl.reporting.console import write_line
    from lstmctl.reporting.terminal import show
    from lstmctl.results.codec import as_json
    from lstmctl.results.comparison import Sweep

    made = result.comparisons if isinstance(result, Sweep) else (result,)
    words = sweep_page.in_words(result) if isinstance(result, Sweep) else comparison_tables.in_words(result)
    if json:
        output.write_json(as_json(result))
    elif table is not None:
        output.write(registry.function(table, registry.TABLE_FORMS)(words, result.command))
    if not quiet:
        show(words)
        write_line(f"\n{result.report}")
    if all(arm.status == "diverged" for one in made for arm in one.arms):
        raise typer.Exit(DivergedError.exit_code)


def train_seeds(
    loaded: LoadedConfig,
    overrides: Sequence[str],
    seeds: int,
    name: str | None,
    *,
    track: Sequence[str],
    trust: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Train a config with several seeds: a comparison of one arm.

    Raises:
        UsageError: there are fewer than two seeds, or too many.
        typer.Exit: see `displayed` and `print_compared`.
    """
    from lstmctl.cli.arguments import without_name
    from lstmctl.errors import UsageError
    from lstmctl.reporting.console import loading, write_line

    if seeds < 2:
        raise UsageError(f"--seeds {seeds}: 2 or more; without --seeds, one run takes its seed from the config")
    with loading(quiet=quiet):
        from lstmctl import api, comparison
    cell = loaded.settings.model.cell
    result = displayed(
        loaded,
        lambda display: comparison.compare(
            [cell],
            loaded,
            overrides,
            seeds=seeds,
            match="hidden",
            track=track,
            trust=trust,
            observe=display,
            name=name,
            command=without_name(api.command_line()),
        ),
        quiet=quiet,
    )
    print_compared(result, quiet=quiet, json=json)
    if not quiet and "forecast" in loaded.settings.task.abilities:
        write_line(f"Next: lstmctl forecast {result.path} --output forecast.csv --plot forecast.png")
