"""`lstmctl data list` and `lstmctl data show`."""

from __future__ import annotations

import sys

import typer

from lstmctl.cli.arguments import ConfigArguments, Json, split_arguments

app = typer.Typer(help="Look at data.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list", epilog="Examples:\n\n\b\n  lstmctl data list")
def list_(json: Json = False) -> None:
    """The bundled data, and what the download cache holds."""
    from lstmctl.cli import output
    from lstmctl.data.listing import known_files
    from lstmctl.reporting import console

    files = known_files()
    if json:
        output.write_json({"data": files})
        return
    rows = [[file["name"], f"{file['bytes']:,}", file["where"]] for file in files]
    console.print_table("", ["name", "bytes", "where"], rows, stream=sys.stdout)


@app.command(
    epilog="Examples:\n\n\b\n  lstmctl data show travellers\n  lstmctl data show travellers data.text=my-text.txt"
)
def show(arguments: ConfigArguments = None, json: Json = False) -> None:
    """What a config's data holds: size, symbols with their frequencies, the parts, and one example window."""
    from lstmctl.cli import output
    from lstmctl.config import load
    from lstmctl.data.listing import describe
    from lstmctl.data.text import open_text
    from lstmctl.reporting import console

    config, overrides = split_arguments(arguments, "CONFIG")
    loaded = load(config or "travellers", overrides, trust=True)
    data = loaded.settings.data
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
