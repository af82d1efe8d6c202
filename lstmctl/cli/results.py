"""Output about a trained run: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lstmctl import shell
from lstmctl.registry import is_user_class
from lstmctl.reporting import console
from lstmctl.reporting.evaluation_tables import leads, overall, verdict
from lstmctl.reporting.stored_evaluation import read_evaluation

if TYPE_CHECKING:
    from lstmctl.api import Run
    from lstmctl.comparison.ensemble import SeedEnsemble
    from lstmctl.reporting.stored_evaluation import StoredEvaluation
    from lstmctl.results.evaluation import Evaluation


def trained_json(run: Run) -> dict[str, Any]:
    """Return the object of `train --json`."""
    info = run.info
    keys = ("cell", "parameters", "rate", "precision", "device", "kernel", "steps", "step")
    return {
        "run": str(run.path),
        "status": run.status,
        **{key: info.get(key) for key in keys},
        "seconds": info.get("training_seconds"),
        "metrics": {"validation": None, "test": None, **run.metrics},
    }


def leads_json(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return the lead over each baseline, for a JSON object."""
    return {
        name: {"lead": lead.lead, "low": lead.low, "high": lead.high, "shown": lead.shown}
        for name, lead in evaluation.leads.items()
    }


def weights_json(run: Run) -> dict[str, Any]:
    """Return the weights that a command used, for its JSON object."""
    return {"weights_step": run.step, "fallback": run.fallback}


def with_weights(found: dict[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """Add the weights used for each run to the JSON object of a command about several runs."""
    rows = zip(found["runs"], runs, strict=True)
    return {**found, "runs": [{**row, **weights_json(run)} for row, run in rows]}


def runs_of(opened: Run | SeedEnsemble) -> tuple[Run, ...]:
    """Return the runs whose forecasts are used."""
    return getattr(opened, "runs", None) or (opened,)  # type: ignore[return-value]


def forecast_in_words(name: str, runs: Sequence[Run]) -> list[str]:
    """Say which weights a forecast is made with, if they are not those that were scored."""
    found = []
    if len(runs) > 1:
        seeds = ", ".join(str(run.settings.seed) for run in runs)
        found.append(f"{name}: the median forecast of {len(runs)} runs, of seeds {seeds}.")
    if all(run.info.get("final_fit") for run in runs):
        found.append(
            "Forecast with weights that were trained on all rows after the scores (task.final_fit); the scores are of "
            "the weights before."
        )
    return found


def show_trained(run: Run, *, quiet: bool) -> None:
    """Print a summary at the end of training, on stderr."""
    if run.status == "interrupted":
        console.write_line(f"Stopped at step {run.info['step']:,} of {run.info['steps']:,} and saved. To continue:")
        console.write_line(f"  lstmctl train --resume {_named(run)}")
        return
    if quiet:
        return
    info = run.info
    stored = read_evaluation(run.path)
    if stored is not None and "write" not in run.settings.task.abilities:
        _show_evaluated(run, stored)
    else:
        _show_figures(run)
    if stored is not None and (said := verdict(stored.evaluation)):
        console.write_sentence(console.inert(said.text))
    fitted = f" · {info['final_fit']['seconds']:.0f} s final fit" if info.get("final_fit") else ""
    console.write_sentence(
        f"{info['parameters']:,} parameters · {info['rate']:,.0f} {info['units']}/s · {info['training_seconds']:.0f} s "
        f"training{fitted} · {info['precision']} on {info['device_name']}, kernel {info['kernel']}"
    )
    console.write_line(f"{run.path / 'report.html'}")
    console.write_line(f"Next: {run.task.next_command.format(run=_named(run))}")


def _weights(run: Run) -> str:
    return "weights with the best validation score" if run.info.get("headline") == "best" else "last weights"


def _show_figures(run: Run) -> None:
    """Print all metrics of every part."""
    rows = [
        [part, *(f"{figures[name]:.4f}" if name in figures else "" for name in _names(run))]
        for part, figures in run.metrics.items()
        if figures
    ]
    columns = ["", *(name.replace("_", " ") for name in _names(run))]
    console.print_table(f"{run.name}: {_weights(run)}", columns, rows)


def _show_evaluated(run: Run, stored: StoredEvaluation) -> None:
    """Print the metrics that are comparable with baselines; all of them might not fit a terminal's width."""
    table = overall(stored.evaluation)
    if table is not None:
        console.print_table(f"{run.name}, {_weights(run)}, {table.title}", table.columns, table.rows)
    if (found := leads(stored.evaluation)) is not None:
        console.print_table(found.title, found.columns, found.rows)
    for note in stored.evaluation.notes:
        console.write_sentence(console.inert(note))


def _named(run: Run) -> str:
    """Return a run as an argument: quoted if necessary, and with consent if it names code."""
    return shell.join([str(run.path)]) + (" --trust" if is_user_class(run.settings.model.cell) else "")


def _names(run: Run) -> list[str]:
    return list(dict.fromkeys(name for figures in run.metrics.values() if figures for name in figures))
