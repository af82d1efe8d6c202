"""JSON output of `lstmctl inspect … --json` (docs/json.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lstmctl.results.codec import as_json
from lstmctl.results.inspection import GateFindings, GradientFindings, MemoryFindings, RecallFindings

Findings = GateFindings | GradientFindings | MemoryFindings | RecallFindings


def findings_json(findings: Findings) -> dict[str, Any]:
    """Return the JSON object of an inspection, beginning with what was inspected."""
    facts: dict[str, Any] = as_json(findings)
    for tracked in facts.get("tracked", ()):
        tracked["property"] = tracked.pop("what")
    if isinstance(findings, RecallFindings):
        facts["all"] = facts["bins"].pop()
    return {**facts.pop("about"), **facts}


def runs_json(findings: Sequence[Findings]) -> dict[str, Any]:
    """Return the JSON object of an inspection of several runs."""
    return {"runs": [findings_json(one) for one in findings]}
