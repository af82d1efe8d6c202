"""`report.html`: the settings, the results and samples of a run, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lstmctl import shell
from lstmctl.errors import RunError
from lstmctl.metrics import metric
from lstmctl.reporting import html
from lstmctl.reporting.blocks import (
    Block,
    Card,
    Cards,
    Code,
    Facts,
    Folded,
    Heading,
    Link,
    Prose,
    Status,
    Table,
    section,
)
from lstmctl.reporting.curve_plots import curve_plot
from lstmctl.reporting.data_facts import data_facts, data_notes, is_number, number
from lstmctl.reporting.evaluation_page import beside_baselines, evaluation_sections
from lstmctl.reporting.history import History, read_history
from lstmctl.reporting.quantities import duration, figure, short_count
from lstmctl.storage import read_plain

SAMPLES_SHOWN = 4
FORECAST_SETTINGS = ("loss", "lookback", "horizon", "segment", "decoding", "normalisation")
LIVING_PAGE = "page.html"
"""The page in which the network runs, if `lstmctl export` wrote it into the run's folder."""
WRITING_TASKS = ("language-model", "generation-from-label")
LABELLING_TASKS = ("classification", "tagging")
AS_CONFIG = "All settings, including defaults; config.yaml in the run's folder can be run again."


def write_report(run: Path, upcoming: Mapping[str, Any] | None = None) -> Path:
    """Write `report.html` and `plots/` in a run folder, from the files in it; interrupted runs get a report too.

    Args:
        run: the folder.
        upcoming: facts that will be written to `run.json`; they replace existing ones with the same keys.

    Returns:
        The page.

    Raises:
        RunError: the folder is not a run's folder, or cannot be read.
        ResourceError: the disk is full or the folder cannot be written; an older report is kept.
    """
    history = read_history(run)
    history = replace(history, info={**history.info, **(upcoming or {})})
    return html.write_page(run, run_blocks(history))


def has_report(run: Path, status: str) -> bool:
    """Return True if a run folder has a report that states this status."""
    try:
        return f'<span class="status {status}">'.encode() in read_plain(run / html.PAGE)
    except (OSError, RunError):
        return False


def run_blocks(history: History) -> list[Block]:
    """Return the page of a run."""
    data = _mapping(history.info.get("data"))
    command = history.info.get("command")
    config = history.config.rstrip("\n")
    return [
        *run_summary(history),
        *section("Samples during training", *_samples(history)),
        *section("Living page", *_living_page(history)),
        *section("Model", Facts.known(model_facts(history))),
        *section("Data", Facts.known(data_facts(data)), *data_notes(data)),
        *(section("Config", Prose(AS_CONFIG, "soft"), Code(config)) if config.strip() else []),
        *section("Reproduction", Code(str(command)) if command else None, Facts.known(_circumstances(history.info))),
    ]


def run_summary(history: History) -> list[Block]:
    """Return a run's scores, next to its baselines, and its curves."""
    stored = history.evaluation
    how, problem = _how_scored(history), history.info.get("problem")
    return [
        Heading(history.name, 1),
        Status(str(history.info.get("status") or "unknown"), _about(history)),
        *([Prose(str(problem))] if problem else []),
        *section(
            "Results",
            _cards(history),
            Prose(how, "soft") if how else None,
            *(beside_baselines(stored.evaluation) if stored else []),
        ),
        *(evaluation_sections(stored) if stored else []),
        *section(
            "Curves",
            curve_plot(history) or Prose("No training curve was recorded.", "soft"),
            Folded("Every evaluation", (_evaluations(history),)) if history.evaluations else None,
        ),
    ]


def _about(history: History) -> str:
    """Progress of a run, the reason it ended, and its start time."""
    info = history.info
    step, steps = info.get("step"), info.get("steps")
    if step is None and history.losses:
        step = history.losses[-1].step
    about = [f"{number(step)} of {number(steps)} steps"] if step is not None and steps is not None else []
    if info.get("stopped_by") == "patience":
        about.append("stopped early, since the validation metric no longer improved")
    if started := _time(info.get("started")):
        about.append(started)
    return " · ".join(about)


def _cards(history: History) -> Block:
    """One card per scored part; without a final score, the best evaluation during training."""
    final = _mapping(history.info.get("metrics"))
    parts = [*(part for part in ("test", "validation") if final.get(part)), *final]
    scored = [(part, _figures(_mapping(final[part]), history.primary)) for part in dict.fromkeys(parts)]
    cards = [_card(str(part), figures) for part, figures in scored if figures]
    if not cards and history.evaluations:
        point = history.best or history.evaluations[-1]
        kind = "best" if history.best else "last"
        cards = [
            _card(f"validation during training, {kind} (step {point.step:,})", _figures(point.metrics, history.primary))
        ]
    return Cards(tuple(cards)) if cards else Prose("No part was scored.", "soft")


def _card(title: str, figures: Mapping[str, float]) -> Card:
    (name, value), *others = figures.items()
    items = tuple((figure(other), metric(key).words) for key, other in others)
    return Card(title, figure(value), metric(name).words, items)


def _how_scored(history: History) -> str:
    notes: list[str] = []
    headline = history.info.get("headline")
    metrics = _mapping(history.info.get("metrics"))
    names = {str(name) for part in metrics.values() for name in _mapping(part)}
    if headline == "best" and names:
        best = history.best
        where = f" (step {best.step:,})" if best else ""
        notes.append(f"Scored with the weights that were best on the validation part{where}.")
    elif headline == "last" and names:
        notes.append("Scored with the last weights, since no part was set aside to select weights.")
    notes += [f"{note}." for note in dict.fromkeys(metric(name).note for name in sorted(names)) if note]
    return " ".join(notes)


def _evaluations(history: History) -> Table:
    names = list(dict.fromkeys(name for point in history.evaluations for name in point.metrics))
    rows = []
    for point in history.evaluations:
        values = [figure(point.metrics[name]) if name in point.metrics else "" for name in names]
        rows.append((f"{point.step:,}", f"{point.units:,}", *values, "best so far" if point.best else ""))
    columns = ("step", history.unit, *(metric(name).words for name in names), "")
    return Table("evaluations", "", columns, tuple(rows), text_columns=("",))


def _samples(history: History) -> list[Block]:
    blocks: list[Block] = []
    for step, sample in spread(history.samples, SAMPLES_SHOWN):
        # A forecast drawn in a line would be broken by wrapping it.
        text = Code(sample, wraps=not history.is_forecast) if sample.strip() else Prose("Nothing.")
        blocks += [Prose(f"after step {step:,}", "soft"), text]
    return blocks


def _living_page(history: History) -> list[Block]:
    """Return a link to the page in which the network runs, or the command that writes it; nothing for runs that have
    none."""
    task, reads_text = history.info.get("task"), "vocabulary" in _mapping(history.info.get("data"))
    if history.folder is None or history.info.get("status") != "finished":
        return []
    if (history.folder / LIVING_PAGE).is_file():
        return [Facts(((Link("the trained network", LIVING_PAGE), "runs in this page"),))]
    if task in WRITING_TASKS or (task in LABELLING_TASKS and reads_text):
        what = "type a text, watch every gate, and hold one to see what the network forgets"
    elif history.is_forecast:
        what = "drag a value of the past, and watch the forecast follow"
    else:
        return []
    how = f"A page in which the network runs: {what}. This command, in the run's folder, writes it and links it here."
    return [
        Prose(how, "soft"),
        Code(shell.join(["lstmctl", "export", ".", "--to", "html", "--output", LIVING_PAGE])),
    ]


def spread(samples: Sequence[tuple[int, str]], most: int) -> list[tuple[int, str]]:
    """At most `most` of `samples`, evenly over their order, the first and the last among them."""
    if len(samples) <= most:
        return list(samples)
    return [samples[round(index * (len(samples) - 1) / (most - 1))] for index in range(most)]


def model_facts(history: History) -> list[tuple[str, object]]:
    """Return names and values of a run's network and training, the values None or empty where nothing is known."""
    info, chosen = history.info, history.settings("hidden", "layers", "embedding", "optimizer", *FORECAST_SETTINGS)
    rate = info.get("rate")
    seconds, fit = info.get("training_seconds"), _mapping(info.get("final_fit"))
    return [
        ("task", ", ".join(str(info[key]) for key in ("task", "shape") if info.get(key))),
        *((name, chosen.get(name)) for name in FORECAST_SETTINGS if history.is_forecast),
        ("cell", info.get("cell")),
        ("cell's source, SHA-256", info.get("cell_source")),
        ("hidden units", chosen.get("hidden")),
        ("layers", chosen.get("layers")),
        ("embedding", chosen.get("embedding")),
        ("parameters", number(info.get("parameters"))),
        ("kernel", info.get("kernel")),
        ("precision", info.get("precision")),
        ("optimizer", chosen.get("optimizer")),
        ("steps", number(info.get("steps"))),
        (f"{history.unit} per step", number(info.get("units_per_step"))),
        (f"{history.unit} trained on", number(info.get("units_trained"))),
        ("time in training steps", duration(seconds) if is_number(seconds) else None),
        ("final fit on all rows", f"{number(fit.get('steps'))} steps, {fit.get('seconds')} s" if fit else None),
        ("rate", f"{short_count(rate)} {history.unit} per second" if is_number(rate) else None),
        ("device", info.get("device_name") or info.get("device")),
        ("threads", info.get("threads")),
        ("seed", info.get("seed")),
        ("started from the weights of", info.get("initialised_from")),
    ]


def _circumstances(info: Mapping[str, Any]) -> list[tuple[str, object]]:
    resumed = info.get("resumed")
    goings_on = [_mapping(entry) for entry in resumed] if isinstance(resumed, list) else []
    return [
        ("started", _time(info.get("started"))),
        ("ended", _time(info.get("ended"))),
        (
            "resumed",
            "; ".join(_resumed(entry) for entry in goings_on),
        ),
        ("platform", info.get("platform")),
        ("versions", ", ".join(f"{name} {number}" for name, number in _mapping(info.get("versions")).items())),
        ("reproducibility settings", ", ".join(f"{k} {v}" for k, v in _mapping(info.get("repeatable_by")).items())),
    ]


def _resumed(entry: Mapping[str, Any]) -> str:
    changed = entry.get("changed")
    with_what = f", with changes to {', '.join(map(str, changed))}" if isinstance(changed, list) else ""
    return f"{_time(entry.get('at'))}, at step {number(entry.get('step'))}{with_what}"


def _figures(metrics: Mapping[str, Any], primary: str | None) -> dict[str, float]:
    """Those that are numbers, the primary one first."""
    known = {str(name): float(value) for name, value in metrics.items() if is_number(value)}
    return dict(sorted(known.items(), key=lambda item: item[0] != primary))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _time(value: object) -> str | None:
    """A time as `run.json` has it, in a form for people."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    zone = "UTC" if moment.utcoffset() == timedelta() else moment.strftime("%z")
    return f"{moment:%Y-%m-%d %H:%M:%S} {zone}".strip()
