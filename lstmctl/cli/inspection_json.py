"""JSON output of `lstmctl inspect … --json` (docs/json.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lstmctl.results.inspection import GateFindings, GradientFindings, MemoryFindings, RecallFindings


def gates_json(findings: GateFindings) -> dict[str, Any]:
    """Return the object of `inspect gates --json`."""
    return {
        **asdict(findings.about),
        "layer": findings.layer,
        "layers": findings.layers,
        "hidden": findings.hidden,
        "units": list(findings.units),
        "symbols": list(findings.symbols),
        "step": findings.step,
        "panels": [
            {"direction": panel.direction, "name": panel.name, "kind": panel.kind, "values": panel.values}
            for panel in findings.panels
        ],
        "tracked": [
            {
                "property": one.what,
                "layer": one.layer,
                "direction": one.direction,
                "state": one.state,
                "unit": one.unit,
                "chosen": one.chosen,
                "correlation": one.correlation,
                "tracks": one.tracks,
            }
            for one in findings.tracked
        ],
        "tracked_in": findings.tracked_in,
        "examined": findings.examined,
        "candidates": findings.candidates,
        "notes": list(findings.notes),
        **({} if findings.clip is None else {"clip": asdict(findings.clip)}),
    }


def memory_json(findings: MemoryFindings) -> dict[str, Any]:
    """Return the object of `inspect memory --json`; an infinite time constant is null."""
    return {
        **asdict(findings.about),
        "steps": findings.steps,
        "layers": [
            {
                "layer": layer.layer,
                "direction": layer.direction,
                "keeping_gate": layer.keeping_gate,
                "time_constants": [_finite(value) for value in layer.time_constants],
                "quartiles": None if layer.quartiles is None else [_finite(value) for value in layer.quartiles],
                "saturation": [asdict(gate) for gate in layer.saturation],
                "spectrum": None if layer.spectrum is None else asdict(layer.spectrum),
            }
            for layer in findings.layers
        ],
        "notes": list(findings.notes),
    }


def gradients_json(findings: Sequence[GradientFindings]) -> dict[str, Any]:
    """Return the object of `inspect gradients --json`."""
    return {
        "runs": [
            {
                **asdict(one.about),
                "weights": one.weights,
                "positions": one.positions,
                "steps": one.steps,
                "window": one.window,
                "courses": [
                    {**asdict(course), "half_life": course.half_life, "doubling_time": course.doubling_time}
                    for course in one.courses
                ],
                "notes": list(one.notes),
            }
            for one in findings
        ]
    }


def recall_json(findings: Sequence[RecallFindings]) -> dict[str, Any]:
    """Return the object of `inspect recall --json`."""
    return {
        "runs": [
            {
                **asdict(one.about),
                "kind": one.kind,
                "candidates": list(one.candidates),
                "chance": one.chance,
                "bins": [asdict(part) for part in one.bins[:-1]],
                "all": asdict(one.bins[-1]),
            }
            for one in findings
        ]
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
