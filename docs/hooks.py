"""MkDocs hooks: the pages of the site that are not files in `docs`.

README.md and similar files are included unchanged, except for their links. The reference of commands is generated from
the command line itself, and that of config keys from the schema, so neither can be out of date.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "data/README.md": "data.md",
}
"""Files outside `docs` that are pages of the site, and their names there."""
FILES = {"LICENSE": "LICENSE.txt", "CITATION.cff": "CITATION.cff"}
"""Files outside `docs` that pages link to."""
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are generated."""
    from mkdocs.structure.files import File

    texts = {name: relinked((ROOT / source).read_text(encoding="utf-8"), source) for source, name in PAGES.items()}
    texts |= {"commands.md": commands_page(), "config.md": config_page()}
    for name, text in texts.items():
        files.append(File.generated(config, name, content=text))
    for source, name in FILES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Adapt the links of a file in `docs` to files outside it."""
    is_copy = page.file.src_uri in PAGES.values()
    return markdown if is_copy else relinked(markdown, f"docs/{page.file.src_uri}")


def relinked(markdown: str, source: str) -> str:
    """Replace links between files of the repository by links between pages of the site."""

    def on_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        return {**PAGES, **FILES}.get(target, target.removeprefix("docs/"))

    return LINK.sub(on_site, markdown)


def commands_page() -> str:
    """Return the reference of all commands, as Markdown."""
    import typer

    from lstmctl import errors
    from lstmctl.cli.main import app

    lines = ["# Commands", "", "Every command also prints this page's text for `--help`.", ""]
    for name, command in commands("lstmctl", typer.main.get_command(app)):
        lines += command_section(name, command)
    lines += ["## Exit codes", "", "| code | meaning |", "| --- | --- |", "| 0 | done |"]
    lines += [f"| {code} | {meaning} |" for code, meaning in exit_codes(errors)]
    lines += ["| 130 | interrupted by Ctrl-C |", "| 143 | ended by SIGTERM |", ""]
    return "\n".join(lines)


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield every command below a group, with all its words."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from commands(f"{name} {word}", inner)


def command_section(name: str, command: Any) -> list[str]:
    """Return the lines of one command: its help, usage, parameters and examples."""
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", *command.help.splitlines(), "", "```text", usage, "```", ""]
    lines += ["| argument or option | meaning |", "| --- | --- |"]
    for parameter in command.get_params(context):
        names, meaning = parameter.get_help_record(context)
        if names != "--help":
            typed, meaning = names.replace(" <list[str]>", ""), meaning.replace("docs/json.md", "[JSON](json.md)")
            lines.append(f"| `{cell(typed)}` | {cell(meaning)} |")
    examples = [line.strip() for line in command.epilog.partition("Examples:")[2].splitlines()]
    return [*lines, "", "```console", *(f"$ {line}" for line in examples if line.strip("\b")), "```", ""]


def exit_codes(errors: Any) -> list[tuple[int, str]]:
    """Return the exit code and the meaning of every error, from the table in the module's docstring."""
    return [(int(code), meaning) for code, meaning in re.findall(r"(\d)  (.+)", errors.__doc__)]


def config_page() -> str:
    """Return the reference of all config keys, as Markdown."""
    from lstmctl.config import schema

    lines = [
        *("# Config keys", ""),
        "A config is a YAML file. Only `data` is required; `lstmctl config show CONFIG` prints a config with every",
        "default, and `lstmctl config schema` the JSON Schema of all this, with which an editor completes and checks",
        "keys. `KEY=VALUE` after a command overrides a setting: `lstmctl train my.yaml model.cell=gru`.",
        "",
    ]
    plain = {name: field for name, field in schema.Settings.model_fields.items() if name not in schema.SECTIONS}
    lines += ["## Top level", "", *keys("", schema.Settings, plain)]
    lines += ["## task", "", "The keys depend on `task.type`.", ""]
    for name, task in schema.TASKS.items():
        lines += [f"### task.type: {name}", "", task.__doc__, "", *keys("task.", task, task.model_fields)]
    lines += ["## data", "", "The data has exactly one of the source keys " + listed(schema.SOURCES) + ".", ""]
    for name, source in schema.SOURCES.items():
        lines += [f"### data.{name}", "", source.__doc__, "", *keys("data.", source, source.model_fields)]
    for name in ("model", "training"):
        section = schema.Settings.model_fields[name].annotation
        lines += [f"## {name}", "", section.__doc__, "", *keys(f"{name}.", section, section.model_fields)]
    return "\n".join(lines)


def code(value: Any) -> str:
    """Return a value as code, as a config would contain it."""
    from lstmctl.config import scalars

    if isinstance(value, tuple):
        return "`[" + ", ".join(scalars.write(part) for part in value) + "]`"
    if value == {}:
        return "`{}`"
    return f"`{scalars.write(value if isinstance(value, int | float | None) else str(value))}`"


def listed(names: Any) -> str:
    """Return names or values as code, separated by commas."""
    return ", ".join(code(name) for name in names)


def keys(prefix: str, section: Any, fields: Any) -> list[str]:
    """Return a table of a section's keys: values, default, meaning."""
    properties = section.model_json_schema()["properties"]
    lines = ["| key | values | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in fields.items():
        default = "required" if field.is_required() else code(field.get_default(call_default_factory=True))
        lines.append(f"| `{prefix}{name}` | {cell(values(properties[name]))} | {default} | {cell(field.description)} |")
    return [*lines, ""]


def values(schema: dict[str, Any]) -> str:
    """Describe the values that a JSON Schema allows."""
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return listed(schema["enum"])
    if "examples" in schema:
        return f"text such as {listed(schema['examples'])}"
    if schema.get("pattern"):
        return "text"
    if "anyOf" in schema:
        return " or ".join(values(one) for one in schema["anyOf"])
    kind = schema.get("type", "")
    if isinstance(kind, list):
        return " or ".join(values({**schema, "type": one}) for one in kind)
    if kind == "array":
        return f"list of: {values(schema['items'])}"
    if kind in ("integer", "number"):
        if "minimum" in schema and schema["minimum"] == schema.get("maximum"):
            return code(schema["minimum"])
        return {"integer": "whole number", "number": "number"}[kind] + limits(schema)
    return {"string": "text", "boolean": "`true`, `false`", "null": "`null`", "object": "keys and values"}[kind]


def limits(schema: dict[str, Any]) -> str:
    """Describe the limits of a number, except those that only exclude absurd values."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    words = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if schema.get(key, math.inf) < 1e6]
    return f" {', '.join(words)}" if words else ""


def cell(text: str) -> str:
    """Return a text on one line. Code may contain `|`: MkDocs' tables do not split it."""
    return " ".join(text.split())
