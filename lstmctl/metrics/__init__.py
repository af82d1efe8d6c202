"""What runs are scored by: the catalogue of metrics, and in a module for each kind of task how they are computed."""

from __future__ import annotations

import math

from lstmctl.metrics.catalogue import Metric, metric

__all__ = ["SOLVED", "Metric", "bits", "metric"]

SOLVED = "solved"
"""The baseline of a test of long memory whose score counts as solved."""


def bits(nats: float) -> float:
    """Nats as bits."""
    return nats / math.log(2)
