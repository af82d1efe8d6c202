"""Recall of runs trained on the bundled travellers, by distance, on a fresh text of the same kind.

python benchmarks/recall_on_fresh_text.py RUN [RUN …] [--size 4000000] [--beyond 250] [--keep FOLDER] [--plot FILE]

It is `lstmctl inspect recall RUN … --file FILE` with finer bins of distances, on a newly generated text. Only
paragraphs that ask for a language over more than 250 characters are read: these are rare, and the held-out part of the
bundled text has two dozen. One table per run, and one per cell over its runs: the mean, and the lowest and highest run.
With --keep, answers are stored as JSON and reused. --plot draws the first run of each cell.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from bisect import bisect
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from pydantic import TypeAdapter

from lstmctl import bundled, load_run
from lstmctl.inspection import inspect_recall
from lstmctl.reporting.blocks import Table
from lstmctl.reporting.inspection_plots import recall_plot
from lstmctl.reporting.inspection_tables import recall_blocks
from lstmctl.reporting.terminal import show
from lstmctl.results.inspection import RecallFindings

EDGES = (0, 10, 30, 60, 150, 250, 400, 550, 10**12)
KEPT = TypeAdapter(RecallFindings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--size", type=int, default=4_000_000)
    parser.add_argument("--beyond", type=int, default=250, metavar="CHARACTERS", help="0 reads all paragraphs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "travellers.txt")
        asked = []
        for name in chosen.runs:
            asks = f"{chosen.seed}-{chosen.size}-{chosen.beyond}"
            kept = chosen.keep / f"{Path(name).name}-{asks}.json" if chosen.keep else None
            if kept is not None and kept.is_file():
                asked.append(KEPT.validate_json(kept.read_bytes()))
                continue
            if not text.exists():
                generator = [sys.executable, str(bundled.data() / "make_travellers.py"), "--to", folder]
                subprocess.run([*generator, "--seed", str(chosen.seed), "--size", str(chosen.size)], check=True)
                keep_far_paragraphs(text, chosen.beyond)
            asked.append(inspect_recall(load_run(name), file=text, edges=EDGES))
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(KEPT.dump_json(asked[-1]))
    show(recall_blocks(asked), stream=sys.stdout)
    by_cell = defaultdict(list)
    for found in asked:
        by_cell[found.about.cell].append(found)
    show([over_runs(by_cell)], stream=sys.stdout)
    if chosen.plot and (plot := recall_plot([of_cell[0] for of_cell in by_cell.values()])):
        plot.save(chosen.plot)


def keep_far_paragraphs(text: Path, beyond: int) -> None:
    """Reduce a text and its table to the paragraphs that ask for a language over at least this many characters."""
    table = text.with_name(f"{text.stem}-dependencies.csv")
    with table.open(encoding="ascii", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "language"]
    paragraphs = [f"{paragraph}\n\n" for paragraph in text.read_text("ascii").removesuffix("\n").split("\n\n")]
    starts = [0, *accumulate(map(len, paragraphs))]
    asked = defaultdict(list)
    for row in rows:
        asked[bisect(starts, int(row["answer_start"])) - 1].append(row)
    kept, kept_rows, length = [], [], 0
    for number, of_paragraph in asked.items():
        if any(int(row["answer_start"]) - int(row["reminder_end"]) >= beyond for row in of_paragraph):
            moved = length - starts[number]
            kept_rows += [{key: _moved(value, key, moved) for key, value in row.items()} for row in of_paragraph]
            kept.append(paragraphs[number])
            length += len(paragraphs[number])
    text.write_text("".join(kept), "ascii")
    with table.open("w", encoding="ascii", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(kept_rows)


def _moved(value: str, column: str, characters: int) -> str:
    return str(int(value) + characters) if column.endswith(("_start", "_end")) else value


def over_runs(by_cell: dict[str, list[RecallFindings]]) -> Table:
    """A column per cell: its mean share of right answers, and the lowest and highest run."""
    first = next(iter(by_cell.values()))[0].bins
    rows = []
    for place, one in enumerate(first):
        distance = f"{one.nearest:,}–{one.farthest:,}" if place < len(first) - 1 else "all"
        cells = [_range([found.bins[place].right for found in of_cell]) for of_cell in by_cell.values()]
        rows.append((distance, f"{one.answers:,}", *cells, f"{100 * (one.last_named or 0):.1f} %"))
    columns = ("distance", "answers", *(f"{cell} ({len(runs)})" for cell, runs in by_cell.items()), "last named")
    return Table("recall-by-cell", "mean over runs (lowest to highest)", columns, tuple(rows))


def _range(shares: Sequence[float]) -> str:
    lowest, mean, highest = (100 * value for value in (min(shares), sum(shares) / len(shares), max(shares)))
    return f"{mean:.1f} % ({lowest:.0f} to {highest:.0f})"


if __name__ == "__main__":
    main()
