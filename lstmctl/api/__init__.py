"""The Python interface: what the command line calls, and notebooks may."""

from lstmctl.api.run import Run, load_run
from lstmctl.api.train import resume, train

__all__ = ["Run", "load_run", "resume", "train"]
