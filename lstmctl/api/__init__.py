"""The Python interface, used by the command line and in notebooks."""

from lstmctl.api.resuming import resume
from lstmctl.api.run import Run, load_run
from lstmctl.api.training import command_line, train

__all__ = ["Run", "command_line", "load_run", "resume", "train"]
