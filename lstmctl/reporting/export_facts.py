"""An export in blocks."""

from __future__ import annotations

from lstmctl.metrics import metric
from lstmctl.reporting.blocks import Block, Facts, Prose, known
from lstmctl.reporting.quantities import count, figure, size
from lstmctl.results.exported import Exported, LeftOut, LivingPage, LivingRun

TOLERANCE = 1e-3
"""Maximum difference between an export with float32 weights and its run."""


def export_blocks(export: Exported) -> list[Block]:
    """Return the files of an export, and how it compares with the run."""
    checked = export.checked_by is not None
    difference, seconds = export.difference, export.seconds_per_step
    facts = Facts.known(
        [
            ("run", export.run),
            ("folder", export.path),
            ("files", ", ".join(f"{name} ({size(length)})" for name, length in export.files.items())),
            ("weights", f"{count(export.parameters)}, {export.precision}"),
            ("largest difference", _difference(export) if checked else None),
            (
                "compared on",
                f"{count(export.steps)} {export.counted} of held-out data, with {export.checked_by}" * checked,
            ),
            ("left out", None if export.left_out is None else left_out_in_words(export.left_out)),
            (f"time per {export.counted.removesuffix('s')}", None if seconds is None else f"{seconds * 1e6:.3g} µs"),
        ]
    )
    warning = None
    if not checked:
        warning = Prose(f"Unchecked: {export.unchecked}.", "warning")
    elif export.precision == "float32" and (difference is None or difference > TOLERANCE):
        warning = Prose("This export does not compute what the run computes.", "warning")
    return known(facts, warning)


def living_page_blocks(page: LivingPage) -> list[Block]:
    """Return what is in a page, and how each of its networks compares with its run."""
    facts = Facts((("page", f"{page.path} ({size(page.bytes)})"), ("weights", page.precision)))
    blocks: list[Block] = [facts]
    for run in page.runs:
        checked = run.checked_by is not None
        rows = [
            ("run", run.run),
            ("weights", count(run.parameters)),
            ("left out", None if run.left_out is None else left_out_in_words(run.left_out)),
            ("largest difference", _difference(run) if checked else None),
            ("compared on", f"{count(run.steps)} {run.counted} of held-out data, with {run.checked_by}" * checked),
        ]
        warning = None
        if not checked:
            warning = Prose(f"Unchecked: {run.unchecked}.", "warning")
        elif page.precision == "float32" and (run.difference is None or run.difference > TOLERANCE):
            warning = Prose("This page does not compute what the run computes.", "warning")
        blocks += known(Facts.known(rows), warning)
    return blocks


def left_out_in_words(left_out: LeftOut) -> str:
    """Say which models an export lacks, with the scores with and without them."""
    names = ", ".join(f"{name} ({100 * share:.0f} % of a prediction)" for name, share in left_out.shares.items())
    them = "it" if len(left_out.shares) == 1 else "them"
    scores = f"{figure(left_out.without_them)} on the {left_out.part} part, {figure(left_out.with_them)} with {them}"
    return f"{names}; {metric(left_out.metric).words}: {scores}"


def _difference(export: Exported | LivingRun) -> str:
    return f"{'NaN' if export.difference is None else f'{export.difference:.2g}'} {export.unit}"
