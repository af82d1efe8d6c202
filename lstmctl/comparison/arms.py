"""Arms as typed on the command line, and the grid that tuning tries on each of them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lstmctl import shell
from lstmctl.errors import UsageError
from lstmctl.registry import CELLS, cell_name, is_user_class
from lstmctl.words import near

DEFAULT = ("travellers", ("training.budget=560k characters",))
"""Config and overrides of a comparison without a config: six runs take a few minutes."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
COMMA = re.compile(r",(?![^\[{]*[\]}])")
"""Not one inside of brackets."""
OWN = ("model.", "training.")
"""Sections in which arms may differ; everything else is the same for every arm, so that results are comparable."""
SHARED = {
    "model.cell": "the arm's first word is its cell",
    "training.budget": "every arm has the same budget; `--match time` gives all the same time",
}
EXAMPLE = '--arm "wide: lstm model.hidden=512"'
MOST_POINTS = 1000


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison: a name, a cell, and its own settings."""

    name: str
    cell: str
    overrides: tuple[str, ...] = ()


def arms_of(cells: Sequence[str], texts: Sequence[str], *, least: int = 2) -> list[Arm]:
    """The arms that are typed: cells by their names, then those of `--arm`.

    Raises:
        UsageError: one is not an arm, there are fewer than `least`, or two have one name.
    """
    arms = [Arm(cell_name(_known(cell)), cell) for cell in cells] + [parse_arm(text) for text in texts]
    if len(arms) < least:
        given = f"only {arms[0].name}" if arms else "none"
        needed = "a comparison needs two arms" if least > 1 else "a comparison needs an arm"
        seeds = f"; several seeds of {arms[0].name} alone: --seeds 3" if arms else ""
        raise UsageError(f"{needed}, and there is {given}", hint=f"lstmctl compare rnn lstm, or {EXAMPLE}{seeds}")
    names: set[str] = set()
    for arm in arms:
        # Runs are folders, and some file systems take `A` and `a` for one name.
        if arm.name.lower() in names:
            raise UsageError(f"two arms are named {arm.name}", hint=f"rename one: {EXAMPLE}")
        names.add(arm.name.lower())
    return arms


def least_arms(seeds: int | None, *, is_sweep: bool) -> int:
    """Return how many arms are needed: one, if a setting is swept or several seeds are asked for."""
    return 1 if is_sweep or (seeds or 0) > 1 else 2


def parse_arm(text: str) -> Arm:
    """The arm that `NAME: CELL [KEY=VALUE …]` describes.

    Raises:
        UsageError: `text` is not of that form, or sets what all arms share.
    """
    form = f"`NAME: CELL [KEY=VALUE …]`, for example {EXAMPLE}"
    name, colon, rest = text.partition(":")
    name = name.strip()
    try:
        words = _whole_values(shell.split(rest))
    except ValueError as error:
        raise UsageError(f"--arm `{text}`: {error}; {form}") from error
    if not colon or not words or "=" in words[0]:
        raise UsageError(f"--arm `{text}` is not of the form {form}")
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--arm `{text}`: `{name}` is not a name; letters, digits, `_`, `.` and `-`, at most 40 of them", hint=form
        )
    for word in words[1:]:
        _check_own(word, f"--arm `{text}`")
    return Arm(name, _known(words[0]), tuple(words[1:]))


def _whole_values(words: Sequence[str]) -> list[str]:
    """Join words that a blank inside of brackets has separated: `model.options={a:` and `0.5}`."""
    joined: list[str] = []
    for word in words:
        if joined and sum(map(joined[-1].count, "{[")) > sum(map(joined[-1].count, "}]")):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def parse_grid(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """Every combination of what `KEY=VALUE,VALUE,…` name, as overrides; one empty point where nothing is tuned.

    Raises:
        UsageError: a text is not of that form, tunes what all arms share, or there are too many combinations.
    """
    axes: list[list[str]] = []
    keys: set[str] = set()
    for text in texts:
        key, _, values = text.partition("=")
        _check_own(text, f"--tune {text}")
        choices = list(dict.fromkeys(value.strip() for value in COMMA.split(values) if value.strip()))
        if len(choices) < 2 or key in keys:
            raise UsageError(
                f"--tune {text}: give each key once, with two values or more",
                hint="--tune training.learning_rate=1e-3,3e-3",
            )
        keys.add(key)
        axes.append([f"{key}={choice}" for choice in choices])
    if (points := math.prod(map(len, axes))) > MOST_POINTS:
        raise UsageError(
            f"--tune gives {points:,} combinations to try on each arm; at most {MOST_POINTS:,}",
            hint="tune fewer values",
        )
    return list(itertools.product(*axes))


def _known(cell: str) -> str:
    if is_user_class(cell) or cell in CELLS:
        return cell
    hint = near(cell, CELLS, most=2) or (
        f"--data {cell} compares on your own text or table"
        if Path(cell).suffix not in ("", ".yaml", ".yml")
        else f"a config is given as --config {cell}"
    )
    raise UsageError(
        f"`{cell}` is not a known cell; use one of {', '.join(CELLS)}, or your own `module:Class`", hint=hint
    )


def _check_own(override: str, where: str) -> None:
    key, equals, _ = override.partition("=")
    if not equals:
        raise UsageError(f"{where}: `{override}` is not of the form KEY=VALUE")
    if key in SHARED:
        raise UsageError(f"{where}: {key} cannot be an arm's own; {SHARED[key]}")
    if not key.startswith(OWN):
        raise UsageError(
            f"{where}: an arm's own settings are model.… and training.…, not {key}",
            hint="settings of all arms are written once, after the cells: lstmctl compare rnn lstm KEY=VALUE",
        )
