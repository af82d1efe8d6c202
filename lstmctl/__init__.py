"""lstmctl: train, use, explain and fairly compare recurrent networks.

import lstmctl

run = lstmctl.train("travellers", ["training.budget=300k characters"])
print(run.metrics["test"]["nats_per_character"])
print(run.generate("I grew up in ", length=200)[0].text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmctl.on_demand import names_on_demand
from lstmctl.openmp import bound_spinning

if TYPE_CHECKING:
    from lstmctl.api import Run, load_run, resume, train
    from lstmctl.api.forecaster import Forecaster
    from lstmctl.comparison import compare
    from lstmctl.errors import LstmctlError
    from lstmctl.sampling_settings import Sampling

_HOMES = {
    "Forecaster": "lstmctl.api.forecaster",
    "LstmctlError": "lstmctl.errors",
    "Run": "lstmctl.api",
    "Sampling": "lstmctl.sampling_settings",
    "compare": "lstmctl.comparison",
    "load_run": "lstmctl.api",
    "resume": "lstmctl.api",
    "train": "lstmctl.api",
}

__all__ = ["Forecaster", "LstmctlError", "Run", "Sampling", "compare", "load_run", "resume", "train"]


bound_spinning()
__getattr__ = names_on_demand(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
