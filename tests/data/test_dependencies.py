"""Tables of known dependencies: the bundled one, and problems of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmctl import bundled
from lstmctl.data.dependencies import deciding_lengths, dependencies_beside, emphasise, read_dependencies
from lstmctl.data.text import open_text
from lstmctl.errors import DataError

HEADER = "kind,answer_start,answer_end,answer,reminder_end\n"


def beside(folder: Path, table: str) -> Path:
    (folder / "own.txt").write_text("Ann is here. Ann is there.\n", encoding="utf-8")
    path = folder / "own-dependencies.csv"
    path.write_text(table, encoding="utf-8")
    return path


def test_the_bundled_text_has_one() -> None:
    corpus = open_text("travellers.txt", "characters", (0.8, 0.1, 0.1), None)
    path = dependencies_beside(corpus)
    assert path == bundled.data() / "travellers-dependencies.csv"
    found = read_dependencies(path, corpus)
    assert (len(found), {one.kind for one in found}) == (12_686, {"language"})
    first = found[0]
    assert (first.answer, first.distance, first.first, first.last_named) == ("Thai", 96 - 78, 70, "Thai")
    assert len(read_dependencies(path, corpus, "name")) == 1088


def test_what_is_not_known_of_a_row_is_left_open(tmp_path: Path) -> None:
    path = beside(tmp_path, HEADER + "name,13,16,Ann,3\n")
    corpus = open_text("own.txt", "characters", None, tmp_path)
    assert dependencies_beside(corpus) == path
    (found,) = read_dependencies(path, corpus)
    assert (found.first, found.reminder_end, found.distance, found.last_named) == (3, 3, 10, None)


def test_another_text_has_none(tmp_path: Path) -> None:
    beside(tmp_path, HEADER).unlink()
    assert dependencies_beside(open_text("own.txt", "characters", None, tmp_path)) is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("kind,answer\nname,Ann\n", "has no column answer_start, answer_end, reminder_end"),
        ("", "has no column kind"),
        (HEADER + "name,14,17,Ann,3\n", "line 2: the text has no 'Ann' at 14; the table is of another text"),
        (HEADER + "name,13,16,Ann,\n", "line 2: places must be whole numbers"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: str, message: str, tmp_path: Path) -> None:
    path = beside(tmp_path, table)
    with pytest.raises(DataError, match=message):
        read_dependencies(path, open_text("own.txt", "characters", None, tmp_path))


def test_an_answer_is_decided_by_the_first_character_that_no_other_shares() -> None:
    answers = {"Polish", "Portuguese", "Thai", "Paul", "Paula"}
    assert deciding_lengths(answers) == {"Polish": 3, "Portuguese": 3, "Thai": 1, "Paul": 4, "Paula": 5}
    assert deciding_lengths({"Ann"}) == {"Ann": 1}


def test_what_decides_an_answer_of_any_kind_is_emphasised(tmp_path: Path) -> None:
    beside(tmp_path, HEADER + "name,13,16,Ann,3\nplace,7,11,here,3\nplace,20,25,there,3\nname,0,1,A,0\n")
    corpus = open_text("own.txt", "characters", None, tmp_path)
    marked = emphasise(corpus)
    assert marked.emphasised is not None
    # "An" of Ann, since A is an answer too; "A"; "h" and "t".
    assert marked.emphasised.nonzero()[0].tolist() == [0, 7, 13, 14, 20]
    assert corpus.emphasised is None
    assert {key: marked.fingerprint[key] for key in corpus.fingerprint} == corpus.fingerprint


def test_a_table_of_another_text_emphasises_nothing(tmp_path: Path) -> None:
    beside(tmp_path, HEADER + "name,13,16,Ann,3\nplace,8,12,here,3\n")
    with pytest.raises(DataError, match="line 3: the text has no 'here' at 8; the table is of another text"):
        emphasise(open_text("own.txt", "characters", None, tmp_path))
