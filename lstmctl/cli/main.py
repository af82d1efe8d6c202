"""Entry point: registers the commands, and turns every error into a message and an exit code."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Annotated, Any

import typer

from lstmctl.cli import (
    backtest,
    bench,
    cells,
    compare,
    config,
    data,
    evaluate,
    export,
    forecast,
    generate,
    inspect,
    output,
    predict,
    runs,
    search,
    stream,
    train,
)
from lstmctl.cli.surroundings import in_words
from lstmctl.errors import LstmctlError, ResourceError, UsageError
from lstmctl.storage import FULL
from lstmctl.training.interruption import GRACE, Stop

app = typer.Typer(
    name="lstmctl",
    help="Train, use, explain and fairly compare recurrent networks.",
    epilog='Two commands to start with:  lstmctl train   then   lstmctl generate --prompt "I grew up in "',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=train.EXAMPLES)(train.train)
app.command(epilog=generate.EXAMPLES)(generate.generate)
app.command(epilog=compare.EXAMPLES)(compare.compare)
app.command(epilog=bench.EXAMPLES)(bench.bench)
app.command(epilog=search.EXAMPLES)(search.search)
app.command(epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(epilog=forecast.EXAMPLES)(forecast.forecast)
app.command(epilog=backtest.EXAMPLES)(backtest.backtest)
app.command(epilog=predict.EXAMPLES)(predict.predict)
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=stream.EXAMPLES)(stream.stream)
app.add_typer(inspect.app, name="inspect")
app.add_typer(runs.app, name="runs")
app.add_typer(config.app, name="config")
app.add_typer(cells.app, name="cells")
app.add_typer(data.app, name="data")

DEBUG = "LSTMCTL_DEBUG"


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        output.write(f"lstmctl {version('lstmctl')}\n")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"
    verb, processes = context.invoked_subcommand, os.environ.get("WORLD_SIZE", "1")
    if verb != "train" and "RANK" in os.environ and processes != "1":
        raise UsageError(
            f"{verb} runs in a single process, but torchrun started {processes}; only train supports several",
            hint=f"without torchrun: lstmctl {verb} …",
        )


def main() -> None:
    """Run the command line and exit with one of the codes in `lstmctl.errors`."""
    _open_standard_streams()
    ctrl_c = _CtrlC()
    try:
        ctrl_c.install()
        code = _prepared_and_run()
        ctrl_c.leave()
        if ctrl_c.pressed and code == 130:  # Typer returns this code instead of raising the KeyboardInterrupt
            _say_stopped()
    except KeyboardInterrupt:  # another one, while the first was being handled
        ctrl_c.leave()
        code = 130
    except MemoryError:  # memory may also be too low to print an error in the normal way
        ctrl_c.leave()
        os.write(2, b"error: out of memory\n")
        code = ResourceError.exit_code
    sys.exit(code)


def _prepared_and_run() -> int:
    for standard in (sys.stdout, sys.stderr):
        if standard is not None and hasattr(standard, "reconfigure"):
            # A console that lacks a character shows an escape instead of stopping the program.
            standard.reconfigure(errors="backslashreplace")
    logging.basicConfig(handlers=[_Warnings()], level=logging.WARNING)
    return _run()


@functools.cache
def _command() -> Any:
    """The commands as Typer builds them, which takes a tenth of a second."""
    return typer.main.get_command(app)


def _run() -> int:
    from lstmctl.reporting import console

    try:
        code = _command()(prog_name="lstmctl", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except SystemExit as error:
        return _exit_code(error)
    except LstmctlError as error:
        if os.environ.get(DEBUG):
            raise
        if not isinstance(error, UsageError) or _tells_of_usage():
            console.error(error.messages, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, typer.BadParameter.__bases__):  # Typer's UsageError, which it does not export
            return _show_usage_error(error)
        if os.environ.get(DEBUG):
            raise
        return _show_unexpected(error)


def _say_stopped() -> None:
    from lstmctl.reporting import console

    console.write_line("Stopped.")


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.__context__, BrokenPipeError):  # Typer exits like this if the reader closes the pipe
        output.let_go()
        return 0
    return error.code if isinstance(error.code, int) else 1


def _show_unexpected(error: Exception) -> int:
    from lstmctl.reporting import console

    if isinstance(error, OSError) and error.errno in FULL and error.filename is None:  # no file name: stdout
        output.let_go()
        console.error([f"stdout cannot be written: {error.strerror}"], "free some space")
        return ResourceError.exit_code
    if (known := in_words(error)) is not None:
        console.error(known.messages, known.hint)
        return known.exit_code
    console.error(
        [f"unexpected {type(error).__name__}: {error}"],
        "this is a bug in lstmctl; `lstmctl --debug …` shows where; please report it with the output of "
        "`lstmctl --version`",
    )
    return 1


def _show_usage_error(error: Any) -> int:
    from lstmctl.reporting import console

    if not _tells_of_usage():
        return UsageError.exit_code
    if type(error).__name__ == "NoArgsIsHelpError":
        console.write_line(error.format_message())
    else:
        from lstmctl.cli.usage import in_our_words

        console.error(*in_our_words(error, typer.main.get_command(app), sys.argv[1:]))
    return UsageError.exit_code


def _tells_of_usage() -> bool:
    """Return True for the process that reports usage errors: of several processes, only the first."""
    return os.environ.get("RANK", "0") == "0"


def _open_standard_streams() -> None:
    """Keep files opened later from taking the number of a closed standard stream: they would receive whatever a library
    writes to that stream."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


class _CtrlC:
    """Handler for Ctrl-C: the first ends the command in order; later ones have no effect and print nothing."""

    def __init__(self) -> None:
        self._stop = Stop()
        self._leaving_since: float | None = None
        self.pressed = False

    def install(self) -> None:
        """Handle SIGINT, unless it was ignored when the process started, or this is not the main thread."""
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, self)

    def leave(self) -> None:
        """Mark the command as ending, so that nothing is interrupted from now on."""
        self._leaving_since = time.monotonic()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._leaving_since is None:
            self.pressed = True
            self._stop(number)
        elif time.monotonic() - self._leaving_since > GRACE:
            os._exit(130)


class _Warnings(logging.Handler):
    """Prints our warnings, and those of libraries, as `warning: …` lines, each once per command: a network and all its
    baselines may lack the same."""

    def __init__(self) -> None:
        super().__init__()
        self.said = set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        from lstmctl.reporting import console

        if (message := record.getMessage()) not in self.said:
            self.said.add(message)
            console.warning(message)
