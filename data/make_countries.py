"""Write ``countries.csv``: lives of travellers, a paragraph a row, with the country each of them grew up in.

The paragraphs are those of ``make_travellers.py``, from another seed: short lives in which somebody grows up in a
country and speaks its language again and again, sometimes with another country in between. Only lives with one person's
country are taken. A paragraph that is written for a country has to name it, and to keep to its language to the end.

Run it without arguments to rewrite the file next to it, byte for byte as it is committed.
"""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

SEED = 1871
ROWS = 1_800
LONGEST = 240  # Characters.
COUNTRIES = (
    *("France", "Germany", "Italy", "Spain", "Poland", "Sweden", "Finland", "Greece"),
    *("Turkey", "Japan", "China", "Hungary", "Wales", "Egypt", "Kenya", "Nepal"),
)


def generate(seed: int, rows: int) -> list[tuple[str, str]]:
    """Return so many countries with a paragraph each, in random order and no paragraph twice."""
    travellers = runpy.run_path(str(Path(__file__).resolve().parent / "make_travellers.py"))
    writer = travellers["Writer"](seed)
    found: dict[str, str] = {}
    while len(found) < rows:
        text, dependencies = travellers["settle"](writer.paragraph(), 0)
        cues = {text[entry.cue_start : entry.cue_end] for entry in dependencies if entry.kind == "language"}
        country = cues.pop() if len(cues) == 1 else ""
        if country in COUNTRIES and len(text) <= LONGEST:
            found.setdefault(text, country)
    return [(country, text) for text, country in found.items()]


def write(folder: Path) -> None:
    """Write the table."""
    with folder.joinpath("countries.csv").open("w", encoding="ascii", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["country", "text"])
        table.writerows(generate(SEED, ROWS))


if __name__ == "__main__":
    write(Path(__file__).resolve().parent)
