"""Labelled texts against a linear model of character n-grams: accuracy, leads with their intervals, unknown symbols.

python benchmarks/labels.py
python benchmarks/labels.py --tables spam --seeds 1

Three tables: made-up messages, 13 % of them spam, with typing errors, accents and emoji; made-up surnames of ten
languages; and the bundled requests (`intents`). The first two have the form of the SMS Spam Collection and of the names
in PyTorch's tutorial. Each is split at random, stratified by label; every run uses the same parts.

"Before" takes the vocabulary from all parts, as earlier versions did: characters that training never showed keep the
random embedding they started with. "After" takes it from the training part, with one learned symbol for all others.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstmctl import Run, train
from lstmctl.baselines.ngram_regression import classes_by_ngrams
from lstmctl.data.labelled_table import LabelledTable
from lstmctl.reporting.stored_evaluation import read_evaluation

HAM = (
    "are you coming {when}?",
    "i'll be {late} late, sorry",
    "can you pick up {thing} {when}",
    "ok see you {when}",
    "did you win at {game} last night?",
    "free {when}? call me",
    "happy birthday {name}! hope you get the {thing} you want",
    "the {thing} costs {price}, shall i buy it",
    "meeting moved to {when}, text {name}",
    "lol no i lost my {thing} again",
)
SPAM = (
    "win a {thing}! text {word} to {number}",
    "you have won {price}, call {number} now",
    "free {thing} {when} only, reply {word}",
    "urgent: claim your {price} prize, call {number}",
    "{name}, your account is locked, text {word} to {number}",
    "last chance: {thing} for {price}, order {when}",
)
SLOTS: dict[str, Callable[[random.Random], str]] = {
    "when": lambda draw: draw.choice(["today", "tonight", "tomorrow", "at 8", "on friday", "after work"]),
    "late": lambda draw: draw.choice(["a bit", "very", "10 mins", "half an hour"]),
    "thing": lambda draw: draw.choice(["phone", "milk", "ticket", "holiday", "keys", "camera", "bag", "ringtone"]),
    "game": lambda draw: draw.choice(["cards", "chess", "football", "bingo"]),
    "name": lambda draw: draw.choice(["Ann", "Zoë", "José", "Łukasz", "Søren", "Bob", "Aoife", "İpek", "Đorđe"]),
    "price": lambda draw: f"{draw.choice('£$€¥₩')}{draw.choice([5, 20, 100, 500, 1000, 2000])}",
    "number": lambda draw: f"0{draw.randint(700, 899)}{draw.randint(10**5, 10**6)}",
    "word": lambda draw: draw.choice(["WIN", "YES", "GO", "STOP", "CLAIM"]),
}
EMOJI = [chr(0x1F600 + number) for number in range(60)]
LANGUAGES: dict[str, tuple[str, str, str]] = {  # beginnings, middles, ends
    "Czech": ("Nov Dvoř Svob Čern Proch Kuč Vesel Hor Ně", "á ot a o ez ov ál", "ák ný a ek ský ka ec"),
    "Dutch": ("van Jans de Vis Bak Mul Hend Kuip Smit", "en er ij oo aa ee", "s man sen ker stra ma"),
    "English": ("Smi Bro Wat Har Tay Ash Clar Wood Mil", "th wn er ri lo le ng", "s son ton ford ley er"),
    "French": ("Dub Mar Ber Laur Lef Gir Rous Fon Mer", "oi t na eb au el eau", "ier in eau et ard ois ault"),
    "German": ("Müll Schm Web Schn Hoff Wag Kra Beck Vog", "er id ei ma n ö u", "mann er t el bach berg lich"),
    "Irish": ("O'B Mac Kel Mur Sul Fitz Ry Quin Dun", "ri co l ph li ge a", "en mick ly y van rald ne"),
    "Italian": ("Ross Ferr Bian Rom Col Ric Mar Gre Con", "i ar c an om e in", "i o etti elli ini ucci"),
    "Japanese": ("Sa Su Ta Wa Ya Na Ko Mo Fu", "to zu na ma ka mu ri", "moto mura da ki shi ta be"),
    "Polish": ("Now Kow Wiś Wójc Kam Lew Ziel Szym Dąb", "ak al ni ik iń an o", "ski czyk wicz ak ek iak"),
    "Spanish": ("Gar Rod Gon Fer Lóp Mart Sán Pér Góm", "cí rí zá nán é ín ch", "ez a o es illo era"),
}


def messages(rows: int, seed: int) -> Iterator[tuple[str, str]]:
    """Draw messages with their labels."""
    draw = random.Random(seed)
    for _ in range(rows):
        label = "spam" if draw.random() < 0.13 else "ham"
        parts = [draw.choice(SPAM if label == "spam" else HAM)]
        if draw.random() < 0.6:  # most of the second sentences are what anyone might say
            parts.append(draw.choice(HAM if draw.random() < 0.8 else SPAM))
        text = " ".join(parts).format_map({name: slot(draw) for name, slot in SLOTS.items()})
        text = "".join(draw.choice("abcdefghijklmnopqrstuvwxyz") if draw.random() < 0.03 else one for one in text)
        if draw.random() < 0.15:
            text += f" {draw.choices(EMOJI, [1 / (number + 1) for number in range(len(EMOJI))])[0]}"
        yield text.upper() if draw.random() < (0.3 if label == "spam" else 0.05) else text, label


def surnames(rows: int, seed: int) -> Iterator[tuple[str, str]]:
    """Draw surnames with their languages; a tenth has another language's end."""
    draw = random.Random(seed)
    for _ in range(rows):
        language = draw.choice(list(LANGUAGES))
        begin, middle, end = (part.split() for part in LANGUAGES[language])
        if draw.random() < 0.1:
            end = LANGUAGES[draw.choice(list(LANGUAGES))][2].split()
        parts = [draw.choice(begin), *(draw.choice(middle) for _ in range(draw.choice([0, 1, 1, 2]))), draw.choice(end)]
        yield "".join(parts), language


TRAINING = {"batch": 32, "learning_rate": 3e-3, "schedule": "cosine", "clip": 1.0}
MODEL = {"cell": "lstm", "hidden": 64, "embedding": 32, "dropout": 0.2, "direction": "bidirectional"}
TABLES: dict[str, tuple[Callable[[int, int], Iterator[tuple[str, str]]] | None, int, str]] = {
    "spam": (messages, 2000, "8 epochs"),
    "surnames": (surnames, 3000, "12 epochs"),
    "requests": (None, 3000, "12 epochs"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the rows of the made-up tables, for a quick look")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores\n")
    print("| table | seed | run | n-gram regression | lead (95 % interval) | shown | baseline, CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    unknown: list[str] = []
    try:
        _run_all(arguments, unknown)
    finally:
        print("\n| table | seed | test rows with unknown symbols | share | accuracy before | after |")
        print("| --- | --- | --- | --- | --- | --- |")
        print("\n".join(unknown))


def _run_all(arguments: argparse.Namespace, unknown: list[str]) -> None:
    """Print a row per run, and add one on unknown symbols."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = str(Path(folder) / "runs")
        for name in arguments.tables:
            draw, rows, budget = TABLES[name]
            table = "requests.csv"
            if draw is not None:
                table = _write(Path(folder) / f"{name}.csv", draw(int(rows * arguments.share), 0))
            for seed in range(arguments.seeds):
                run = _trained(table, budget, seed, "training")
                print(f"| {name} | {seed} | {_row(run)} |", flush=True)
                if draw is not None:
                    before = _trained(table, budget, seed, "all")
                    unknown.append(f"| {name} | {seed} | {_on_unknown(before, run)} |")


def _write(path: Path, rows: Iterator[tuple[str, str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


def _trained(table: str, budget: str, seed: int, vocabulary: str) -> Run:
    config: dict[str, Any] = {
        "task": {"type": "classification"},
        "data": {"table": table, "split": [0.6, 0.1, 0.3], "split_by": "random", "vocabulary": vocabulary},
        "model": MODEL,
        "training": {**TRAINING, "budget": budget},
        "seed": seed,
        "threads": 1,
    }
    return train(config)


def _row(run: Run) -> str:
    part = [run.corpus().part(name) for name in ("training", "validation", "test")]
    started = time.process_time()
    classes_by_ngrams(*part, len(run.task.encoding.labels))
    seconds = time.process_time() - started
    stored = read_evaluation(run.path)
    assert stored is not None
    evaluation = stored.evaluation
    lead = evaluation.leads["n-gram regression"]
    figures = [evaluation.metrics["accuracy"], evaluation.baselines["n-gram regression"]["accuracy"]]
    shown = f"{lead.lead:+.4f} ({lead.low:+.4f} to {lead.high:+.4f}) | {lead.shown} | {seconds:.1f}"
    return f"{figures[0]:.4f} | {figures[1]:.4f} | {shown}"


def _on_unknown(before: Run, after: Run) -> str:
    """Test rows with symbols that the training part lacks, and the accuracy on them."""
    corpora = [run.corpus() for run in (before, after)]
    assert all(isinstance(corpus, LabelledTable) for corpus in corpora)
    symbols = after.task.encoding.symbols
    part = corpora[1].part("test")
    rows = [number for number in range(len(part)) if (part.input(number) == symbols.unknown).any()]
    if not rows:
        return f"0 of {len(part)} | 0 | – | –"
    right = [
        np.mean([prediction.label == run.task.encoding.labels[target] for prediction, target in found])
        for run, corpus in zip((before, after), corpora, strict=True)
        for predictions in [run.task.predictions(run.model, corpus.part("test"), run.device)]
        for found in [[(predictions[number], corpus.part("test").targets[number]) for number in rows]]
    ]
    return f"{len(rows)} of {len(part)} | {len(rows) / len(part):.1%} | {right[0]:.4f} | {right[1]:.4f}"


if __name__ == "__main__":
    main()
