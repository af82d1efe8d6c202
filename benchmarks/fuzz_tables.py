"""Odd tables for `fuzz_data.py`: series and labelled rows, with any separator, dates, gaps, quotes and encoding."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Callable
from pathlib import Path

from fuzz_texts import ALPHABETS, CONFIG, ENCODINGS, Case, spoilt

Row = list[str]
DATES: list[Callable[[datetime.datetime], str]] = [
    *(lambda moment, form=form: moment.strftime(form) for form in (  # type: ignore[misc]
        "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+02", "%Y-%m-%dT%H:%M:%S+02:00",
        "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%m/%d/%Y %I:%M %p", "%d-%b-%Y", "%b %d, %Y", "%Y%m%d",
        "%Y%m", "%Y-%m", "%Y", "%Y/%m/%d %H:%M", "%G-W%V", "%d-%m-%y", "%H:%M", "%A", "%Y-%m-%d %H:%M:%S.%f",
        "%Y%m%dT%H%M", "%d.%m.%y", "%m/%d/%y", "%b-%y",
    )),
    lambda moment: str(int(moment.timestamp())),
    lambda moment: str(int(moment.timestamp() * 1000)),
    lambda moment: str((moment - datetime.datetime(1899, 12, 30)).days),
    lambda moment: f"{moment.year}Q{(moment.month + 2) // 3}",
]  # fmt: skip
STEPS = [
    *(
        datetime.timedelta(**{unit: count})
        for unit, count in (("minutes", 15), ("hours", 1), ("days", 1), ("weeks", 1))
    ),
    datetime.timedelta(days=30, hours=10),
]
HOLES = ["", "", "", "NA", "nan", "-", "?", "NULL", "inf", "1e400", "#REF!", " "]
NUMBERS: list[Callable[[float], str]] = [
    *[lambda value: f"{value:.3f}"] * 5,
    lambda value: f"{value:.2f}".replace(".", ","),
    lambda value: f"{value * 1000:,.0f}",
    lambda value: f"{value * 1000:,.2f}".replace(",", "_").replace(".", ",").replace("_", "."),
    lambda value: f"{value:.1f} %",
    lambda value: f"€{value:.2f}",
    lambda value: f"{value:.3e}",
    lambda value: f"({abs(value):.1f})",
    lambda value: str(value > 0),
    lambda value: str(round(value)),
    lambda value: f" {value:+.2f} ",
    lambda value: "5",
    lambda value: f"{value * 1e35:.0f}",
]
NAMES = ["date", "y", "load", "a b", "", "ä", "y", "x\x1b[31m", "a" * 300, "1", "unique_id", "label", "text", "=1+1"]
LABELS = ["x", "y", "z", "", "1", "1.5", "café", "a,b", 'say "no"', "two\nlines", "\x1b[2J", "NA", "true"]


CALM = 0.7
"""Share of the tables that are whole and plain but for their numbers, dates, gaps and quotes: most of these can be
trained on, while hardly any of the others is."""


def make(draw: random.Random) -> Case:
    """Write a table and a config; return what is done with them."""
    series, is_calm = draw.random() < 0.6, draw.random() < CALM
    header, rows = series_rows(draw, is_calm=is_calm) if series else labelled_rows(draw, is_calm=is_calm)
    name = draw.choice(["t.csv"] * 8 + ["t.tsv", "t.CSV", "t.txt", "t.parquet"])
    if name.endswith("parquet") and not is_calm:
        write_parquet(Path(name), header, rows, draw)
    else:
        content = as_text(header, rows, draw, is_calm=is_calm)
        encoding = "utf-8" if is_calm else draw.choice(ENCODINGS)
        name = name.replace("parquet", "csv")
        Path(name).write_bytes(
            content.encode(encoding) if is_calm else spoilt(content.encode(encoding, "replace"), draw)
        )
    Path("c.yaml").write_text(CONFIG % draw.choice(["rnn", "lstm", "gru"]))
    return series_case(name, draw, is_calm=is_calm) if series else labelled_case(name, draw, is_calm=is_calm)


def series_case(name: str, draw: random.Random, *, is_calm: bool) -> Case:
    """Commands for a table of series."""
    settings = ["c.yaml", "task.type=forecast", f"data.series={name}", "task.lookback=4", "task.horizon=2"]
    options = {
        "data.missing": ["interpolate", "forward-fill", "mask"],
        "data.order": ["sort"],
        "data.duplicates": ["first", "mean"],
        "data.scaler": ["robust", "min-max", "none"],
        "data.step": ["1 row", "1 day", "1 month", "business days"],
        "data.split": ["[0.5,0.5]", "[20,10,5]", "['2023-02-01']", "[0.6,0.2,0.2]"],
        "data.calendar": ["[hour,weekday]"],
        "data.decimal": [","],
        "data.separator": ["';'"],
        "data.date_format": ["'%d.%m.%Y'", "'%Y%m%d'"],
        "task.calibration": ["none", "shared"],
        "task.loss": ["quantile", "student-t"],
        "task.channels": ["joint"],
    }
    likely = {"data.missing": 0.9, "data.order": 0.5, "data.duplicates": 0.5} if is_calm else {"data.missing": 0.6}
    unlikely = ("data.step", "data.split", "data.decimal", "data.separator", "data.date_format")
    for key, values in options.items():
        usual = 0.6 if key == "task.calibration" else 0.02 if is_calm and key in unlikely else 0.12
        if draw.random() < likely.get(key, usual):
            settings.append(f"{key}={draw.choice(values)}")
    uses = [
        ["forecast"],
        ["forecast", "latest", name, "--json"],
        ["evaluate"],
        ["evaluate", "latest", name],
        ["backtest", "--windows", "2"],
        ["generate", "--count", "2"],
    ]
    others = [["data", "prepare", *settings, "--to", "made"]] if draw.random() < 0.2 else []
    return Case(settings, draw.sample(uses, 4), others)


def labelled_case(name: str, draw: random.Random, *, is_calm: bool) -> Case:
    """Commands for a table of labelled rows."""
    others = ["generation-from-label"] if is_calm else ["regression", "tagging", "generation-from-label"]
    task = draw.choice(["classification", "classification", *others])
    settings = ["c.yaml", f"task.type={task}", f"data.table={name}"]
    options = {
        "data.split": ["[0.5,0.5]", "[0.4,0.3,0.3]"],
        "data.window": ["3"],
        "data.label": ["label", "y"],
        "data.text": ["text"],
        "data.features": ["[a,b]"],
        "data.scaler": ["none"],
    }
    for key, values in options.items():
        if draw.random() < (0.02 if is_calm else 0.2):
            settings.append(f"{key}={draw.choice(values)}")
    uses = [
        ["predict", "latest", name],
        ["predict", "latest", "--text", draw.choice(["ab", "é", "\x1b"])],
        ["evaluate"],
        ["evaluate", "latest", name, "--json"],
    ]
    if task == "generation-from-label":
        uses.append(["generate", "--label", draw.choice(LABELS), "--length", "20"])
    return Case(settings, draw.sample(uses, 3))


def series_rows(draw: random.Random, *, is_calm: bool) -> tuple[Row, list[Row]]:
    """A header and rows of one or several series, in order or not, with gaps."""
    count = draw.choice([60, 120, 120, 400] if is_calm else [0, 1, 3, 12, 40, 60, 60, 120, 120, 400])
    columns = draw.choice([1, 1, 2, 3, 5, 300]) if count <= 60 else draw.choice([1, 2, 3])
    ids = draw.choice([[""], [""], ["a", "b"], ["01", "2", "x\n"]])
    date, step = draw.choice(DATES), draw.choice(STEPS)
    numbers = [draw.choice(NUMBERS)] * columns if is_calm else [draw.choice(NUMBERS) for _ in range(columns)]
    if draw.random() < 0.5:
        numbers = [NUMBERS[0]] * columns
    holes, moment = (
        draw.choice([0, 0, 0.02, 0.3] if is_calm else [0, 0, 0, 0.02, 0.3, 1]),
        datetime.datetime(2023, draw.randint(1, 12), draw.randint(1, 28)),
    )
    rows = []
    for name in ids:
        for number in range(count // len(ids)):
            values = [math.sin(number / 3 + column) * 3 + draw.gauss(10, 1) for column in range(columns)]
            cells = [
                draw.choice(HOLES[:5] if is_calm else HOLES) if draw.random() < holes else write(value)
                for write, value in zip(numbers, values, strict=True)
            ]
            rows.append([date(moment + number * step), *([name] if len(ids) > 1 else []), *cells])
    if draw.random() < 0.15:
        draw.shuffle(rows)
    if draw.random() < 0.15 and rows:
        rows += draw.choices(rows, k=2)
    if draw.random() < 0.15:
        rows = [row for row in rows if draw.random() < 0.9]
    header = ["date", *(["unique_id"] if len(ids) > 1 else []), *(f"c{number}" for number in range(columns))]
    if draw.random() < 0.15 and not is_calm:
        header = [draw.choice(NAMES) for _ in header]
    return header, rows


def labelled_rows(draw: random.Random, *, is_calm: bool) -> tuple[Row, list[Row]]:
    """A header and rows of texts or of frames, with labels."""
    count = draw.choice([60, 60, 200] if is_calm else [0, 1, 4, 20, 60, 60, 60, 200])
    labels = draw.sample(LABELS, draw.choice([1, 2, 2, 3, 5])) if draw.random() < 0.4 and not is_calm else ["x", "y"]
    frames = draw.random() < 0.3
    number = draw.choice(NUMBERS)
    alphabet = draw.choice([*ALPHABETS.values(), *["abcd ,"] * 8])
    rows = []
    for row in range(count):
        if frames:
            cells = [
                f"s{row // 4}",
                f"{draw.gauss(0, 1):.3f}",
                (number if is_calm else draw.choice(NUMBERS))(draw.gauss(5, 1)),
            ]
            label = labels[row // 4 % len(labels)]
        else:
            cells = [
                "".join(draw.choices(alphabet, k=draw.choice([0, 1, 3, 8, 20]) if count < 20 else draw.randint(3, 9)))
            ]
            label = draw.choice(labels)
        if draw.random() < 0.1 and not frames and not is_calm:
            label = draw.choice([label, "".join(draw.choices("NV", k=len(cells[0]))), "3.5"])
        rows.append([*cells, label])
    if draw.random() < (0.1 if is_calm else 0.3):
        rows.sort(key=lambda row: row[-1])
    if rows and draw.random() < 0.03:
        rows[0][0] = "a" * 200_000
    header = ["sequence", "a", "b", "label"] if frames else ["text", "label"]
    if draw.random() < 0.1 and not is_calm:
        header = [draw.choice(NAMES) for _ in header]
    return header, rows


def as_text(header: Row, rows: list[Row], draw: random.Random, *, is_calm: bool) -> str:
    """A table as text, in one of many manners."""
    separator = draw.choice([","] * 6 + [";", "\t", "|", *([] if is_calm else [":", "  "])])
    end = draw.choice(["\n"] * 5 + ["\r\n", "\r\n", "\r"])
    style = draw.choice(["needed"] * 5 + (["all"] if is_calm else ["all", "none", "single"]))

    def cell(text: str) -> str:
        if style == "all" or (style == "needed" and any(sign in text for sign in (separator, '"', "\n", "\r"))):
            return '"' + text.replace('"', '""') + '"'
        return f"'{text}'" if style == "single" else text

    lines = [separator.join(map(cell, row)) for row in ([header] if is_calm or draw.random() < 0.93 else []) + rows]
    if draw.random() < 0.15 and lines and not is_calm:
        place = draw.randrange(len(lines))
        odd = ["", separator * 3, lines[place] + separator, "# a comment", "sep=;", '"', "total" + separator + "1"]
        lines.insert(draw.choice([0, place, len(lines)]), draw.choice(odd))
    return end.join(lines) + (end if draw.random() < 0.8 else "")


def write_parquet(path: Path, header: Row, rows: list[Row], draw: random.Random) -> None:
    """A Parquet file whose columns have types that texts lack."""
    import polars as pl

    columns = {}
    for index, name in enumerate(dict.fromkeys(header)):
        values = [row[index] for row in rows]
        frame = pl.Series(name, values, dtype=pl.String)
        kind = draw.choice(["text", "number", "number", "number", "boolean", "list", "category", "null"])
        if index == 0 and draw.random() < 0.7:
            start = datetime.datetime(2023, 1, 1)
            moments = [start + datetime.timedelta(hours=row) for row in range(len(rows))]
            frame = pl.Series(name, moments, dtype=pl.Datetime(draw.choice(["ms", "us", "ns"])))
            if draw.random() < 0.3:
                frame = frame.dt.replace_time_zone("Europe/Berlin", ambiguous="earliest", non_existent="null")
        elif kind == "number":
            frame = frame.cast(pl.Float64, strict=False)
        elif kind == "boolean":
            frame = pl.Series(name, [draw.random() < 0.5 for _ in rows], dtype=pl.Boolean)
        elif kind == "list":
            frame = pl.Series(name, [[1, 2] for _ in rows], dtype=pl.List(pl.Int64))
        elif kind == "category":
            frame = frame.cast(pl.Categorical)
        elif kind == "null":
            frame = pl.Series(name, [None] * len(rows), dtype=pl.Null)
        columns[name] = frame
    pl.DataFrame(list(columns.values())).write_parquet(path)
