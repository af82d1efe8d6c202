"""Plain scalars mean what YAML 1.2 defines, and written values read back equal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.config import scalars
from lstmctl.config.reading import read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("12", 12),
        ("-3", -3),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e-3", 0.001),
        ("4e-3", 0.004),
        (".5", 0.5),
        ("1.", 1.0),
        ("+1.5E2", 150.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("<<", "<<"),
        ("=", "="),
        ("٣", "٣"),  # a digit, but not one of YAML's
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    resolved = scalars.resolve(text)
    assert resolved == value
    assert type(resolved) is type(value)


def test_nan_is_a_float() -> None:
    value = scalars.resolve(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_number_of_too_many_digits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a number of 5000 digits; at most 400 are allowed"):
        scalars.resolve("9" * 5000)


@given(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.from_regex(r"[-+0-9.eExo:# \[\]{},&*!|>'\"%@`~a-z]{1,12}", fullmatch=True)
)
def test_a_written_scalar_reads_back(value: scalars.Scalar) -> None:
    for text, expected in ((scalars.write(value), value), (f"[{scalars.write(value)}]", [value])):
        result = read_value(text, "command line")
        assert result == expected
        assert type(result) is type(expected)
        assert repr(result) == repr(expected)  # distinguishes -0.0 from 0.0, and True from 1 inside the list


@pytest.mark.parametrize(
    ("value", "text"),
    [("travellers.txt", "travellers.txt"), ("1e-3", '"1e-3"'), ("3M characters", "3M characters"), ("a\n", '"a\\n"')],
)
def test_quotes_only_where_they_are_needed(value: str, text: str) -> None:
    assert scalars.write(value) == text
