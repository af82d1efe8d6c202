"""Budgets: amounts, suffixes, nouns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmctl.config.budget import UNITS, Budget


@pytest.mark.parametrize(
    ("text", "amount", "unit", "written"),
    [
        ("2000 steps", 2000, "steps", "2000 steps"),
        ("1 step", 1, "steps", "1 steps"),
        ("10 epochs", 10, "epochs", "10 epochs"),
        ("0.5 epochs", 0.5, "epochs", "0.5 epochs"),
        ("3M characters", 3e6, "characters", "3M characters"),
        ("1.5M characters", 1.5e6, "characters", "1.5M characters"),
        ("1 G bytes", 1e9, "bytes", "1G bytes"),
        ("1234567 symbols", 1234567, "symbols", "1234567 symbols"),
        ("90 seconds", 90, "seconds", "90 seconds"),
        ("2 minutes", 120, "seconds", "120 seconds"),
        ("1 hour", 3600, "seconds", "3600 seconds"),
    ],
)
def test_a_budget_is_an_amount_and_a_noun(text: str, amount: float, unit: str, written: str) -> None:
    assert Budget.parse(text) == Budget(amount, unit)
    assert str(Budget.parse(text)) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2000", '"2000" is not a budget; write an amount and a noun, such as `2000 steps`'),
        ("3m characters", '"3m characters" is not a budget'),
        ("-1 steps", '"-1 steps" is not a budget'),
        ("nan steps", '"nan steps" is not a budget'),
        ("0 steps", "`0 steps` is out of range; must be above 0"),
        ("99999999999G steps", "`99999999999G steps` is out of range"),
        ("1.5 steps", "`1.5 steps` is not a whole number of steps"),
        ("5 parsecs", "`parsecs` is not a unit of training; use one of steps, epochs, characters"),
    ],
)
def test_anything_else_is_refused_with_what_is_right(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Budget.parse(text)
    assert message in str(caught.value)


@given(
    st.sampled_from(UNITS),
    st.integers(1, 2**53)
    | st.decimals("0.0001", 1000, places=4).map(float)
    | st.integers(1, 999).map(lambda n: n * 10**4),
)
def test_a_written_budget_reads_back(unit: str, amount: float) -> None:
    whole = unit in ("epochs", "seconds") or amount == int(amount)
    budget = Budget(float(amount if whole else int(amount) + 1), unit)
    assert Budget.parse(str(budget)) == budget


@given(st.text())
def test_any_text_is_a_budget_or_a_value_error(text: str) -> None:
    try:
        amount = Budget.parse(text).amount
    except ValueError:
        return
    assert amount > 0
