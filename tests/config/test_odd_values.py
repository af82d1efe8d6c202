"""Values far outside of what anybody means: sound or refused in words, at once and in short lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmctl.config import from_mapping
from lstmctl.errors import ConfigError
from tests.conftest import Command

TEXT = {"data": {"text": "a.txt"}}
FORECAST = {"task": {"type": "forecast"}, "data": {"series": "a.csv"}}
TABLE = {"task": {"type": "classification"}, "data": {"table": "a.csv"}}


@pytest.mark.parametrize(
    ("config", "override", "problem"),
    [
        (TABLE, "data.label=[]", "data.label — an empty list; name at least one column, or leave it out"),
        (TABLE, "data.features=[]", "data.features — an empty list; name at least one column, or leave it out"),
        (FORECAST, "data.targets=[]", "data.targets — an empty list; name at least one column, or leave it out"),
        (TEXT, "training.learning_rate=1e308", "1e+308 is too large; a number above 0 and at most 1e+30"),
        (TEXT, "training.learning_rate=0", "0 is too small; a number above 0"),
        (TEXT, "training.weight_decay=1e308", "1e+308 is too large; a number of at least 0 and at most 1e+30"),
        (TEXT, "training.clip=1e308", "1e+308 is too large; a number above 0 and at most 1e+30 or null"),
        (
            FORECAST,
            "task.segment=2147483647",
            "task.segment — 2147483647 does not divide task.lookback 96; use a divisor of it, such as 96",
        ),
    ],
)
def test_it_is_refused(config: dict[str, object], override: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(config, [override])
    assert caught.value.problems[0].endswith(problem)


@pytest.mark.parametrize(
    ("lookback", "segment", "divisor"),
    [(2147483647, 2147483646, 1), (2147483646, 2147483645, 1073741823), (96, 7, 6), (97, 96, 1), (100, 11, 10)],
)
def test_the_divisor_of_a_long_span_is_found_at_once(lookback: int, segment: int, divisor: int) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(FORECAST, [f"task.lookback={lookback}", f"task.segment={segment}"])
    assert f"task.lookback {lookback}; use a divisor of it, such as {divisor}" in caught.value.problems[0]


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.dropout=0.999999"],
        ["model.dropout=0.9999999999999999", "model.variational_dropout=true"],
        ["model.options.forget_bias=1000000"],
        ["training.learning_rate=1e-320"],
    ],
)
def test_it_is_trained_with(overrides: list[str], small_config: Path, lstmctl: Command) -> None:
    code, _, err = lstmctl("train", str(small_config), "training.budget=2 steps", *overrides)
    assert code in (0, 5), err


@pytest.mark.parametrize("value", ["1e308", "-1e308", "1e7"])
def test_a_bias_that_no_float_holds_is_refused(value: str, small_config: Path, lstmctl: Command) -> None:
    code, _, err = lstmctl("train", str(small_config), f"model.options.forget_bias={value}")
    assert (code, err.startswith("error: model.options.forget_bias — ")) == (2, True), err


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "arguments",
    [
        [f"model.cell={LONG}"],
        [f"{LONG}=1"],
        [f"model.{LONG}=1"],
        [f"{LONG}.{LONG}=1"],
        [f"data.calendar=[{LONG}]"],
        [f"data.past=[{LONG}, {LONG}]"],
        [f"training.budget={LONG}"],
        [f"model.options=*{LONG}"],
        [f"model.options=!{LONG} x"],
        [f"seed.{LONG}=1"],
        [LONG],
        ["/" * 1000],
    ],
)
def test_what_is_long_is_repeated_in_short(arguments: list[str], lstmctl: Command) -> None:
    code, _, err = lstmctl("config", "check", *arguments)
    assert code == 2
    assert max(map(len, err.splitlines())) <= 500, err
