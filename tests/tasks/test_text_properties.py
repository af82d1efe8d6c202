"""Properties of a text's symbols, marked by hand below it."""

from __future__ import annotations

import numpy as np
import pytest

from lstmctl.data.vocabulary import TextEncoding
from lstmctl.tasks.text_properties import text_properties

TEXT = 'He said "no (not 3.14)". It\'s\nA day.\n\n"Lost\n\nEnd'
MARKS = {
    "inside quotes": "        1111111111111110      \n       \n \n11111\n\n   ",
    "inside parentheses": "            111111111         \n       \n \n     \n\n   ",
    "inside a number": "                 1111          \n      \n \n     \n\n   ",
    "capital letter": "1                        1    \n1     \n \n 1   \n\n1  ",
}


def properties(text: str) -> dict[str, list[float]]:
    encoding = TextEncoding.of(text)
    return {name: values.tolist() for name, values in text_properties(encoding.encode(text), encoding.symbols).items()}


def where(name: str, text: str = TEXT) -> str:
    """The symbols that have a property."""
    return "".join(symbol for symbol, value in zip(text, properties(text)[name], strict=True) if value)


def test_what_is_inside_and_what_is_not() -> None:
    assert where("inside quotes") == '"no (not 3.14)"Lost\n'.replace(')"', ")").replace("Lost", '"Lost')
    assert where("inside parentheses") == "(not 3.14"
    assert where("inside a number") == "3.14"
    assert where("capital letter") == "HIALE"
    assert where("vowel") == "eaiooIaAaoE".replace("aA", "A")
    assert where("inside a word") == "HesaidnonotIt'sAdayLostEnd"
    assert where("start of a word") == "HsnnIAdLE"


def test_quotes_that_are_never_closed_end_with_the_paragraph() -> None:
    assert where("inside quotes", '"a\nb\n\nc') == '"a\nb\n'
    assert where("inside quotes", "“a” b") == "“a"
    assert where("inside quotes", 'a "b" c "d') == '"b"d'


def test_positions_count_from_the_last_break() -> None:
    found = properties("ab. c\nd 1.5\n\ne")
    assert found["position in the line"] == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 0]
    assert found["distance from the sentence's start"] == [0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


@pytest.mark.parametrize("text", ["a", "\n", '"', ".", "1"])
def test_one_symbol_has_every_property(text: str) -> None:
    found = properties(text)
    assert len(found) == 9
    assert all(len(values) == 1 and np.isfinite(values[0]) for values in found.values())
