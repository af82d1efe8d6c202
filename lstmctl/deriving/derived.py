"""A derived config, with the decisions that led to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lstmctl import shell
from lstmctl.config.budget import Budget
from lstmctl.config.writing import inline
from lstmctl.errors import UsageError

SECONDS = 90.0
"""Training time that a budget is derived for, on two cores."""
TIME = re.compile(r"([\d.]+) ?([smh])")
NOUNS = {"s": "seconds", "m": "minutes", "h": "hours"}


@dataclass(frozen=True)
class Decision:
    """A setting that was derived."""

    key: str
    """Dotted: `task.horizon`."""
    value: Any
    because: str
    """In words: `a season of 12 rows`."""

    @property
    def override(self) -> str:
        """The argument that sets it, for a shell."""
        texts = [self.value] if isinstance(self.value, str) else self.value
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            return shell.setting(self.key, self.value)
        return shell.join([f"{self.key}={json.dumps(self.value)}"])


@dataclass
class Derived:
    """A config for a file."""

    what: str
    """The file's content and its use, in a sentence."""
    decisions: list[Decision] = field(default_factory=list)
    given: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the user typed, by dotted key; they are not decided here."""
    seconds: float = SECONDS
    """Time that training may take, on two cores."""

    def decide(self, key: str, value: Any, because: str = "") -> Any:
        """Set a key unless the user has set it, and return the value in effect."""
        if key in self.given:
            return self.given[key]
        self.decisions.append(Decision(key, value, because))
        return value

    def values(self) -> dict[str, Any]:
        """Return the config as a mapping structured like a config file, without the user's settings."""
        values: dict[str, Any] = {}
        for decision in self.decisions:
            *sections, key = decision.key.split(".")
            inside = values
            for section in sections:
                inside = inside.setdefault(section, {})
            inside[key] = decision.value
        return values

    def yaml(self, run: str) -> str:
        """Return the config as YAML, with the user's settings, and reasons as comments.

        Args:
            run: the command that trains it.
        """
        typed = [Decision(key, value, "as you asked") for key, value in self.given.items()]
        sections: dict[str, list[str]] = {"task": [], "data": [], "model": [], "training": []}
        for decision in [*self.decisions, *typed]:
            section, _, key = decision.key.partition(".")
            line = f"  {key}: {inline(decision.value)}" if key else f"{section}: {inline(decision.value)}"
            sections.setdefault(section if key else "", []).append(
                line + (f"  # {decision.because}" if decision.because else "")
            )
        blocks = list(sections.pop("", []))
        for name, lines in sections.items():
            blocks += [f"{name}:", *lines] if lines else []
        head = [
            f"# {self.what}",
            "#",
            f"# Run:  {run}",
            "# Keys that are not here have their defaults: lstmctl config show FILE",
        ]
        return "\n".join([*head, "format: 1", *blocks]) + "\n"

    def lines(self) -> list[str]:
        """Return a line for each decision that has a reason, for display."""
        told = [decision for decision in self.decisions if decision.because]
        width = max((len(decision.override) for decision in told), default=0)
        return [self.what, *(f"  {decision.override:<{width}}  {decision.because}" for decision in told)]


def list_of(texts: Sequence[str]) -> str:
    """Format up to three names and the number of the others."""
    shown = ", ".join(texts[:3])
    return shown if len(texts) <= 3 else f"{shown} and {len(texts) - 3:,} more"


def seconds_of(time: str) -> float:
    """Return the seconds of a time such as `90s`, `10m`, `2h` or `10 minutes`.

    Raises:
        UsageError: it is not a time.
    """
    short = TIME.fullmatch(time.strip())
    try:
        budget = Budget.parse(f"{short[1]} {NOUNS[short[2]]}" if short else time)
    except ValueError:
        budget = None
    if budget is None or budget.unit != "seconds":
        raise UsageError(f"`{time[:40]}` is not a time", hint="write one such as 90s, 10m or 2h")
    return budget.amount


def about(seconds: float) -> str:
    """Format an estimated training time."""
    return f"about {max(10, 10 * round(seconds / 10))} s of training on two cores"
