"""The bundled corpus equals its generator's output, and its table of dependencies is correct."""

from __future__ import annotations

import csv
import re
import runpy
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
OFFSETS = ("cue_start", "cue_end", "reminder_end", "answer_start", "answer_end")


@pytest.fixture(scope="module")
def text() -> str:
    return (DATA / "travellers.txt").read_bytes().decode("ascii")


@pytest.fixture(scope="module")
def dependencies() -> list[dict[str, str]]:
    with (DATA / "travellers-dependencies.csv").open(encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))


def test_the_committed_files_are_what_the_generator_makes(tmp_path: Path) -> None:
    runpy.run_path(str(DATA / "make_travellers.py"))["write"](tmp_path)
    for name in ("travellers.txt", "travellers-dependencies.csv"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name


def test_every_dependency_is_where_the_table_says(text: str, dependencies: list[dict[str, str]]) -> None:
    countries: dict[str, str] = runpy.run_path(str(DATA / "make_travellers.py"))["COUNTRIES"]
    for row in dependencies:
        cue_start, cue_end, reminder_end, answer_start, answer_end = (int(row[name]) for name in OFFSETS)
        assert cue_start < cue_end <= reminder_end < answer_start < answer_end
        assert answer_start - reminder_end >= 10
        assert text[answer_start:answer_end] == row["answer"]
        assert "\n\n" not in text[cue_start:answer_end]
        cue = text[cue_start:cue_end]
        assert (countries[cue] if row["kind"] == "language" else cue) == row["answer"]
        # Nothing between the reminder and the answer gives it away.
        between = text[reminder_end:answer_start]
        assert not re.search(rf"\b({row['answer']}|{cue})\b", between), text[cue_start:answer_end]


def test_distances_cover_ten_to_eight_hundred(dependencies: list[dict[str, str]]) -> None:
    far = [int(row["answer_start"]) - int(row["reminder_end"]) for row in dependencies if row["kind"] == "language"]
    assert min(far) < 15
    assert 700 < max(far) <= 800
    for low, high in ((10, 30), (30, 60), (60, 160), (160, 300), (300, 801)):
        assert sum(low <= distance < high for distance in far) >= 100, (low, high)


def test_remembering_the_last_country_is_not_enough(dependencies: list[dict[str, str]]) -> None:
    middle = [
        row["last_named"] == row["answer"]
        for row in dependencies
        if row["kind"] == "language" and 60 <= int(row["answer_start"]) - int(row["reminder_end"]) < 160
    ]
    assert 0.2 < sum(middle) / len(middle) < 0.5


def test_there_is_variety(text: str, dependencies: list[dict[str, str]]) -> None:
    assert len({row["answer"] for row in dependencies if row["kind"] == "language"}) >= 25
    assert len({row["answer"] for row in dependencies if row["kind"] == "name"}) >= 25
    assert len(set(re.findall(r"[a-z'-]+", text.lower()))) >= 1500
