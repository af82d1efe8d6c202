"""`lstmctl data list`, `data show`, `data prepare` and `data download`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstmctl.cli.arguments import ConfigArguments, Json, Quiet, split_arguments

if TYPE_CHECKING:
    from lstmctl.config import LoadedConfig
    from lstmctl.data.downloading import Downloaded
    from lstmctl.data.preparing_table import PreparedTable
    from lstmctl.data.preparing_text import Prepared
    from lstmctl.data.series import SeriesCorpus
    from lstmctl.reporting.forecast_plots import SeriesCourse

app = typer.Typer(help="Show, prepare and download data.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list", epilog="Examples:\n\n\b\n  lstmctl data list")
def list_(json: Json = False) -> None:
    """List the bundled data, the contents of the download cache, and known downloads."""
    from lstmctl.cli import output
    from lstmctl.data.listing import known_files
    from lstmctl.reporting import console

    files = known_files()
    if json:
        output.write_json({"data": files})
        return
    rows = [[file["name"], None if file["bytes"] is None else f"{file['bytes']:,}", file["where"]] for file in files]
    console.print_table("", ["name", "bytes", "where"], rows, stream=sys.stdout)


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl data show travellers\n  lstmctl data show travellers data.text=my-text.txt\n"
    "  lstmctl data show energy --plot series.png"
)
def show(
    arguments: ConfigArguments = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plot the series with their parts, as .png or .svg.")
    ] = None,
    json: Json = False,
) -> None:
    """Show a config's data, its parts, and one example window.

    For a text: its size, and its symbols with their frequencies. For labelled sequences and pairs: their number and
    lengths, and the labels of each part. For series: rows, step, missing values and how they were treated, the windows
    of each part, and the rows that determine the scaler.
    """
    from lstmctl.config import load
    from lstmctl.config.schema import SeriesData, TextData
    from lstmctl.errors import UsageError

    config, overrides = split_arguments(arguments, "CONFIG")
    loaded = load(config or "travellers", overrides, trust=True)
    data = loaded.settings.data
    if isinstance(data, SeriesData):
        _show_series(loaded, plot, json=json)
    elif plot is not None:
        raise UsageError(f"--plot needs series; this config has data.{data.source}")
    elif isinstance(data, TextData):
        _show_text(loaded, json=json)
    else:
        _show_sequences(loaded, json=json)


def _show_text(loaded: LoadedConfig, *, json: bool) -> None:
    from lstmctl.cli import output
    from lstmctl.config.schema import TextData
    from lstmctl.data.listing import describe
    from lstmctl.data.text import open_text
    from lstmctl.reporting import console

    data = loaded.settings.data
    assert isinstance(data, TextData)
    corpus = open_text(data.text, data.symbols, data.split, loaded.folder)
    facts = describe(corpus, loaded.settings.training.window)
    if json:
        output.write_json(facts)
        return
    console.write_line(f"{', '.join(facts['files'])}: {facts['bytes']:,} bytes, {facts['length']:,} {data.symbols}")
    parts = [[name, f"{part['length']:,}", f"{part['start']:,}"] for name, part in facts["parts"].items()]
    console.print_table("parts", ["part", "length", "starts at"], parts, stream=sys.stdout)
    symbols = [[row["symbol"], f"{row['count']:,}", f"{row['share']:.2%}"] for row in facts["symbols"]]
    console.print_table(f"{len(symbols)} symbols", ["symbol", "count", "share"], symbols, stream=sys.stdout)
    window = facts["window"]
    console.print_table(
        "one window of the training part",
        ["input", "target"],
        [[repr(window["input"]), repr(window["target"])]],
        stream=sys.stdout,
    )


def _show_sequences(loaded: LoadedConfig, *, json: bool) -> None:
    from lstmctl.api.assembly import open_data
    from lstmctl.cli import output
    from lstmctl.data.listing import describe_pairs, describe_sequences
    from lstmctl.data.pairs import PairsCorpus
    from lstmctl.reporting import console

    corpus: Any = open_data(loaded.settings, loaded.folder)
    facts: dict[str, Any] = describe_pairs(corpus) if isinstance(corpus, PairsCorpus) else describe_sequences(corpus)
    if json:
        output.write_json(facts)
        return
    console.write_line(", ".join(facts["files"]))
    first = next(iter(facts["parts"].values()))
    rows = [[name, *part.values()] for name, part in facts["parts"].items()]
    console.print_table("parts", ["part", *first], rows, stream=sys.stdout)
    if counts := facts.get("labels"):
        labels = [[label, *(part[label] for part in counts.values())] for label in next(iter(counts.values()))]
        console.print_table("labels", ["label", *counts], labels[:MOST_CHANNELS], stream=sys.stdout)
    for line in facts["notes"]:
        console.write_line(console.inert(line))
    for warning in getattr(corpus, "warnings", {}).values():
        console.warning(warning)
    example = [[_in_short(facts["example"]["input"]), _in_short(facts["example"]["target"])]]
    console.print_table("first example of the training part", ["input", "target"], example, stream=sys.stdout)


def _in_short(value: str | list[Any]) -> str:
    if isinstance(value, str):
        return repr(value)
    words = [f"[{_in_short(item)}]" if isinstance(item, list) else _short_number(item) for item in value[:4]]
    return ", ".join([*words, "…"] if len(value) > len(words) else words)


def _short_number(item: object) -> str:
    return f"{item:.4g}" if isinstance(item, float) else str(item)


MOST_CHANNELS = 20
"""Maximum number in a table for people; --json contains all."""


def _show_series(loaded: LoadedConfig, plot: Path | None, *, json: bool) -> None:
    from lstmctl.cli import output
    from lstmctl.config.schema import Forecast, SeriesData
    from lstmctl.data.listing import describe_series
    from lstmctl.data.series import Layout, open_series
    from lstmctl.reporting import console
    from lstmctl.reporting.forecast_plots import series_plot
    from lstmctl.reporting.quantities import figure, sparkline

    data, task = loaded.settings.data, loaded.settings.task
    assert isinstance(data, SeriesData)
    assert isinstance(task, Forecast)
    layout = Layout.of(data.model_dump())
    lookback, horizon = task.lookback, task.horizon
    corpus = open_series(data.series, layout, loaded.folder, lookback=lookback, horizon=horizon, season=task.season)
    facts = describe_series(corpus, lookback, horizon)
    if plot is not None and (drawn := series_plot(_courses(corpus))):
        drawn.save(plot)
        console.write_line(str(plot))
    if json:
        output.write_json(facts)
        return
    console.write_line(
        f"{', '.join(facts['files'])}: {facts['bytes']:,} bytes, {facts['rows']:,} rows, {facts['series']:,} series, "
        f"{facts['start']} to {facts['end']}, step {facts['step']}, season {facts['season']:,} rows"
    )
    parts = [
        [name, f"{part['rows']:,}", part["first"], part["last"], f"{part['windows']:,}"]
        for name, part in facts["parts"].items()
    ]
    console.print_table("parts", ["part", "rows", "from", "to", "windows"], parts, stream=sys.stdout)
    scaler = facts["scaler"]
    channels = [
        [row["channel"], figure(row["centre"]), figure(row["spread"])] for row in scaler["channels"][:MOST_CHANNELS]
    ]
    more = len(scaler["channels"]) - len(channels)
    title = f"channels, and their {scaler['name']} scaler by {scaler['rows']}" + (f" ({more:,} more)" if more else "")
    console.print_table(title, ["channel", "centre", "spread"], channels, stream=sys.stdout)
    used = [f"{name}: {', '.join(columns)}" for name, columns in facts["covariates"].items() if columns]
    for line in [*used, *facts["notes"]]:
        console.write_line(console.inert(line))
    if window := facts["window"]:
        rows = [
            [
                name,
                f"{window[name]['first']} to {window[name]['last']}",
                sparkline([value for value in window[name]["values"] if value is not None], 40),
                ", ".join("missing" if value is None else figure(value) for value in window[name]["values"][-3:]),
            ]
            for name in ("input", "labels")
        ]
        console.print_table(
            f"one window of the training part: {window['channel']}",
            ["", "rows", "course", "last"],
            rows,
            stream=sys.stdout,
        )


def _courses(corpus: SeriesCorpus) -> list[SeriesCourse]:
    """Return every series and column, for plotting."""
    from lstmctl.reporting.forecast_plots import SeriesCourse

    table, encoding = corpus.table, corpus.encoding
    courses = []
    for series in range(len(table.ids)):
        begin, end = int(table.bounds[series]), int(table.ends[series])
        rows_of_times = table.times[begin:end].tolist()
        times = rows_of_times if encoding.step.is_index else [encoding.step.moment(time) for time in rows_of_times]
        parts = {
            name: (int(rows[series, 0]) - begin, int(rows[series, 1]) - begin) for name, rows in corpus.parts.items()
        }
        for column in range(len(encoding.targets)):
            name = encoding.channels[series * len(encoding.targets) + column]
            values = tuple(None if value != value else value for value in table.targets[begin:end, column].tolist())
            courses.append(SeriesCourse(name, times, values, parts))
        if len(courses) > MOST_CHANNELS:
            break
    return courses


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl data prepare data.text=my-text.txt\n"
    "  lstmctl data prepare my.yaml --to my.prepared\n  lstmctl data prepare energy"
)
def prepare(
    arguments: ConfigArguments = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Output folder; default: NAME.prepared in the current folder."),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Convert a config's text or table of series to numbers on disk, for data larger than memory, and print the
    folder.

    Set data.text or data.series to the folder, and training reads from it as needed. All commands treat it as the same
    data: a run trained on the file continues with the prepared data, bit for bit. The file is read twice, with little
    memory. If it is interrupted, the same command continues.
    """
    from lstmctl.cli import output
    from lstmctl.config import load
    from lstmctl.config.schema import SeriesData, TextData
    from lstmctl.errors import UsageError
    from lstmctl.reporting.byte_progress import ByteProgress
    from lstmctl.training.interruption import termination_as_exit

    config, overrides = split_arguments(arguments, "CONFIG")
    loaded = load(config or "travellers", overrides, trust=True)
    data = loaded.settings.data
    if not isinstance(data, SeriesData | TextData):
        raise UsageError(f"only text and tables of series can be prepared; this config has data.{data.source}")
    with termination_as_exit(), ByteProgress("preparing", quiet=quiet) as bar:
        if isinstance(data, TextData):
            from lstmctl.data.preparing_text import prepare_text

            text = prepare_text(data.text, data.symbols, to, loaded.folder, watch=bar)
            facts, show = _text_facts(text), partial(_show_text_prepared, text)
        else:
            from lstmctl.data.preparing_table import prepare_table
            from lstmctl.data.series import Layout

            table = prepare_table(data.series, Layout.of(data.model_dump()), to, loaded.folder, watch=bar)
            others = [override for override in overrides if not override.startswith("data.series=")]
            facts, show = _table_facts(table), partial(_show_table_prepared, table, [*filter(None, [config]), *others])
    if not quiet:
        show()
    if json:
        output.write_json(facts)
    else:
        output.write(f"{facts['path']}\n")


def _text_facts(prepared: Prepared) -> dict[str, Any]:
    header = prepared.header
    return {
        "path": str(prepared.folder),
        "files": header.files,
        "bytes": header.bytes,
        "sha256": header.sha256,
        "length": header.length,
        "vocabulary": prepared.vocabulary,
        "type": header.type,
        "was_there": prepared.was_there,
        "resumed": prepared.resumed,
    }


def _table_facts(prepared: PreparedTable) -> dict[str, Any]:
    header = prepared.header
    return {
        "path": str(prepared.folder),
        "files": [header.file],
        "bytes": header.bytes,
        "sha256": header.sha256,
        "rows": header.rows,
        "series": len(header.ids),
        "columns": {key: header.found[key] for key in ("time", "id", "targets", "past", "known", "static")},
        "was_there": prepared.was_there,
        "resumed": prepared.resumed,
    }


def _show_text_prepared(prepared: Prepared) -> None:
    """Print a summary of a prepared text, and the next command, on stderr."""
    from lstmctl import shell
    from lstmctl.reporting import console

    header = prepared.header
    _show_what_was_there(prepared.resumed, "bytes", was_there=prepared.was_there)
    symbols = "bytes" if header.encoding["kind"] == "bytes" else "characters"
    console.write_line(
        f"{header.bytes:,} bytes, {header.length:,} {symbols} of {prepared.vocabulary:,} in {header.type}, "
        f"SHA-256 {header.sha256}"
    )
    settings = [f"data.text={prepared.folder}", *(["data.symbols=bytes"] if symbols == "bytes" else [])]
    if header.length > MUCH:
        settings.append(f"data.split=[{header.length - 2 * HELD_OUT}, {HELD_OUT}, {HELD_OUT}]")
        console.write_line(
            f"To score only {HELD_OUT:,} {symbols} instead of a tenth, set the parts as counts, as here:"
        )
    console.write_line(f"Next: lstmctl train {shell.join(settings)}")


def _show_table_prepared(prepared: PreparedTable, arguments: list[str]) -> None:
    """Print a summary of a prepared table, and the next command, on stderr.

    Args:
        prepared: the table.
        arguments: the config, and the settings other than the table that it was prepared with.
    """
    from lstmctl import shell
    from lstmctl.reporting import console

    header = prepared.header
    _show_what_was_there(prepared.resumed, "rows", was_there=prepared.was_there)
    targets = header.found["targets"]
    named = ", ".join(targets[:MOST_CHANNELS]) + (", …" if len(targets) > MOST_CHANNELS else "")
    console.write_line(
        console.inert(
            f"{header.bytes:,} bytes, {header.rows:,} rows, {len(header.ids):,} series of {named}, "
            f"SHA-256 {header.sha256}"
        )
    )
    console.write_line(f"Next: lstmctl train {shell.join([*arguments, f'data.series={prepared.folder}'])}")


def _show_what_was_there(resumed: int, of: str, *, was_there: bool) -> None:
    from lstmctl.reporting import console

    if was_there:
        console.write_line("It already exists and is unchanged.")
    elif resumed:
        console.write_line(f"Continued after {resumed:,} {of} from an earlier attempt.")


MUCH = 50_000_000
"""Symbols of a text from which scoring a tenth of it takes long."""
HELD_OUT = 1_000_000
"""Suggested number of symbols for each scored part."""


def complete_known(incomplete: str) -> list[str]:
    """Complete names of known downloads."""
    from lstmctl.data.sources import KNOWN

    return [name for name in KNOWN if name.casefold().startswith(incomplete.casefold())]


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl data download tinyshakespeare\n"
    "  lstmctl data download https://www.gutenberg.org/cache/epub/2701/pg2701.txt"
)
def download(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME|URL",
            help="A known name (see lstmctl data list), or an http or https URL.",
            autocompletion=complete_known,
        ),
    ],
    sha256: Annotated[str | None, typer.Option(metavar="HASH", help="The expected SHA-256 of the file.")] = None,
    limit: Annotated[
        str, typer.Option(metavar="SIZE", help="Maximum size of the download, such as 500MB or 2GB.")
    ] = "100MB",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Download a file into the cache, where configs find it by name, and print its path.

    A file in the cache is not downloaded again if its SHA-256 is known and correct. Without a known SHA-256, it is
    downloaded and compared. Files with different content are never replaced: remove them first. There are no retries:
    the download is aborted if the server is silent for 30 seconds, and incomplete files or files with a wrong SHA-256
    are not kept.
    """
    from lstmctl.cli import output
    from lstmctl.data.downloading import download as fetch
    from lstmctl.data.downloading import find_source, parse_size
    from lstmctl.reporting.byte_progress import ByteProgress
    from lstmctl.training.interruption import termination_as_exit

    source, most = find_source(what, sha256), parse_size(limit)
    with termination_as_exit(), ByteProgress(source.file, quiet=quiet) as bar:
        downloaded = fetch(source, progress=bar, limit=most)
    if not quiet:
        _show_downloaded(downloaded)
    if json:
        output.write_json(
            {
                "name": source.name,
                "path": str(downloaded.path),
                "bytes": downloaded.size,
                "sha256": downloaded.sha256,
                "verified": downloaded.verified,
                "fetched": downloaded.fetched,
            }
        )
    else:
        output.write(f"{downloaded.path}\n")


def _show_downloaded(downloaded: Downloaded) -> None:
    """Print a summary of a download, whether it is verified, and the next command, on stderr."""
    from lstmctl import shell
    from lstmctl.reporting import console

    source = downloaded.source
    facts = f"{console.inert(source.file)}: {downloaded.size:,} bytes, SHA-256 {downloaded.sha256}"
    console.write_line(facts + (" as expected" if downloaded.verified else ""))
    if downloaded.was_there:
        console.write_line(
            "It already exists" + (" and is unchanged." if downloaded.fetched else "; nothing was downloaded.")
        )
    if not downloaded.verified:
        console.write_line("Not verified: its SHA-256 is not known in advance. To pin this version, add to the URL:")
        console.write_line(f"  --sha256 {downloaded.sha256}")
    if source.config is not None:
        console.write_line(f"Next: lstmctl train {source.config}")
    elif source.name is None:
        console.write_line(f"Next: lstmctl data show {shell.join([f'data.text={source.file}'])}")
