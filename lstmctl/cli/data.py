"""`lstmctl data list`, `data show`, `data prepare` and `data download`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstmctl.cli.arguments import ConfigArguments, Json, Quiet, split_arguments

if TYPE_CHECKING:
    from lstmctl.config import LoadedConfig
    from lstmctl.data.downloading import Downloaded
    from lstmctl.data.prepared_folder import Prepared
    from lstmctl.data.prepared_table import Header as TableHeader
    from lstmctl.data.prepared_text import Header as TextHeader
    from lstmctl.data.series import SeriesCorpus
    from lstmctl.reporting.forecast_plots import SeriesCourse

app = typer.Typer(help="Show, prepare and download data.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list", epilog="Examples:\n\n\b\n  lstmctl data list")
def list_(json: Json = False) -> None:
    """List the bundled data, downloaded files and known downloads."""
    from lstmctl.cli import output
    from lstmctl.data.listing import known_files
    from lstmctl.reporting import console

    files = known_files()
    if json:
        output.write_json({"data": files})
        return
    rows = [
        [
            file["name"],
            "unknown" if file["bytes"] is None else f"{file['bytes']:,}",
            file["where"],
            file.get("licence"),
            None if "sha256" not in file else "known" if file["sha256"] else "unknown",
        ]
        for file in files
    ]
    console.print_table("", ["name", "bytes", "where", "licence", "SHA-256"], rows, stream=sys.stdout)


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl data show travellers\n  lstmctl data show travellers data.text=my-text.txt\n"
    "  lstmctl data show energy --plot series.png"
)
def show(
    arguments: ConfigArguments = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plot the series with their parts, as .png or .svg.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show all symbols, labels and channels, not the commonest 20 alone.")
    ] = False,
    json: Json = False,
) -> None:
    """Show a config's data, its parts, and one example window.

    For a text: its size, and its symbols with their frequencies. For labelled sequences and pairs: their number and
    lengths, and the labels of each part. For series: rows, step, missing values and how they were treated, the windows
    of each part, and the rows that determine the scaler.
    """
    from lstmctl.cli import output
    from lstmctl.cli.opening import checked_config, origins_named
    from lstmctl.config.schema import SeriesData, TextData
    from lstmctl.errors import UsageError
    from lstmctl.reporting import console

    config, overrides = split_arguments(arguments, "CONFIG")
    loaded = checked_config(config, overrides, trust=True)
    data = loaded.settings.data
    with origins_named(loaded):
        if isinstance(data, SeriesData):
            facts, shown = _series(loaded, plot, every=every)
        elif plot is not None:
            raise UsageError(f"--plot needs series; this config has data.{data.source}")
        else:
            facts, shown = (_text if isinstance(data, TextData) else _sequences)(loaded, every=every)
    if json:
        output.write_json(facts)
        return
    for item in shown:
        if isinstance(item, _Warning):
            console.warning(item)
        elif isinstance(item, str):
            console.write_sentence(console.inert(item))
        else:
            console.print_table(*item, stream=sys.stdout)


class _Warning(str):
    """A line to be printed as a warning."""


Facts = dict[str, Any]
Titled = tuple[str, list[str], list[list[Any]]]
"""A table: title, columns and rows."""
Shown = list[str | Titled]
"""Lines for stderr, and tables for stdout."""


_NOUNS = {"characters": "characters", "decomposed": "symbols", "bytes": "bytes"}
"""Names of the symbols, by `data.symbols`."""


def _text(loaded: LoadedConfig, *, every: bool) -> tuple[Facts, Shown]:
    from lstmctl.config.schema import TextData
    from lstmctl.data.listing import describe
    from lstmctl.data.text import open_text

    data = loaded.settings.data
    assert isinstance(data, TextData)
    corpus = open_text(data.text, data.symbols, data.split, loaded.folder)
    facts = describe(corpus, loaded.settings.training.window)
    parts = [[name, f"{part['length']:,}", f"{part['start']:,}"] for name, part in facts["parts"].items()]
    symbols = [[row["symbol"], f"{row['count']:,}", f"{row['share']:.2%}"] for row in facts["symbols"]]
    window = facts["window"]
    return facts, [
        f"{', '.join(facts['files'])}: {facts['bytes']:,} bytes, {facts['length']:,} {_NOUNS[data.symbols]}",
        ("parts", ["part", "length", "starts at"], parts),
        _commonest("symbols", ["symbol", "count", "share"], symbols, every=every),
        ("one window of the training part", ["input", "target"], [[repr(window["input"]), repr(window["target"])]]),
    ]


def _sequences(loaded: LoadedConfig, *, every: bool) -> tuple[Facts, Shown]:
    from lstmctl.api.assembly import open_data
    from lstmctl.data.listing import describe_pairs, describe_sequences
    from lstmctl.data.pairs import PairsCorpus

    corpus: Any = open_data(loaded.settings, loaded.folder)
    facts: Facts = describe_pairs(corpus) if isinstance(corpus, PairsCorpus) else describe_sequences(corpus)
    first = next(iter(facts["parts"].values()))
    shown: Shown = [", ".join(facts["files"])]
    shown.append(("parts", ["part", *first], [[name, *part.values()] for name, part in facts["parts"].items()]))
    if counts := facts.get("labels"):
        labels = [[label, *(part[label] for part in counts.values())] for label in next(iter(counts.values()))]
        labels.sort(key=lambda row: -sum(row[1:]))
        shown.append(_commonest("labels", ["label", *counts], labels, every=every))
    shown += facts["notes"]
    shown += getattr(corpus, "unknown", {}).values()
    shown += [_Warning(text) for texts in getattr(corpus, "warnings", {}).values() for text in texts]
    example = [_in_short(facts["example"]["input"]), _in_short(facts["example"]["target"])]
    shown.append(("first example of the training part", ["input", "target"], [example]))
    return facts, shown


def _commonest(what: str, columns: list[str], rows: list[list[Any]], *, every: bool) -> Titled:
    """Return a table of the first rows, with the total number in its title."""
    shown = rows if every else rows[:MOST_CHANNELS]
    title = f"{len(rows):,} {what}"
    if len(shown) < len(rows):
        title += f", the commonest {len(shown)} (--all shows all)"
    return title, columns, shown


def _in_short(value: str | list[Any]) -> str:
    if isinstance(value, str):
        return repr(value)
    words = [f"[{_in_short(item)}]" if isinstance(item, list) else _short_number(item) for item in value[:4]]
    return ", ".join([*words, "…"] if len(value) > len(words) else words)


def _short_number(item: object) -> str:
    return f"{item:.4g}" if isinstance(item, float) else str(item)


MOST_CHANNELS = 20
"""Maximum number in a table for people; --json contains all."""


def _series(loaded: LoadedConfig, plot: Path | None, *, every: bool) -> tuple[Facts, Shown]:
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
    parts = [
        [name, f"{part['rows']:,}", part["first"], part["last"], f"{part['windows']:,}"]
        for name, part in facts["parts"].items()
    ]
    scaler = facts["scaler"]
    columns = list(scaler["channels"][0])
    channels = [
        [row["channel"], *(figure(row[column]) for column in columns[1:])]
        for row in scaler["channels"][: None if every else MOST_CHANNELS]
    ]
    more = len(scaler["channels"]) - len(channels)
    title = f"channels, and their {scaler['name']} scaler by {scaler['rows']}" + (f" ({more:,} more)" if more else "")
    title += f", of their {scaler['transform']}" if scaler["transform"] else ""
    shown: Shown = [
        f"{', '.join(facts['files'])}: {facts['bytes']:,} bytes, {facts['rows']:,} rows, {facts['series']:,} series, "
        f"{facts['start']} to {facts['end']}, step {facts['step']}, season {facts['season']:,} rows",
        ("parts", ["part", "rows", "from", "to", "windows"], parts),
        (title, columns, channels),
        *(f"{name}: {', '.join(columns)}" for name, columns in facts["covariates"].items() if columns),
        *(f"categories of {name}: {', '.join(found)}" for name, found in facts["categories"].items()),
        *facts["notes"],
    ]
    if window := facts["window"]:
        rows = []
        for name in ("input", "labels"):
            values = window[name]["values"]
            course = sparkline([value for value in values if value is not None], 40)
            last = ", ".join("missing" if value is None else figure(value) for value in values[-3:])
            rows.append([name, f"{window[name]['first']} to {window[name]['last']}", course, last])
        shown.append((f"one window of the training part: {window['channel']}", ["", "rows", "course", "last"], rows))
    return facts, shown


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
    """Convert data that is larger than memory to numbers on disk.

    The data is a config's text or table of series, and the folder of numbers is printed. Set data.text or data.series
    to the folder, and training reads from it as needed. All commands treat it as the same data: a run trained on the
    file continues with the prepared data, bit for bit. The file is read twice, with little memory. If it is
    interrupted, nothing is kept.
    """
    from lstmctl import shell
    from lstmctl.cli import output
    from lstmctl.cli.opening import origins_named
    from lstmctl.config import load
    from lstmctl.config.schema import SeriesData, TextData
    from lstmctl.errors import UsageError
    from lstmctl.reporting import console
    from lstmctl.reporting.byte_progress import ByteProgress
    from lstmctl.training.interruption import termination_as_exit

    config, overrides = split_arguments(arguments, "CONFIG")
    loaded = load(config, overrides, trust=True)
    data = loaded.settings.data
    if not isinstance(data, SeriesData | TextData):
        raise UsageError(f"only text and tables of series can be prepared; this config has data.{data.source}")
    done: Prepared[TextHeader] | Prepared[TableHeader]
    with origins_named(loaded), termination_as_exit(), ByteProgress("preparing", quiet=quiet) as bar:
        if isinstance(data, TextData):
            from lstmctl.data.preparing_text import prepare_text

            done = text = prepare_text(data.text, data.symbols, to, loaded.folder, watch=bar)
            facts, lines, settings = _prepared_text(text.header)
            settings = [f"data.text={done.folder}", *settings]
        else:
            from lstmctl.data.preparing_table import prepare_table
            from lstmctl.data.series import Layout

            done = table = prepare_table(data.series, Layout.of(data.model_dump()), to, loaded.folder, watch=bar)
            facts, lines = _prepared_table(table.header)
            others = [override for override in overrides if not override.startswith("data.series=")]
            settings = [*filter(None, [config]), *others, f"data.series={done.folder}"]
    if not quiet:
        if done.was_there:
            console.write_line("It already exists and is unchanged.")
        for line in lines:
            console.write_line(console.inert(line))
        console.write_line(f"Next: lstmctl train {shell.join(settings)}")
    if json:
        # Preparation used to be resumable.
        output.write_json({"path": str(done.folder), **facts, "was_there": done.was_there, "resumed": 0})
    else:
        output.write(f"{done.folder}\n")


def _prepared_text(header: TextHeader) -> tuple[Facts, list[str], list[str]]:
    """Return facts for --json, a summary, and settings for training."""
    kind = header.encoding["kind"]
    symbols = _NOUNS[kind]
    names = ("files", "bytes", "sha256", "length", "vocabulary", "type")
    lines = [
        f"{header.bytes:,} bytes, {header.length:,} {symbols} of {header.vocabulary:,} in {header.type}, "
        f"SHA-256 {header.sha256}"
    ]
    settings = [] if kind == "characters" else [f"data.symbols={kind}"]
    if header.length > MUCH:
        settings.append(f"data.split=[{header.length - 2 * HELD_OUT}, {HELD_OUT}, {HELD_OUT}]")
        lines.append(f"To score only {HELD_OUT:,} {symbols} instead of a tenth, set the parts as counts, as here:")
    return {name: getattr(header, name) for name in names}, lines, settings


def _prepared_table(header: TableHeader) -> tuple[Facts, list[str]]:
    """Return facts for --json, and a summary."""
    targets = header.found.targets
    named = ", ".join(targets[:MOST_CHANNELS]) + (", …" if len(targets) > MOST_CHANNELS else "")
    facts = {
        "files": [header.file],
        "bytes": header.bytes,
        "sha256": header.sha256,
        "rows": header.rows,
        "series": len(header.ids),
        "columns": {key: getattr(header.found, key) for key in ("time", "id", "targets", "past", "known", "static")},
    }
    series = f"{len(header.ids):,} series of {named}"
    return facts, [f"{header.bytes:,} bytes, {header.rows:,} rows, {series}, SHA-256 {header.sha256}"]


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
    """Download a file into the cache, and print its path.

    Configs find it there by name. A file in the cache is not downloaded again if its SHA-256 is known and correct.
    Without a known SHA-256, it is downloaded and compared. Files with different content are never replaced: remove them
    first. Downloads are not retried. A download is aborted if the server is silent for 30 seconds. Incomplete files and
    files with a wrong SHA-256 are not kept.
    """
    from lstmctl.cli import output
    from lstmctl.data.downloading import download as fetch
    from lstmctl.data.downloading import find_source, parse_size
    from lstmctl.data.unpacking import unpack
    from lstmctl.reporting.byte_progress import ByteProgress
    from lstmctl.training.interruption import termination_as_exit

    source, most = find_source(what, sha256), parse_size(limit)
    with termination_as_exit(), ByteProgress(source.file, quiet=quiet) as bar:
        downloaded = fetch(source, progress=bar, limit=most)
        path = unpack(source, downloaded.path)
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
                "licence": source.licence or None,
                "data": str(path),
            }
        )
    else:
        output.write(f"{path}\n")


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
    if source.licence:
        console.write_line(f"Licence: {source.licence}")
    if source.config is not None:
        console.write_line(f"Next: lstmctl train {source.config}")
    elif source.name is not None:
        path = downloaded.path.with_name(source.unpacked or source.file)
        console.write_line(f"Next: lstmctl train {shell.join([str(path)])}")
    elif source.name is None:
        console.write_line(f"Next: lstmctl data show {shell.join([f'data.text={source.file}'])}")
