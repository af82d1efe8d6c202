"""Inspection of a trained run's recurrence: its gates, its memory, its gradients, and its recall."""

from lstmctl.inspection.gates import inspect_gates
from lstmctl.inspection.gradients import inspect_gradients
from lstmctl.inspection.memory import inspect_memory
from lstmctl.inspection.recall import inspect_recall

__all__ = ["inspect_gates", "inspect_gradients", "inspect_memory", "inspect_recall"]
