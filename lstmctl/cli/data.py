"""`lstmctl data list`, `lstmctl data show` and `lstmctl data download`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lstmctl.cli.arguments import ConfigArguments, Json, Quiet, split_arguments

if TYPE_CHECKING:
    from lstmctl.data.downloading import Downloaded

app = typer.Typer(help="Look at data, and get more.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list", epilog="Examples:\n\n\b\n  lstmctl data list")
def list_(json: Json = False) -> None:
    """The bundled data, what the download cache holds, and what can be downloaded."""
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
    epilog="Examples:\n\n\b\n  lstmctl data show travellers\n  lstmctl data show travellers data.text=my-text.txt"
)
def show(arguments: ConfigArguments = None, json: Json = False) -> None:
    """What a config's data holds: size, symbols with their frequencies, the parts, and one example window."""
    from lstmctl.cli import output
    from lstmctl.config import load
    from lstmctl.config.schema import TextData
    from lstmctl.data.listing import describe
    from lstmctl.data.text import open_text
    from lstmctl.reporting import console

    config, overrides = split_arguments(arguments, "CONFIG")
    loaded = load(config or "travellers", overrides, trust=True)
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


def complete_known(incomplete: str) -> list[str]:
    """Names of what can be downloaded."""
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
            help="A known name (lstmctl data list shows them), or an http or https URL.",
            autocompletion=complete_known,
        ),
    ],
    sha256: Annotated[str | None, typer.Option(metavar="HASH", help="The SHA-256 that the file must have.")] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Fetch a file into the download cache, where configs find it by its name, and print its path.

    A file already there is not fetched again if its SHA-256 is known and right. Without a known SHA-256 it is fetched
    and compared. A file of other content is never replaced: remove it first. Nothing is retried; a server that stays
    silent for 30 seconds is given up, and what breaks off or has the wrong SHA-256 is not kept.
    """
    from lstmctl.cli import output
    from lstmctl.data.downloading import download as fetch
    from lstmctl.data.downloading import find_source
    from lstmctl.reporting.transfer import TransferBar
    from lstmctl.training.interruption import termination_as_exit

    source = find_source(what, sha256)
    with termination_as_exit(), TransferBar(source.file, quiet=quiet) as bar:
        downloaded = fetch(source, progress=bar)
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
    """What came, whether it is right, and what can be done with it now, on stderr."""
    import shlex

    from lstmctl.reporting import console

    source = downloaded.source
    facts = f"{console.inert(source.file)}: {downloaded.size:,} bytes, SHA-256 {downloaded.sha256}"
    console.write_line(facts + (" as expected" if downloaded.verified else ""))
    if downloaded.was_there:
        console.write_line(
            "It was there already" + (" and is the same." if downloaded.fetched else "; nothing was fetched.")
        )
    if not downloaded.verified:
        console.write_line("It is not verified: nobody said what its SHA-256 should be. To pin it, give with the URL:")
        console.write_line(f"  --sha256 {downloaded.sha256}")
    if source.config is not None:
        console.write_line(f"Next: lstmctl train {source.config}")
    elif source.name is None:
        console.write_line(f"Next: lstmctl data show {shlex.quote(f'data.text={source.file}')}")
