"""A run that reads a stream: rows or symbols one by one, with its state carried from each to the next."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from lstmctl.api.adaptation import adaptive_at_the_start
from lstmctl.api.forecasting import forecaster, series_forecasts
from lstmctl.api.trained import Trained
from lstmctl.data.dates import read_more_dates
from lstmctl.data.series_table import Table
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.decoding import Predictor
from lstmctl.errors import DataError, RunError, UsageError
from lstmctl.intervals import AdaptiveIntervals, interval_scores
from lstmctl.models.sequence_labeller import SequenceLabeller
from lstmctl.protocols import ModelState
from lstmctl.scoring import evaluating
from lstmctl.storage import ANOTHER_FILE, read_plain, replace_file
from lstmctl.tasks.interval_calibration import widened_intervals
from lstmctl.tasks.labelled_sequences import LabelledSequences
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.tasks.last_windows import last_windows
from lstmctl.tasks.ngram_share import MixedPredictor
from lstmctl.tasks.series_windows import windows_first

Arrays = dict[str, NDArray[Any]]
LIKELIEST = 5
"""Next symbols in a line of output."""


class Reader(Protocol):
    """Reads a stream step by step."""

    by_line: bool
    """True if a step is a line of the input, False if it is a character."""

    def read(self, item: str) -> dict[str, Any] | None:
        """Read one item; return the predictions after it, as JSON, or None for a header or a break."""
        ...

    def state(self) -> Arrays:
        """Return everything that the next step depends on."""
        ...

    def restore(self, state: Arrays) -> None:
        """Continue from what `state` returned."""
        ...


def reader(run: Trained, intervals: str = "calibrated") -> Reader:
    """Return a reader of a stream for a run's task.

    Args:
        run: a language model, a forecaster, or a labeller that reads forwards only.
        intervals: of a forecaster: `calibrated`; or `adaptive`, which begin with the run's own data and learn from each
            value that arrives.

    Raises:
        UsageError: the run cannot read a stream.
    """
    task, what = run.task, run.settings.task.type
    if intervals != "calibrated" and what != "forecast":
        raise UsageError(f"{run.name} has no intervals: its task is {what}", hint="leave out --intervals")
    if what == "forecast":
        return Forecasts(run, intervals)
    if isinstance(task, LanguageModel):
        return NextSymbols(run, task)
    if isinstance(task, LabelledSequences):
        if run.settings.model.direction == "bidirectional":
            raise UsageError(
                f"{run.name} reads each sequence backwards too, so it has to wait for its end",
                hint="train with model.direction=forward; or label whole sequences: lstmctl predict",
            )
        if task.spectra is not None:
            raise UsageError(f"{run.name} reads sound, which does not stream", hint="use lstmctl predict")
        return Labels(run, task)
    raise UsageError(f"{run.name} cannot read a stream: its task is {what}", hint="use lstmctl predict or generate")


def saved(run: Trained, reader: Reader, path: Path) -> None:
    """Write the state of a reader to a file.

    Raises:
        ResourceError: it cannot be written; the old file is kept.
    """
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, of=np.array(_weights_of(run)), **reader.state())
    replace_file(path, content.getvalue(), remedy=ANOTHER_FILE)


def restored(run: Trained, reader: Reader, path: Path) -> None:
    """Continue from a file that `saved` wrote.

    Raises:
        RunError: it is damaged, or belongs to another run.
    """
    try:
        with np.load(io.BytesIO(read_plain(path)), allow_pickle=False) as file:
            found = dict(file)
    except (OSError, ValueError, EOFError) as error:
        raise RunError(f"{path} is damaged: {error}", hint="delete it to start over") from error
    if str(found.pop("of", "")) != _weights_of(run):
        raise RunError(
            f"{path} is the state of another run, or of other weights than {run.name} has now",
            hint="name another --state FILE, or delete it to start over",
        )
    reader.restore(found)


def _weights_of(run: Trained) -> str:
    """Return a checksum of the weights that a stream is read with."""
    model, digest = run.final_model if run.settings.task.type == "forecast" else run.model, sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def characters(chunks: Iterator[bytes]) -> Iterator[str]:
    """Yield the characters of a stream as they come; bytes that are not UTF-8 become U+FFFD."""
    import codecs

    decode = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in chunks:
        yield from decode.decode(chunk)
    yield from decode.decode(b"", final=True)


class NextSymbols:
    """The next symbol after every character."""

    by_line = False

    def __init__(self, run: Trained, task: LanguageModel) -> None:
        model: Any = run.model.eval()
        self.task, self.encoding = task, task.encoding
        self.predictor: Predictor = task.predictor(model, 1)
        self.mixed = self.predictor if isinstance(self.predictor, MixedPredictor) else None
        self.network: Predictor = self.predictor if self.mixed is None else self.mixed.network
        self.scores: torch.Tensor | None = None

    @torch.no_grad()
    def read(self, item: str) -> dict[str, Any]:
        known = self.encoding.nearest(item)
        nats = 0.0
        for number in self.encoding.encode(known).tolist():
            if self.scores is not None:
                nats -= float(self.scores[0].double().log_softmax(0)[number])
            self.scores = self.predictor.read(torch.tensor([[number]]))
        assert self.scores is not None
        shares = self.scores[0].double().softmax(0)
        likely = shares.topk(min(LIKELIEST, len(shares)))
        named = map(self.encoding.name_of, likely.indices.tolist())
        return {
            "symbol": item,
            **({} if known == item else {"read_as": known}),
            "nats": nats,
            "next": dict(zip(named, likely.values.tolist(), strict=True)),
        }

    def state(self) -> Arrays:
        found = {} if self.scores is None else {"scores": self.scores.numpy()}
        if self.mixed is not None:
            found["context"] = self.mixed.seen
        if self.task.many_to_one:
            return {**found, "seen": self.network.seen.numpy()}  # type: ignore[attr-defined]
        return {**found, **_flat(self.network.state)}  # type: ignore[attr-defined]

    def restore(self, state: Arrays) -> None:
        self.scores = torch.from_numpy(state["scores"]) if "scores" in state else None
        if self.mixed is not None:
            self.mixed.seen = state["context"]
        if self.task.many_to_one:
            self.network.seen = torch.from_numpy(state["seen"])  # type: ignore[attr-defined]
        else:
            self.network.state = _layers(state)  # type: ignore[attr-defined]


class Labels:
    """The answer after every character or frame, as if the sequence ended there; an empty line begins a new one."""

    def __init__(self, run: Trained, task: Any) -> None:
        model = run.model
        assert isinstance(model, SequenceLabeller)
        self.task, self.model = task, model.eval()
        self.symbols: TextEncoding | None = task.encoding.symbols
        self.by_line = self.symbols is None
        self.columns: list[int] | None = None
        self.line = 0
        self.restart()

    def restart(self) -> None:
        self.carried: ModelState = self.model.recurrence.initial_state(1, self.model.head.weight)

    @torch.no_grad()
    def read(self, item: str) -> dict[str, Any] | None:
        self.line += 1
        if self.symbols is not None:
            if item == "\n":
                self.restart()
                return None
            features = self.model.input_map(torch.from_numpy(self.symbols.read(item).astype(np.int64)))
            named: dict[str, Any] = {"symbol": item}
        else:
            cells = next(csv.reader([item]), [])
            if not any(cell.strip() for cell in cells):
                self.restart()
                return None
            names = self.task.encoding.features.names
            if self.columns is None:
                self.columns = _places(names, cells)
                return None
            values = np.array([_number(cells, place, self.line) for place in self.columns])
            features = torch.from_numpy(self.task.encoding.features.scaled(values)).unsqueeze(0)
            named = {}
        for number in range(len(features)):
            step = self.model.recurrence.step(features[number : number + 1], self.carried)
            self.carried = step.state
        answer = self.model.head(step.output)[0].double()
        if self.task.encoding.outputs is not None:
            outputs = self.task.encoding.outputs
            numbers = answer.numpy() * outputs.spread + outputs.centre
            return {**named, "numbers": dict(zip(outputs.names, numbers.tolist(), strict=True))}
        shares = answer.softmax(0).tolist()
        labels = self.task.encoding.labels
        return {
            **named,
            "label": labels[int(answer.argmax())],
            "probabilities": dict(zip(labels, shares, strict=True)),
        }

    def state(self) -> Arrays:
        columns = {} if self.columns is None else {"columns": np.array(self.columns)}
        return {**_flat(self.carried), **columns}

    def restore(self, state: Arrays) -> None:
        self.carried = _layers(state)
        if self.by_line and "columns" in state:
            self.columns = None  # a new input begins with a header


class Forecasts:
    """A forecast after every row.

    If the first new row of a series follows the run's table, forecasts begin at once, from the rows of that table;
    otherwise they begin when enough rows have arrived. Adaptive intervals learn from every observed value.

    Args:
        run: a forecaster.
        intervals: `calibrated` or `adaptive`.
    """

    by_line = True

    def __init__(self, run: Trained, intervals: str) -> None:
        if intervals not in ("calibrated", "adaptive"):
            raise UsageError(f"intervals must be calibrated or adaptive, not {intervals}")
        self.task, self.model = forecaster(run, final=True)
        encoding = self.encoding = self.task.encoding
        if encoding.known:
            raise UsageError(
                f"{run.name} needs {', '.join(encoding.known)} of the rows that it forecasts, which a stream lacks",
                hint="train without data.known, or use lstmctl forecast",
            )
        if self.task.predictor.has_joint_distribution:
            raise UsageError(f"{run.name} forecasts by sample paths, which do not stream", hint="use lstmctl forecast")
        self.rows = {name: self._tail(series) for series, name in enumerate(encoding.ids)}
        """The last rows of each series, at most the lookback."""
        self.adaptive: dict[str, AdaptiveIntervals] = {}
        if intervals == "adaptive":
            self.adaptive = adaptive_at_the_start(run, *forecaster(run))
        self.waiting: dict[str, list[tuple[Any, Any]]] = {name: [] for name in encoding.ids}
        """Per series, for each of the last forecasts the uncalibrated intervals (horizon, channels, levels, 2) and the
        offsets (horizon, channels, levels), oldest first."""
        self.columns: dict[str, int] | None = None
        self.line = 0

    def _tail(self, series: int) -> Table:
        tail = self.encoding.tail
        return _cut(tail, int(tail.bounds[series]), int(tail.ends[series]), self.task.settings.lookback, series)

    @torch.no_grad()
    def read(self, item: str) -> dict[str, Any] | None:
        self.line += 1
        cells = [cell.strip() for cell in next(csv.reader([item]), [])]
        if not any(cells):
            return None
        if self.columns is None:
            encoding = self.encoding
            needed = [*filter(None, [encoding.time, encoding.id]), *encoding.targets, *encoding.past]
            self.columns = dict(zip(needed, _places(needed, cells), strict=True))
            return None
        name, time = self._identified(cells)
        before = self.rows[name]
        table = self._followed(before, name, time, cells)
        covered = self._learn(name, table)
        found = {"series": name, "time": self.encoding.step.text(time)} if name else {
            "time": self.encoding.step.text(time)
        }  # fmt: skip
        lacking = self.task.settings.lookback - len(table.times)
        if lacking > 0:
            return {**found, "rows_needed": lacking, "forecasts": []}
        return {**found, **covered, "forecasts": self._forecasts(name, table)}

    def _identified(self, cells: list[str]) -> tuple[str, int]:
        """Return the series and the time of a row."""
        assert self.columns is not None
        encoding, last = self.encoding, len(cells) - 1
        if max(self.columns.values()) > last:
            raise DataError(f"line {self.line} has {len(cells)} cells, but {max(self.columns.values()) + 1} are needed")
        name = cells[self.columns[encoding.id]] if encoding.id is not None else ""
        if name not in self.rows:
            raise DataError(f"line {self.line}: series `{name}` is not one of the run's", hint="leave its rows out")
        if encoding.time is None:
            return name, int(self.rows[name].times[-1]) + encoding.step.count
        text = cells[self.columns[encoding.time]]
        if encoding.step.is_index:
            return name, int(_number([text], 0, self.line))
        form = encoding.writing.dates if encoding.writing is not None else None
        if form is None:
            raise RunError("the run did not keep the format of its dates", hint="train it again")
        times = read_more_dates(pl.Series([text]), lambda row: f"line {self.line}", encoding.time, form)
        return name, int(times[0])

    def _followed(self, before: Table, name: str, time: int, cells: list[str]) -> Table:
        """Return the last rows of a series with one more; missing rows between are missing values."""
        assert self.columns is not None
        encoding, lookback = self.encoding, self.task.settings.lookback
        row = np.array(
            [[_number(cells, self.columns[one], self.line, missing=self.task.masked) for one in encoding.targets]]
        )
        past = np.array([[self._past(cells, one) for one in encoding.past]])
        past = past.reshape(1, len(encoding.past))
        times = np.array([time])
        if len(before.times):
            last = int(before.times[-1])
            expected = encoding.step.expected(last, time, int(before.days[0]))[1:]
            if time <= last or not len(expected) or expected[-1] != time:
                raise DataError(
                    f"line {self.line}: {encoding.step.text(time)} does not follow {encoding.step.text(last)} by whole "
                    f"steps of {encoding.step}"
                )
            if len(expected) > 1 and not self.task.masked:
                before = before_nothing(before)  # a gap: the rows before do not lead to this one
                self.waiting[name].clear()
            elif len(expected) > 1:
                gap = len(expected) - 1
                row = np.concatenate([np.full((gap, row.shape[1]), np.nan), row])
                past = np.concatenate([np.full((gap, past.shape[1]), np.nan), past])
                times = expected
                self.waiting[name].clear()
        table = replace(
            before,
            times=np.concatenate([before.times, times])[-lookback:],
            targets=np.concatenate([before.targets, row])[-lookback:],
            past=np.concatenate([before.past, past])[-lookback:],
        )
        count = len(table.times)
        bounds = np.array([0, count])
        self.rows[name] = replace(table, bounds=bounds, ends=bounds[1:], known=np.zeros((count, 0)))
        return self.rows[name]

    def _past(self, cells: list[str], column: str) -> float:
        """Return a value of a past column; for a category, its number, or 0 if it is unknown."""
        assert self.columns is not None
        known = self.encoding.categories.get(column)
        if known is None:
            return _number(cells, self.columns[column], self.line, missing=True)
        text = cells[self.columns[column]]
        return float(known.index(text) + 1) if text in known else 0.0

    def _learn(self, name: str, table: Table) -> dict[str, Any]:
        """Compare the last row with its forecasts, and let adaptive intervals learn from it; return whether the
        intervals of the latest forecast covered it, by level. Windows that are scaled one by one are left out."""
        waiting, task = self.waiting[name], self.task
        series, last = self.encoding.ids.index(name), len(table.times) - 1
        if not waiting or not self.encoding.has_scale[series].all():
            return {}
        scaled = self.encoding.scaled_targets(table, slice(last, last + 1), series)[0].astype(np.float64)
        horizon, levels = task.settings.horizon, task.settings.levels
        shape = (horizon, len(scaled), len(levels))
        scores, given = np.full(shape, np.nan), np.zeros(shape)
        for step, (spans, offsets) in enumerate(reversed(waiting)):
            scores[step] = interval_scores(scaled[None, None], spans[None, None, step])[0, 0]
            given[step] = offsets[step]
        if name in self.adaptive:
            self.adaptive[name].reveal(scores, given)
        inside = (scores[0] <= given[0]).all(0)
        known = not np.isnan(scores[0]).any()
        return {"covered": dict(zip(map(str, levels), inside.tolist(), strict=True))} if known else {}

    def _forecasts(self, name: str, table: Table) -> list[dict[str, Any]]:
        task, series = self.task, self.encoding.ids.index(name)
        with evaluating(self.model):
            batch, last = last_windows(
                replace(self.encoding, tail=table), task.settings, torch.device("cpu"), masked=task.masked
            )
            point, spans = task.predictor.uncalibrated(self.model, batch)
        offsets = np.zeros((task.settings.horizon, *spans.shape[2:4]))
        if name in self.adaptive:
            offsets = self.adaptive[name].offsets()
            offsets = np.where(np.isfinite(offsets), offsets, 0)
        elif task.calibration is not None:
            offsets = task.calibration.by_series[series]
        self.waiting[name] = [*self.waiting[name], (windows_first(spans)[0], offsets)][-task.settings.horizon :]
        has_intervals = task.calibration is not None or task.likelihood.has_intervals or name in self.adaptive
        intervals = widened_intervals(spans, offsets[np.newaxis]) if has_intervals else None
        return [
            {
                "series": one.series,
                "times": list(one.times),
                "point": list(one.point),
                "intervals": {str(level): [list(low), list(high)] for level, (low, high) in one.intervals.items()},
            }
            for one in series_forecasts(task, table, batch, last + 1, point, intervals)
        ]

    def state(self) -> Arrays:
        found: Arrays = {}
        for series, name in enumerate(self.encoding.ids):
            table = self.rows[name]
            found |= {f"{series}_times": table.times, f"{series}_targets": table.targets, f"{series}_past": table.past}
            if self.waiting[name]:
                for key, place in (("spans", 0), ("offsets", 1)):
                    found[f"{series}_{key}"] = np.stack([one[place] for one in self.waiting[name]])
            if name in self.adaptive:
                found |= {f"{series}_adaptive_{key}": one for key, one in self.adaptive[name].state().items()}
        return found

    def restore(self, state: Arrays) -> None:
        for series, name in enumerate(self.encoding.ids):
            count = len(state[f"{series}_times"])
            bounds = np.array([0, count])
            self.rows[name] = replace(
                self.rows[name],
                times=state[f"{series}_times"],
                targets=state[f"{series}_targets"],
                past=state[f"{series}_past"],
                known=np.zeros((count, 0)),
                bounds=bounds,
                ends=bounds[1:],
            )
            if f"{series}_spans" in state:
                self.waiting[name] = list(zip(state[f"{series}_spans"], state[f"{series}_offsets"], strict=True))
            start = f"{series}_adaptive_"
            own = {key.removeprefix(start): one for key, one in state.items() if key.startswith(start)}
            if bool(own) != (name in self.adaptive):
                raise RunError("the state was saved with other --intervals", hint="use the same, or delete it")
            if own:
                self.adaptive[name].restore(own)


def before_nothing(table: Table) -> Table:
    """Return a table without rows."""
    return _cut(table, 0, 0, 0, 0)


def _cut(table: Table, start: int, stop: int, most: int, series: int) -> Table:
    """Return the last rows of one series, at most `most`, as a separate table."""
    rows = slice(max(start, stop - most), stop)
    count = rows.stop - rows.start
    bounds = np.array([0, count])
    return Table(
        ids=(table.ids[series],),
        bounds=bounds,
        ends=bounds[1:],
        times=table.times[rows],
        targets=table.targets[rows],
        past=table.past[rows],
        known=np.zeros((count, 0)),
        static=table.static[series : series + 1],
        days=table.days[series : series + 1],
        zone=table.zone,
    )


def _places(names: Any, header: list[str]) -> list[int]:
    """Return the places of columns in a header.

    Raises:
        DataError: one is missing.
    """
    cells = [cell.strip() for cell in header]
    if lacking := [name for name in names if name not in cells]:
        raise DataError(
            f"line 1 has no column {', '.join(lacking)}; it must name the columns: {', '.join(names)}",
            hint="send a header first: head -1 table.csv",
        )
    return [cells.index(name) for name in names]


def _number(cells: list[str], place: int, line: int, *, missing: bool = False) -> float:
    text = cells[place].strip() if place < len(cells) else ""
    if not text and missing:
        return float("nan")
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"line {line}, cell {place + 1}: `{text}` is not a number") from error


def _flat(state: ModelState) -> Arrays:
    return {
        f"layer_{layer}_{part}": tensor.detach().numpy()
        for layer, parts in enumerate(state)
        for part, tensor in enumerate(parts)
    }


def _layers(state: Mapping[str, NDArray[Any]]) -> ModelState:
    layers: dict[int, dict[int, torch.Tensor]] = {}
    for key, array in state.items():
        if key.startswith("layer_"):
            _, layer, part = key.split("_")
            layers.setdefault(int(layer), {})[int(part)] = torch.from_numpy(array)
    return tuple(tuple(parts[part] for part in sorted(parts)) for _, parts in sorted(layers.items()))
