"""Odd texts for `fuzz_data.py`: of any size, alphabet and encoding, intact or damaged."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

CONFIG = """\
model: {cell: %s, hidden: 4, embedding: 4}
training: {budget: 2 steps, batch: 2, window: 4, precision: float32}
threads: 1
"""
ALPHABETS = {
    "ascii": "abcdefg ,.\n",
    "one symbol": "a",
    "control": "ab\x00\x01\x07\x08\x0b\x0c\x1b[31m\x7f\x85\x9b\r\n",
    "separators": "a\u2028\u2029\x1c\x1d\x1e\n",
    "chinese": "我在希腊长大会说流利的语,。\n",
    "emoji": "👩\u200d👩\u200d👧🏽é\u0301\u0302🇩🇪 \n",
    "right to left": "שלום\u202eabc\u202c مرحبا\n",
    "returns": "ab\r",
    "windows": "ab \r\n",
    "private": "\ue000\U000f0000a\ufeffb\ufffe\n",
    "western": "Größe café — “ja” … €\n",
}
ENCODINGS = ["utf-8"] * 9 + ["utf-8-sig", "cp1252", "gb18030", "shift_jis", "utf-16", "utf-16-le", "utf-32"]


@dataclass
class Case:
    """One case: the arguments of `data show` and `train`, and the commands that follow."""

    settings: list[str]
    uses: list[list[str]] = field(default_factory=list)
    """Commands for the run that was trained."""
    others: list[list[str]] = field(default_factory=list)
    """Commands that need no run."""


def make(draw: random.Random) -> Case:
    """Write a text, or several, and a config; return what is done with them."""
    pairs = draw.random() < 0.2
    alphabet = "".join(draw.sample(sorted(ALPHABETS.values()), draw.choice([1, 1, 1, 2])))
    size = draw.choice([0, 1, 2, 7, 30, 120, 600, 600, 3000, 3000, 20000])
    text = "".join(draw.choices(alphabet, k=size))
    if draw.random() < 0.3:
        text = "\n".join(draw.choices(text.split("\n") or [""], k=20))
    if pairs:
        halves = [line.replace("\t", " ") for line in text.split("\n")]
        tab = "\t" if draw.random() < 0.9 else draw.choice(["", "\t\t", " "])
        text = "".join(f"{line}{tab}{line[::-1]}\n" for line in halves[:80])
    content = spoilt(text.encode(draw.choice(ENCODINGS), "replace"), draw)
    names = ["a.txt"]
    if draw.random() < 0.1:
        Path("folder").mkdir()
        names = ["folder"]
        for number in range(draw.choice([0, 1, 3])):
            (Path("folder") / f"{number}{draw.choice(['.txt', '.TXT', '.md'])}").write_bytes(content)
    else:
        Path("a.txt").write_bytes(content)
    cell = draw.choice(["rnn", "lstm", "gru"])
    Path("c.yaml").write_text(CONFIG % cell)
    key = "pairs" if pairs else "text"
    settings = ["c.yaml", f"data.{key}={names[0]}"]
    if pairs:
        settings.append("task.type=transduction")
    elif draw.random() < 0.3:
        settings.append("data.symbols=bytes")
    if draw.random() < 0.3:
        settings.append(draw.choice(["data.split=[0.6,0.4]", "data.split=[0.9,0.05,0.05]", "data.split=[20,10]"]))
    if draw.random() < 0.2:
        settings.append(draw.choice(["training.window=500", "training.batch=64", "model.layers=2"]))
    start = text[: draw.choice([0, 1, 5])].replace("\0", "") if not pairs else ""
    uses = [
        ["generate", "--length", "30", "--prompt", start],
        ["generate", "--length", "20", "--count", "3", "--temperature", "0", "--json"],
        [
            "generate",
            "--length",
            "20",
            "--stop",
            draw.choice(["a", "\n", " "]),
            "--prompt",
            "é\x1b",
            "--replace-unknown",
        ],
        ["evaluate"],
        ["evaluate", "latest", names[0]],
        ["predict", "latest", "--text", start or "a"],
        ["predict", "latest", names[0]],
        ["inspect", "gates", "--symbols", "10"],
    ]
    if pairs:  # what reads one text and writes another continues none
        uses = [use for use in uses if use[0] != "generate"]
    return Case(
        settings, draw.sample(uses, 4), [["data", "prepare", *settings, "--to", "made"]] if draw.random() < 0.2 else []
    )


def spoilt(content: bytes, draw: random.Random) -> bytes:
    """Spoil some contents: bytes changed, cut off, put in or repeated."""
    if not content or draw.random() < 0.7:
        return content
    place = draw.randrange(len(content))
    match draw.randrange(5):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :]
        case 2:
            return content[:place] + b"\0" * draw.choice([1, 100]) + content[place:]
        case 3:
            return content[:place] + bytes(draw.randrange(256) for _ in range(20)) + content[place:]
        case _:
            return content[:place] + content[place : place + 1] * 200_000 + content[place:]
