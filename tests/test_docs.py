"""The documentation: every link leads somewhere, and every command and config in it is accepted."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from lstmctl.cli.arguments import split_arguments
from lstmctl.cli.main import app
from lstmctl.config import load
from lstmctl.config.examples import bundled_names

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "data/README.md")
)
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def _hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs/hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOKS = _hooks()
GENERATED = {"commands.md": HOOKS.commands_page(), "config.md": HOOKS.config_page()}


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs name them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [
    (name, target)
    for name, text in TEXTS.items()
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", text))
    if not re.match(r"https?:", target)
]


@pytest.mark.parametrize(("name", "target"), LINKS)
def test_every_link_leads_to_a_file_and_a_heading(name: str, target: str) -> None:
    file, _, anchor = target.partition("#")
    path = (ROOT / name).parent / file if file else ROOT / name
    assert path.exists()
    if anchor:
        assert anchor in anchors(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "target"), [link for link in LINKS if not link[1].startswith("#")])
def test_every_link_of_a_page_leads_to_something_on_the_site(name: str, target: str) -> None:
    path = ((ROOT / name).parent / target.partition("#")[0]).resolve().relative_to(ROOT).as_posix()
    assert path.startswith("docs/") or path in {**HOOKS.PAGES, **HOOKS.FILES}


def test_every_page_is_in_the_navigation_once() -> None:
    pages = re.findall(r"(\S+\.md)(?:  #.*)?$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    files = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert sorted(pages) == sorted([*files, *HOOKS.PAGES.values(), *GENERATED])


def test_links_of_the_readme_are_adapted_to_the_site() -> None:
    markdown = (
        "[a](docs/tour.md#x) ![b](docs/tour-gates.png) [c](LICENSE) [d](data/README.md) [e](https://example.org/a)"
    )
    adapted = "[a](tour.md#x) ![b](tour-gates.png) [c](LICENSE.txt) [d](data.md) [e](https://example.org/a)"
    assert HOOKS.relinked(markdown, "README.md") == adapted
    assert HOOKS.relinked("[a](../README.md) [b](json.md)", "docs/text.md") == "[a](index.md) [b](json.md)"


def test_the_reference_has_every_command_and_every_key() -> None:
    from lstmctl.config.schema import SOURCES, TASKS, Model, Training

    for words in ("train", "inspect recall", "data prepare", "config schema"):
        assert f"## lstmctl {words}\n" in GENERATED["commands.md"]
    assert "| `--resume RUN` | Continue exactly where a run stopped" in GENERATED["commands.md"]
    assert "| 4 | a run folder or checkpoint" in GENERATED["commands.md"]
    for prefix, sections in {
        "task": TASKS.values(),
        "data": SOURCES.values(),
        "model": [Model],
        "training": [Training],
    }.items():
        for section in sections:
            for key in section.model_fields:
                assert f"| `{prefix}.{key}` |" in GENERATED["config.md"]
    assert "| `training.clip` | number > 0 or `null` | `1.0` |" in GENERATED["config.md"]
    assert "| `task.levels` | list of: whole number ≥ 1, ≤ 99 | `[80, 90]` |" in GENERATED["config.md"]


def commands(text: str) -> Iterator[list[str]]:
    """Every command on a page that could be typed: those in consoles, and those within sentences."""
    typed = []
    for kind, block in FENCED.findall(text):
        if kind in ("console", "text", ""):
            for line in re.sub(r"\\\n *", "", block).splitlines():
                if line.startswith(("$ ", "torchrun ")):
                    typed.append(re.sub(r"\s{2,}# .*", "", line.removeprefix("$ ")))
    typed += re.findall(r"`((?:lstmctl|make|torchrun) [^`]*)`", FENCED.sub("", text))
    for line in typed:
        for command in re.split(r" && | \| ", line.partition(" > ")[0]):
            if "…" not in command:
                yield shlex.split(command)


COMMANDS = [
    pytest.param(words, id=f"{name}: {shlex.join(words)}")
    for name, text in {**TEXTS, **GENERATED}.items()
    for words in commands(text)
]


def parsed(words: list[str]) -> dict[str, Any]:
    """Return the parameters that a command's function would receive. Wrong ones raise an error; a command that is only
    mentioned may lack arguments."""
    command: Any = typer.main.get_command(app)
    if words[0].startswith("-"):
        return {}
    while words and hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands"):  # a group in a sentence
        return {}
    mentioned = "--help" in words or not [word for word in words if not word.startswith("-")]
    return dict(command.make_context("lstmctl", words, resilient_parsing=mentioned).params)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_accepted(words: list[str]) -> None:
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        return
    if words[0] == "torchrun":
        words = words[words.index("-m") + 1 :]
    if words[0] != "lstmctl":
        assert words[0] in ("cd", "echo", "pip", "python", "python3", "source", "tail")
        return
    given = parsed(words[1:])
    if words[1] not in ("train", "compare") and words[1:3] not in (["config", "check"], ["data", "show"]):
        return
    arguments = given.get("arguments") or given.get("cells") or []
    if words[1] == "compare":
        config, settings = given["config"], [argument for argument in arguments if "=" in argument]
    else:
        config, settings = split_arguments(arguments, "CONFIG")
    if given.get("resume") or config in ("CONFIG", "-"):
        return
    if config not in bundled_names():
        assert config in (None, "FILE") or config.endswith((".yaml", ".csv", ".parquet", ".txt"))
        is_series = str(config).endswith((".csv", ".parquet"))
        is_series |= any(setting.startswith("data.series=") for setting in settings)
        config = "energy" if is_series else "travellers"
        settings += ["task.segment=1"] if any(setting.startswith("task.horizon=") for setting in settings) else []
    load(config, settings)


CONFIGS = [(name, block) for name, text in TEXTS.items() for kind, block in FENCED.findall(text) if kind == "yaml"]


@pytest.mark.parametrize(("name", "config"), CONFIGS)
def test_every_config_is_valid(name: str, config: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config, encoding="utf-8")
    load(str(path))
