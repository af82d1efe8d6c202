"""Choose the task for a table: dates with numbers are forecast, texts with labels are classified or tagged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lstmctl import shell
from lstmctl.deriving.derived import Derived
from lstmctl.deriving.forecasts import derive_forecast
from lstmctl.deriving.labels import derive_labels, find_label, find_text
from lstmctl.errors import DataError
from lstmctl.words import listed, plural

if TYPE_CHECKING:
    from lstmctl.data.sheets import Sheet

FEWEST_ROWS = 12
FORECAST_KEYS = ("data.series", "data.time", "data.targets", "data.past", "data.known", "data.id", "data.step")
LABEL_KEYS = ("data.table", "data.text", "data.label", "data.sequence", "data.features", "data.window")


def derive_table(path: Path, derived: Derived) -> Derived:
    """Derive the config of a table.

    Raises:
        DataError: it cannot be read, or its use is unclear; the hint has a command for each use.
    """
    from lstmctl.data.tables import open_sheet

    given = derived.given
    sheet = open_sheet(path, str(given.get("data.separator", "auto")), str(given.get("data.decimal", "auto")))
    if sheet.rows < FEWEST_ROWS:
        raise DataError(
            f"{path} has {plural(sheet.rows, 'row')}, too few to learn from", hint=f"give {FEWEST_ROWS} or more"
        )
    task = given.get("task.type")
    series = task == "forecast" or any(key in given for key in FORECAST_KEYS)
    labels = (task is not None and task != "forecast") or any(key in given for key in LABEL_KEYS)
    if not series and not labels:
        text, label = find_text(sheet), None
        if text is not None or "label" in map(str.casefold, sheet.names):
            label = given.get("data.label") or find_label(sheet, text)
        dated = [name for number, name in enumerate(sheet.names) if sheet.kind(number) == "date"]
        numeric = _numbers(sheet)
        if label is not None and dated and numeric and text is None:
            raise DataError(
                f"{path} has dates and a column `{label}`: it may be a table to forecast, or one of labelled frames",
                hint=f"say which: {_command(path, 'task.type=forecast')}  or  "
                + _command(path, "task.type=classification", shell.setting("data.label", label)),
            )
        labels = label is not None
        series = not labels and (bool(numeric) or bool(dated))
    if labels:
        return derive_labels(sheet, derived)
    if not series:
        raise DataError(
            f"{path} has neither a column of dates with numbers nor one of texts with labels: its columns are "
            f"{listed(sheet.names)}",
            hint=f"name them: {_command(path, 'data.time=NAME', 'data.targets=[NAME]')}  or  "
            + _command(path, "data.text=NAME", "data.label=NAME"),
        )
    return derive_forecast(path, sheet, derived)


def _numbers(sheet: Sheet) -> list[str]:
    return [name for number, name in enumerate(sheet.names) if sheet.kind(number) in ("number", "whole")]


def _command(path: Path, *settings: str) -> str:
    return f"{shell.join(['lstmctl', 'train', str(path)])} {' '.join(settings)}"
