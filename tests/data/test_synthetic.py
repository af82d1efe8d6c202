"""Drawn sequences against what plain Python makes of their inputs, and chance levels against simulation."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from lstmctl.config.schema import SyntheticData
from lstmctl.data.sequences import UNLABELLED, SequenceCorpus, Sequences
from lstmctl.data.synthetic import PROBLEMS, SyntheticCorpus, draw, levels, open_synthetic
from lstmctl.errors import DataError

COUNT = 400
LENGTHS = (10, 57, 100)


def drawn(problem: str, length: int, count: int = COUNT) -> Sequences:
    return draw(problem, length, count, np.random.default_rng(5))


def texts(problem: str, sequences: Sequences) -> list[str]:
    symbols = PROBLEMS[problem].encoding.symbols
    assert symbols is not None
    return [symbols.decode(sequences.input(index)) for index in range(len(sequences))]


def label_names(problem: str, sequences: Sequences, index: int) -> list[str]:
    labels = PROBLEMS[problem].encoding.labels
    return [labels[number] for number in sequences.target(index).reshape(-1)]


@pytest.mark.parametrize("length", [2, 3, *LENGTHS])
@pytest.mark.parametrize("problem", ["adding", "multiplication"])
def test_marked_values_are_one_of_each_half_and_combine_to_the_target(problem: str, length: int) -> None:
    sequences = drawn(problem, length)
    places: tuple[set[int], set[int]] = (set(), set())
    for index in range(COUNT):
        frames = sequences.input(index).tolist()
        marked = [place for place, (_, marker) in enumerate(frames) if marker == 1]
        assert len(frames) == length
        assert all(0 <= value <= 1 and marker in (0, 1) for value, marker in frames)
        first, second = marked
        assert first < length // 2 <= second
        for seen, place in zip(places, marked, strict=True):
            seen.add(place)
        a, b = frames[first][0], frames[second][0]
        (target,) = sequences.target(index).tolist()
        assert target == pytest.approx(a + b if problem == "adding" else a * b, rel=1e-6)
    if length <= 57:  # every place of a half comes up
        assert places == (set(range(length // 2)), set(range(length // 2, length)))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    ("problem", "windows"),
    [
        ("temporal-order", [(0.10, 0.20), (0.33, 0.43), (0.66, 0.76)]),
        ("temporal-order-4", [(0.1, 0.2), (0.3, 0.4), (0.5, 0.6), (0.7, 0.8)]),
    ],
)
def test_the_class_is_the_order_of_the_symbols_that_count(
    problem: str, windows: list[tuple[float, float]], length: int
) -> None:
    sequences = drawn(problem, length, 3000)
    classes: Counter[str] = Counter()
    spans = [(length, 0)] * len(windows)
    for index, text in enumerate(texts(problem, sequences)):
        assert len(text) == length
        assert (text[0], text[-1]) == ("E", "B")
        counting = [place for place, symbol in enumerate(text) if symbol in "XY"]
        assert set(text[1:-1]) <= set("abcdXY")
        assert len(counting) == len(windows)
        assert label_names(problem, sequences, index) == ["".join(text[place] for place in counting)]
        classes["".join(text[place] for place in counting)] += 1
        spans = [(min(low, place), max(high, place)) for (low, high), place in zip(spans, counting, strict=True)]
    edges = [tuple(math.floor(round(edge * length, 6)) for edge in window) for window in windows]
    assert spans == edges  # both ends of every window come up, and nothing beyond them
    assert len(classes) == 2 ** len(windows)


@pytest.mark.parametrize("length", [2, 10, 100])
def test_the_class_is_the_first_symbol_before_noise(length: int) -> None:
    sequences = drawn("first-symbol", length, 2000)
    noise = []
    for index in range(len(sequences)):
        first, *rest = sequences.input(index)[:, 0].tolist()
        assert len(rest) == length - 1
        assert label_names("first-symbol", sequences, index) == [{1.0: "+1", -1.0: "-1"}[first]]
        noise += rest
    assert abs(np.mean(noise)) < 5 * 0.2 / len(noise) ** 0.5
    assert np.std(noise) == pytest.approx(0.2, abs=5 * 0.2 / (2 * len(noise)) ** 0.5)


@pytest.mark.parametrize("delay", [1, 50])
def test_the_target_is_the_copy_after_the_marker_and_blanks_before(delay: int) -> None:
    sequences = drawn("copy", delay)
    assert sequences.scored is not None
    for index, text in enumerate(texts("copy", sequences)):
        assert text[10:] == "_" * delay + ":" + "_" * 10
        assert set(text[:10]) <= set("abcdefgh")
        labels = label_names("copy", sequences, index)
        assert "".join(labels) == "_" * (10 + delay + 1) + text[:10]
        start = sequences.starts[index]
        scored = sequences.scored[start : start + sequences.lengths[index]]
        assert scored.tolist() == [False] * (11 + delay) + [True] * 10


INNER = {
    "begin": {"B": "fork"},
    "fork": {"T": "upper", "P": "lower"},
    "upper": {"S": "upper", "X": "middle"},
    "lower": {"T": "lower", "V": "bridge"},
    "middle": {"X": "lower", "S": "end"},
    "bridge": {"P": "middle", "V": "end"},
}


def recognised(text: str, length: int) -> bool:
    """Return True if a whole string belongs to the grammar, and its inner string restarts from B as often as necessary
    and no more."""
    if text[0] != "B" or text[1] not in "TP" or text[-2:] != text[1] + "E" or text[-3] != "E":
        return False
    state = "begin"
    for place, symbol in enumerate(text[2:-3]):
        if state == "end":
            # B again: the string would have been too short had it ended with E, T or P, E here.
            if symbol != "B" or place + 2 + 3 >= length:
                return False
            state = "begin"
        if symbol not in INNER[state]:
            return False
        state = INNER[state][symbol]
    return state == "end" and len(text) >= length


@pytest.mark.parametrize("length", [1, 9, 10, 40, 300])
def test_reber_strings_are_legal_and_the_step_that_counts_has_to_be_remembered(length: int) -> None:
    sequences = drawn("reber", length)
    assert sequences.scored is not None
    symbols = set()
    for index, text in enumerate(texts("reber", sequences)):
        labels = label_names("reber", sequences, index)
        whole = text + labels[-1]
        assert recognised(whole, length), whole
        assert "".join(labels) == whole[1:]
        start = sequences.starts[index]
        scored = sequences.scored[start : start + sequences.lengths[index]]
        (step,) = np.flatnonzero(scored)
        assert step == len(text) - 2
        assert text[step] == "E"
        assert labels[step] == text[1]
        symbols.add(text[1])
    assert symbols == {"T", "P"}


def test_the_recogniser_refuses_what_is_not_a_string_of_the_grammar() -> None:
    assert recognised("BTBTXSETE", 1)
    assert recognised("BPBTXSBPVVEPE", 10)
    for text in ("BTBTXSEPE", "BTBTXEETE", "BTBTSSETE", "BPBTXSBPVVEPE", "TTBTXSETE", "BTBTXSETB", "BTBTXSTTE"):
        assert not recognised(text, 1), text
    assert not recognised("BTBTXSETE", 10)


def test_inner_strings_take_either_way_half_of_the_time() -> None:
    pairs: Counter[str] = Counter()
    for text in texts("reber", drawn("reber", 300, 200)):
        state = "begin"
        for symbol in text[2:-2]:
            state = "begin" if state == "end" else state
            pairs[state + symbol] += 1
            state = INNER[state][symbol]
    for state, ways in INNER.items():
        total = sum(pairs[state + symbol] for symbol in ways)
        for symbol in ways:
            share = 1 / len(ways)
            assert pairs[state + symbol] / total == pytest.approx(share, abs=5 * (share * (1 - share) / total) ** 0.5)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_who_remembers_nothing_comes_to_the_chance_level(problem: str) -> None:
    """Told is the best constant: the mean, or the most frequent label at each step that counts."""
    level = levels(problem)
    sequences = drawn(problem, 20, 20_000)
    if level.metric.name == "mse":
        targets = sequences.targets.astype(np.float64)
        errors = (targets - targets.mean()) ** 2
        assert errors.mean() == pytest.approx(level.chance, abs=5 * errors.std() / len(errors) ** 0.5)
        assert level.solved == pytest.approx(0.06 * level.chance)
        return
    told = sequences.targets if sequences.scored is None else sequences.targets[sequences.scored]
    told = told[told != UNLABELLED]
    share = np.bincount(told).max() / len(told)
    # The most frequent of several labels is a little more frequent than each; 6 deviations bound the most of 16.
    assert level.chance <= share <= level.chance + 6 * (level.chance / len(told)) ** 0.5
    assert level.solved == 0.99


def test_chance_levels_of_numbers_follow_from_the_moments_of_a_uniform_number() -> None:
    mean, square = Fraction(1, 2), Fraction(1, 3)
    assert levels("adding").chance == pytest.approx(float(2 * (square - mean**2)))
    assert levels("multiplication").chance == pytest.approx(float(square**2 - mean**4))
    assert levels("adding").solved == pytest.approx(0.01)


@pytest.mark.parametrize(("problem", "solved", "unsolved"), [("adding", 0.0099, 0.0101), ("copy", 0.995, 0.985)])
def test_solved_is_on_the_better_side(problem: str, solved: float, unsolved: float) -> None:
    level = levels(problem)
    assert level.metric.reaches(solved, level.solved)
    assert not level.metric.reaches(unsolved, level.solved)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_corpus_draws_the_same_by_seed_and_its_parts_always(problem: str) -> None:
    corpus: SequenceCorpus = open_synthetic(problem, 20, 50)
    again = open_synthetic(problem, 20, 50)
    assert isinstance(corpus, SyntheticCorpus)
    same = [corpus.part("validation"), again.part("validation")], [corpus.fresh(8, 3), again.fresh(8, 3)]
    for one, other in same:
        for field in ("inputs", "targets", "lengths", "scored"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    different = [corpus.part("training"), corpus.part("validation"), corpus.part("test"), corpus.fresh(50, 3)]
    different.append(corpus.fresh(50, 4))
    assert len({part.inputs.tobytes() for part in different}) == len(different)
    assert [len(part) for part in different] == [50] * 5
    assert corpus.parts == {"training": (0, 50), "validation": (50, 100), "test": (100, 150)}
    assert corpus.names == (problem,)
    known = hashlib.sha256(f"{problem}, length 20, version 1".encode()).hexdigest()
    assert corpus.fingerprint == {"sha256": known, "sequences": 150}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_inputs_and_labels_are_within_their_encoding(problem: str) -> None:
    corpus = open_synthetic(problem, 30, 300)
    sequences, encoding = corpus.part("test"), corpus.encoding
    assert type(encoding).from_json(encoding.to_json()) == encoding
    if encoding.symbols is not None:
        assert set(np.unique(sequences.inputs)) == set(range(encoding.inputs))  # every symbol comes up
    else:
        assert sequences.inputs.shape[1] == encoding.inputs
        assert sequences.inputs.dtype == np.float32
    if encoding.labels:
        told = set(np.unique(sequences.targets)) - {UNLABELLED}
        assert told == set(range(len(encoding.labels))) - ({0} if problem in ("anbn", "anbncn") else set())
    else:
        assert encoding.outputs is not None
        assert sequences.targets.shape == (300, len(encoding.outputs.names))
    assert sequences.by_step == (SyntheticData.tasks[problem] == "tagging")


def test_a_note_states_chance_and_what_counts_as_solved() -> None:
    assert open_synthetic("adding", 100, 10).notes == (
        "Without remembering anything, the mean squared error of adding is 0.167; 0.01 or better counts as solved.",
    )
    assert open_synthetic("copy", 100, 10).notes == (
        "Without remembering anything, the accuracy of copy is 0.125; 0.99 or better counts as solved.",
    )


@pytest.mark.parametrize(
    ("problem", "length", "message"),
    [
        ("adding", 1, "data.length 1 is too short for adding; use 2 to 100,000"),
        ("temporal-order", 9, "data.length 9 is too short for temporal-order; use 10 to 100,000"),
        ("temporal-order-4", 9, "data.length 9 is too short for temporal-order-4; use 10 to 100,000"),
        ("first-symbol", 1, "data.length 1 is too short for first-symbol; use 2 to 100,000"),
        ("copy", 100_001, "data.length 100001 is too long for copy; use 1 to 100,000"),
    ],
)
def test_a_length_that_does_not_fit_the_problem_is_refused(problem: str, length: int, message: str) -> None:
    with pytest.raises(DataError) as caught:
        open_synthetic(problem, length, 10)
    assert str(caught.value) == message


def test_the_shortest_lengths_are_drawn() -> None:
    for problem, known in PROBLEMS.items():
        assert len(open_synthetic(problem, known.shortest, 200).part("test")) == 200
