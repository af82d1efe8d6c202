"""The time between rows as people write it."""

from __future__ import annotations

import pytest

from lstmctl.data.timesteps import MONTHS, SPANS
from lstmctl.step_grammar import EXAMPLES, UNITS, read_step


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("15 minutes", (15, "minutes")),
        ("15min", (15, "minutes")),
        ("Hour", (1, "hours")),
        ("2 business days", (2, "business days")),
        ("quarter", (3, "months")),
        ("month end", (1, "month ends")),
        (" 1 row ", (1, "rows")),
        ("fortnight", None),
        ("0 hours", None),
        ("1.5 hours", None),
        ("auto", None),
        ("", None),
    ],
)
def test_a_step_is_a_number_of_units(text: str, step: tuple[int, str] | None) -> None:
    assert read_step(text) == step


def test_every_example_is_a_step_and_every_unit_has_a_meaning() -> None:
    assert all(read_step(example) for example in EXAMPLES.split(", "))
    assert set(UNITS) == {*SPANS, *MONTHS, "business days", "rows"}
