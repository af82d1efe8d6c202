"""Measure whether a recurrent network remembers where somebody grew up, by the distance it has to remember it over.

Trains the bundled config ``travellers`` (or takes a run that exists) and scores the language answers in the last 10 %
of the text, which training never reads: the model reads the text up to each answer, in one go and carrying its state,
and chooses among all languages by the probability it gives to the whole word. Distances are counted from the last
mention that gives the answer away. Next to the model stand three baselines that need no training; "last named"
answers with the language of the country or language named last.

    python benchmarks/travellers_recall.py --budget "8M characters" --window 128
    python benchmarks/travellers_recall.py --run latest
"""

from __future__ import annotations

import argparse
import csv
import os
from collections import Counter
from pathlib import Path

import torch

import lstmctl

DATA = Path(__file__).resolve().parent.parent / "data"
BUCKETS = ((10, 30), (30, 60), (60, 160), (160, 300), (300, 801))
Row = dict[str, str]


@torch.inference_mode()
def choose(run: lstmctl.Run, text: str, start: int, questions: list[Row], candidates: list[str]) -> list[str]:
    """Return for each question the candidate to which the model gives the highest probability as a whole word."""
    model, encoding = run.model, run.task.encoding
    symbols = torch.from_numpy(encoding.encode(text[start:])).long()
    words = [torch.from_numpy(encoding.encode(candidate)).long() for candidate in candidates]
    padded = torch.nn.utils.rnn.pad_sequence(words)
    position, state = 0, model.initial_state(1)
    chosen = []
    for question in questions:
        answer = int(question["answer_start"]) - start
        logits, state = model(symbols[position:answer, None], state)
        position = answer
        first = logits[-1, 0].log_softmax(-1)
        copies = tuple(tuple(part.expand(len(words), -1).contiguous() for part in layer) for layer in state)
        following = model(padded, copies)[0].log_softmax(-1)
        scores = [
            first[word[0]] + sum(following[place, number, word[place + 1]] for place in range(len(word) - 1))
            for number, word in enumerate(words)
        ]
        chosen.append(candidates[int(torch.stack(scores).argmax())])
    return chosen


def distance(question: Row) -> int:
    """Characters over which the answer has to be remembered."""
    return int(question["answer_start"]) - int(question["reminder_end"])


def table(rows: dict[str, list[str]], questions: list[Row], languages: int) -> str:
    """Lay out how often each answerer is right, by distance, as a Markdown table."""
    lines = ["| distance | answers | " + " | ".join(rows) + " | uniform |", "|---|---|" + "---|" * (len(rows) + 1)]
    for low, high in (*BUCKETS, (0, 10**9)):
        members = [place for place, question in enumerate(questions) if low <= distance(question) < high]
        if members:
            shares = [sum(given[place] == questions[place]["answer"] for place in members) for given in rows.values()]
            cells = [f"{100 * share / len(members):.1f} %" for share in (*shares, len(members) / languages)]
            label = f"{low}-{high - 1}" if low else "all"
            lines.append(f"| {label} | {len(members)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train or load, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="score this run instead of training one")
    parser.add_argument("--budget", default="8M characters", help="how long to train (default: %(default)s)")
    parser.add_argument("--window", type=int, default=64, help="characters per update (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="rows read side by side (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the run (default: %(default)s)")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="further settings of the config")
    wanted = parser.parse_args()

    text = DATA.joinpath("travellers.txt").read_text(encoding="ascii")
    with DATA.joinpath("travellers-dependencies.csv").open(encoding="ascii", newline="") as file:
        dependencies = [row for row in csv.DictReader(file) if row["kind"] == "language"]
    start = len(text) * 9 // 10
    questions = [row for row in dependencies if int(row["cue_start"]) > start]
    known = Counter(row["answer"] for row in dependencies if int(row["answer_end"]) <= len(text) * 8 // 10)
    if wanted.run:
        run = lstmctl.load_run(wanted.run)
    else:
        settings = {"budget": wanted.budget, "window": wanted.window, "batch": wanted.batch}
        overrides = [f"training.{key}={value}" for key, value in settings.items()]
        run = lstmctl.train("travellers", [*overrides, f"seed={wanted.seed}", *wanted.overrides])
    candidates = sorted(known)
    rows = {
        "model": choose(run, text, start, questions, candidates),
        "last named": [question["last_named"] for question in questions],
        "most frequent": [known.most_common(1)[0][0]] * len(questions),
    }
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} threads")
    print(f"{run.path if wanted.run is None else wanted.run}\n")
    print(table(rows, questions, len(candidates)))


if __name__ == "__main__":
    main()
