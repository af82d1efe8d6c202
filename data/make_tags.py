"""Write ``tags.csv``: sentences about people, streets, days and measures, with a tag for every character.

| tag | of |
| --- | --- |
| P | a person's name |
| S | a street |
| H | the number of a house |
| D | a day: its number and its month |
| N | the number of a measure |
| U | the unit of a measure |
| O | everything else |

The same word is several things: May is a woman, a month and a street; Mason and Baker are people and streets; "three"
counts miles, or anything else; a foot, a yard, a second and a pound are units, or a foot, a yard, the next one and a
blow. Three lines in ten have no capitals, so that these do not decide. A sentence is one of ``SENTENCES`` with its
slots filled; the words of a slot ``{P}`` or ``{U_time}`` get the tag of its capital, everything else is O, also where
it looks like one of the others.

Run it without arguments to rewrite the file next to it, byte for byte as it is committed.
"""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path

SEED = 1492
LINES = 2_000
SHORTEST, LONGEST = 20, 84  # Characters.
SHARE_OF_SMALL = 0.3  # Of lines without capitals.


def words(text: str) -> tuple[str, ...]:
    """Split a compact list."""
    return tuple(text.split())


# Most of these are streets, months or common words as well.
PEOPLE = words(
    "May Rose June April Mason Baker Miller Carter Hill Brook Park Young King Bishop Forest Long Short Reed Lane Field "
    "August Summer Grace Joy Mark Bill Frank Will"
)
STREETS = words("May Rose Mason Baker Miller Carter Hill Brook Park King Bishop Forest Long Reed Field August Mill")
KINDS = words("Street Lane Road Hill Row")
MONTHS = words("January February March April May June July August September October November December")
UNITS: dict[str, tuple[str, ...]] = {
    "U_length": words("feet yards miles metres inches"),
    "U_time": words("minutes seconds hours days"),
    "U_amount": words("pounds litres pints grams ounces feet yards"),
}
WORDS = words("two three four five six seven eight nine ten twelve fifteen twenty thirty fifty")
GOODS = words("flour rope cloth milk sugar wire paint silk apples coal")

SENTENCES: tuple[str, ...] = (
    "{P} lives at {H} {S}",
    "{P} moved to {S} on {D}",
    "{P} lives in {S}, at number {H}",
    "{P} bought {N} {U_amount} of {goods} in {S}",
    "{P} and {P} met on {D}",
    "{P} and {P} met in {S}",
    "on {D} {P} was {N} {U_time} late",
    "it is {N} {U_length} from {S} to {S}",
    "{P} walked {N} {U_length} along {S}",
    "bus {number} to {S} comes in {N} {U_time}",
    "{P} read chapter {number} on {D}",
    "{P} had {number} friends in {S}",
    "{N} {U_amount} of {goods} go to {H} {S}",
    "send {N} {U_amount} of {goods} to {P}, {H} {S}",
    "{P} may pay {number} people on {D}",
    "may {P} come on {D}?",
    "{P} will march {N} {U_length} in {month_only}",
    "in {month_only} {P} had {number} yards full of {goods}",
    "the second house in {S} is {N} {U_length} high",
    "{P}'s feet hurt after {N} {U_time}",
    "{P} hurt a foot in {S} on {D}",
    "waves pound the shore {N} {U_length} from {S}",
    "{P} took {number} steps, then {N} {U_amount} of {goods}",
    "a bill of {number} pages came to {P} on {D}",
    "the king and the baker met {P} in {S}",
    "the mill on the hill is {N} {U_length} from {H} {S}",
    "it was a long summer, and {P} slept {N} {U_time}",
    "room {number} is {N} {U_length} long",
    "the party at {H} {S} is on {D}",
    "call {P} after {number}, not after {N} {U_time}",
)


def number(draw: random.Random) -> str:
    """Return a number from 2 to 60, in digits or as a word."""
    return draw.choice(WORDS) if draw.random() < 0.4 else str(draw.randint(2, 60))


def filled(slot: str, draw: random.Random) -> str:
    """Return what stands in a slot."""
    if slot == "P":
        return draw.choice(PEOPLE) + (f" {draw.choice(PEOPLE)}" if draw.random() < 0.25 else "")
    if slot == "S":
        return f"{draw.choice(STREETS)} {draw.choice(KINDS)}"
    if slot == "H":
        return str(draw.randint(2, 60))
    if slot == "D":
        day, month = draw.randint(1, 28), draw.choice(MONTHS)
        return draw.choice((f"{day} {month}", f"{month} {day}"))
    if slot in ("N", "number"):
        return number(draw)
    return draw.choice({"goods": GOODS, "month_only": MONTHS, **UNITS}[slot])


def sentence(draw: random.Random) -> tuple[str, str]:
    """Return a sentence and its tags, one for each character."""
    text, tags = "", ""
    for piece in re.split(r"(\{\w+\})", draw.choice(SENTENCES)):
        slot = piece.strip("{}") if piece.startswith("{") else ""
        written = filled(slot, draw) if slot else piece
        text += written
        tags += (slot[0] if slot[:1].isupper() else "O") * len(written)
    return text[0].upper() + text[1:], tags


def generate(seed: int, lines: int) -> list[tuple[str, str]]:
    """Return so many lines of one or two sentences with their tags, no text twice."""
    draw = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < lines:
        text, tags = sentence(draw)
        if draw.random() < 0.5:
            second, more = sentence(draw)
            if not text.endswith("?"):
                text, tags = text + ".", tags + "O"
            text, tags = f"{text} {second}", f"{tags}O{more}"
        if not text.endswith("?"):
            text, tags = text + ".", tags + "O"
        if draw.random() < SHARE_OF_SMALL:
            text = text.lower()
        if SHORTEST <= len(text) <= LONGEST:
            found.setdefault(text, tags)
    return list(found.items())


def write(folder: Path) -> None:
    """Write the table."""
    with folder.joinpath("tags.csv").open("w", encoding="ascii", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["text", "tags"])
        table.writerows(generate(SEED, LINES))


if __name__ == "__main__":
    write(Path(__file__).resolve().parent)
