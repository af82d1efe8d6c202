"""Values far outside of what anybody means: sound or refused in words, at once and in short lines."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from lstmctl.config import from_mapping
from lstmctl.errors import ConfigError
from tests.conftest import Command

TEXT = {"data": {"text": "a.txt"}}
FORECAST = {"task": {"type": "forecast"}, "data": {"series": "a.csv"}}
DRAWN = {"task": {"type": "regression"}, "data": {"synthetic": "adding"}}
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
            "task.segment — 2147483647 does not divide task.lookback 96; use a divisor of task.lookback and "
            "task.horizon, such as 24",
        ),
        (TEXT, "model.layers=1001", "1001 is too large; a whole number of at least 1 and at most 1000"),
        (TEXT, "training.batch=2147483647", "is too large; a whole number of at least 1 and at most 1000000"),
        (TEXT, "threads=100000", "100000 is too large; a whole number of at least 1 and at most 1024 or auto"),
        (
            DRAWN,
            "data.held_out=1000000000",
            "1000000000 sequences of data.length 100 are too many to draw; at most 2684354",
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
        from_mapping(FORECAST, ["task.shape=many-to-one", f"task.lookback={lookback}", f"task.segment={segment}"])
    assert f"task.lookback {lookback}; use a divisor of task.lookback, such as {divisor}" in caught.value.problems[0]


def test_the_divisor_suits_lookback_and_horizon() -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(FORECAST, ["task.lookback=168", "task.horizon=30", "task.segment=24"])
    assert caught.value.problems[0].endswith(
        "task.horizon 30; use a divisor of task.lookback and task.horizon, such as 6"
    )


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


@pytest.mark.parametrize(
    ("config", "overrides", "problem"),
    [
        (
            FORECAST,
            ["model.layers=2", "model.ensemble=501"],
            "model.layers — 2 in each of 501 networks are more than 1000 layers in all; at most 1",
        ),
        (
            DRAWN,
            ["data.length=100000", "training.batch=2685"],
            "training.batch — 2685 sequences of data.length 100000 are too many to draw; at most 2684",
        ),
    ],
)
def test_two_sizes_that_are_too_large_together_are_refused(
    config: dict[str, object], overrides: list[str], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(config, overrides)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].endswith(problem)


SIZES = {
    "model": ("hidden", "layers", "embedding", "ensemble"),
    "training": ("batch", "window", "first_window", "accumulate", "warm_up", "patience", "save_every"),
    "task": ("lookback", "horizon", "segment", "season"),
    "data": ("length", "held_out", "window", "stride", "split"),
}


@pytest.mark.parametrize("value", [2**31 - 1, 2**63 - 1, 10**300])
@pytest.mark.parametrize("key", [f"{section}.{name}" for section, names in SIZES.items() for name in names])
def test_a_size_without_measure_is_checked_at_once(key: str, value: int) -> None:
    for config in (TEXT, FORECAST, TABLE, DRAWN):
        began = time.monotonic()
        with suppress(ConfigError):
            from_mapping(config, [f"{key}={value}"])
        assert time.monotonic() - began < 1
