"""The Python interface, used by the command line and in notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmctl.on_demand import names_on_demand

if TYPE_CHECKING:
    from lstmctl.api.resuming import resume
    from lstmctl.api.run import Run, load_run
    from lstmctl.api.training import command_line, train

__all__ = ["Run", "command_line", "load_run", "resume", "train"]

__getattr__ = names_on_demand(
    __name__,
    {
        "Run": "lstmctl.api.run",
        "command_line": "lstmctl.api.training",
        "load_run": "lstmctl.api.run",
        "resume": "lstmctl.api.resuming",
        "train": "lstmctl.api.training",
    },
)
