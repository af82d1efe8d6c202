"""Training several arms with the same budget over several seeds, and reporting how they differ."""

from lstmctl.comparison.comparing import compare, resume, sweep
from lstmctl.comparison.execution import Interrupted
from lstmctl.comparison.sweeps import parse_sweep

__all__ = ["Interrupted", "compare", "parse_sweep", "resume", "sweep"]
