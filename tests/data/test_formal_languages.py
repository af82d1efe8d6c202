"""Drawn sequences against what plain Python makes of their symbols, and shares of labels against chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from lstmctl.data.sequences import UNLABELLED
from lstmctl.data.synthetic import PROBLEMS, draw, open_synthetic
from lstmctl.errors import DataError

NAMES = [name for name, problem in PROBLEMS.items() if problem.draw_lengths is not None]
COUNT = 600


def examples(problem: str, length: int, *, exactly: bool = False) -> Iterator[tuple[str, list[str | None]]]:
    """Texts with their labels: one for the whole, or one for each step and None for those that are not asked."""
    sequences = draw(problem, length, COUNT, np.random.default_rng(3), exactly=exactly)
    encoding = PROBLEMS[problem].encoding
    assert encoding.symbols is not None
    for index in range(len(sequences)):
        numbers = sequences.target(index).reshape(-1).tolist()
        labels = [None if number == UNLABELLED else encoding.labels[number] for number in numbers]
        yield encoding.symbols.decode(sequences.input(index)), labels


def parity(text: str) -> list[str | None]:
    return ["odd" if text.count("1") % 2 else "even"]


def modular_arithmetic(text: str) -> list[str | None]:
    assert len(text) == 1 or text[1] in "+-"
    return [str(eval(text) % 5)]


def runs(letters: str) -> Callable[[str], list[str | None]]:
    def labels(text: str) -> list[str | None]:
        n = len(text) // len(letters)
        assert n >= 2
        assert text == "".join(letter * n for letter in letters)
        found: list[str | None] = [None] * len(text)
        for number in range(1, len(letters)):
            end = (number + 1) * n - 1
            found[end - 1] = letters[number]
            found[end] = letters[number + 1] if number + 1 < len(letters) else "$"
        return found

    return labels


def depths(text: str) -> list[int]:
    return np.cumsum([1 if symbol in "([" else -1 for symbol in text]).tolist()


def dyck_2(text: str) -> list[str | None]:
    stack: list[str] = []
    found: list[str | None] = [None] * len(text)
    for place, symbol in enumerate(text):
        if symbol in "([":
            stack.append(")" if symbol == "(" else "]")
            continue
        assert stack.pop() == symbol
        if text[place - 1] not in "([":
            found[place - 1] = symbol
    assert not stack
    return found


def flip_flop(text: str) -> list[str | None]:
    found: list[str | None] = [None] * len(text)
    assert (text[0], text[-2]) == ("w", "r")
    written = ""
    for place in range(0, len(text), 2):
        instruction, bit = text[place : place + 2]
        if instruction == "w":
            written = bit
        elif instruction == "r":
            assert bit == written
            found[place] = bit
    return found


def associative_recall(text: str) -> list[str | None]:
    stored = dict(zip(text[:-1:2], text[1::2], strict=True))
    return [stored[text[-1]]]


def selective_copy(text: str) -> list[str | None]:
    before, after = text.split(":")
    kept = before.replace("_", "")
    assert len(kept) == 10
    assert after == "_" * 10
    return [*[None] * (len(before) + 1), *kept]


EXPECTED = {
    "parity": parity,
    "modular-arithmetic": modular_arithmetic,
    "anbn": runs("ab"),
    "anbncn": runs("abc"),
    "dyck-2": dyck_2,
    "flip-flop": flip_flop,
    "associative-recall": associative_recall,
    "selective-copy": selective_copy,
}


@pytest.mark.parametrize("problem", EXPECTED)
@pytest.mark.parametrize("length", [10, 41])
def test_labels_follow_from_the_symbols(problem: str, length: int) -> None:
    seen = 0
    for text, labels in examples(problem, length):
        assert labels == EXPECTED[problem](text), text
        seen += 1
    assert seen == COUNT


@pytest.mark.parametrize("length", [4, 10, 41])
def test_dyck_1_asks_once_where_a_string_could_end_and_once_where_not(length: int) -> None:
    after_closing = 0
    for text, labels in examples("dyck-1", length):
        depth = depths(text)
        assert min(depth) >= 0
        assert depth[-1] == 0
        asked = {label: place for place, label in enumerate(labels) if label is not None}
        assert set(asked) == {"over", "within"}
        assert depth[asked["over"]] == 0
        assert depth[asked["within"]] > 0
        assert asked["over"] % 2 == asked["within"] % 2 == 1
        after_closing += text[asked["within"]] == ")"
    assert length < 41 or after_closing > 0.7 * COUNT


@pytest.mark.parametrize("problem", NAMES)
def test_labels_are_equally_frequent(problem: str) -> None:
    """A fair coin lands within 4 standard deviations of its share: √(p (1 − p) / n)."""
    for length in (12, 60):
        asked = [label for _, labels in examples(problem, length) for label in labels if label is not None]
        if problem in ("anbn", "anbncn"):
            asked = ["end" if place % 2 else "within" for place in range(len(asked))]
        counts = {label: asked.count(label) for label in set(asked)}
        chance = PROBLEMS[problem].level.chance
        assert len(counts) == round(1 / chance)
        for label, count in counts.items():
            assert abs(count / len(asked) - chance) < 4 * (chance * (1 - chance) / len(asked)) ** 0.5, label


@pytest.mark.parametrize("problem", NAMES)
def test_lengths_vary_up_to_the_length_and_can_be_fixed(problem: str) -> None:
    added = 11 if problem == "selective-copy" else 0
    lengths = {len(text) - added for text, _ in examples(problem, 24)}
    assert len(lengths) > 3
    assert max(lengths) in (23, 24)
    (fixed,) = {len(text) - added for text, _ in examples(problem, 24, exactly=True)}
    assert fixed in (23, 24)


def test_further_tests_are_of_their_length_and_the_same_every_time() -> None:
    corpus = open_synthetic("parity", 10, 50, (20, 40))
    assert corpus.of_length(40).lengths.tolist() == [40] * 50
    assert np.array_equal(corpus.of_length(40).values, open_synthetic("parity", 8, 50).of_length(40).values)
    assert corpus.part("test").lengths.max() <= 10
    with pytest.raises(DataError) as caught:
        open_synthetic("dyck-2", 10, 50, (3,))
    assert str(caught.value) == "data.test_lengths 3 is too short for dyck-2; use 4 to 100,000"
