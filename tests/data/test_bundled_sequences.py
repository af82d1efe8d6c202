"""The bundled labelled sequences are what their generators make, and as hard as data/README.md says."""

from __future__ import annotations

import csv
import datetime
import re
import runpy
import shutil
import subprocess
import wave
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
MADE = {
    "make_requests.py": ["requests.csv"],
    "make_movements.py": ["movements.csv", "steps.csv"],
    "make_tags.py": ["tags.csv"],
    "make_dates.py": ["dates.tsv"],
    "make_countries.py": ["countries.csv"],
}


def maker(name: str) -> dict[str, Any]:
    return runpy.run_path(str(DATA / name))


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def dates() -> list[tuple[str, str]]:
    lines = (DATA / "dates.tsv").read_text(encoding="utf-8").splitlines()
    return [(words, date) for words, _, date in (line.partition("\t") for line in lines)]


@pytest.mark.parametrize("name", MADE)
def test_the_committed_files_are_what_the_generator_makes(tmp_path: Path, name: str) -> None:
    maker(name)["write"](tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(MADE[name])
    for file in MADE[name]:
        written = (tmp_path / file).read_bytes()
        assert written == (DATA / file).read_bytes()
        assert len(written) < 400_000


@pytest.mark.parametrize(("name", "count"), [("make_requests.py", 50), ("make_tags.py", 50), ("make_dates.py", 50)])
def test_another_seed_makes_other_lines(name: str, count: int) -> None:
    made = maker(name)
    assert made["generate"](made["SEED"], count) != made["generate"](made["SEED"] + 1, count)


# Requests.


def test_requests_are_of_six_intents_of_different_sizes() -> None:
    found = rows("requests.csv")
    counts = Counter(row["label"] for row in found)
    assert len(found) == len({row["text"] for row in found}) == 3000
    assert set(counts) == set(maker("make_requests.py")["WEIGHTS"])
    assert max(counts.values()) > 5 * min(counts.values())
    assert all(20 <= len(row["text"]) <= 90 for row in found)


def test_what_is_refused_is_as_much_there_as_what_is_asked_for() -> None:
    """Of the lines that name two things, the one that is wanted comes first in about half."""
    made = maker("make_requests.py")
    order: Counter[bool] = Counter()
    for frame in made["FRAMES"]:
        order[frame.index("{A}") < frame.index("{B}")] += 1
    assert order[True] == order[False]


def test_the_characters_of_a_request_do_not_tell_what_is_wanted() -> None:
    """Turned round, most frames with a refusal hold the same words for the other intent."""
    made = maker("make_requests.py")
    words = [Counter(re.findall(r"\w+", re.sub(r"\{[AB]\}", "", frame))) for frame in made["FRAMES"]]
    first = [frame.index("{A}") < frame.index("{B}") for frame in made["FRAMES"]]
    for cue in ("don", "not", "need", "want", "rather"):
        sides = {side for found, side in zip(words, first, strict=True) if found[cue]}
        assert sides == {True, False}, cue


# Movements and steps.


@pytest.mark.parametrize("name", ["movements.csv", "steps.csv"])
def test_frames_of_a_sequence_follow_each_other(name: str) -> None:
    names = [row["sequence"] for row in rows(name)]
    starts = [name for name, before in zip(names, ["", *names], strict=False) if name != before]
    assert len(starts) == len(set(starts))
    lengths = Counter(names)
    assert set(range(24, 49)) == set(lengths.values())


def test_strength_alone_does_not_tell_walking_from_stairs_or_cycling() -> None:
    energy: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows("movements.csv"):
        energy[row["label"]][row["sequence"]].append(float(row["z"]))
    spread = {label: sorted(np.std(values) for values in found.values()) for label, found in energy.items()}
    assert set(spread) == {"walk", "stairs", "run", "cycle", "sit"}
    for one, other in (("walk", "stairs"), ("walk", "cycle")):
        middle = spread[one][len(spread[one]) // 2]
        assert spread[other][0] < middle < spread[other][-1]
    assert max(spread["sit"]) < min(spread["run"])


def test_steps_are_as_frequent_as_they_are_said_to_be() -> None:
    """The strongest frequency of the upward acceleration, by least squares on a fine grid, equals the label."""
    told: dict[str, float] = {}
    up: dict[str, list[float]] = defaultdict(list)
    for row in rows("steps.csv"):
        told[row["sequence"]] = float(row["frequency"])
        up[row["sequence"]].append(float(row["up"]))
    grid = np.linspace(1.2, 3.6, 241)
    errors = []
    for sequence, values in up.items():
        centred = np.array(values) - np.mean(values)
        waves = np.exp(-2j * np.pi * grid[:, None] * np.arange(len(values)) / 12.5)
        errors.append(abs(grid[np.argmax(np.abs(waves @ centred))] - told[sequence]))
    assert np.median(errors) < 0.05
    assert 1.3 < min(told.values()) < 1.7
    assert 2.8 < max(told.values()) < 3.5


def test_phases_come_in_their_order() -> None:
    order = ("strike", "stance", "push", "swing")
    last: dict[str, str] = {}
    jumps = 0
    found = rows("steps.csv")
    for row in found:
        before = last.get(row["sequence"])
        last[row["sequence"]] = row["phase"]
        if before is not None:
            ahead = (order.index(row["phase"]) - order.index(before)) % 4
            jumps += ahead > 1  # One is left out if frames are farther apart than its duration; none is repeated.
            assert ahead < 3
    assert jumps < 0.1 * len(found)
    assert {row["phase"] for row in found} == set(order)


# Tags.


def test_every_character_has_a_tag() -> None:
    found = rows("tags.csv")
    assert len(found) == 2000
    assert all(len(row["text"]) == len(row["tags"]) and set(row["tags"]) <= set("OPSHDNU") for row in found)
    assert all(row["text"] == row["text"].strip() for row in found)


def test_the_same_word_has_several_tags() -> None:
    tags: dict[str, set[str]] = defaultdict(set)
    for row in rows("tags.csv"):
        for word in re.finditer(r"\w+", row["text"].lower()):
            tags[word[0]].add(row["tags"][word.start()])
    assert {"P", "S", "D", "O"} <= tags["may"]
    assert {"P", "S", "O"} <= tags["baker"]
    assert {"U", "O"} <= tags["feet"] & tags["yards"]
    assert {"N", "H", "D", "O"} <= tags["12"]
    assert {"N", "O"} <= tags["three"]


# Dates.


def test_dates_are_distinct_and_right() -> None:
    found = dates()
    assert len(found) == len({words for words, _ in found}) == 10_000
    assert len({date for _, date in found}) > 9000
    years = {datetime.date.fromisoformat(date).year for _, date in found}
    assert years == set(range(1900, 2100))


def test_numbers_of_a_date_are_those_of_its_words() -> None:
    for words, date in dates():
        day = datetime.date.fromisoformat(date)
        numbers = [int(number) for number in re.findall(r"\d+", words)]
        assert set(numbers) <= {day.day, day.month, day.year}, words
        assert len(numbers) <= 2 or re.fullmatch(r"\d+\.\d+\.\d+|\d+/\d+/\d+", words), words


def test_weekdays_are_right() -> None:
    made = maker("make_dates.py")
    seen = 0
    for words, date in dates():
        word = re.split(r"[ ,]", words)[0]
        for names in made["WEEKDAYS"].values():
            if word in names:
                seen += 1
                assert names.index(word) == datetime.date.fromisoformat(date).weekday(), words
    assert seen > 2000


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (datetime.date(1987, 5, 3), "May the third, nineteen eighty-seven"),
        (datetime.date(1900, 1, 30), "January the thirtieth, nineteen hundred"),
        (datetime.date(1905, 12, 21), "December the twenty-first, nineteen oh five"),
        (datetime.date(2000, 2, 12), "February the twelfth, two thousand"),
        (datetime.date(2009, 3, 31), "March the thirty-first, two thousand and nine"),
        (datetime.date(2045, 9, 26), "September the twenty-sixth, twenty forty-five"),
        (datetime.date(1987, 5, 3), "Sunday the third of May 1987"),
        (datetime.date(1987, 5, 21), "am einundzwanzigsten Mai 1987"),
        (datetime.date(1987, 3, 30), "am dreißigsten März 1987"),
        (datetime.date(1987, 5, 1), "le 1er mai 1987"),
        (datetime.date(1987, 5, 3), "mayo 3 de 1987"),
        (datetime.date(1987, 9, 3), "3. IX. 1987"),
        (datetime.date(1987, 5, 22), "the 22nd of May, 1987"),
        (datetime.date(1987, 5, 11), "the 11th of May, 1987"),
    ],
)
def test_a_date_in_words(date: datetime.date, expected: str) -> None:
    assert expected in {style(date) for _, style in maker("make_dates.py")["STYLES"]}


# Countries.


def test_a_paragraph_names_its_country_and_speaks_its_language() -> None:
    languages = runpy.run_path(str(DATA / "make_travellers.py"))["COUNTRIES"]
    found = rows("countries.csv")
    assert len(found) == len({row["text"] for row in found}) == 1800
    assert len({row["country"] for row in found}) == 16
    for row in found:
        assert row["country"] in row["text"]
        assert languages[row["country"]] in row["text"]
    others = sum(any(name in row["text"] for name in languages if name != row["country"]) for row in found)
    assert others > 100  # a distractor in some


def test_paragraphs_are_not_those_of_the_corpus() -> None:
    corpus = set((DATA / "travellers.txt").read_text(encoding="ascii").split("\n\n"))
    again = sum(row["text"] in corpus for row in rows("countries.csv"))
    assert again < 18  # The shortest lives are few, so that one comes again by chance.


# Spoken words.


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_the_committed_recordings_are_what_the_generator_makes(tmp_path: Path) -> None:
    spoken = subprocess.run(["espeak-ng", "--version"], check=True, capture_output=True, text=True).stdout
    if " 1.51 " not in spoken:
        pytest.skip(f"the recordings were made with espeak-ng 1.51, and this is {spoken}")
    maker("make_spoken_words.py")["write"](tmp_path)
    made = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert made == {name: (DATA / name).read_bytes() for name in made}
    assert len(made) == 145


def test_every_speaker_says_every_word_once_in_its_own_background() -> None:
    table, made = rows("spoken-words.csv"), maker("make_spoken_words.py")
    said = Counter(tuple(Path(row["file"]).stem.split("-")) for row in table)
    assert said == {(word, f"s{number:02}"): 1 for word in made["WORDS"] for number in range(1, 25)}
    assert sum((DATA / row["file"]).stat().st_size for row in table) < 1_500_000
    for row in table:
        with wave.open(str(DATA / row["file"])) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        start, end = (round(8000 * float(row[edge])) for edge in ("start", "end"))
        background = np.concatenate([samples[:start], samples[end:]])
        # The word's own power, without that of the background behind it.
        below = 10 * np.log10(np.mean(samples[start:end] ** 2) / np.mean(background**2) - 1)
        assert 5 < below < 28
        assert row["speaker"] in row["file"]
