"""Write ``requests.csv``: what people say to an assistant at home, each line with what it is asked to do.

Three lines in four name two things and want one of them: "don't play jazz, dim the hall lamp" and "play jazz, but don't
dim the hall lamp" hold the same words. Which of the two is wanted, stands in the order of the words, in negations, and
in negations that are none ("don't forget to …"). The rooms, numbers and verbs ("turn on", "turn up", "put on") serve
several intents.

Every line is a frame of ``FRAMES`` with its slots filled: ``{A}`` is what is asked for, ``{B}`` what is not. Both are
drawn from ``ACTIONS`` by the same weights, so the pair alone does not tell which is which.

Run it without arguments to rewrite the file next to it, byte for byte as it is committed.
"""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path

SEED = 2718
LINES = 3_000
SHORTEST, LONGEST = 20, 90  # Characters.
SHARE_OF_TWO = 0.75  # Of lines that name two things.

WEIGHTS: dict[str, int] = {  # Of a hundred requests; the classes are not balanced, as in a home.
    "music": 30,
    "lights-on": 24,
    "timer": 18,
    "lights-off": 13,
    "heating-up": 10,
    "heating-down": 5,
}
VOCABULARY: dict[str, tuple[str, ...]] = {
    "room": ("kitchen", "hall", "bedroom", "attic", "study", "bathroom", "cellar", "nursery", "living room", "garage"),
    "lamp": ("lamp", "lights", "light", "ceiling light", "spotlight"),
    "music": (
        "jazz", "the radio", "some blues", "a waltz", "the news", "an opera", "my songs", "choir music", "the drums",
        "piano music",
    ),
    "number": ("two", "three", "four", "five", "six", "eight", "ten", "twelve", "fifteen", "twenty"),
}  # fmt: skip
ACTIONS: dict[str, tuple[str, ...]] = {
    "music": (
        "play {music} in the {room}",
        "play {music}",
        "put on {music}",
        "turn on {music}",
        "turn up {music} in the {room}",
        "let me hear {music}",
        "switch the speakers in the {room} on",
    ),
    "lights-on": (
        "turn on the {room} {lamp}",
        "switch on the {lamp} in the {room}",
        "switch the {room} {lamp} on",
        "put the {lamp} on",
        "turn up the {lamp} in the {room}",
        "make the {room} brighter",
        "light up the {room}",
    ),
    "timer": (
        "set a timer for {number} minutes",
        "start a timer",
        "put the timer on {number} minutes",
        "count down {number} minutes",
        "wake me in {number} minutes",
        "turn on the {room} timer",
        "let me know in {number} minutes",
    ),
    "lights-off": (
        "turn off the {room} {lamp}",
        "switch off the {lamp} in the {room}",
        "switch the {room} {lamp} off",
        "put the {lamp} out",
        "turn down the {lamp} in the {room}",
        "make the {room} darker",
    ),
    "heating-up": (
        "turn up the heating",
        "turn on the heating in the {room}",
        "put the heating up by {number} degrees",
        "make the {room} warmer",
        "make it {number} degrees warmer",
    ),
    "heating-down": (
        "turn down the heating",
        "turn off the heating in the {room}",
        "put the heating down by {number} degrees",
        "make the {room} cooler",
        "make it {number} degrees cooler",
    ),
}
FRAMES: tuple[str, ...] = (
    "{A}, but don't {B}",
    "{A} and do not {B}",
    "please {A}, don't {B}",
    "I want you to {A}, not to {B}",
    "I said {A}, not {B}",
    "{A} rather than {B}",
    "{A}, there is no need to {B}",
    "I asked you to {A}, not to {B}",
    "don't forget to {A}, but don't {B}",
    "why don't you {A}? no need to {B}",
    "don't {B}, {A}",
    "do not {B} but {A}",
    "please don't {B}, {A}",
    "I don't want you to {B}, I want you to {A}",
    "I did not say {B}, I said {A}",
    "rather than {B}, {A}",
    "no need to {B}, {A}",
    "I asked you not to {B} but to {A}",
    "don't {B}, and don't forget to {A}",
    "there is no need to {B}, why don't you {A}?",
)
SINGLE_FRAMES: tuple[str, ...] = (
    "{A}",
    "please {A}",
    "{A}, please",
    "could you {A}",
    "I want you to {A}",
    "don't forget to {A}",
    "why don't you {A}?",
    "it is time to {A}",
    "don't wait, {A}",
)


def fill(template: str, draw: random.Random) -> str:
    """Draw a word for every slot of the vocabulary."""
    return re.sub(r"\{([a-z]+)\}", lambda slot: draw.choice(VOCABULARY[slot[1]]), template)


def request(draw: random.Random) -> tuple[str, str]:
    """Return a request and its intent."""
    intents, weights = list(WEIGHTS), list(WEIGHTS.values())
    asked = draw.choices(intents, weights)[0]
    wanted = fill(draw.choice(ACTIONS[asked]), draw)
    if draw.random() >= SHARE_OF_TWO:
        return draw.choice(SINGLE_FRAMES).replace("{A}", wanted), asked
    refused = asked
    while refused == asked:
        refused = draw.choices(intents, weights)[0]
    unwanted = fill(draw.choice(ACTIONS[refused]), draw)
    return draw.choice(FRAMES).replace("{A}", wanted).replace("{B}", unwanted), asked


def generate(seed: int, lines: int) -> list[tuple[str, str]]:
    """Return so many requests with their intents, in random order and no text twice."""
    draw = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < lines:
        text, intent = request(draw)
        if SHORTEST <= len(text) <= LONGEST:
            found.setdefault(text, intent)
    return list(found.items())


def write(folder: Path) -> None:
    """Write the table."""
    with folder.joinpath("requests.csv").open("w", encoding="ascii", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["text", "label"])
        table.writerows(generate(SEED, LINES))


if __name__ == "__main__":
    write(Path(__file__).resolve().parent)
