"""How a trained run is told: for people, and as JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from lstmctl.registry import is_user_class
from lstmctl.reporting import console

if TYPE_CHECKING:
    from lstmctl.api import Run

NEXT = {
    "language-model": "lstmctl generate {run} --prompt '…'",
    "forecast": "lstmctl forecast {run} --output forecast.csv --plot forecast.png",
}


def trained_json(run: Run) -> dict[str, Any]:
    """The object of `train --json`."""
    info = run.info
    keys = ("cell", "parameters", "rate", "precision", "device", "kernel", "steps", "step")
    return {
        "run": str(run.path),
        "status": run.status,
        **{key: info.get(key) for key in keys},
        "seconds": info.get("training_seconds"),
        "metrics": {"validation": None, "test": None, **run.metrics},
    }


def show_trained(run: Run, *, quiet: bool) -> None:
    """What a person wants to know at the end of training, on stderr."""
    if run.status == "interrupted":
        console.write_line(f"Stopped at step {run.info['step']:,} of {run.info['steps']:,} and saved. To go on:")
        console.write_line(f"  lstmctl train --resume {_named(run)}")
        return
    if quiet:
        return
    info = run.info
    rows = [
        [part, *(f"{figures[name]:.4f}" if name in figures else "" for name in _names(run))]
        for part, figures in run.metrics.items()
        if figures
    ]
    chosen = "best on validation" if info.get("headline") == "best" else "last"
    console.print_table(f"{run.name}: {chosen} weights", ["", *(name.replace("_", " ") for name in _names(run))], rows)
    console.write_line(
        f"{info['parameters']:,} parameters · {info['rate']:,.0f} {info['units']}/s · {info['training_seconds']:.0f} s "
        f"training · {info['precision']} on {info['device_name']}, kernel {info['kernel']}"
    )
    console.write_line(f"{run.path / 'report.html'}")
    console.write_line(f"Next: {NEXT[run.settings.task.type].format(run=_named(run))}")


def _named(run: Run) -> str:
    """A run as it is typed: quoted where it must be, and with consent where it names code."""
    return shlex.quote(str(run.path)) + (" --trust" if is_user_class(run.settings.model.cell) else "")


def _names(run: Run) -> list[str]:
    return list(dict.fromkeys(name for figures in run.metrics.values() if figures for name in figures))
