"""Inspection of a trained run's recurrence: its gates, its memory, its gradients, and its recall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmctl.on_demand import names_on_demand

if TYPE_CHECKING:
    from lstmctl.inspection.gates import inspect_gates
    from lstmctl.inspection.gradients import inspect_gradients
    from lstmctl.inspection.memory import inspect_memory
    from lstmctl.inspection.recall import inspect_recall

__all__ = ["inspect_gates", "inspect_gradients", "inspect_memory", "inspect_recall"]

__getattr__ = names_on_demand(
    __name__,
    {
        "inspect_gates": "lstmctl.inspection.gates",
        "inspect_gradients": "lstmctl.inspection.gradients",
        "inspect_memory": "lstmctl.inspection.memory",
        "inspect_recall": "lstmctl.inspection.recall",
    },
)
