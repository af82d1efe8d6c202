"""Words for messages."""

from __future__ import annotations

import pytest

from lstmctl.words import inert, joined, listed, near, plural


@pytest.mark.parametrize(("count", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1200, "1,200 rows")])
def test_a_count_has_its_noun_in_the_right_number(count: int, words: str) -> None:
    assert plural(count, "row") == words


def test_a_plural_can_be_given() -> None:
    assert plural(1, "row is", "rows are") == "1 row is"
    assert plural(3, "row is", "rows are") == "3 rows are"


def test_names_in_a_sentence() -> None:
    assert [joined(["rnn", "lstm", "gru"][:count]) for count in range(4)] == [
        "",
        "rnn",
        "rnn and lstm",
        "rnn, lstm and gru",
    ]
    assert joined(["a", "b"], "or") == "a or b"


def test_many_names_are_counted_after_the_eighth() -> None:
    assert listed(["a", "b"]) == "`a`, `b`"
    assert listed([]) == ""
    assert listed(list("abcdefgh")) == "`a`, `b`, `c`, `d`, `e`, `f`, `g`, `h`"
    assert listed(list("abcdefghij")).endswith("`h` and 2 more")


def test_similar_names_are_suggested_the_most_similar_first() -> None:
    assert near("lstn", ["gru", "lstm"]) == "did you mean lstm?"
    assert near("LOAD", ["load", "loads", "wind"]) == "did you mean load or loads?"
    assert near("LOAD", ["load", "loads", "wind"], most=1, mark="`") == "did you mean `load`?"
    assert near("lstn", ["wind"]) == ""


def test_inert_text_is_one_line_of_printable_characters() -> None:
    assert inert("plain – text") == "plain – text"
    assert inert("a\x1b[31m\n\u202eb\ud800\t") == r"a\x1b[31m\n\u202eb\ud800\t"
