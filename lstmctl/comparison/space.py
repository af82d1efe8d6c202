"""The space of a search, of `lstmctl search` or of `compare --tune search:N`, as typed on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lstmctl.comparison.arms import COMMA, OWN, Arm
from lstmctl.errors import UsageError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

RANGE = re.compile(r"(?P<low>[^.:]+(?:\.\d[^.:]*|\.(?!\.))?)\.\.(?P<high>[^:]+?)(?::(?P<form>.*))?")
FORM = "KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=VALUE,VALUE"
ALSO = ("task.lookback",)
"""Keys outside of the model and the training that a search may set: scores stay comparable."""
SHARED = {
    "training.budget": "every trial has the same budget",
    "training.patience": "trials that fall behind are pruned",
}


SEARCH = re.compile(r"search(?::(.*))?")
EXAMPLE = "--tune search:20 --space training.learning_rate=1e-3..1e-1:log"
MOST_TRIALS = 1000


@dataclass(frozen=True)
class Dimension:
    """One setting of a search."""

    key: str
    text: str
    """The range or the list, as typed."""
    choices: tuple[str, ...] = ()
    """Values of a list, as typed; empty for a range."""
    low: float | int = 0
    high: float | int = 0
    log: bool = False

    @property
    def distribution(self) -> BaseDistribution:
        """Optuna's form of it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices:
            return CategoricalDistribution(self.choices)
        kind = IntDistribution if isinstance(self.low, int) else FloatDistribution
        return kind(self.low, self.high, log=self.log)

    def own(self, value: Any) -> Any | None:
        """Return the config's own value as a point of this dimension; None if it lies outside."""
        if self.choices:
            return next((text for text in self.choices if _same(text, value)), None)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        return type(self.low)(value)


class Tuning(BaseModel):
    """A search on every arm: its candidates are trials, which are added one by one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    trials: Annotated[int, Field(ge=2)]
    """Of each arm."""
    space: Annotated[tuple[str, ...], Field(min_length=1)]
    """`KEY=LOW..HIGH`, `KEY=LOW..HIGH:log` or `KEY=VALUE,VALUE`."""
    kept_width: tuple[str, ...] = ()
    """Arms whose width is their own, and is not matched."""


def check_optuna() -> None:
    """Raise UsageError if Optuna is not installed."""
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise UsageError(
            "a search needs the package optuna, which is not installed", hint="pip install 'lstmctl[search]'"
        )


def parse_tuning(tune: Sequence[str], space: Sequence[str], match: str, arms: Sequence[Arm]) -> Tuning | None:
    """Return the search that `search:N` among `tune` asks for; None if nothing is tuned, or a grid is.

    Raises:
        UsageError: the number of trials or the space is missing or wrong, or an arm sets what is searched.
    """
    asked = [found for text in tune if (found := SEARCH.fullmatch(text.strip()))]
    if not asked:
        if space:
            raise UsageError("--space is the space of a search, and none is asked for", hint=EXAMPLE)
        return None
    if len(tune) > 1:
        raise UsageError("--tune takes either a search or a grid", hint=f"give the grid as a space: {EXAMPLE}")
    number = asked[0][1] or ""
    if not number.isdecimal() or not 2 <= int(number) <= MOST_TRIALS:
        raise UsageError(f"--tune {tune[0]}: give 2 to {MOST_TRIALS:,} trials", hint=EXAMPLE)
    if not space:
        raise UsageError(f"--tune {tune[0]} needs the settings to search, as --space", hint=EXAMPLE)
    dimensions = parse_space(space)
    if wrong := next((one.key for one in dimensions if not one.key.startswith(OWN)), None):
        raise UsageError(f"--space {wrong}: arms differ in model.… and training.… alone")
    if match == "time":
        raise UsageError("--match time cannot be combined with a search", hint="tune a grid, or match parameters")
    keys = [one.key for one in dimensions]
    own = {arm.name: {text.partition("=")[0] for text in arm.overrides} for arm in arms}
    for name, given in own.items():
        if clash := next((key for key in keys if key in given), None):
            raise UsageError(f"--space {clash}: {name} sets it too; remove it there")
    check_optuna()
    fixed = keys if "model.hidden" in keys else [name for name, given in own.items() if "model.hidden" in given]
    return Tuning(trials=int(number), space=tuple(space), kept_width=tuple(fixed))


def parse_space(texts: Sequence[str]) -> list[Dimension]:
    """Return the dimensions that `KEY=LOW..HIGH[:log]` and `KEY=VALUE,VALUE` describe.

    Raises:
        UsageError: a text has another form, a key is named twice or cannot be searched, or there is none.
    """
    if not texts:
        raise UsageError(f"a search needs a space: give each setting as {FORM}")
    dimensions = [_dimension(text) for text in texts]
    keys = [dimension.key for dimension in dimensions]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise UsageError(f"--space names {twice} twice")
    return dimensions


def is_dimension(argument: str) -> bool:
    """Return whether an argument of the command describes a dimension rather than an override."""
    key, equals, value = argument.partition("=")
    return bool(equals) and (bool(RANGE.fullmatch(value)) or (key.startswith(OWN) and len(COMMA.split(value)) > 1))


def overrides_of(point: Mapping[str, Any]) -> list[str]:
    """Return a point of the space as overrides."""
    return [f"{key}={value!r}" if isinstance(value, float) else f"{key}={value}" for key, value in point.items()]


def _dimension(text: str) -> Dimension:
    key, equals, values = (part.strip() for part in text.partition("="))
    if not equals:
        raise UsageError(f"--space {text} is not of the form {FORM}")
    if key in SHARED:
        raise UsageError(f"--space {text}: {key} cannot be searched; {SHARED[key]}")
    if not key.startswith(OWN) and key not in ALSO:
        raise UsageError(f"--space {text}: settings to search are model.…, training.… and {', '.join(ALSO)}, not {key}")
    if (found := RANGE.fullmatch(values)) is None:
        choices = tuple(dict.fromkeys(value.strip() for value in COMMA.split(values) if value.strip()))
        if len(choices) < 2:
            raise UsageError(f"--space {text}: give a range, or two values or more: {FORM}")
        return Dimension(key, values, choices)
    form = found["form"]
    if form not in (None, "log"):
        raise UsageError(f"--space {text}: `:{form}` is not known; use :log or nothing")
    low, high = (_number(part, text) for part in (found["low"], found["high"]))
    if isinstance(low, float) or isinstance(high, float):
        low, high = float(low), float(high)
    if not low < high:
        raise UsageError(f"--space {text}: {found['low']} is not below {found['high']}")
    if form == "log" and low <= 0:
        raise UsageError(f"--space {text}: a logarithmic range begins above 0")
    return Dimension(key, values, low=low, high=high, log=form == "log")


def _number(text: str, whole: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number - number != 0:
        raise UsageError(f"--space {whole}: `{text}` is not a number")
    return number


def _same(text: str, value: Any) -> bool:
    try:
        return float(text) == float(value)
    except (TypeError, ValueError):
        return text == {None: "null", True: "true", False: "false"}.get(value, str(value))
