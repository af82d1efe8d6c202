"""Training several arms under one budget over several seeds, and saying how they differ."""

from lstmctl.comparison.comparing import compare, resume_comparison
from lstmctl.comparison.execution import Interrupted
from lstmctl.comparison.results import as_json
from lstmctl.comparison.sweeping import find_to_resume, parse_sweep, resume_sweep, sweep, sweep_as_json

__all__ = [
    "Interrupted",
    "as_json",
    "compare",
    "find_to_resume",
    "parse_sweep",
    "resume_comparison",
    "resume_sweep",
    "sweep",
    "sweep_as_json",
]
