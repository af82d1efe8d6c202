"""The order in which rows of a table are split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.data.labelled_table import LabelledTable, Layout, open_table
from lstmctl.data.row_order import by_group, stratified
from lstmctl.data.splitting import between_groups, reported_part, without_test
from lstmctl.errors import DataError

SORTED = "text,label\n" + "".join(
    f"{chr(97 + row % 26)}{chr(97 + row // 26)},{'xyyy'[row // 20]}\n" for row in range(80)
)


def table(content: str, task: str = "classification", **layout: Any) -> LabelledTable:
    Path("a.csv").write_text(content, encoding="utf-8")
    return open_table("a.csv", Layout(vocabulary="all", **layout), task, Path.cwd())


def texts(corpus: LabelledTable, part: str) -> list[str]:
    symbols, sequences = corpus.encoding.symbols, corpus.part(part)
    assert symbols is not None
    return [symbols.decode(sequences.input(number)) for number in range(len(sequences))]


def labels(corpus: LabelledTable, part: str) -> Counter[str]:
    return Counter(corpus.encoding.labels[number] for number in corpus.part(part).targets)


def test_a_table_sorted_by_label_is_split_at_random_and_stratified() -> None:
    corpus = table(SORTED)
    assert {part: labels(corpus, part) for part in corpus.parts} == {
        "training": {"x": 16, "y": 48},
        "validation": {"x": 2, "y": 6},
        "test": {"x": 2, "y": 6},
    }
    assert corpus.warnings == {}
    assert corpus.notes[0] == "Sequences are split at random (data.split_seed 0), stratified by label."
    every = [text for part in corpus.parts for text in texts(corpus, part)]
    assert len(set(every)) == 80


def test_the_seed_alone_decides() -> None:
    one, again, other = (texts(table(SORTED, split_seed=seed), "test") for seed in (0, 0, 1))
    assert one == again
    assert set(one) != set(other)
    assert texts(table(SORTED, split_by="random"), "test") == one


def test_a_text_keeps_its_label() -> None:
    corpus = table("text,label\n" + "".join(f"a{'b' * row},{'xy'[row % 2]}\n" for row in range(40)))
    for part in corpus.parts:
        sequences = corpus.part(part)
        assert sequences.targets.tolist() == [(length - 1) % 2 for length in sequences.lengths.tolist()]


def test_the_order_does_not_depend_on_the_shares() -> None:
    whole, inner = table(SORTED), table(SORTED, split=(64, 8))
    assert [texts(inner, part) for part in inner.parts] == [texts(whole, part) for part in ("training", "validation")]


def test_a_rare_label_is_in_the_training_part() -> None:
    names = ["common"] * 97 + ["rare", "other", "once"]
    for seed in range(5):
        order = stratified(names, 100, seed)
        assert {names[row] for row in order[:4]} == {"common", "rare", "other", "once"}
        assert sorted(order) == list(range(100))


def test_the_order_is_the_same_on_every_machine() -> None:
    assert stratified(None, 8, 0).tolist() == [3, 7, 0, 1, 2, 4, 6, 5]
    assert by_group(np.array([0, 1, 0, 2, 2, 1]), 0).tolist() == [0, 2, 1, 5, 3, 4]


@pytest.mark.parametrize("task", ["tagging", "generation-from-label"])
def test_other_tasks_are_split_in_the_order_of_the_file(task: str) -> None:
    content = "text,label\n" + "".join(f"a{chr(97 + row)},{'xy' if row % 2 else 'yx'}\n" for row in range(20))
    assert texts(table(content, task), "test") == ["as", "at"]
    assert texts(table(content, task, split_by="random"), "test") != ["as", "at"]


def test_rows_are_split_by_time_if_there_is_a_column_of_dates() -> None:
    days = [(row * 7) % 20 + 1 for row in range(20)]
    content = "when,text,label\n" + "".join(f"2024-03-{day:02},a{chr(96 + day)},{'xy'[day % 2]}\n" for day in days)
    corpus = table(content)
    assert texts(corpus, "test") == ["as", "at"]
    assert "Sequences are split by time: column `when`." in corpus.notes
    assert texts(table(content, split_by="time:when"), "test") == ["as", "at"]
    gap = content.replace("2024-03-05", "")
    corpus = table(gap)
    assert any(note.startswith("`when` is not used to split by time: ") for note in corpus.notes)
    with pytest.raises(DataError, match=r"column `when`: no time"):
        table(gap, split_by="time")


def test_numbers_can_be_times_too() -> None:
    content = "year,text,label\n" + "".join(f"{1999 - row},a{chr(97 + row)},{'xy'[row % 2]}\n" for row in range(20))
    assert texts(table(content, split_by="time:year"), "test") == ["ab", "aa"]


def test_a_group_is_in_one_part_only() -> None:
    content = "text,label,speaker\n" + "".join(
        f"a{chr(97 + row % 26)}{row // 26},{'xy'[row % 2]},s{row % 15}\n" for row in range(90)
    )
    corpus = table(content)
    assert "Sequences are split by group, column `speaker`, at random (data.split_seed 0)." in corpus.notes
    speakers = {f"a{chr(97 + row % 26)}{row // 26}": row % 15 for row in range(90)}
    found = [{speakers[text] for text in texts(corpus, part)} for part in corpus.parts]
    assert [len(group) for group in found] == [12, 1, 2]
    assert sum(map(len, found)) == len(set.union(*found)) == 15
    by_text = table("text,label\n" + "ab,x\nba,y\naa,x\nbb,y\ncc,x\n" * 4, split_by="group:text")
    assert by_text.warnings.get("test", ("",))[0].count("in the training part too") == 0


def test_groups_of_frames_are_named_once_per_sequence() -> None:
    frames = "sequence,a,label,who\n" + "".join(
        f"s{number},{value},{'xy'[number % 2]},w{number // 2}\n"
        for number in range(12)
        for value in (number, number + 0.5)
    )
    corpus = table(frames, split_by="group:who", split=(0.5, 0.5), scaler="none")
    assert [len(corpus.part(part)) for part in corpus.parts] == [6, 6]
    parts = [{name[1:] for name in corpus.part(part).names} for part in corpus.parts]
    assert {int(name) // 2 for name in parts[0]}.isdisjoint({int(name) // 2 for name in parts[1]})
    with pytest.raises(DataError, match=r"line 3, column `who`: `z`, but `w0` before it in the same sequence"):
        table(frames.replace("w0", "z", 2).replace("z", "w0", 1), split_by="group:who")


def test_windows_of_a_recording_are_not_shuffled() -> None:
    recording = "a,label\n" + "".join(f"{row},{'xxyy'[row % 4]}\n" for row in range(40))
    assert not any("random" in note for note in table(recording, window=2).notes)
    with pytest.raises(DataError, match=r"is one recording; its windows cannot be split at random"):
        table(recording, window=3, split_by="random")


@pytest.mark.parametrize(
    ("split_by", "message"),
    [
        ("group:speker", "has no column `speker`, which data.split_by=group:speker names; did you mean `speaker`?"),
        ("time:when", "has no column `when`, which data.split_by=time:when names"),
        ("time", "data.split_by=time needs a column of times, but none was recognised"),
        ("group:speaker", "3 parts need at least 3 groups, but there are 2"),
    ],
)
def test_what_cannot_be_split_so_is_refused(split_by: str, message: str) -> None:
    content = "text,label,speaker\n" + "ab,x,s\nba,y,t\n" * 8
    with pytest.raises(DataError) as caught:
        table(content, split_by=split_by)
    assert message in str(caught.value)


def test_the_test_part_may_be_a_table_of_its_own() -> None:
    Path("b.csv").write_text("text,label\nzz,x\nab,y\n", encoding="utf-8")
    corpus = table(SORTED, split=(0.75, 0.25), test=("b.csv",))
    assert {name: stop - start for name, (start, stop) in corpus.parts.items()} == {
        "training": 60,
        "validation": 20,
        "test": 2,
    }
    assert corpus.part("test").targets.tolist() == [0, 1]
    assert texts(corpus, "test") == ["zz", "ab"]
    assert corpus.test_names == (str(Path("b.csv").resolve()),)
    assert corpus.fingerprint["sequences"] == 82
    Path("b.csv").write_text("text\nzz\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"has no labels, so it cannot be the test part"):
        table(SORTED, test=("b.csv",))


def test_parts_end_where_a_group_ends() -> None:
    groups = np.array([4, 4, 4, 1, 1, 7, 7, 7, 7, 2])
    parts = {"training": (0, 4), "validation": (4, 8), "test": (8, 10)}
    assert between_groups(parts, groups) == {"training": (0, 3), "validation": (3, 9), "test": (9, 10)}
    few = np.array([0] * 18 + [1, 2])
    parts = {"training": (0, 16), "validation": (16, 18), "test": (18, 20)}
    assert between_groups(parts, few) == {"training": (0, 18), "validation": (18, 19), "test": (19, 20)}


def test_shares_without_a_test_part() -> None:
    assert without_test((0.6, 0.2, 0.2)) == pytest.approx((0.75, 0.25))
    assert without_test((8, 2, 5)) == (8, 2)


def test_the_part_that_is_reported() -> None:
    assert reported_part(("training", "validation", "test")) == "test"
    assert reported_part(("training", "validation")) == "validation"


def test_a_table_of_frames_may_have_a_test_part_of_its_own() -> None:
    frames = "sequence,a,label\n" + "".join(f"s{row},{row},{'xy'[row % 2]}\n" for row in range(20))
    Path("b.csv").write_text("sequence,a,label\np,3,y\np,4,y\nq,100,x\n", encoding="utf-8")
    corpus = table(frames, test=("b.csv",), scaler="none")
    test = corpus.part("test")
    assert [test.input(number)[:, 0].tolist() for number in range(2)] == [[3, 4], [100]]
    assert test.targets.tolist() == [1, 0]
    assert test.names == ("p", "q")
    assert "Sequences have 1 frames." in corpus.notes
    Path("b.csv").write_text(frames, encoding="utf-8")
    shared = table(frames, test=("b.csv",), scaler="none").warnings["test"]
    assert shared == (
        "17 of the 20 sequences of the test part are in the training part too, which makes its scores too good",
    )
