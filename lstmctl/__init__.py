"""lstmctl: train, use, explain and fairly compare recurrent networks.

import lstmctl

run = lstmctl.train("travellers", ["training.budget=300k characters"])
print(run.metrics["test"]["nats_per_character"])
print(run.generate("I grew up in ", length=200)[0].text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lstmctl.openmp import bound_spinning

if TYPE_CHECKING:
    from lstmctl.api import Run, load_run, resume, train
    from lstmctl.api.forecaster import Forecaster
    from lstmctl.comparison import compare
    from lstmctl.decoding import Sampling
    from lstmctl.errors import LstmctlError

_HOMES = {
    "Forecaster": "lstmctl.api.forecaster",
    "LstmctlError": "lstmctl.errors",
    "Run": "lstmctl.api",
    "Sampling": "lstmctl.decoding",
    "compare": "lstmctl.comparison",
    "load_run": "lstmctl.api",
    "resume": "lstmctl.api",
    "train": "lstmctl.api",
}

__all__ = ["Forecaster", "LstmctlError", "Run", "Sampling", "compare", "load_run", "resume", "train"]


bound_spinning()


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import lstmctl` and the command line start without loading torch."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
