"""Metrics: the catalogue that describes them, and one module for each kind of task that computes them."""

from __future__ import annotations

import math

from lstmctl.metrics.catalogue import Metric, metric

__all__ = ["SOLVED", "Metric", "bits", "metric"]

SOLVED = "solved"
"""Name of the baseline whose score counts as solving a test of long memory."""


def bits(nats: float) -> float:
    """Convert nats to bits."""
    return nats / math.log(2)
