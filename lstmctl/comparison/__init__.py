"""Training several arms with the same budget over several seeds, and reporting how they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmctl.on_demand import names_on_demand

if TYPE_CHECKING:
    from lstmctl.comparison.comparing import compare, resume, sweep
    from lstmctl.comparison.ensemble import SeedEnsemble
    from lstmctl.comparison.execution import Interrupted
    from lstmctl.comparison.machines import devices_of
    from lstmctl.comparison.sweeps import parse_sweep

__all__ = ["Interrupted", "SeedEnsemble", "compare", "devices_of", "parse_sweep", "resume", "sweep"]

__getattr__ = names_on_demand(
    __name__,
    {
        "Interrupted": "lstmctl.comparison.execution",
        "SeedEnsemble": "lstmctl.comparison.ensemble",
        "compare": "lstmctl.comparison.comparing",
        "devices_of": "lstmctl.comparison.machines",
        "parse_sweep": "lstmctl.comparison.sweeps",
        "resume": "lstmctl.comparison.comparing",
        "sweep": "lstmctl.comparison.comparing",
    },
)
