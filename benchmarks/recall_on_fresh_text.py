"""Recall by distance of runs trained on the bundled travellers, on new text of the same kind.

python benchmarks/recall_on_fresh_text.py RUN [RUN …] [--size 2000000] [--seed 1]

It is `lstmctl inspect recall RUN … --file FILE` with finer bins of distances, on a text that the generator writes anew:
two million characters ask 24,222 questions, of which the held-out part of the bundled text asks a twentieth.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from lstmctl import bundled, load_run
from lstmctl.inspection import inspect_recall
from lstmctl.reporting.inspection_tables import recall_blocks
from lstmctl.reporting.terminal import show

EDGES = (0, 10, 30, 60, 150, 250, 400, 550, 10**12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--size", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generator = [sys.executable, str(bundled.data() / "make_travellers.py"), "--to", folder]
        subprocess.run([*generator, "--seed", str(chosen.seed), "--size", str(chosen.size)], check=True)
        for name in chosen.runs:
            found = inspect_recall(load_run(name), file=Path(folder, "travellers.txt"), edges=EDGES)
            show(recall_blocks([found]), stream=sys.stdout)


if __name__ == "__main__":
    main()
